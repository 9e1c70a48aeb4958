/**
 * A 32-bit seed out of a text. Source: FNV-1a.
 *
 * @param {string} text
 */
const seedOf = (text) => {
  let hash = 0x811c9dc5
  for (const byte of Buffer.from(text)) hash = Math.imul(hash ^ byte, 0x01000193)
  return hash
}

/**
 * Numbers in [0, 1) with 32 random bits, the same ones for the same seed. Source: the mulberry32 generator.
 *
 * @param {string} seed
 * @returns {() => number}
 */
export const createRandom = (seed) => {
  let state = seedOf(seed)
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let bits = Math.imul(state ^ (state >>> 15), state | 1)
    bits ^= bits + Math.imul(bits ^ (bits >>> 7), bits | 61)
    return ((bits ^ (bits >>> 14)) >>> 0) / 0x100000000
  }
}

/** Odd numbers without a pattern: the bits of the golden ratio, of e, of pi and of the square root of 2. */
const lanes = [0x9e3779b1, 0xadf85459, 0x243f6a89, 0xb504f333]

/**
 * A short text that stands for a long one and does not give it away: 128 bits. Two texts that came about by chance have different
 * ones; who wants to can make two with the same. Use it only where both would be his own.
 */
export const fingerprint = (text: string): string =>
  lanes
    .map((lane, index) => {
      let hash = lane ^ text.length
      for (let i = 0; i < text.length; i++) {
        hash = Math.imul(hash ^ text.charCodeAt(i), lane)
        hash ^= hash >>> (11 + index)
      }
      hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b)
      return ((hash ^ (hash >>> 13)) >>> 0).toString(16).padStart(8, '0')
    })
    .join('')

/**
 * The JSON object that the bytes spell, `undefined` when they spell anything else.
 *
 * @param {Buffer} bytes
 * @returns {Record<string, any> | undefined}
 */
export const parseObject = (bytes) => {
  try {
    const value = JSON.parse(bytes.toString())
    return typeof value === 'object' && value !== null && !Array.isArray(value) ? value : undefined
  } catch {
    return undefined
  }
}

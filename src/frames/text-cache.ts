/** Metadata repeats from query to query; longer texts are rare and not worth their room. */
const LIMIT_BYTES = 4 * 1024 * 1024
const ENTRY_LIMIT_BYTES = 64 * 1024

/**
 * Remembers the results of a pure function of texts, the latest used ones up to a number of bytes. Both texts count, one
 * byte a character: they are binary strings.
 */
export const cached = (
  compute: (source: string) => string,
  limitBytes = LIMIT_BYTES,
  entryLimitBytes = ENTRY_LIMIT_BYTES,
): ((source: string) => string) => {
  const entries = new Map<string, string>()
  let bytes = 0

  const remember = (source: string, result: string): void => {
    entries.set(source, result)
    bytes += source.length + result.length
    for (const [oldest, oldestResult] of entries) {
      if (bytes <= limitBytes) return
      entries.delete(oldest)
      bytes -= oldest.length + oldestResult.length
    }
  }

  return (source) => {
    const known = entries.get(source)
    if (known !== undefined) {
      entries.delete(source)
      entries.set(source, known)
      return known
    }
    const result = compute(source)
    if (source.length + result.length <= entryLimitBytes) remember(source, result)
    return result
  }
}

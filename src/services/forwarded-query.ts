/** What logs a client in at Grafana or, as an OAuth bearer, at any server that reads it off the query. RFC 6750, 2.3. */
const credentials: ReadonlySet<string> = new Set(['auth_token', 'access_token'])

/** Percent-decodes what is ASCII, all that decides here, whatever stands beside it. */
export const decodeAscii = (text: string): string => text.replace(/%[0-7][0-9A-Fa-f]/g, decodeURIComponent)

/** Shape of `parameter`: `access_token=abc`. A bracket ends the name: parsers of forms make a list of `access_token[]`. */
const isCredential = (parameter: string): boolean => {
  const [name = ''] = decodeAscii(parameter.split('=', 1)[0] ?? '')
    .trim()
    .split('[', 1)
  return credentials.has(name.toLowerCase())
}

/** A byte that must not stand in a URL, as node:http gives it; characters that come from elsewhere as UTF-8. */
const encode = (char: string): string => {
  const code = char.codePointAt(0) ?? 0
  const bytes = code <= 0xff ? [code] : [...Buffer.from(char)]
  return bytes.map((byte) => `%${byte.toString(16).toUpperCase().padStart(2, '0')}`).join('')
}

/**
 * The query of a request, without `?`, as it may be passed on: every parameter byte for byte, but for those that log a client in
 * here. Bytes that must not stand in a URL are percent-encoded.
 */
export const forwardedQuery = (query: string): string => {
  const isClean = !/token/i.test(decodeAscii(query))
  const kept = isClean
    ? query
    : query
        .split('&')
        .filter((parameter) => !isCredential(parameter))
        .join('&')
  return kept.replace(/[^\x21-\x7e]/gu, encode)
}

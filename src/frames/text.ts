/**
 * Names and metadata are kept as binary strings: one character a byte. So bytes that are no UTF-8 survive, `<` orders keys
 * bytewise as Go does, and "latin1" writes them back.
 */
export const toBinary = (text: string): string => Buffer.from(text, 'utf8').toString('latin1')

const SHORT_ESCAPES: ReadonlyMap<string, string> = new Map([
  ['"', '\\"'],
  ['\\', '\\\\'],
  ['\n', '\\n'],
  ['\r', '\\r'],
  ['\t', '\\t'],
  ['\xe2\x80\xa8', '\\u2028'],
  ['\xe2\x80\xa9', '\\u2029'],
])

const escape = (match: string): string =>
  SHORT_ESCAPES.get(match) ?? `\\u${match.charCodeAt(0).toString(16).padStart(4, '0')}`

/** A JSON string as json-iterator writes frame names, labels and refIds: nothing escaped but what JSON demands. */
export const quote = (binary: string): string => `"${binary.replace(/["\\]|[^\x20-\xff]/g, escape)}"`

const SEQUENCE =
  '[\xc2-\xdf][\x80-\xbf]|\xe0[\xa0-\xbf][\x80-\xbf]|[\xe1-\xec\xee\xef][\x80-\xbf]{2}|\xed[\x80-\x9f][\x80-\xbf]' +
  '|\xf0[\x90-\xbf][\x80-\xbf]{2}|[\xf1-\xf3][\x80-\xbf]{3}|\xf4[\x80-\x8f][\x80-\xbf]{2}'
const NOT_ASCII = new RegExp(`${SEQUENCE}|[\x80-\xff]`, 'g')
const NOT_HTML_SAFE = new RegExp(`["\\\\<>&]|[^\x20-\xff]|${SEQUENCE}|[\x80-\xff]`, 'g')

const escapeHtml = (match: string): string => {
  if (match.length > 1) return SHORT_ESCAPES.get(match) ?? match
  return match >= '\x80' ? '\\ufffd' : escape(match)
}

/** A JSON string as Go writes everything inside `meta` and `config`: safe in HTML, a byte that is no UTF-8 as `\ufffd`. */
export const quoteHtml = (binary: string): string => `"${binary.replace(NOT_HTML_SAFE, escapeHtml)}"`

/** Each byte that is no UTF-8 becomes U+FFFD. Not Buffer's decoder: that one replaces a cut sequence as a whole. */
export const toValidUtf8 = (binary: string): string =>
  binary.replace(NOT_ASCII, (match) => (match.length > 1 ? match : '\xef\xbf\xbd'))

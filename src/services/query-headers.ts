import type { HeaderMap } from '../http.ts'

/**
 * Headers of Grafana's front end and alerting that plugins may see with a query, each with the key that the plugin SDK looks
 * for: `http_` and the canonical name, but `FromAlert` bare. Source: tracing_header and usealertingheaders middlewares.
 */
const forwarded: ReadonlyArray<readonly [name: string, key: string]> = [
  ...[
    'X-Query-Group-Id',
    'X-Panel-Id',
    'X-Panel-Plugin-Id',
    'X-Panel-Title',
    'X-Dashboard-Uid',
    'X-Dashboard-Title',
    'X-Datasource-Uid',
    'X-Grafana-From-Expr',
    'X-Grafana-Org-Id',
    'X-Rule-Name',
    'X-Rule-Uid',
    'X-Rule-Folder',
    'X-Rule-Source',
    'X-Rule-Type',
    'X-Rule-Version',
    'X-Rule-Origin',
  ].map((name) => [name.toLowerCase(), `http_${name}`] as const),
  ['fromalert', 'FromAlert'],
]

/** Names that the header policy must let through for `queryHeaders` to see them. */
export const forwardedNames: ReadonlyArray<string> = forwarded.map(([name]) => name)

/** Outside printable ASCII becomes percent-encoded Latin-1, byte by byte: gRPC refuses anything else. */
const toAscii = (value: string): string =>
  Array.from(Buffer.from(value, 'latin1'), (byte) =>
    byte >= 0x20 && byte <= 0x7e ? String.fromCharCode(byte) : `%${byte.toString(16).toUpperCase().padStart(2, '0')}`,
  ).join('')

/** The headers map of a QueryDataRequest. Shape: `{ 'http_X-Panel-Id': '2', FromAlert: 'true' }`. */
export const queryHeaders = (headers: HeaderMap): Readonly<Record<string, string>> =>
  Object.fromEntries(
    forwarded.flatMap(([name, key]) => {
      const value = headers[name]
      return typeof value === 'string' && value !== '' ? [[key, toAscii(value)]] : []
    }),
  )

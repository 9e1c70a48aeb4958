import type { HeaderMap } from '../http.ts'
import { tracingNames } from './plugin-headers.ts'

/** Say how a resource is to be given. */
const describing: ReadonlyArray<string> = [
  'accept',
  'accept-encoding',
  'accept-language',
  'cache-control',
  'content-encoding',
  'content-language',
  'content-type',
  'if-match',
  'if-modified-since',
  'if-none-match',
  'if-range',
  'if-unmodified-since',
  'pragma',
  'prefer',
  'range',
  'x-requested-with',
]

/** Names a datasource's credentials: the proxy takes it, and plugins never see it, whatever the host's owner lets through. */
const ofProxy = 'x-ds-authorization'

/** Names that the header policy must let through for resources and proxied paths: the last two are looked at, and go nowhere by themselves. */
export const resourceHeaderNames: ReadonlyArray<string> = [...describing, 'connection', ofProxy]

const connectionNames = ({ connection = '' }: HeaderMap): ReadonlySet<string> =>
  new Set(
    String(connection)
      .split(',')
      .map((name) => name.trim().toLowerCase()),
  )

/**
 * All that plugins' resources and datasources get of a client's headers: how a resource is to be given, what Grafana's front end
 * tells of itself, and `more`, lower-case, which the host's owner lets through. Not in it: who the client is, where he comes from,
 * what logs him in, and what `Connection` names. Cookies and tokens go another way: `cookiesOf`, `tokensOf`.
 */
export const forwardedHeaders = (headers: HeaderMap, more: ReadonlyArray<string>): HeaderMap => {
  const ofConnection = connectionNames(headers)
  const forwarded: Record<string, string | ReadonlyArray<string>> = {}
  Object.setPrototypeOf(forwarded, null)
  for (const name of [...describing, ...tracingNames, ...more]) {
    const value = headers[name]
    if (value !== undefined && name !== ofProxy && !ofConnection.has(name)) forwarded[name] = value
  }
  return forwarded
}

import { parseHttpSettings, type HttpSettings } from '../api/http-settings.ts'
import { describeCauses } from '../decode.ts'
import type { ForwardTransport } from '../forward.ts'
import { E, pipe } from '../fp.ts'
import { fingerprint } from './fingerprint.ts'
import { configuredHeader, ownHeaders, type OwnHeaders } from './proxy-headers.ts'

/** The way to a datasource, out of its settings. */
export interface HttpWay {
  readonly transport: ForwardTransport
  /** `httpHeaderName1` and so on: set on each request, whatever else sets them. */
  readonly headers: OwnHeaders
}

type JsonData = Readonly<Record<string, unknown>>
type Secrets = Readonly<Record<string, string>>

/** Go's 0 stands for two connections of one host, and for any number of all. */
const maxIdleOf = ({ httpMaxIdleConns = 100, httpMaxIdleConnsPerHost = 100 }: HttpSettings): number => {
  const perHost = httpMaxIdleConnsPerHost === 0 ? 2 : httpMaxIdleConnsPerHost
  return httpMaxIdleConns === 0 ? perHost : Math.min(perHost, httpMaxIdleConns)
}

/** As long as a timer can count: Go's 0, for ever. */
const longestMs = 2_147_483_000

const text = (name: string, value: string | undefined): Partial<Record<string, string>> =>
  value === undefined || value === '' ? {} : { [name]: value }

/** The SDK reads certificates only where one of the first two switches is on; without the client's own none is sent. */
const tlsOf = (settings: HttpSettings, secrets: Secrets): E.Either<string, ForwardTransport['tls']> => {
  const { tlsAuth = false, tlsAuthWithCACert = false, tlsSkipVerify: skipVerify = false, serverName } = settings
  if (!tlsAuth && !tlsAuthWithCACert) return E.right({ skipVerify })
  const { tlsCACert, tlsClientCert, tlsClientKey } = secrets
  for (const name of tlsAuth ? ['tlsClientCert', 'tlsClientKey'] : []) {
    if ((secrets[name] ?? '') === '') return E.left(`jsonData.tlsAuth is on, but secureJsonData.${name} is missing`)
  }
  return E.right({
    ...text('ca', tlsCACert),
    ...text('cert', tlsClientCert),
    ...text('key', tlsClientKey),
    ...text('serverName', serverName),
    skipVerify,
  })
}

/** Numbered from 1 up to the first name that is missing; a name without a value is skipped. */
const customHeaders = (jsonData: JsonData, secrets: Secrets): E.Either<string, OwnHeaders> => {
  const headers = ownHeaders()
  for (let number = 1; ; number++) {
    const field = `httpHeaderName${String(number)}`
    const name = jsonData[field]
    if (name === undefined || name === null) return E.right(headers)
    if (typeof name !== 'string') return E.left(`jsonData.${field}: expected string, got a ${typeof name}`)
    const value = secrets[`httpHeaderValue${String(number)}`]
    if (value === undefined) continue
    const header = configuredHeader(name, value)
    if (E.isLeft(header)) return E.left(`jsonData.${field}: ${header.left}`)
    const [key] = header.right
    headers[key] = [...(headers[key] ?? []), value]
  }
}

const msOf = (seconds: number): number => Math.ceil(seconds * 1000)

const times = (settings: HttpSettings): Omit<ForwardTransport, 'pool' | 'tls'> => {
  const { timeout = 30, dialTimeout = 10, httpTLSHandshakeTimeout = 10, httpIdleConnTimeout = 90 } = settings
  return {
    timeoutMs: msOf(timeout),
    dialTimeoutMs: msOf(dialTimeout),
    tlsHandshakeTimeoutMs: msOf(httpTLSHandshakeTimeout),
    idleTimeoutMs: httpIdleConnTimeout === 0 ? longestMs : msOf(httpIdleConnTimeout),
    maxIdle: maxIdleOf(settings),
  }
}

/** How others than datasources are reached: by the SDK's defaults. Two of one owner with other `tls` do not share connections. */
export const plainTransport = (
  owner: string,
  tls: ForwardTransport['tls'] = { skipVerify: false },
  settings: HttpSettings = {},
): ForwardTransport => {
  const rest = times(settings)
  return { pool: { owner, settings: fingerprint(JSON.stringify([tls, rest])) }, tls, ...rest }
}

/** Reads the way to a datasource. Left: the field that is wrong, without its value; nothing can be sent. Pure. */
export const httpWayOf = (owner: string, jsonData: JsonData, secrets: Secrets): E.Either<string, HttpWay> =>
  pipe(
    E.Do,
    E.bind('settings', () => E.mapLeft(describeCauses)(parseHttpSettings(jsonData))),
    E.bind('tls', ({ settings }) => tlsOf(settings, secrets)),
    E.bind('headers', () => customHeaders(jsonData, secrets)),
    E.map(({ settings, tls, headers }) => ({ transport: plainTransport(owner, tls, settings), headers })),
  )

import { resolve } from 'node:path'

import type { Access, Login } from './access.ts'
import { checkPems, isHeaderText, refuse, toBearer, toProxy, toServer } from './check.ts'
import { secretLimitBytes } from './file-text.ts'
import { readFileNow } from './kubeconfig-files.ts'

export interface ApiServerOptions {
  /** Sent with each request; `authorization` may be one of them, where there is no `token`. */
  readonly headers?: Readonly<Record<string, string>>
  /** Of the bearer. A function is asked before each request, and once more after a 401: it remembers what it likes to. */
  readonly token?: string | (() => string | Promise<string>)
  /** Read again every minute. */
  readonly tokenFile?: string
  /** Whom to trust, PEM. Default: the authorities that Node knows. */
  readonly ca?: string
  /** Our own certificate, PEM; with `key`. */
  readonly cert?: string
  readonly key?: string
  /** Name in the certificate of the server. Default: the host of its URL. */
  readonly serverName?: string
  /** Trust whoever answers. Default: false. */
  readonly insecure?: boolean
  /** Shape: `http://10.0.0.1:3128`, maybe with a login. */
  readonly proxyUrl?: string
  /** Where things belong whose namespace nobody names. Default: `default`. */
  readonly namespace?: string
}

const isText = (value: unknown): boolean => typeof value === 'string' && value !== ''

const kinds: Readonly<Record<keyof ApiServerOptions, readonly [expected: string, is: (value: unknown) => boolean]>> = {
  headers: ['an object of texts', (value) => typeof value === 'object' && value !== null],
  token: ['a text or a function', (value) => isText(value) || typeof value === 'function'],
  tokenFile: ['a text', isText],
  ca: ['a text', isText],
  cert: ['a text', isText],
  key: ['a text', isText],
  serverName: ['a text', isText],
  insecure: ['true or false', (value) => typeof value === 'boolean'],
  proxyUrl: ['a text', isText],
  namespace: ['a text', isText],
}

const isOption = (name: string): name is keyof ApiServerOptions => Object.hasOwn(kinds, name)

const checkOptions = (options: unknown): void => {
  if (typeof options !== 'object' || options === null) return refuse('options', 'an object', typeof options)
  for (const [name, value] of Object.entries(options)) {
    if (!isOption(name)) throw new TypeError(`unknown option ${name}, known: ${Object.keys(kinds).join(', ')}`)
    const [expected, is] = kinds[name]
    if (value !== undefined && !is(value)) refuse(`option ${name}`, expected, typeof value)
  }
}

/** What belongs to the connection, to the body, or to what asks. */
const ownHeaders =
  /^(host|connection|keep-alive|content-.*|transfer-encoding|te|trailer|upgrade|expect|proxy-.*|accept|accept-encoding)$/

const checkHeaders = (headers: Readonly<Record<string, unknown>>): Access['headers'] =>
  Object.fromEntries(
    Object.entries(headers).map(([name, value]) => {
      const where = `option headers.${name}`
      if (!/^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/.test(name)) return refuse('option headers', 'names of headers', 'another')
      if (ownHeaders.test(name.toLowerCase())) return refuse(where, 'a header that is not set by the client', 'one')
      // not quoted: it may be what logs in
      if (typeof value !== 'string' || !isHeaderText(value))
        return refuse(where, 'a text for a header', 'another value')
      return [name.toLowerCase(), value]
    }),
  )

const toLogin = ({ token, tokenFile }: ApiServerOptions): Login => {
  if (tokenFile !== undefined) {
    const path = resolve(tokenFile)
    toBearer('option tokenFile', readFileNow('option tokenFile', path, secretLimitBytes).trim())
    return { _tag: 'TokenFile', path, fallback: undefined }
  }
  if (token === undefined) return { _tag: 'None' }
  if (typeof token === 'function') return { _tag: 'TokenFunction', token }
  return { _tag: 'Fixed', authorization: toBearer('option token', token) }
}

const isLoopback = ({ hostname }: URL): boolean => /^(localhost|127(\.\d+){3}|\[::1\])$/.test(hostname)

/** A login in the clear stays on this host. */
const checkPlain = (server: URL, way: string, proxyUrl: string | undefined): void => {
  if (!isLoopback(server))
    refuse(`option ${way}`, 'a server by https', 'one by http: all that lies between could read it')
  if (proxyUrl !== undefined)
    refuse('option proxyUrl', `none beside ${way} for a server by http`, 'one: the proxy could read it')
}

/** Checks it all. Throws a TypeError that names the option; secrets are never quoted. */
export const toApiServer = (url: string | URL, options: ApiServerOptions): Access => {
  const server = toServer('url', String(url))
  checkOptions(options)
  const { ca, cert, key, serverName, insecure = false, proxyUrl, namespace = 'default' } = options
  const headers = checkHeaders({ ...options.headers })
  const ways = [
    'authorization' in headers && 'headers.authorization',
    options.token !== undefined && 'token',
    options.tokenFile !== undefined && 'tokenFile',
  ].filter((way) => way !== false)
  if (ways.length > 1) refuse('options', 'one way to log in', ways.join(' and '))
  const [way] = ways
  if (way !== undefined && server.protocol === 'http:') checkPlain(server, way, proxyUrl)
  if (insecure && ca !== undefined) refuse('option ca', 'none beside insecure', 'one')
  const named = (option: string, pem: string | undefined) =>
    pem === undefined ? undefined : { where: `option ${option}`, pem }
  checkPems(named('ca', ca), named('cert', cert), named('key', key), { cert: 'option cert', key: 'option key' })
  const given = (text: string | undefined) => (text === undefined ? undefined : { text })
  return {
    server,
    namespace,
    headers,
    tls: { ca: given(ca), cert: given(cert), key: given(key), serverName, isInsecure: insecure },
    proxy: proxyUrl === undefined ? undefined : toProxy('option proxyUrl', proxyUrl),
    login: toLogin(options),
  }
}

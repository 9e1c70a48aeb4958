import { isUtf8 } from 'node:buffer'
import type { IncomingMessage } from 'node:http'
import type { TLSSocket } from 'node:tls'

import type { User } from '../http.ts'
import type { Authenticate } from './user.ts'

/** Who is a front proxy: either of the first two says so. */
export interface FrontProxyOptions {
  /**
   * Common names of the client certificates that front proxies have, such as `front-proxy-client`. The server verifies them:
   * make it with `requestCert: true`, `rejectUnauthorized: false` if there are other clients, and the CA of the front proxies
   * as `ca`. An empty list trusts all that the server verified: leave it empty for a CA that signs for nobody else.
   */
  readonly allowedNames?: ReadonlyArray<string>
  /** For front proxies that are known by other means: a Unix socket, a service mesh. */
  readonly trust?: (request: IncomingMessage) => boolean
  /** Asked about the requests of others, and about those that name no user. Default: they are nobody's, which is 401. */
  readonly otherwise?: Authenticate
}

/** With TLS 1.3, Node calls a session that was resumed authorized even if there is no certificate at all: so look at that. */
const holdsCertificate =
  (allowedNames: ReadonlySet<string>) =>
  ({ socket }: IncomingMessage): boolean => {
    const tls = socket as Partial<TLSSocket>
    if (tls.authorized !== true) return false
    // several names are a list, and one of them might be anybody's
    const name: unknown = tls.getPeerCertificate?.().subject?.CN
    return typeof name === 'string' && (allowedNames.size === 0 || allowedNames.has(name))
  }

/** Node reads headers as Latin-1. `undefined`: it is no UTF-8, and to guess could make two users one. */
const utf8 = (value: string): string | undefined => {
  const bytes = Buffer.from(value, 'latin1')
  return isUtf8(bytes) ? bytes.toString() : undefined
}

const percentDecoded = (text: string): string => {
  try {
    return decodeURIComponent(text)
  } catch {
    return text
  }
}

/** Header lines as they came: `headers` joins lines with commas, and a group may hold one. Names in lower case. */
const linesOf = ({ rawHeaders }: IncomingMessage): ReadonlyArray<readonly [string, string | undefined]> =>
  rawHeaders.flatMap((name, i) => (i % 2 === 0 ? [[name.toLowerCase(), utf8(rawHeaders[i + 1] ?? '')] as const] : []))

const extraPrefix = 'x-remote-extra-'

/** Source: AuthenticatedGroupAdder of the Kubernetes apiserver. */
const withAuthenticated = (name: string, groups: ReadonlyArray<string>): ReadonlyArray<string> =>
  name === 'system:anonymous' || groups.includes('system:authenticated') || groups.includes('system:unauthenticated')
    ? groups
    : [...groups, 'system:authenticated']

const userIn = (request: IncomingMessage): User | undefined => {
  const lines = linesOf(request).filter(([name]) => name.startsWith('x-remote-'))
  const valuesOf = (wanted: string): ReadonlyArray<string> =>
    lines.flatMap(([name, value]) => (name === wanted && value !== undefined && value !== '' ? [value] : []))
  if (lines.some(([, value]) => value === undefined)) return undefined
  const [name] = valuesOf('x-remote-user')
  if (name === undefined) return undefined
  const [uid] = valuesOf('x-remote-uid')
  const extra = new Map<string, ReadonlyArray<string>>()
  for (const [header, value = ''] of lines) {
    if (!header.startsWith(extraPrefix)) continue
    const key = percentDecoded(header.slice(extraPrefix.length))
    extra.set(key, [...(extra.get(key) ?? []), value])
  }
  return {
    name,
    groups: withAuthenticated(name, valuesOf('x-remote-group')),
    extra: Object.fromEntries(extra),
    ...(uid === undefined ? {} : { uid }),
  }
}

const check = (isRight: boolean, message: string): void => {
  if (!isRight) throw new TypeError(message)
}

const known: ReadonlyArray<string> = ['allowedNames', 'trust', 'otherwise']

const toTrust = ({ allowedNames, trust }: FrontProxyOptions): ((request: IncomingMessage) => unknown) => {
  check(
    (allowedNames === undefined) !== (trust === undefined),
    'expected either option allowedNames or option trust to say who is a front proxy',
  )
  if (trust !== undefined) {
    check(typeof trust === 'function', `expected option trust to be a function, got ${typeof trust}`)
    return trust
  }
  const isNames = Array.isArray(allowedNames) && allowedNames.every((name) => typeof name === 'string' && name !== '')
  check(isNames, 'expected option allowedNames to be a list of common names')
  return holdsCertificate(new Set(allowedNames))
}

/**
 * For an apiserver behind kube-aggregator or another authenticating proxy: an `authenticate` that takes the user of the headers
 * X-Remote-User, -Uid, -Group and -Extra-*, from a front proxy and from nobody else. Throws a TypeError when an option is wrong.
 * Source: requestheader.go of the Kubernetes apiserver.
 */
export const frontProxyUser = (options: FrontProxyOptions): Authenticate => {
  const unknown = Object.keys(options).find((name) => !known.includes(name))
  check(unknown === undefined, `unknown option ${unknown ?? ''}, known: ${known.join(', ')}`)
  const { otherwise = () => undefined } = options
  check(typeof otherwise === 'function', `expected option otherwise to be a function, got ${typeof otherwise}`)
  const isTrusted = toTrust(options)
  return (request) => {
    const trusted = isTrusted(request)
    // a promise would be as good as yes
    check(typeof trusted === 'boolean', `expected trust to give a boolean, got ${typeof trusted}`)
    return (trusted === true ? userIn(request) : undefined) ?? otherwise(request)
  }
}

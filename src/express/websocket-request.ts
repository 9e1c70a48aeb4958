import type { IncomingMessage } from 'node:http'

import { badRequest, type AggregatorError } from '../errors.ts'

/** As RFC 6455, 4.1 wants it: 16 bytes in base64. */
const key = /^[+/0-9A-Za-z]{22}==$/

/** One or more tokens of RFC 9110. */
const protocols = /^[ \t]*[!#$%&'*+.^_`|~\w-]+[ \t]*(?:,[ \t]*[!#$%&'*+.^_`|~\w-]+[ \t]*)*$/

const namesOf = (list: string): ReadonlyArray<string> => list.split(',').map((name) => name.trim())

const isProtocolList = (list: string): boolean =>
  protocols.test(list) && new Set(namesOf(list)).size === namesOf(list).length

/** RFC 9112, 6.3. */
export const announcesBody = ({ headers }: IncomingMessage): boolean =>
  headers['transfer-encoding'] !== undefined || Number(headers['content-length'] ?? 0) !== 0

/** Shape: `https://grafana.example.com`, as browsers send it; `undefined`: it is none. */
export const originOf = (text: string): URL | undefined => {
  const url = URL.canParse(text) ? new URL(text) : undefined
  return url?.origin === text ? url : undefined
}

/** Whatever the scheme: whoever ends TLS before us may not say that he did. */
const isOfHost = (origin: URL, host: string | undefined): boolean => {
  const asked = `${origin.protocol}//${host ?? ''}`
  return URL.canParse(asked) && new URL(asked).host === origin.host
}

/** Browsers let every page open WebSockets to every host, cookies included; what no browser sends has no origin. */
const isForeign = ({ headers }: IncomingMessage, allowedOrigins: ReadonlySet<string>): boolean => {
  const { origin: text, host } = headers
  if (text === undefined || allowedOrigins.has(text)) return false
  const origin = originOf(text)
  return origin === undefined || !isOfHost(origin, host)
}

const quoted = (text: string | undefined): string =>
  text === undefined ? 'nothing' : JSON.stringify(text.slice(0, 64))

const faultOf = (request: IncomingMessage): string | undefined => {
  const { method, headers } = request
  if (headers.upgrade?.toLowerCase() !== 'websocket')
    return `expected Upgrade: websocket, got ${quoted(headers.upgrade)}`
  if (method !== 'GET') return `expected a WebSocket to be asked for with GET, got ${quoted(method)}`
  if (announcesBody(request)) return 'expected no body where a WebSocket is asked for'
  if (headers['sec-websocket-version'] !== '13') {
    return `expected Sec-WebSocket-Version 13, got ${quoted(headers['sec-websocket-version'])}`
  }
  if (!key.test(headers['sec-websocket-key'] ?? '')) return 'expected 16 bytes in base64 as Sec-WebSocket-Key'
  const asked = headers['sec-websocket-protocol']
  return asked === undefined || isProtocolList(asked) ? undefined : 'expected a list of names as Sec-WebSocket-Protocol'
}

/**
 * Why a request cannot go on as a WebSocket, if so: BadRequest or, for a page of elsewhere, Forbidden. Source: RFC 6455,
 * 4.2.1.
 */
export const refusalOf = (
  request: IncomingMessage,
  allowedOrigins: ReadonlySet<string>,
): AggregatorError | undefined => {
  const fault = faultOf(request)
  if (fault !== undefined) return badRequest(fault)
  if (!isForeign(request, allowedOrigins)) return undefined
  return {
    _tag: 'Forbidden',
    message: `pages of ${quoted(request.headers.origin)} may not open WebSockets here (option allowedOrigins)`,
  }
}

/**
 * A browser's way to send a token, next to a real name; it is told to nobody. Source: bearer token over WebSockets of
 * Kubernetes.
 */
const tokenProtocol = 'base64url.bearer.authorization.k8s.io.'

/** The first that was asked for: a browser that asks for some and gets none hangs up. */
export const chooseProtocol = (asked: ReadonlySet<string>): string | false =>
  [...asked].find((name) => !name.startsWith(tokenProtocol)) ?? false

import type { OutgoingHttpHeaders, ServerResponse } from 'node:http'
import { isUint8Array } from 'node:util/types'

import type { NextAnswer } from '../http.ts'

/** More than any document that is merged. The largest known, OpenAPI v2 of a large cluster, is a tenth of it. */
const bodyLimitBytes = 64 * 1024 * 1024

/** A response while others write to it what no client sees. */
export interface LentResponse {
  /** Resolves with what they said; `undefined`: they broke off, or said too much. */
  readonly said: Promise<NextAnswer | undefined>
  /** Makes the response what it was. Whatever they do to it later changes nothing, and throws nothing. */
  readonly takeBack: () => void
}

type Head = Pick<NextAnswer, 'status' | 'headers'>

/** What of a response is no method and no header, and is changed by those; the last three keep Node from setting headers that were removed. */
const stateNames = [
  'statusCode',
  'statusMessage',
  'sendDate',
  '_removedConnection',
  '_removedContLen',
  '_removedTE',
] as const

/** Methods that middlewares, ours among them, put before those of the prototype. Node's own begin with `_`. */
const ownMethods = (response: ServerResponse): ReadonlyMap<string, unknown> =>
  new Map(Object.entries(response).filter(([name, value]) => typeof value === 'function' && !name.startsWith('_')))

type HeaderValue = OutgoingHttpHeaders[string]

const copyOf = (value: HeaderValue): HeaderValue => (Array.isArray(value) ? [...value] : value)

/** What is as it was is left alone: it is spelled as it was then. */
const restoreHeaders = (response: ServerResponse, headers: ReadonlyMap<string, HeaderValue>): void => {
  for (const name of response.getHeaderNames()) if (!headers.has(name)) response.removeHeader(name)
  for (const [name, value] of headers) {
    if (value !== undefined && String(response.getHeader(name)) !== String(value)) response.setHeader(name, value)
  }
}

/** Gives back what makes all of a response what it is now. */
const remember = (response: ServerResponse): (() => void) => {
  const methods = ownMethods(response)
  const state = stateNames.map((name) => [name, Reflect.get(response, name)] as const)
  // later ones are added to the same list
  const headers = new Map(Object.entries(response.getHeaders()).map(([name, value]) => [name, copyOf(value)]))
  return () => {
    for (const name of ownMethods(response).keys()) Reflect.deleteProperty(response, name)
    for (const [name, method] of methods) Reflect.set(response, name, method)
    if (!response.headersSent) restoreHeaders(response, headers)
    for (const [name, value] of state) Reflect.set(response, name, value)
  }
}

const headOf = (response: ServerResponse): Head => {
  const entries = Object.entries(response.getHeaders())
  const headers = entries.map(([name, value]) => [name, typeof value === 'number' ? String(value) : value] as const)
  return { status: response.statusCode, headers: Object.fromEntries(headers) }
}

/** The forms that Node takes: an object, names and values in turn, or pairs of them. */
const setAll = (response: ServerResponse, given: unknown): void => {
  if (typeof given !== 'object' || given === null) return
  const list: ReadonlyArray<unknown> = Array.isArray(given) ? given.flat() : Object.entries(given).flat(1)
  const seen = new Set<string>()
  for (let i = 0; i + 1 < list.length; i += 2) {
    const [name, value] = [String(list[i]), list[i + 1]]
    if (value === undefined) continue
    if (seen.has(name.toLowerCase())) response.appendHeader(name, value as string)
    else response.setHeader(name, value as string)
    seen.add(name.toLowerCase())
  }
}

/** A callback may stand in the place of any argument before it. */
const callbackIn = (args: ReadonlyArray<unknown>): (() => void) | undefined => {
  const last = args.findLast((arg) => typeof arg === 'function')
  return last as (() => void) | undefined
}

const callSoon = (args: ReadonlyArray<unknown>): void => {
  const callback = callbackIn(args)
  if (callback !== undefined) process.nextTick(callback)
}

const bytesOf = (chunk: unknown, encoding: unknown): Uint8Array => {
  if (typeof chunk === 'string')
    return Buffer.from(chunk, Buffer.isEncoding(String(encoding)) ? (encoding as BufferEncoding) : 'utf8')
  // a copy: it may be filled anew
  return isUint8Array(chunk) ? Buffer.from(chunk) : Buffer.alloc(0)
}

/** Those that say something before the head, or behind the body. */
const asides = ['writeContinue', 'writeProcessing', 'writeEarlyHints', 'addTrailers', 'cork', 'uncork']
const bodyMethods = ['write', 'end', ...asides]
const headMethods = [
  'setHeader',
  'setHeaders',
  'appendHeader',
  'removeHeader',
  'writeHead',
  'writeHeader',
  'flushHeaders',
]

type Method = (...args: ReadonlyArray<unknown>) => unknown

/** A method as it is now; `undefined`: this version of Node has none of the name. */
const methodOf = (response: ServerResponse, name: string): Method | undefined => {
  const method: unknown = Reflect.get(response, name)
  return typeof method === 'function' ? (...args) => Reflect.apply(method, response, args) as unknown : undefined
}

const isHeadOut = (response: ServerResponse): boolean =>
  Reflect.get(Object.getPrototypeOf(response) as object, 'headersSent', response) === true

/**
 * For those who may still come with an answer when the client has another: once the head is out, nothing changes it, and once the end is
 * out, nothing follows it. They never learn of it: an error handler that knew would destroy the connection, which other requests use by then.
 */
const guard = (response: ServerResponse): void => {
  const replace = (names: ReadonlyArray<string>, isLate: () => boolean): void => {
    for (const name of names) {
      const method = methodOf(response, name)
      if (method === undefined) continue
      const guarded: Method = (...args) => {
        if (!isLate()) return method(...args)
        callSoon(args)
        return name === 'write' ? false : response
      }
      Reflect.set(response, name, guarded)
    }
  }
  replace(headMethods, () => isHeadOut(response))
  replace(bodyMethods, () => response.writableEnded || response.destroyed)
  let isTold = false
  Object.defineProperty(response, 'headersSent', { configurable: true, get: () => isTold && isHeadOut(response) })
  const tellWhile = (event: 'finish' | 'close'): void => {
    response.prependListener(event, () => {
      isTold = true
    })
    response.on(event, () => {
      isTold = false
    })
  }
  // whoever logs requests asks then
  tellWhile('finish')
  tellWhile('close')
}

/**
 * Keeps from the client what is written to a response, by the methods that Node has for it or by those that middlewares put there later.
 * Headers are set as ever, for they are wanted, and gone when it is taken back. A destroyed socket is a client that left.
 */
export const lendResponse = (response: ServerResponse): LentResponse => {
  const restore = remember(response)
  const chunks: Uint8Array[] = []
  let size = 0
  let head: Head | undefined
  let isOver = false
  let tell: (answer: NextAnswer | undefined) => void = () => undefined
  const said = new Promise<NextAnswer | undefined>((resolve) => {
    tell = resolve
  })
  const stop = (answer?: NextAnswer): void => {
    isOver = true
    chunks.length = 0
    tell(answer)
  }

  const nothing: Method = (...args) => {
    callSoon(args)
    return response
  }
  const writeHead: Method = (status, ...rest) => {
    if (head !== undefined || isOver) return response
    if (typeof status === 'number') response.statusCode = status
    setAll(
      response,
      rest.findLast((arg) => typeof arg === 'object'),
    )
    head = headOf(response)
    return response
  }
  /** As Node does: by whatever method stands there by now. */
  const begin = (): void => {
    if (head === undefined) response.writeHead(response.statusCode)
  }
  const take = (chunk: unknown, encoding: unknown): void => {
    if (isOver || chunk === undefined || chunk === null || typeof chunk === 'function') return
    begin()
    const bytes = bytesOf(chunk, encoding)
    size += bytes.length
    if (size > bodyLimitBytes) stop()
    else chunks.push(bytes)
  }
  const write: Method = (...args) => {
    take(args[0], args[1])
    callSoon(args)
    // nobody goes on who waits for a drain
    return !isOver
  }
  const end: Method = (...args) => {
    if (isOver) return nothing(...args)
    take(args[0], args[1])
    begin()
    const callback = callbackIn(args)
    if (callback !== undefined) response.once('finish', callback)
    if (!isOver) stop({ ...(head ?? headOf(response)), body: Buffer.concat(chunks) })
    return response
  }
  const destroy = methodOf(response, 'destroy')
  const breakOff: Method = (...args) => {
    if (response.req.socket.destroyed) return destroy?.(...args)
    stop()
    return response
  }
  const flushHeaders = (): void => {
    if (!isOver) begin()
  }
  const aside = Object.fromEntries(asides.map((name) => [name, nothing]))
  Object.assign(response, { ...aside, write, end, writeHead, writeHeader: writeHead, flushHeaders, destroy: breakOff })

  return {
    said,
    takeBack: () => {
      stop()
      restore()
      guard(response)
    },
  }
}

import { once } from 'node:events'
import { Agent, request as requestOverHttp, type ClientRequest, type IncomingMessage } from 'node:http'
import { Agent as TlsAgent, request as requestOverHttps } from 'node:https'
import { Socket } from 'node:net'

import { LRUCache } from 'lru-cache'

import { systemClock } from '../clock.ts'
import type { AggregatorError } from '../errors.ts'
import { E } from '../fp.ts'
import { integerOption } from '../integer-option.ts'
import { guardKeptSockets } from '../kept-sockets.ts'
import { safeLogger, silentLogger } from '../logger.ts'
import { checkOptionNames } from '../option-names.ts'
import type { InstanceSettings, PluginContextProvider, PluginContextRequest } from '../plugin.ts'
import { errorCodeOf } from '../watch.ts'
import { cachedContexts } from './cached.ts'
import { parseCallbackAnswer, toRetryAfter } from './http-answer.ts'
import { checkCa, checkHeaders, httpOptionNames, toUrl, type HttpContextsOptions } from './http-options.ts'
import { notFound, settingsUnavailable } from './instance-settings.ts'
import { createNamespaceSettings } from './namespace-settings.ts'

/** What came back; or why nothing did, in words for the log that quote nothing of it. */
type Reply =
  | { readonly _tag: 'Found'; readonly body: Uint8Array }
  | { readonly _tag: 'NotFound' }
  | { readonly _tag: 'Failed'; readonly why: string; readonly retryAfter?: string | undefined }
  /** A kept connection that was closed meanwhile: nobody has read the request. */
  | { readonly _tag: 'Stale' }

type Answer = E.Either<AggregatorError, InstanceSettings>

const maxSockets = 64
const idleTimeoutMs = 30_000
const maxTold = 1000

/** Connections that are kept between requests, all of which can be closed. */
const createConnections = (isTls: boolean, ca: string | undefined) => {
  const options = { keepAlive: true, maxSockets, timeout: idleTimeoutMs }
  const agent = isTls ? new TlsAgent({ ...options, ...(ca === undefined ? {} : { ca }) }) : new Agent(options)
  const sockets = new Set<Socket>()
  const connect = agent.createConnection.bind(agent)
  agent.createConnection = (given, callback) => {
    const socket = connect(given, callback)
    if (!(socket instanceof Socket)) return socket
    sockets.add(socket)
    socket.once('close', () => sockets.delete(socket))
    return socket
  }
  guardKeptSockets(agent)
  const close = async (): Promise<void> => {
    const closed = [...sockets].map((socket) => once(socket, 'close'))
    for (const socket of sockets) socket.destroy()
    agent.destroy()
    await Promise.allSettled(closed)
  }
  return { agent, close }
}

const readReply = (response: IncomingMessage, limitBytes: number): Promise<Reply> =>
  new Promise((resolve) => {
    const { statusCode = 0, headers } = response
    const failed = (why: string): void => {
      resolve({ _tag: 'Failed', why, retryAfter: headers['retry-after'] })
    }
    const chunks: Uint8Array[] = []
    let bytes = 0
    response.on('data', (chunk: Uint8Array) => {
      bytes += chunk.length
      if (statusCode === 200) chunks.push(chunk)
      if (bytes <= limitBytes) return
      failed(`expected an answer of at most ${String(limitBytes)} bytes (option answerLimitBytes)`)
      response.destroy()
    })
    response.on('end', () => {
      if (statusCode === 404) resolve({ _tag: 'NotFound' })
      else if (statusCode !== 200) failed(`expected status 200 or 404, got ${String(statusCode)}`)
      else if ((headers['content-encoding'] ?? 'identity') !== 'identity') failed('expected an answer not compressed')
      else resolve({ _tag: 'Found', body: Buffer.concat(chunks) })
    })
    response.on('error', (cause) => {
      failed(`the answer broke off (${errorCodeOf(cause)})`)
    })
    response.on('close', () => {
      failed('the answer broke off')
    })
  })

/** Never rejects. Redirects are an answer like any other: secrets come from where the operator said, or not at all. */
const exchange = (asked: ClientRequest, body: string, limitBytes: number): Promise<Reply> =>
  new Promise((resolve) => {
    let isAnswered = false
    asked.on('response', (response) => {
      isAnswered = true
      resolve(readReply(response, limitBytes))
    })
    asked.on('error', (cause) => {
      const code = errorCodeOf(cause)
      const isStale = asked.reusedSocket && !isAnswered && (code === 'ECONNRESET' || code === 'EPIPE')
      resolve(isStale ? { _tag: 'Stale' } : { _tag: 'Failed', why: `expected an answer, got ${code}` })
    })
    // Of an answer that is none, such as 101, nothing else is heard.
    asked.on('close', () => {
      if (!isAnswered) resolve({ _tag: 'Failed', why: 'expected an answer, the connection was closed' })
    })
    asked.end(body)
  })

/**
 * Instance settings by a callback: `POST` with `{ pluginId, pluginType, uid, namespace }` as JSON, for each instance that is not
 * remembered. It answers 200 with `{ "datasource": { type, name, url, jsonData, secureJsonData, … } }` or `{ "app": { type, jsonData,
 * secureJsonData } }` in the words of Grafana's provisioning format, or 404: there is none. Every other answer is PluginUnavailable,
 * with its Retry-After up to a minute. An answer for another plugin or uid is NotFound. Redirects are not followed. Throws a TypeError
 * on a wrong option.
 */
export const httpContexts = (url: string, options: HttpContextsOptions = {}): PluginContextProvider => {
  checkOptionNames(options, httpOptionNames)
  const { ca, clock = systemClock, headers = {}, ttlMs, maxEntries } = options
  const cache = { ...(ttlMs === undefined ? {} : { ttlMs }), ...(maxEntries === undefined ? {} : { maxEntries }) }
  const target = toUrl(url)
  const logger = safeLogger(options.logger ?? silentLogger)
  const timeoutMs = integerOption('timeoutMs', options.timeoutMs, 5000, 1)
  const limitBytes = integerOption('answerLimitBytes', options.answerLimitBytes, 2 ** 20, 1)
  const settings = createNamespaceSettings(options)
  const ours = { 'content-type': 'application/json', accept: 'application/json', 'accept-encoding': 'identity' }
  const sent = { ...checkHeaders(headers), ...ours }
  const isTls = target.protocol === 'https:'
  const { agent, close } = createConnections(isTls, ca === undefined ? undefined : checkCa(ca))
  const request = isTls ? requestOverHttps : requestOverHttp
  const underway = new Set<AbortController>()
  /** What was said of each instance, so that it is said once. */
  const told = new LRUCache<string, string>({ max: maxTold })
  let isClosed = false
  let isReached = true

  const post = async (body: string, signal: AbortSignal): Promise<Exclude<Reply, { _tag: 'Stale' }>> => {
    for (;;) {
      if (isClosed) return { _tag: 'Failed', why: 'it is closed' }
      const length = String(Buffer.byteLength(body))
      const asked = request(target, { method: 'POST', agent, signal, headers: { ...sent, 'content-length': length } })
      const reply = await exchange(asked, body, limitBytes)
      if (reply._tag !== 'Stale') return reply
    }
  }

  /** One request, bounded in time. */
  const ask = async (body: string, signal: AbortSignal): ReturnType<typeof post> => {
    const controller = new AbortController()
    let isLate = false
    const abort = (): void => {
      controller.abort()
    }
    const cancelTimer = clock.setTimeout(() => {
      isLate = true
      abort()
    }, timeoutMs)
    signal.addEventListener('abort', abort)
    if (signal.aborted) abort()
    underway.add(controller)
    try {
      const reply = await post(body, controller.signal)
      const isOver = isLate && reply._tag === 'Failed'
      return isOver ? { _tag: 'Failed', why: `expected an answer within ${String(timeoutMs)} ms` } : reply
    } finally {
      underway.delete(controller)
      signal.removeEventListener('abort', abort)
      cancelTimer()
    }
  }

  /** Whose fault it is shows in how often it is said: once for each instance, or once until the callback is there again. */
  const unavailable = (why: string, isNews: boolean, retryAfter?: string): Answer => {
    if (isNews && !isClosed) {
      logger.error(`no instance settings from the callback: ${why}`, { origin: target.origin })
    }
    return E.left({ ...settingsUnavailable, retryAfterSeconds: toRetryAfter(retryAfter, clock.now()) })
  }

  const read = (body: Uint8Array, asked: PluginContextRequest, key: string): Answer => {
    const parsed = E.tryCatch(
      () => parseCallbackAnswer(body, asked, settings),
      () => 'expected an answer of less depth',
    )
    const found = E.flatten(parsed)
    if (E.isRight(found)) {
      told.delete(key)
      return found.right
    }
    const isNews = told.get(key) !== found.left
    told.set(key, found.left)
    return unavailable(found.left, isNews)
  }

  const provider: PluginContextProvider = {
    getInstanceSettings: (asked, signal) => async () => {
      const known = settings.answerWithout(asked)
      if (known !== undefined) return known
      const { pluginId, pluginType, uid, namespace } = asked
      const body = JSON.stringify({ pluginId, pluginType, uid, namespace })
      const reply = await ask(body, signal)
      if (signal.aborted) return E.left({ _tag: 'Cancelled' })
      const wasReached = isReached
      isReached = reply._tag !== 'Failed'
      switch (reply._tag) {
        case 'Found':
          return read(reply.body, asked, body)
        case 'NotFound':
          return E.left(pluginType === 'app' ? notFound('apps', pluginId) : notFound('datasources', uid ?? ''))
        case 'Failed':
          return unavailable(reply.why, wasReached, reply.retryAfter)
      }
    },
    close: async () => {
      isClosed = true
      for (const controller of underway) controller.abort()
      await close()
    },
  }
  return cachedContexts(provider, cache)
}

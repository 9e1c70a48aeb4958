import type { Clock } from '../clock.ts'
import { E } from '../fp.ts'
import type { KubernetesFailure } from '../kubernetes.ts'
import { toFailure } from './call.ts'
import { parseEvent, type WatchEvent } from './events.ts'
import { createLines } from './lines.ts'
import type { Opened, Transport } from './transport.ts'

/** Of a refusal; a Status is some hundred bytes. */
const maxRefusalBytes = 64 * 1024

/** For its body: a watch may be silent for minutes, a refusal has nothing to wait for. */
const refusalMs = 5000

export interface WatchRequest {
  readonly transport: Pick<Transport, 'open'>
  readonly clock: Clock
  readonly path: string
  readonly query: URLSearchParams
  readonly signal: AbortSignal
  /** Of the objects; `undefined`: any. */
  readonly apiVersion: string | undefined
  readonly headersTimeoutMs: number
  readonly maxLineBytes: number
  readonly onOpen: () => void
  /** What one chunk has brought, in order; anything but `undefined` ends the watch with it. */
  readonly onEvents: (events: ReadonlyArray<WatchEvent>) => WatchEnd | undefined
  /** When to give up, ms since the epoch, if nothing more comes after `heardAtMs`; asked again after each chunk. */
  readonly dueAtMs: (heardAtMs: number) => number
}

/** Why a watch is over; whatever its last line was without a line feed is lost. */
export type WatchEnd =
  /** The apiserver ended it. */
  | { readonly _tag: 'Ended' }
  /** The connection broke. */
  | { readonly _tag: 'Cut' }
  /** Nothing came for too long. */
  | { readonly _tag: 'Silent' }
  /** By its signal. */
  | { readonly _tag: 'Stopped' }
  | { readonly _tag: 'NotOpened'; readonly failure: KubernetesFailure }
  /** The apiserver told of a failure within it, or sent what is no watch. */
  | { readonly _tag: 'Failed'; readonly failure: KubernetesFailure }

const garbled = (message: string): WatchEnd => ({ _tag: 'Failed', failure: { _tag: 'Garbled', message } })

/** The signal of one watch, aborted with its owner's or when nothing is heard for too long; and why. */
const createWatchdog = ({ clock, signal, dueAtMs }: WatchRequest) => {
  const abort = new AbortController()
  let armedForMs = Infinity
  let isSilent = false
  let heardAtMs = clock.now()
  let cancel = (): void => undefined
  const stop = (): void => abort.abort()
  // once and for all: a timer a chunk would cost more than the chunk
  const arm = (): void => {
    // a clock that is set back is no reason to wait for longer
    heardAtMs = Math.min(heardAtMs, clock.now())
    const dueMs = dueAtMs(heardAtMs)
    if (dueMs >= armedForMs) return
    cancel()
    armedForMs = dueMs
    cancel = clock.setTimeout(check, Math.max(0, dueMs - clock.now()))
  }
  const check = (): void => {
    armedForMs = Infinity
    if (clock.now() < dueAtMs(heardAtMs)) {
      arm()
      return
    }
    isSilent = true
    abort.abort()
  }
  if (signal.aborted) abort.abort()
  signal.addEventListener('abort', stop)
  return {
    signal: abort.signal,
    heard: () => {
      heardAtMs = clock.now()
      arm()
    },
    /** What a connection that broke broke of. */
    verdict: (): WatchEnd => (isSilent ? { _tag: 'Silent' } : signal.aborted ? { _tag: 'Stopped' } : { _tag: 'Cut' }),
    release: () => {
      cancel()
      signal.removeEventListener('abort', stop)
    },
  }
}

type Watchdog = ReturnType<typeof createWatchdog>

const readRefusal = async ({ clock, signal }: WatchRequest, { status, headers, body }: Opened): Promise<WatchEnd> => {
  const chunks: AsyncIterable<unknown> = body
  const kept: Array<Buffer> = []
  let keptBytes = 0
  const cancel = clock.setTimeout(() => {
    body.destroy()
  }, refusalMs)
  try {
    for await (const chunk of chunks) {
      if (!Buffer.isBuffer(chunk)) continue
      kept.push(chunk)
      keptBytes += chunk.length
      if (keptBytes > maxRefusalBytes) break
    }
  } catch {
    // that it refused is known, whether or not it could say why
    if (signal.aborted) return { _tag: 'Stopped' }
  } finally {
    cancel()
  }
  return { _tag: 'NotOpened', failure: toFailure(status, headers, Buffer.concat(kept).toString('utf8'), clock.now()) }
}

const readEvents = async (request: WatchRequest, { body }: Opened, watchdog: Watchdog): Promise<WatchEnd> => {
  const chunks: AsyncIterable<unknown> = body
  const lines = createLines(request.maxLineBytes)
  for await (const chunk of chunks) {
    if (request.signal.aborted) return { _tag: 'Stopped' }
    if (!Buffer.isBuffer(chunk)) continue
    const ended = lines.push(chunk)
    if (ended === undefined) {
      return garbled(`expected lines of at most ${String(request.maxLineBytes)} bytes in a watch, got a longer one`)
    }
    const events = ended.filter((line) => line.trim() !== '').map((line) => parseEvent(line, request.apiVersion))
    const noJson = events.findIndex(({ _tag }) => _tag === 'Garbled')
    const end = request.onEvents(noJson === -1 ? events : events.slice(0, noJson))
    if (end !== undefined) return end
    if (noJson !== -1) return garbled('expected lines of JSON in a watch, got another text')
    watchdog.heard()
  }
  return { _tag: 'Ended' }
}

/** One watch, from its opening until its connection is gone. Never rejects; its callbacks must not throw. */
export const runWatch = async (request: WatchRequest): Promise<WatchEnd> => {
  const { transport, path, query, headersTimeoutMs } = request
  const watchdog = createWatchdog(request)
  const { signal } = watchdog
  try {
    const opened = await transport.open({ method: 'GET', path, query, signal, headersTimeoutMs, isStreamed: true })()
    if (E.isLeft(opened)) return signal.aborted ? watchdog.verdict() : { _tag: 'NotOpened', failure: opened.left }
    const { status, body } = opened.right
    const gone = new Promise<void>((resolve) => {
      if (body.closed) resolve()
      else body.once('close', resolve)
    })
    try {
      watchdog.heard()
      if (status !== 200) return await readRefusal(request, opened.right)
      request.onOpen()
      return await readEvents(request, opened.right, watchdog)
    } catch {
      return watchdog.verdict()
    } finally {
      body.destroy()
      await gone
    }
  } finally {
    watchdog.release()
  }
}

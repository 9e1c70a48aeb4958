import { isDeepStrictEqual } from 'node:util'

import type { Clock } from '../clock.ts'
import { unexpected, type AggregatorError, type Result } from '../errors.ts'
import { E } from '../fp.ts'
import type { PluginUser, StreamPacket } from '../plugin.ts'
import type { StreamSource } from '../shared-streams.ts'
import { takeAll } from './take-all.ts'

/** How one call of RunStream came to its end. */
export type Outcome =
  | { readonly _tag: 'Ended' }
  /** Settings changed, or the plugin is another one: it is to be called again. */
  | { readonly _tag: 'Outdated' }
  | { readonly _tag: 'Failed'; readonly error: AggregatorError; readonly livedMs: number }

export interface RunOptions {
  readonly path: string
  readonly data: Uint8Array
  readonly user: PluginUser | undefined
  readonly find: (signal: AbortSignal) => Result<StreamSource>
  readonly clock: Clock
  /** Says whether some reader lags behind. */
  readonly onPacket: (packet: StreamPacket) => boolean
}

/** How often it is looked whether settings changed. Source: runstream/manager.go of Grafana. */
const checkEveryMs = 60_000

/** As long as a timer can be: some 24 days. */
const timeoutMs = 2 ** 31 - 1

/** Calling again changes nothing about these. */
export const isFinal = ({ _tag }: AggregatorError): boolean => {
  switch (_tag) {
    case 'BadRequest':
    case 'Unauthorized':
    case 'Forbidden':
    case 'NotFound':
    case 'NotImplemented':
    case 'BodyTooLarge':
    case 'Invalid':
      return true
    default:
      return false
  }
}

type Found = E.Either<AggregatorError, StreamSource>

/** Cancelled as soon as the signal is aborted, whether or not `find` listens to it. */
const ask = (find: RunOptions['find'], signal: AbortSignal): Promise<Found> =>
  new Promise((resolve) => {
    const end = (found: Found): void => {
      signal.removeEventListener('abort', leave)
      resolve(found)
    }
    const leave = (): void => {
      end(E.left({ _tag: 'Cancelled' }))
    }
    signal.addEventListener('abort', leave)
    const found = async (): Promise<Found> => find(signal)()
    void found().then(end, (cause: unknown) => {
      end(E.left(unexpected(cause)))
    })
    if (signal.aborted) leave()
  })

/** By what they say, not by which objects they are: a provider may make its answer anew each time. */
const isSame = (before: StreamSource, now: StreamSource): boolean =>
  before.client === now.client && isDeepStrictEqual(before.context, now.context)

/** Asks again and again; `stop` is told once why the call cannot go on. Gives back what ends the asking. */
const watchSource = (
  source: StreamSource,
  { find, clock }: RunOptions,
  signal: AbortSignal,
  stop: (why: Outcome) => void,
): (() => void) => {
  let cancel = (): void => undefined
  const look = async (): Promise<void> => {
    const now = await ask(find, signal)
    if (signal.aborted) return
    if (E.isRight(now) && !isSame(source, now.right)) stop({ _tag: 'Outdated' })
    else if (E.isLeft(now) && isFinal(now.left)) stop({ _tag: 'Failed', error: now.left, livedMs: 0 })
    else wait()
  }
  const wait = (): void => {
    cancel = clock.setTimeout(() => void look(), checkEveryMs)
  }
  wait()
  return () => {
    cancel()
  }
}

/** Makes one call of RunStream, and sees to it that its settings are those of the day. Ends with the signal; never rejects. */
export const runOnce = async (options: RunOptions, signal: AbortSignal): Promise<Outcome> => {
  const { path, data, user, find, clock, onPacket } = options
  const found = await ask(find, signal)
  if (E.isLeft(found)) return { _tag: 'Failed', error: found.left, livedMs: 0 }
  if (signal.aborted) return { _tag: 'Ended' }
  const { client, context } = found.right
  const call = new AbortController()
  let why: Outcome | undefined
  const leave = (): void => {
    call.abort()
  }
  signal.addEventListener('abort', leave)
  const endWatch = watchSource(found.right, options, call.signal, (outcome) => {
    why = outcome
    call.abort()
  })
  const beganAtMs = clock.now()
  const request = { pluginContext: { ...context, user }, path, data, headers: {} }
  const error = await takeAll(
    () => client.runStream(request, { signal: call.signal, timeoutMs }),
    call.signal,
    onPacket,
  )
  const livedMs = clock.now() - beganAtMs
  endWatch()
  signal.removeEventListener('abort', leave)
  // a look that is under way
  call.abort()
  return why ?? (error === undefined ? { _tag: 'Ended' } : { _tag: 'Failed', error, livedMs })
}

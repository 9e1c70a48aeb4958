import type { AggregatorError, Result } from '../errors.ts'
import { E } from '../fp.ts'
import type { CallOptions, MessageStream } from '../plugin.ts'
import { createMessages, type Failure, type Life } from './in-process-messages.ts'
import { isAggregatorError } from './thrown.ts'

export type Answer<A> = A | Promise<A>

/** Messages of a streamed answer, asked for one by one as the client takes them; ended by `return` once nobody wants more. */
export type Messages<A> = Iterable<A> | AsyncIterable<A>

/** Ends one running call. */
export type Ending = (error: AggregatorError) => void

/** Of one plugin. */
export interface CallerOptions {
  readonly pluginId: string
  /** Calls under way, of all plugins of the host. */
  readonly running: Set<Ending>
  readonly isClosed: () => boolean
}

// the longest delay that a timer takes
const maxTimeoutMs = 2 ** 31 - 1

type Given<Request, A> = ((request: Request, options: CallOptions) => Answer<A>) | undefined
type Complete<Request, A, Response> = (answer: A, request: Request) => Response

/** Calls functions as if they were a process: deadline, cancellation and close end a call whether its function listens or not. */
export const createCaller = ({ pluginId, running, isClosed }: CallerOptions) => {
  const plugin = `plugin "${pluginId}"`

  const callable = <F>(name: string, given: F | undefined, signal: AbortSignal): E.Either<AggregatorError, F> => {
    if (isClosed()) return E.left({ _tag: 'PluginUnavailable', message: `${plugin} is stopped`, retryAfterSeconds: 1 })
    if (signal.aborted) return E.left({ _tag: 'Cancelled' })
    return given === undefined
      ? E.left({ _tag: 'NotImplemented', message: `${plugin} does not implement ${name}` })
      : E.right(given)
  }

  const begin = (name: string, { signal, timeoutMs }: CallOptions, onEnd: (failure: Failure) => void): Life => {
    const controller = new AbortController()
    const beganAtMs = performance.now()
    const timedOut: AggregatorError = { _tag: 'PluginTimeout', message: `${plugin} did not answer ${name} in time` }
    const finish = (): void => {
      clearTimeout(timer)
      signal.removeEventListener('abort', abort)
      running.delete(end)
    }
    const end: Ending = (error) => {
      if (controller.signal.aborted) return
      finish()
      onEnd(E.left(error))
      controller.abort()
    }
    // a deadline aborts the signal too
    const abort = (): void => {
      end(performance.now() - beganAtMs >= timeoutMs - 1 ? timedOut : { _tag: 'Cancelled' })
    }
    const timer = setTimeout(end, Math.min(timeoutMs, maxTimeoutMs), timedOut)
    signal.addEventListener('abort', abort)
    running.add(end)
    return { signal: controller.signal, end, finish }
  }

  const failure = (name: string, cause: unknown, { signal }: CallOptions): Failure => {
    // nobody but the client can leave
    if (isAggregatorError(cause) && (cause._tag !== 'Cancelled' || signal.aborted)) return E.left(cause)
    return E.left({ _tag: 'PluginFailed', message: `${plugin} failed in ${name}`, source: 'plugin', cause })
  }

  return {
    /** A call with one answer. */
    unary:
      <Request, A, Response>(name: string, given: Given<Request, A>, complete: Complete<Request, A, Response>) =>
      (request: Request, options: CallOptions): Result<Response> =>
      () =>
        new Promise((resolve) => {
          const call = callable(name, given, options.signal)
          if (E.isLeft(call)) {
            resolve(call)
            return
          }
          const run = call.right
          const life = begin(name, options, resolve)
          const answer = async (): Promise<void> => {
            try {
              resolve(E.right(complete(await run(request, { ...options, signal: life.signal }), request)))
            } catch (cause) {
              resolve(failure(name, cause, options))
            } finally {
              life.finish()
            }
          }
          void answer()
        }),

    /** A call with messages. */
    stream:
      <Request, A, Response>(
        name: string,
        given: Given<Request, Messages<A>>,
        complete: Complete<Request, A, Response>,
      ) =>
      (request: Request, options: CallOptions): MessageStream<Response> =>
        createMessages({
          callable: () => callable(name, given, options.signal),
          begin: (onEnd) => begin(name, options, onEnd),
          open: async (call, signal) => {
            const messages = await call(request, { ...options, signal })
            return Symbol.asyncIterator in messages ? messages[Symbol.asyncIterator]() : messages[Symbol.iterator]()
          },
          complete: (message) => complete(message, request),
          failure: (cause) => failure(name, cause, options),
        }),
  }
}

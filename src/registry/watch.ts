import type { AggregatorError, Result } from '../errors.ts'
import { pipe, TE } from '../fp.ts'
import { stream, type HttpAnswer, type HttpRequest } from '../http.ts'
import type { CallEnv } from '../service.ts'
import { parseWatchOptions, type WatchOptions } from './list-options.ts'
import { negotiate } from './negotiate.ts'
import type { ReadOptions } from './read-options.ts'
import { awaitReady, awaitRevision } from './revision.ts'
import { errorLine, watchLines, type Watched } from './watch-stream.ts'

/** Source: min-request-timeout of the Kubernetes apiserver. */
const leastTimeoutMs = 1_800_000

/** Whatever is between us and the client shall hand each line on at once. */
const headers = {
  'content-type': 'application/json',
  'cache-control': 'no-cache, private, no-transform',
  'x-accel-buffering': 'no',
}

/** Ends a little before the server would, so that it ends in order; where the client does not say, not all at the same time. */
const timeoutOf = ({ timeoutSeconds }: WatchOptions, limitMs: number, random: () => number): number => {
  const longestMs = limitMs - Math.min(2000, limitMs / 10)
  if (timeoutSeconds !== 0) return Math.min(Math.max(0, timeoutSeconds * 1000), longestMs)
  return Math.min(leastTimeoutMs, longestMs / 2) * (1 + random())
}

/** No version, or any, begins with what there is, unless the client does not want that. */
const beginningOf = ({ resourceVersion = 0, sendInitialEvents }: WatchOptions): Watched['after'] => {
  if (sendInitialEvents ?? resourceVersion === 0) return 'initial'
  return resourceVersion === 0 ? 'present' : resourceVersion
}

/** A watch that is over tells nothing but what a client may not take for its end: it goes on from its last version. */
const farewell = (error: AggregatorError): Uint8Array =>
  error._tag === 'Unexpected' ? errorLine(error) : new Uint8Array()

/**
 * Objects as they change, a line each. A version that is remembered no more is told within. Fails with NotAcceptable, BadRequest, Invalid, NotYet.
 * Source: WatchServer of the Kubernetes apiserver.
 */
export const watch = (
  request: HttpRequest,
  { signal, timeoutMs }: CallEnv,
  { objects, clock, random, texts }: ReadOptions,
): Result<HttpAnswer> =>
  pipe(
    TE.Do,
    TE.bind('representation', () => TE.fromEither(negotiate(request, clock.now))),
    TE.bind('options', () => TE.fromEither(parseWatchOptions(new URLSearchParams(request.query)))),
    TE.tap(() => awaitReady(objects)),
    // what there is has to be at least as new; changes may come whenever they do
    TE.tap(({ options: { sendInitialEvents, resourceVersion = 0 } }) =>
      awaitRevision(objects, sendInitialEvents === true ? resourceVersion : 0, clock, signal),
    ),
    TE.map(({ representation, options }) =>
      stream(
        200,
        headers,
        watchLines({
          objects,
          clock,
          texts,
          representation,
          selects: options.selects,
          after: beginningOf(options),
          marksInitialEnd: options.sendInitialEvents === true && options.allowsBookmarks,
          hasBookmarks: options.allowsBookmarks,
          timeoutMs: timeoutOf(options, timeoutMs, random),
          signal,
        }),
        { farewell, isEndless: true },
      ),
    ),
  )

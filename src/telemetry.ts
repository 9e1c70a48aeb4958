import type { AggregatorError, ErrorSource } from './errors.ts'
import type { HttpRequest } from './http.ts'
import { silentLogger, type Logger } from './logger.ts'
import type { CallEnv } from './service.ts'

/** How a claimed request ended. `code` is what the client reads; 499 stands for a client that left. */
export interface Outcome {
  readonly code: number
  readonly durationMs: number
  /** `undefined`: it was answered. */
  readonly error: AggregatorError | undefined
  /** Set when it was answered, and the answer tells of a failure. */
  readonly errorSource?: ErrorSource | undefined
}

/** One request, as one observer follows it. */
export interface Observation {
  /** Calls `start`, at once, in the context that the request's work belongs to (of its span, say). */
  readonly within?: (start: () => void) => void
  /** Trace context for whoever is called on the request's behalf. Shape: `{ traceparent: '00-…-01' }`. */
  readonly trace?: Readonly<Record<string, string>>
  /** Told once, how it ended. */
  readonly ended: (outcome: Outcome) => void
}

/** Told of each claimed request when it begins. It waits for nothing, and it should not throw (`observeAll`). */
export type Observer = (request: HttpRequest, env: CallEnv) => Observation

/**
 * Many observers as one, which never throws: what one of them throws is logged, and takes nothing from the request or from the
 * others. An observer that failed at the beginning is not told of the end.
 */
export const observeAll = (observers: ReadonlyArray<Observer>, logger: Logger = silentLogger): Observer => {
  const report = (error: unknown): void => {
    try {
      logger.error('a request observer failed', { error })
    } catch {
      // The logger may be the very one that failed.
    }
  }
  const attempt = (step: () => void): void => {
    try {
      step()
    } catch (error) {
      report(error)
    }
  }
  return (request, env) => {
    const observations: Observation[] = []
    for (const observe of observers) attempt(() => observations.push(observe(request, env)))
    const trace = observations.find((observation) => observation.trace !== undefined)?.trace
    return {
      ...(trace === undefined ? {} : { trace }),
      within: (start) => {
        observations.reduceRight(
          (inner, { within }) => (within === undefined ? inner : () => attempt(() => within(inner))),
          start,
        )()
      },
      ended: (outcome) => {
        for (const { ended } of observations) attempt(() => ended(outcome))
      },
    }
  }
}

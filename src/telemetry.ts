import type { AggregatorError } from './errors.ts'
import type { HttpRequest } from './http.ts'
import type { CallEnv } from './service.ts'

/** How a claimed request ended. `code` is what the client reads; 499 stands for a client that left. */
export interface Outcome {
  readonly code: number
  readonly durationMs: number
  /** `undefined`: it was answered. */
  readonly error: AggregatorError | undefined
}

/** Told of each claimed request when it begins; the function it returns is told, once, how it ended. Neither may throw or wait. */
export type Observer = (request: HttpRequest, env: CallEnv) => (outcome: Outcome) => void

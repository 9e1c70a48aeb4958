import type { Authorize } from '../authorization.ts'
import type { Handle, Layer } from '../service.ts'
import type { Observer } from '../telemetry.ts'
import { authorize } from './authorize.ts'
import { deadline } from './deadline.ts'
import { headerPolicy } from './header-policy.ts'
import { limits, type InFlightLimits } from './limits.ts'
import { telemetry } from './telemetry.ts'
import { total } from './total.ts'

export interface LayerOptions {
  readonly observe: Observer
  readonly authorize: Authorize | undefined
  readonly inFlight: InFlightLimits
  readonly requestTimeoutMs: number
  readonly requestHeaders: ReadonlyArray<string>
}

/** The cross-cutting rules, in order, the first outermost. Everything that answers a claimed request passes all of them. */
export const layers = (options: LayerOptions): ReadonlyArray<Layer> => [
  total,
  telemetry(options.observe),
  authorize(options.authorize),
  limits(options.inFlight),
  deadline(options.requestTimeoutMs),
  headerPolicy(options.requestHeaders),
]

/**
 * The one handle behind the door: it wraps whatever route a request was matched to, so no service type can go around a layer.
 * `total` stands at both ends: a service that throws must not skip what the layers around it have to give back.
 */
export const applyLayers = (list: ReadonlyArray<Layer>): Handle =>
  list.reduceRight<Handle>(
    (next, layer) => layer(next),
    total((request, env) => env.route.handle(request, env)),
  )

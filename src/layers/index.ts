import type { Authorize } from '../authorization.ts'
import type { Handle, Layer } from '../service.ts'
import type { Observer } from '../telemetry.ts'
import { authenticate } from './authenticate.ts'
import { authorize } from './authorize.ts'
import { deadline, type Deadlines } from './deadline.ts'
import { headerPolicy, responseHeaders, type HeaderNames } from './header-policy.ts'
import { limits, type InFlightLimits } from './limits.ts'
import { telemetry } from './telemetry.ts'
import { total } from './total.ts'

export { responseHeaders }

export interface LayerOptions {
  readonly observe: Observer
  readonly authorize: Authorize | undefined
  readonly inFlight: InFlightLimits
  readonly deadlines: Deadlines
  readonly headers: HeaderNames
}

/** The cross-cutting rules, in order, the first outermost. Everything that answers a claimed request passes all of them. */
export const layers = (options: LayerOptions): ReadonlyArray<Layer> => [
  total,
  telemetry(options.observe),
  authenticate,
  authorize(options.authorize),
  limits(options.inFlight),
  deadline(options.deadlines),
  headerPolicy(options.headers),
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

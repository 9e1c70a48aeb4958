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
const rules: Readonly<Record<string, (options: LayerOptions) => Layer>> = {
  total: () => total,
  telemetry: ({ observe }) => telemetry(observe),
  authenticate: () => authenticate,
  authorize: (options) => authorize(options.authorize),
  limits: ({ inFlight }) => limits(inFlight),
  deadline: ({ deadlines }) => deadline(deadlines),
  headerPolicy: ({ headers }) => headerPolicy(headers),
}

export const layerNames: ReadonlyArray<string> = Object.keys(rules)

export const layers = (options: LayerOptions): ReadonlyArray<Layer> =>
  Object.values(rules).map((toLayer) => toLayer(options))

/**
 * The one handle behind the door: it wraps whatever route a request was matched to, so no service type can go around a layer.
 * `total` stands at both ends: a service that throws must not skip what the layers around it have to give back.
 */
export const applyLayers = (list: ReadonlyArray<Layer>): Handle =>
  list.reduceRight<Handle>(
    (next, layer) => layer(next),
    total((request, env) => env.route.handle(request, env)),
  )

import { unexpected, type AggregatorError, type Result } from '../../errors.ts'
import { E } from '../../fp.ts'
import type { CallOptions, PluginClient, PluginContext } from '../../plugin.ts'
import type { Health } from './health.ts'
import { createPlaces, type PlacesOptions } from './places.ts'
import type { Secrets } from './secrets.ts'
import { createStreamCalls } from './stream-calls.ts'
import { createTarget, type Target } from './target.ts'

export interface CallsOptions extends PlacesOptions {
  readonly secrets: Pick<Secrets, 'learn'>
}

/** The calls to one plugin, whichever peer answers them. */
export interface Calls {
  readonly client: PluginClient
  /** Those that have a place. */
  readonly inFlight: number
  readonly queued: number
  createTarget(client: PluginClient, health: Pick<Health, 'succeeded' | 'suspect'>): Target
  /** To be told whenever `find` gives something else. */
  readonly wake: () => void
}

/** Makes each call on the target that `find` gives, with what is left of its time. A call is made once: never again. */
export const createCalls = (options: CallsOptions): Calls => {
  const { secrets, clock } = options
  const places = createPlaces(options)

  const unary = <Request extends { readonly pluginContext: PluginContext }, Response>(
    call: (client: PluginClient, request: Request, options: CallOptions) => Result<Response>,
  ): ((request: Request, options: CallOptions) => Result<Response>) => {
    const make = (
      target: Target,
      request: Request,
      options: CallOptions,
    ): Promise<E.Either<AggregatorError, Response>> => {
      try {
        secrets.learn(request.pluginContext)
        const answer = call(target.client, request, options)()
        void answer.then(target.onAnswer, target.onThrown)
        return answer
      } catch (cause) {
        target.onThrown()
        return Promise.resolve(E.left(unexpected(cause)))
      }
    }
    return (request, options) => () => {
      const entrance = places.enter(request.pluginContext.namespace, options, true)
      // most calls find a place: they get the very promise of the peer's client
      if (!(entrance instanceof Promise))
        return E.isLeft(entrance) ? Promise.resolve(entrance) : make(entrance.right, request, options)
      const beganAtMs = clock.now()
      return entrance.then((late) => {
        if (E.isLeft(late)) return late
        return make(late.right, request, { ...options, timeoutMs: options.timeoutMs - (clock.now() - beganAtMs) })
      })
    }
  }
  const stream = createStreamCalls({ places, secrets, clock })

  return {
    client: {
      queryData: unary((client, request, options) => client.queryData(request, options)),
      queryChunkedData: stream((client, request, options) => client.queryChunkedData(request, options), true),
      callResource: stream((client, request, options) => client.callResource(request, options), true),
      checkHealth: unary((client, request, options) => client.checkHealth(request, options)),
      collectMetrics: unary((client, request, options) => client.collectMetrics(request, options)),
      subscribeStream: unary((client, request, options) => client.subscribeStream(request, options)),
      runStream: stream((client, request, options) => client.runStream(request, options), false),
      publishStream: unary((client, request, options) => client.publishStream(request, options)),
      validateAdmission: unary((client, request, options) => client.validateAdmission(request, options)),
      mutateAdmission: unary((client, request, options) => client.mutateAdmission(request, options)),
      convertObjects: unary((client, request, options) => client.convertObjects(request, options)),
    },
    get inFlight() {
      return places.inFlight
    },
    get queued() {
      return places.queued
    },
    createTarget: (client, health) =>
      createTarget(client, health, (target) => {
        places.leave(target, true)
      }),
    wake: places.wake,
  }
}

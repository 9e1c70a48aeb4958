import type { DataPlaneService } from '../../src/api/dataplane-service.ts'
import type { AggregatorError } from '../../src/errors.ts'
import { TE, type E } from '../../src/fp.ts'
import type { HttpAnswer, HttpRequest } from '../../src/http.ts'
import type { InstanceSettings, PluginContextProvider, PluginContextRequest, PluginHost } from '../../src/plugin.ts'
import { match } from '../../src/routing/match.ts'
import type { EncodeQueryData } from '../../src/service.ts'
import { compile } from '../../src/routing/table.ts'
import { serviceDefinitions } from '../../src/services/index.ts'
import { service } from '../api/manifests.ts'
import { envOf, requestOf } from '../telemetry/requests.ts'

export const settings: InstanceSettings = { orgId: 1, grafanaConfig: { GF_X: '1' } }

/** Knows every instance, and keeps what it was asked. */
export const recordingContexts = (): PluginContextProvider & { readonly asked: PluginContextRequest[] } => {
  const asked: PluginContextRequest[] = []
  return {
    asked,
    getInstanceSettings: (request) => {
      asked.push(request)
      return TE.right(settings)
    },
  }
}

export interface Surroundings {
  readonly plugins: PluginHost
  readonly contexts?: PluginContextProvider
  readonly of?: DataPlaneService
  readonly encode?: EncodeQueryData
  readonly request?: Partial<HttpRequest>
}

/** One POST through the matcher and its service, without the layers. `text` is the body, as it came. */
export const serve = (
  path: string,
  text: string,
  {
    plugins,
    contexts = recordingContexts(),
    of = service(),
    encode = () => ({ _tag: 'Right', right: [] }),
    request,
  }: Surroundings,
): Promise<E.Either<AggregatorError, HttpAnswer>> => {
  const matched = match(compile([of], serviceDefinitions(encode)), 'POST', `/apis/p.example.com/v1${path}`)
  if (matched?._tag !== 'Claimed') throw new Error(`nobody claims ${path}`)
  const { claim, params } = matched
  const readJson = TE.right({ value: JSON.parse(text) as unknown, text })
  const env = envOf()
  return claim.route.handle(requestOf({ path: matched.path, params, readJson, receivedAtMs: 0, ...request }), {
    ...env,
    service: of,
    type: claim.type,
    route: claim.route,
    plugins,
    contexts,
  })()
}

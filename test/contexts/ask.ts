import type { AggregatorError } from '../../src/errors.ts'
import { E } from '../../src/fp.ts'
import type { InstanceSettings, PluginContextProvider, PluginContextRequest } from '../../src/plugin.ts'

/** A datasource `p1` of plugin `testds` in the namespace `default`, unless told otherwise. */
export const request = (changes: Partial<PluginContextRequest> = {}): PluginContextRequest => ({
  pluginId: 'testds',
  pluginType: 'datasource',
  uid: 'p1',
  namespace: 'default',
  ...changes,
})

export const ask = (
  provider: PluginContextProvider,
  changes: Partial<PluginContextRequest> = {},
  signal = new AbortController().signal,
): Promise<E.Either<AggregatorError, InstanceSettings>> => provider.getInstanceSettings(request(changes), signal)()

/** Shape of a refusal: `NotFound: datasources "p1" not found`. */
export const refusal = async (
  provider: PluginContextProvider,
  changes: Partial<PluginContextRequest> = {},
): Promise<string> => {
  const answer = await ask(provider, changes)
  if (E.isRight(answer)) return 'no refusal'
  return 'message' in answer.left ? `${answer.left._tag}: ${answer.left.message}` : answer.left._tag
}

export const settingsOf = async (
  provider: PluginContextProvider,
  changes: Partial<PluginContextRequest> = {},
): Promise<InstanceSettings> => {
  const answer = await ask(provider, changes)
  if (E.isLeft(answer)) throw new Error(`expected settings, got ${JSON.stringify(answer.left)}`)
  return answer.right
}

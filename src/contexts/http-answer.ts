import { parseApp, parseDatasource, type ProvisionedApp, type ProvisionedDatasource } from '../api/provisioning.ts'
import { describeCauses } from '../decode.ts'
import type { AggregatorError } from '../errors.ts'
import { E, pipe } from '../fp.ts'
import type { InstanceSettings, PluginContextRequest } from '../plugin.ts'
import { notFound } from './instance-settings.ts'
import type { NamespaceSettings } from './namespace-settings.ts'

type Found = E.Either<AggregatorError, InstanceSettings>
type Parsed = E.Either<string, Found>

const parseJson = (body: Uint8Array): E.Either<string, unknown> =>
  E.tryCatch(
    (): unknown => JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(body)),
    // The message of the parser quotes the text.
    () => 'expected an answer in JSON',
  )

const partOf = (value: unknown, name: string): unknown =>
  typeof value === 'object' && value !== null && Object.hasOwn(value, name) ? Reflect.get(value, name) : undefined

/** A datasource without a name is called by its uid. */
const named = (value: unknown, name: string): unknown =>
  typeof value === 'object' && value !== null && !Array.isArray(value) ? { name, ...value } : value

/**
 * Left: what is wrong with the answer, without any value of it. Right, and a Left in it: it speaks of another instance. May throw a
 * RangeError when the answer is nested too deeply. Pure.
 */
export const parseCallbackAnswer = (
  body: Uint8Array,
  { pluginId, pluginType, uid = '', namespace }: PluginContextRequest,
  settings: NamespaceSettings,
): Parsed => {
  const toApp = (entry: ProvisionedApp): Found =>
    entry.type === pluginId ? settings.toApp(namespace, entry) : E.left(notFound('apps', pluginId))
  const toDatasource = (entry: ProvisionedDatasource): Found =>
    entry.type === pluginId && (entry.uid ?? uid) === uid
      ? settings.toDatasource(namespace, uid, entry)
      : E.left(notFound('datasources', uid))
  return pipe(
    parseJson(body),
    E.flatMap((value) =>
      pipe(
        pluginType === 'app'
          ? E.map(toApp)(parseApp(partOf(value, 'app'), 'app'))
          : E.map(toDatasource)(parseDatasource(named(partOf(value, 'datasource'), uid), 'datasource')),
        E.mapLeft(describeCauses),
      ),
    ),
  )
}

const maxRetryAfterSeconds = 60

/** What a Retry-After says, or left unsaid, in seconds: from 1 to 60. Source: RFC 9110, 10.2.3. */
export const toRetryAfter = (text: string | undefined, nowMs: number): number => {
  const seconds = /^\d+$/.test(text ?? '') ? Number(text) : Math.ceil((Date.parse(text ?? '') - nowMs) / 1000)
  return Number.isNaN(seconds) ? 5 : Math.min(Math.max(seconds, 1), maxRetryAfterSeconds)
}

import { parseApp, parseDatasource, type ProvisionedApp, type ProvisionedDatasource } from '../api/provisioning.ts'
import type { StatusCause } from '../api/status.ts'
import { describeCauses } from '../decode.ts'
import { E, pipe, TE } from '../fp.ts'
import type { PluginContextProvider } from '../plugin.ts'
import { createInstanceTable, toTableSettings, type InstanceTableOptions } from './instance-table.ts'

interface StaticInstance {
  /** Id of the plugin. */
  readonly type: string
  /** Default `default`. */
  readonly namespace?: string
  readonly jsonData?: Readonly<Record<string, unknown>>
  readonly secureJsonData?: Readonly<Record<string, string>>
}

/** A datasource, in the words of Grafana's provisioning format. */
export interface StaticDatasource extends StaticInstance {
  readonly uid: string
  /** Default: the uid. */
  readonly name?: string
  readonly url?: string
  readonly user?: string
  readonly database?: string
  readonly basicAuth?: boolean
  readonly basicAuthUser?: string
}

export type StaticApp = StaticInstance

export interface StaticContextsTable {
  readonly datasources?: ReadonlyArray<StaticDatasource>
  readonly apps?: ReadonlyArray<StaticApp>
}

export type StaticContextsOptions = InstanceTableOptions

type Parse<A> = (value: unknown, field: string) => E.Either<ReadonlyArray<StatusCause>, A>

const refuse = (message: string): never => {
  throw new TypeError(`staticContexts: ${message}`)
}

/** Instance settings written in code: for tests, and for a handful that never change. Throws a TypeError on a wrong table. */
export const staticContexts = (
  { datasources = [], apps = [] }: StaticContextsTable,
  options: StaticContextsOptions = {},
): PluginContextProvider => {
  const settings = toTableSettings(options)
  const { orgOfNamespace } = settings
  const orgIdOf = (namespace = 'default'): number =>
    orgOfNamespace(namespace) ?? refuse(`namespace "${namespace}" has no organisation (option orgOfNamespace)`)
  const parse = <A>(parseEntry: Parse<A>, value: unknown, field: string): A =>
    pipe(
      parseEntry(value, field),
      E.getOrElse((causes): A => refuse(describeCauses(causes))),
    )

  const table = createInstanceTable({
    datasources: datasources.map((entry, index): ProvisionedDatasource => {
      const named = { name: entry.uid, ...entry }
      return { ...parse(parseDatasource, named, `datasources[${String(index)}]`), orgId: orgIdOf(entry.namespace) }
    }),
    apps: apps.map((entry, index): ProvisionedApp => {
      return { ...parse(parseApp, entry, `apps[${String(index)}]`), orgId: orgIdOf(entry.namespace) }
    }),
    settings,
    onDuplicate: (kind, name) => refuse(`expected each of ${kind} once in a namespace, got "${name}" twice`),
  })
  return { getInstanceSettings: (request) => TE.fromEither(table.find(request)) }
}

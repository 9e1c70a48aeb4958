import * as t from 'io-ts'

import { decodeWith } from '../decode.ts'
import { E, pipe } from '../fp.ts'
import type { StatusCause } from './status.ts'

/** An entry of `datasources:` with Grafana's defaults filled in. */
export interface ProvisionedDatasource {
  readonly orgId: number
  /** `undefined`: Grafana derives one from the name. */
  readonly uid: string | undefined
  readonly name: string
  /** Id of the plugin. */
  readonly type: string
  readonly url: string
  readonly user: string
  readonly database: string
  readonly basicAuth: boolean
  readonly basicAuthUser: string
  readonly jsonData: Readonly<Record<string, unknown>>
  readonly secureJsonData: Readonly<Record<string, string>>
}

/** An entry of `apps:` with Grafana's defaults filled in. */
export interface ProvisionedApp {
  readonly orgId: number
  /** Id of the plugin. */
  readonly type: string
  readonly jsonData: Readonly<Record<string, unknown>>
  readonly secureJsonData: Readonly<Record<string, string>>
}

export interface ProvisioningFile {
  readonly datasources: ReadonlyArray<unknown>
  readonly apps: ReadonlyArray<unknown>
}

type Parsed<A> = E.Either<ReadonlyArray<StatusCause>, A>

/** YAML's `url:` without a value is null, and counts as left out. */
const withoutNulls = (value: unknown): unknown =>
  t.UnknownRecord.is(value) ? Object.fromEntries(Object.entries(value).filter(([, inner]) => inner !== null)) : value

const map = t.record(t.string, t.unknown, 'a map')
const secrets = t.record(t.string, t.union([t.string, t.null], 'a string'), 'a map of strings')

/** `basicAuth: $WITH_AUTH` is a text even when the variable holds `true`. */
const flag = t.union([t.boolean, t.literal('true'), t.literal('false')], 'true or false')

const isOrgId = (value: unknown): value is number =>
  typeof value === 'number' && Number.isSafeInteger(value) && value > 0

const orgId = new t.Type<number>(
  'a positive whole number',
  isOrgId,
  (value, context) => {
    const number = value === '' ? 1 : typeof value === 'string' ? Number(value) : value
    return isOrgId(number) ? t.success(number) : t.failure(value, context)
  },
  (value) => value,
)

const File = t.intersection([
  t.type({ apiVersion: t.literal(1, 'the number 1') }),
  t.partial({ datasources: t.array(t.unknown), apps: t.array(t.unknown) }),
])

const Datasource = t.intersection([
  t.type({ name: t.string, type: t.string }),
  t.partial({
    uid: t.string,
    orgId,
    url: t.string,
    user: t.string,
    database: t.string,
    basicAuth: flag,
    basicAuthUser: t.string,
    jsonData: map,
    secureJsonData: secrets,
  }),
])

const App = t.intersection([
  t.type({ type: t.string }),
  t.partial({ org_id: orgId, jsonData: map, secureJsonData: secrets }),
])

const toSecrets = (given: t.TypeOf<typeof secrets> = {}): Readonly<Record<string, string>> =>
  Object.fromEntries(Object.entries(given).map(([key, value]) => [key, value ?? '']))

/** Puts the field of a whole before those of its parts. */
export const below =
  (field: string) =>
  (causes: ReadonlyArray<StatusCause>): ReadonlyArray<StatusCause> =>
    causes.map((cause) => ({ ...cause, field: cause.field === '' ? field : `${field}.${cause.field}` }))

/** A whole file in Grafana's provisioning format, `apiVersion: 1`, its entries still to be parsed one by one. Pure. */
export const parseProvisioningFile = (value: unknown): Parsed<ProvisioningFile> =>
  pipe(
    withoutNulls(value),
    decodeWith(File),
    E.map(({ datasources, apps }) => ({ datasources: datasources ?? [], apps: apps ?? [] })),
  )

/**
 * One datasource after the expansion of its variables. `field` is its place, say `datasources[1]`; causes are below it.
 * Keys that concern Grafana's own pages (`access`, `isDefault`, `editable`, `version` …) are ignored. Pure.
 * Source: pkg/services/provisioning/datasources/types.go.
 */
export const parseDatasource = (value: unknown, field: string): Parsed<ProvisionedDatasource> =>
  pipe(
    withoutNulls(value),
    decodeWith(Datasource),
    E.mapLeft(below(field)),
    E.map((entry) => ({
      orgId: entry.orgId ?? 1,
      uid: entry.uid ? entry.uid : undefined,
      name: entry.name,
      type: entry.type,
      url: entry.url ?? '',
      user: entry.user ?? '',
      database: entry.database ?? '',
      basicAuth: entry.basicAuth === true || entry.basicAuth === 'true',
      basicAuthUser: entry.basicAuthUser ?? '',
      jsonData: entry.jsonData ?? {},
      secureJsonData: toSecrets(entry.secureJsonData),
    })),
  )

/** One app after the expansion of its variables, as `parseDatasource`. Source: pkg/services/provisioning/plugins/types.go. */
export const parseApp = (value: unknown, field: string): Parsed<ProvisionedApp> =>
  pipe(
    withoutNulls(value),
    decodeWith(App),
    E.mapLeft(below(field)),
    E.map((entry) => ({
      orgId: entry.org_id ?? 1,
      type: entry.type,
      jsonData: entry.jsonData ?? {},
      secureJsonData: toSecrets(entry.secureJsonData),
    })),
  )

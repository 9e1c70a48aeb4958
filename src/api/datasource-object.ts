import * as t from 'io-ts'

import { capCauses, decodeWith, fault } from '../decode.ts'
import { E, pipe } from '../fp.ts'
import { below, parseDatasource, type ProvisionedDatasource } from './provisioning.ts'
import type { StatusCause } from './status.ts'

/** Where the value of a secret lies: never in another namespace than the object that asks for it. */
export interface SecretReference {
  /** The secret's name in the settings. Shape: `password`, `httpHeaderValue1`. */
  readonly field: string
  /** Name of the Secret. */
  readonly secret: string
  /** In the Secret's data. */
  readonly key: string
}

/** A DataSource of a cluster: settings of a datasource, or of an app, without its secrets. */
export interface DatasourceObject {
  readonly namespace: string
  /** The uid of a datasource, the plugin id of an app. */
  readonly name: string
  readonly pluginType: 'app' | 'datasource'
  /** `secureJsonData` is empty. */
  readonly entry: ProvisionedDatasource
  readonly secure: ReadonlyArray<SecretReference>
}

/** The texts of a Secret by key. Left: why one is none. A Map, since a key may be `__proto__`. */
export type SecretTexts = ReadonlyMap<string, E.Either<string, string>>

type Parsed<A> = E.Either<ReadonlyArray<StatusCause>, A>

const nullable = <C extends t.Mixed>(codec: C) => t.union([codec, t.null, t.undefined], codec.name)

const textOf = (name: string, is: (value: string) => boolean) =>
  new t.Type<string, string, unknown>(
    name,
    (value): value is string => typeof value === 'string' && is(value),
    (value, context) => {
      if (typeof value === 'string' && !is(value)) return fault(context, 'FieldValueInvalid', `expected ${name}`)
      return t.string.validate(value, context)
    },
    t.identity,
  )

/** A slash in it would be the way to another namespace. */
const objectName = textOf('the name of an object', (value) => value !== '' && !value.includes('/'))
const secretName = textOf(
  'the name of a Secret of the same namespace',
  (value) => value.length <= 253 && /^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$/.test(value),
)
const secretKey = textOf('a key of a Secret', (value) => /^[-._a-zA-Z0-9]{1,253}$/.test(value))

/** Anybody who may read the object would read it, and so would its history in the store. */
const noSecrets = new t.Type<undefined, undefined, unknown>(
  'nothing',
  (value): value is undefined => value === undefined,
  (value, context) =>
    value === undefined || value === null
      ? t.success(undefined)
      : fault(context, 'FieldValueForbidden', 'expected no secrets here: name a Secret below "secure"'),
  t.identity,
)

/** As it is: the records of io-ts lose the key `__proto__`, which a Secret may have. */
const map = new t.Type<Readonly<Record<string, unknown>>, unknown, unknown>(
  'an object',
  (value): value is Readonly<Record<string, unknown>> => t.UnknownRecord.is(value),
  (value, context) => (t.UnknownRecord.is(value) ? t.success(value) : t.failure(value, context)),
  t.identity,
)

const Reference = t.intersection([t.type({ name: secretName }), t.partial({ key: nullable(secretKey) })])

const Shape = t.intersection([
  t.type({
    metadata: t.type({ name: objectName, namespace: objectName }),
    spec: t.intersection([
      t.type({ type: t.string }),
      t.partial({
        pluginType: nullable(t.keyof({ app: null, datasource: null }, 'app or datasource')),
        title: nullable(t.string),
        name: nullable(t.string),
        secureJsonData: noSecrets,
      }),
    ]),
  }),
  t.partial({ secure: nullable(map) }),
])

const parseReferences = (secure: Readonly<Record<string, unknown>>): Parsed<ReadonlyArray<SecretReference>> => {
  const references: SecretReference[] = []
  const causes: StatusCause[] = []
  for (const [field, value] of Object.entries(secure)) {
    const parsed = decodeWith(Reference)(value)
    if (E.isRight(parsed)) references.push({ field, secret: parsed.right.name, key: parsed.right.key ?? field })
    else causes.push(...below(`secure.${field.slice(0, 80)}`)(parsed.left))
  }
  return causes.length > 0 ? E.left(capCauses(causes)) : E.right(references)
}

const parseName = ({ metadata, spec }: t.TypeOf<typeof Shape>): Parsed<undefined> => {
  if (spec.pluginType !== 'app' || spec.type === metadata.name) return E.right(undefined)
  // So an app has one object in a namespace, and the apiserver sees to that.
  const message = 'expected the settings of an app to be named as its plugin: metadata.name'
  return E.left([{ reason: 'FieldValueInvalid', field: 'spec.type', message }])
}

/**
 * A DataSource object: `spec` in the words of Grafana's DataSource and its provisioning format, `secure` with the names of Secrets.
 * Left: one cause for each wrong field, without its value. Pure. Source: pkg/apis/datasource/v0alpha1 of Grafana, whose objects have
 * their type from the API group and their name from `title`.
 */
export const parseDatasourceObject = (value: unknown): Parsed<DatasourceObject> =>
  pipe(
    E.Do,
    E.bind('object', () => decodeWith(Shape)(value)),
    E.tap(({ object }) => parseName(object)),
    E.bind('entry', ({ object: { metadata, spec } }) => {
      const name = spec.title ?? spec.name ?? metadata.name
      // What places it is its metadata alone.
      return parseDatasource({ ...spec, name, uid: metadata.name, orgId: 1, secureJsonData: null }, 'spec')
    }),
    E.bind('secure', ({ object }) => parseReferences(object.secure ?? {})),
    E.map(({ object: { metadata, spec }, entry, secure }) => ({
      namespace: metadata.namespace,
      name: metadata.name,
      pluginType: spec.pluginType ?? 'datasource',
      entry,
      secure,
    })),
  )

const Secret = t.partial({ data: nullable(map) })

const base64 = /^[A-Za-z0-9+/]*={0,2}$/

const decodeText = (value: unknown): E.Either<string, string> => {
  if (typeof value !== 'string' || value.length % 4 !== 0 || !base64.test(value)) return E.left('expected base64')
  return E.tryCatch(
    // Byte for byte: a mark at the beginning may be a part of a password.
    () => new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(Buffer.from(value, 'base64')),
    () => 'expected UTF-8 text, got binary data',
  )
}

/** The data of a Secret, decoded. Left: it is none. Pure. */
export const parseSecret = (value: unknown): Parsed<SecretTexts> =>
  pipe(
    decodeWith(Secret)(value),
    E.map(({ data }) => new Map(Object.entries(data ?? {}).map(([key, text]) => [key, decodeText(text)]))),
  )

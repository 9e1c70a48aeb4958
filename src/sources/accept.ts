import { apiVersion, kind, type DataPlaneService } from '../api/dataplane-service.ts'
import { ObjectMetaShape, type DataPlaneServiceStatus, type ObjectMeta, type StoredObject } from '../api/object.ts'
import type { StatusCause } from '../api/status.ts'
import { parseDataPlaneService } from '../api/validation.ts'
import { decodeWith } from '../decode.ts'
import { E, pipe } from '../fp.ts'
import type { RejectedObject } from '../source.ts'

type Causes = ReadonlyArray<StatusCause>

/** A field of something that may be anything at all; own fields only. */
export const fieldOf = (value: unknown, key: string): unknown =>
  typeof value === 'object' && value !== null && Object.hasOwn(value, key) ? Reflect.get(value, key) : undefined

export const nameOf = (value: unknown): string | undefined => {
  const name = fieldOf(fieldOf(value, 'metadata'), 'name')
  return typeof name === 'string' ? name : undefined
}

/** RFC 1123 subdomain: such a name is safe in a path of ours, and in one of the file system. */
export const isObjectName = (name: string): boolean =>
  name.length <= 253 && /^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$/.test(name)

/** A copy as JSON would give it: what its maker does to the object later does not reach us. */
const copyOf = (object: unknown): E.Either<Causes, unknown> =>
  E.tryCatch(
    (): unknown => JSON.parse(JSON.stringify(object)),
    () => [{ reason: 'FieldValueTypeInvalid', field: '', message: 'expected an object that can be written as JSON' }],
  )

/** What the API server keeps of metadata. `namespace` is none of it: these objects have no namespace. */
const metadataKeys = [
  'name',
  'generateName',
  'uid',
  'resourceVersion',
  'generation',
  'creationTimestamp',
  'deletionTimestamp',
  'deletionGracePeriodSeconds',
  'labels',
  'annotations',
  'finalizers',
  'ownerReferences',
  'managedFields',
] as const

const isMetadata = (value: unknown): value is ObjectMeta => E.isRight(decodeWith(ObjectMetaShape)(value))

/** Those of these fields that are there; null, as kubectl writes it, stands for none. */
const pick = (value: unknown, keys: ReadonlyArray<string>): Record<string, unknown> =>
  Object.fromEntries(
    keys.map((key) => [key, fieldOf(value, key)] as const).filter(([, field]) => field !== undefined && field !== null),
  )

const isStatus = (value: unknown): value is DataPlaneServiceStatus => {
  const conditions = fieldOf(value, 'conditions') ?? []
  return (
    typeof value === 'object' &&
    Array.isArray(conditions) &&
    conditions.every((each) => typeof each === 'object' && each !== null)
  )
}

/** An object that an API can show: of our kind, with a right name and right metadata. Its spec may be anything. Pure. */
const toStored = (value: unknown): StoredObject | undefined => {
  const metadata = pick(fieldOf(value, 'metadata'), metadataKeys)
  if (fieldOf(value, 'kind') !== kind || fieldOf(value, 'apiVersion') !== apiVersion) return undefined
  if (!isMetadata(metadata) || !isObjectName(nameOf(value) ?? '')) return undefined
  const status = fieldOf(value, 'status') ?? undefined
  return { apiVersion, kind, metadata, ...pick(value, ['spec']), ...(isStatus(status) ? { status } : {}) }
}

const checkMetadata = (service: DataPlaneService): E.Either<Causes, DataPlaneService> =>
  pipe(
    decodeWith(ObjectMetaShape)(service.metadata),
    E.mapLeft((causes) => causes.map((cause) => ({ ...cause, field: `metadata.${cause.field}` }))),
    E.map(() => service),
  )

/**
 * `parseDataPlaneService` for an object that may be of another kind altogether: it gets this one cause, and not a list of the
 * fields that it never wanted to have. Pure.
 */
const parse = (value: unknown): E.Either<Causes, DataPlaneService> => {
  const found = fieldOf(value, 'kind')
  if (typeof found !== 'string' || found === kind) return E.flatMap(checkMetadata)(parseDataPlaneService(value))
  const message = `expected kind "${kind}", got "${found.slice(0, 80)}"`
  return E.left([{ reason: 'FieldValueNotSupported', field: 'kind', message }])
}

/** What an object is to the table: its status is no part of it, nor who wrote which field. Pure. */
export const toService = ({ status: _, metadata, ...object }: StoredObject): E.Either<Causes, DataPlaneService> => {
  const { managedFields: _managedFields, ...rest } = metadata
  return parse({ ...object, metadata: rest })
}

/** Something that was found where objects should be. Shape of `origin`: `prometheus.yml#2`, or the name of an object. */
export interface FoundObject {
  readonly origin: string
  readonly value: unknown
}

/** One that has a name. */
export interface NamedObject {
  readonly origin: string
  /** Its place among those that were found together, counted from 0. */
  readonly index: number
  /** What an API can show of it; `undefined`: nothing. */
  readonly object: StoredObject | undefined
}

export interface ServedObject extends NamedObject {
  readonly service: DataPlaneService
}

export interface Accepted {
  /** By `metadata.name`: the first that is right. */
  readonly served: ReadonlyMap<string, ServedObject>
  /** By `metadata.name`, where none is right: the first. */
  readonly wrong: ReadonlyMap<string, NamedObject>
  /** Names that several of them have. */
  readonly repeated: ReadonlySet<string>
  readonly rejected: ReadonlyArray<RejectedObject>
}

export const nothingAccepted: Accepted = { served: new Map(), wrong: new Map(), repeated: new Set(), rejected: [] }

export const duplicateOf = (name: string, first: NamedObject, origin: string): RejectedObject => {
  const message = `"${name}" is already defined in ${first.origin}`
  return { origin, name, causes: [{ reason: 'FieldValueDuplicate', field: 'metadata.name', message }] }
}

/** An object of a source: what an API can show of it, and what the table can. */
interface Examined {
  readonly object: StoredObject | undefined
  readonly service: E.Either<Causes, DataPlaneService>
}

/** One object that is JSON of ours already. Pure. */
export const examineJson = (value: unknown): Examined => {
  const object = toStored(value)
  return { object, service: object === undefined ? parse(value) : toService(object) }
}

/** One object, whoever made it. Pure. */
export const examine = (value: unknown): Examined => {
  const copy = copyOf(value)
  return E.isLeft(copy) ? { object: undefined, service: copy } : examineJson(copy.right)
}

/** Of another API altogether, so that its name is none of ours; with one of the two wrong it is ours, and mistyped. */
const isForeign = (value: unknown): boolean => {
  const [version, found] = [fieldOf(value, 'apiVersion'), fieldOf(value, 'kind')]
  return typeof version === 'string' && typeof found === 'string' && version !== apiVersion && found !== kind
}

/** Sorts objects into right and wrong. Of several with one name the first right one is served. Pure. */
export const acceptObjects = (found: Iterable<FoundObject>): Accepted => {
  const served = new Map<string, ServedObject>()
  const wrong = new Map<string, NamedObject>()
  const repeated = new Set<string>()
  const rejected: RejectedObject[] = []
  let index = 0
  for (const { origin, value } of found) {
    const { object, service } = examine(value)
    const name = isForeign(value) ? undefined : nameOf(value)
    if (name !== undefined && (served.has(name) || wrong.has(name))) repeated.add(name)
    const named = { origin, index: index++, object }
    if (E.isLeft(service)) {
      rejected.push({ origin, name, causes: service.left })
      if (name !== undefined && !wrong.has(name)) wrong.set(name, named)
      continue
    }
    const first = served.get(service.right.metadata.name)
    if (first === undefined) served.set(service.right.metadata.name, { ...named, service: service.right })
    else rejected.push(duplicateOf(service.right.metadata.name, first, origin))
  }
  for (const name of served.keys()) wrong.delete(name)
  return { served, wrong, repeated, rejected }
}

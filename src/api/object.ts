import * as t from 'io-ts'

/** Which fields of an object a manager owns. Source: metav1.ManagedFieldsEntry. */
export interface ManagedFieldsEntry {
  readonly manager?: string
  readonly operation?: 'Apply' | 'Update'
  readonly apiVersion?: string
  /** RFC 3339, in whole seconds. */
  readonly time?: string
  readonly fieldsType?: 'FieldsV1'
  /** Shape: `{ 'f:spec': { 'f:pluginID': {} } }`. */
  readonly fieldsV1?: Readonly<Record<string, unknown>>
  readonly subresource?: string
}

export interface OwnerReference {
  readonly apiVersion: string
  readonly kind: string
  readonly name: string
  readonly uid: string
  readonly controller?: boolean
  readonly blockOwnerDeletion?: boolean
}

/** Source: metav1.ObjectMeta, as far as a cluster-scoped object has it. */
export interface ObjectMeta {
  readonly name: string
  readonly generateName?: string
  readonly uid?: string
  /** A decimal integer that grows with each change in the whole store. */
  readonly resourceVersion?: string
  /** Grows with each change outside of metadata and status. */
  readonly generation?: number
  readonly creationTimestamp?: string | null
  readonly deletionTimestamp?: string
  readonly deletionGracePeriodSeconds?: number
  readonly labels?: Readonly<Record<string, string>>
  readonly annotations?: Readonly<Record<string, string>>
  readonly finalizers?: ReadonlyArray<string>
  readonly ownerReferences?: ReadonlyArray<OwnerReference>
  readonly managedFields?: ReadonlyArray<ManagedFieldsEntry>
}

export type ConditionStatus = 'True' | 'False' | 'Unknown'

/** Source: metav1.Condition. */
export interface Condition {
  readonly type: string
  readonly status: ConditionStatus
  /** The generation of the object that it speaks of. */
  readonly observedGeneration?: number
  /** RFC 3339, in whole seconds; moves with `status` only. */
  readonly lastTransitionTime: string
  /** One CamelCase word, for machines. */
  readonly reason: string
  readonly message: string
}

/** Those that are written here; others may write others. */
export const conditionTypes = ['Accepted', 'Available'] as const

export interface DataPlaneServiceStatus {
  /** One of each type. */
  readonly conditions?: ReadonlyArray<Condition>
}

/**
 * A DataPlaneService as an API keeps it: metadata in order, the rest as its author wrote it. One that came through the API is valid;
 * one out of a file may not be. Never changed: another state is another object.
 */
export interface StoredObject {
  readonly apiVersion: string
  readonly kind: string
  readonly metadata: ObjectMeta
  readonly spec?: unknown
  readonly status?: DataPlaneServiceStatus
}

const texts = t.record(t.string, t.string, 'a map of strings')
const nullable = <C extends t.Mixed>(codec: C) => t.union([codec, t.null, t.undefined], codec.name)

/** The types of the fields that anybody may write. Unknown fields pass through: pruning is another step. */
export const ObjectMetaShape = t.partial({
  name: nullable(t.string),
  generateName: nullable(t.string),
  namespace: nullable(t.string),
  uid: nullable(t.string),
  resourceVersion: nullable(t.string),
  generation: nullable(t.number),
  creationTimestamp: nullable(t.string),
  deletionTimestamp: nullable(t.string),
  deletionGracePeriodSeconds: nullable(t.number),
  labels: nullable(texts),
  annotations: nullable(texts),
  finalizers: nullable(t.array(t.string)),
  ownerReferences: nullable(
    t.array(
      t.intersection([
        t.type({ apiVersion: t.string, kind: t.string, name: t.string, uid: t.string }),
        t.partial({ controller: nullable(t.boolean), blockOwnerDeletion: nullable(t.boolean) }),
      ]),
    ),
  ),
  managedFields: nullable(
    t.array(
      t.partial({
        manager: t.string,
        operation: t.string,
        apiVersion: t.string,
        time: nullable(t.string),
        fieldsType: t.string,
        fieldsV1: t.UnknownRecord,
        subresource: t.string,
      }),
    ),
  ),
})

import type { ObjectMeta, OwnerReference, StoredObject } from '../api/object.ts'
import type { StatusCause } from '../api/status.ts'
import { quote } from '../decode.ts'
import { faultOfLabelKey, faultOfLabelValue } from './label-syntax.ts'

type Causes = ReadonlyArray<StatusCause>

const cause = (reason: StatusCause['reason'], field: string, message: string): StatusCause => ({
  reason,
  field,
  message,
})

const subdomain = /^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$/
const subdomainRule =
  "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with " +
  'an alphanumeric character'

const checkName = (field: string, name: string): Causes => {
  if (name.length > 253) {
    return [cause('FieldValueInvalid', field, `Invalid value: ${quote(name)}: must be no more than 253 bytes`)]
  }
  return subdomain.test(name)
    ? []
    : [cause('FieldValueInvalid', field, `Invalid value: ${quote(name)}: ${subdomainRule}`)]
}

const wrong = (field: string, value: string, fault: string | undefined): Causes =>
  fault === undefined ? [] : [cause('FieldValueInvalid', field, `Invalid value: ${quote(value)}: ${fault}`)]

const checkLabels = (labels: Readonly<Record<string, string>>): Causes =>
  Object.entries(labels).flatMap(([key, value]) => [
    ...wrong('metadata.labels', key, faultOfLabelKey(key)),
    ...wrong('metadata.labels', value, faultOfLabelValue(value)),
  ])

const maxAnnotationBytes = 256 * 1024

const checkAnnotations = (annotations: Readonly<Record<string, string>>): Causes => {
  const field = 'metadata.annotations'
  const entries = Object.entries(annotations)
  const bytes = entries.reduce((sum, [key, value]) => sum + Buffer.byteLength(key) + Buffer.byteLength(value), 0)
  const tooLong = `Too long: may not be more than ${String(maxAnnotationBytes)} bytes`
  return [
    ...entries.flatMap(([key]) => wrong(field, key, faultOfLabelKey(key.toLowerCase()))),
    ...(bytes > maxAnnotationBytes ? [cause('FieldValueTooLong', field, tooLong)] : []),
  ]
}

const checkOwner = (owner: OwnerReference, index: number): Causes =>
  (['apiVersion', 'kind', 'name', 'uid'] as const)
    .filter((key) => owner[key] === '')
    .map((key) =>
      cause(
        'FieldValueRequired',
        `metadata.ownerReferences[${String(index)}].${key}`,
        'Required value: must not be empty',
      ),
    )

const checkOwners = (owners: ReadonlyArray<OwnerReference>): Causes => {
  const controllers = owners.filter(({ controller }) => controller === true).length
  const text = 'Invalid value: only one reference can have controller set to true'
  return [
    ...owners.flatMap(checkOwner),
    ...(controllers > 1 ? [cause('FieldValueInvalid', 'metadata.ownerReferences', text)] : []),
  ]
}

/** What metadata breaks of the rules that hold for every object. Source: ValidateObjectMeta of apimachinery. Pure. */
export const checkMetadata = (metadata: ObjectMeta): Causes => {
  const { name, generateName = '', labels = {}, annotations = {}, finalizers = [], ownerReferences = [] } = metadata
  return [
    // It is a beginning: a name may go on behind its last character.
    ...(generateName === '' ? [] : checkName('metadata.generateName', generateName.replace(/-$/, 'a'))),
    ...checkName('metadata.name', name),
    ...checkLabels(labels),
    ...checkAnnotations(annotations),
    ...checkOwners(ownerReferences),
    ...finalizers.flatMap((finalizer) => wrong('metadata.finalizers', finalizer, faultOfLabelKey(finalizer))),
  ]
}

/** What may not become of the metadata of an object that is there. Source: ValidateObjectMetaUpdate of apimachinery. Pure. */
export const checkMetadataUpdate = (live: StoredObject, given: ObjectMeta): Causes => {
  const { uid, deletionTimestamp, finalizers = [] } = live.metadata
  const isOther = given.uid !== undefined && given.uid !== '' && uid !== undefined && given.uid !== uid
  const added = (given.finalizers ?? []).filter((finalizer) => !finalizers.includes(finalizer))
  const list = `[]string{${added.slice(0, 5).map(quote).join(', ')}}`
  const text = `no new finalizers can be added if the object is being deleted, found new finalizers ${list}`
  return [
    ...(isOther ? wrong('metadata.uid', given.uid ?? '', 'field is immutable') : []),
    ...(deletionTimestamp !== undefined && added.length > 0
      ? [cause('FieldValueForbidden', 'metadata.finalizers', `Forbidden: ${text}`)]
      : []),
  ]
}

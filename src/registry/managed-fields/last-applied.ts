import { apiVersion } from '../../api/dataplane-service.ts'
import { areAnnotations } from '../../api/labels.ts'
import type { StoredObject } from '../../api/object.ts'
import { E } from '../../fp.ts'
import { isArray, isObject, objectOf, own, parseJson, type JsonObject } from '../json-value.ts'
import { checkApplied } from './check.ts'
import { compare } from './compare.ts'
import { difference, empty, union, type FieldSet } from './field-set.ts'
import { objectType } from './field-type.ts'
import { ownedBy } from './owned.ts'
import { goJson } from './path-element.ts'

/** Where kubectl's own apply keeps what it applied last. */
const annotation = 'kubectl.kubernetes.io/last-applied-configuration'

const lastApplied = (live: StoredObject): JsonObject | undefined => {
  const text = live.metadata.annotations?.[annotation]
  const value = text === undefined ? undefined : E.toUnion(parseJson(text))
  return isObject(value) && own(value, 'apiVersion') === apiVersion ? value : undefined
}

/**
 * What kubectl applied before servers did, and nobody changed since: it may take it over without force. Source:
 * lastAppliedManager of apimachinery.
 */
export const takeable = (live: StoredObject | undefined): FieldSet => {
  const applied = live === undefined ? undefined : lastApplied(live)
  if (applied === undefined || checkApplied(objectType, applied).length > 0) return empty
  const { removed, modified, added } = compare(objectType, applied, live)
  return difference(ownedBy(objectType, applied), union(removed, union(modified, added)))
}

const sorted = (value: unknown): unknown => {
  if (isArray(value)) return value.map(sorted)
  if (!isObject(value)) return value
  return objectOf(
    Object.keys(value)
      .sort()
      .map((key) => [key, sorted(value[key])]),
  )
}

const withoutAnnotation = (applied: JsonObject): JsonObject => {
  const metadata = own(applied, 'metadata')
  const annotations = isObject(metadata) ? own(metadata, 'annotations') : undefined
  if (!isObject(metadata) || !isObject(annotations)) return applied
  const kept = objectOf(Object.entries(annotations).filter(([key]) => key !== annotation))
  return { ...applied, metadata: { ...metadata, annotations: kept } }
}

/**
 * The object whose annotation tells what was applied now, if it told of something before: kubectl's own apply goes on from there.
 * An annotation that there is no room for goes. Source: lastAppliedUpdater of apimachinery.
 */
export const keepLastApplied = (object: StoredObject, applied: JsonObject): StoredObject => {
  const { annotations } = object.metadata
  if (annotations === undefined || (annotations[annotation] ?? '') === '') return object
  const updated = { ...annotations, [annotation]: `${goJson(sorted(withoutAnnotation(applied)))}\n` }
  const { [annotation]: _, ...rest } = annotations
  return { ...object, metadata: { ...object.metadata, annotations: areAnnotations(updated) ? updated : rest } }
}

import { apiVersion } from '../../api/dataplane-service.ts'
import type { ManagedFieldsEntry } from '../../api/object.ts'
import { E } from '../../fp.ts'
import { isArray, isObject, own, type JsonObject } from '../json-value.ts'
import { fieldElement } from './path-element.ts'
import { difference, isEmpty, unionOf, without, type FieldSet } from './field-set.ts'
import { parseFieldsV1, toFieldsV1 } from './fields-v1.ts'

/** Who changes an object. `name`: the query parameter fieldManager, else the User-Agent up to its first `/`. */
export interface FieldManager {
  readonly name: string
  readonly subresource?: 'status'
  /** The one `now` of the request, ms since the epoch. */
  readonly timeMs: number
}

type Operation = 'Apply' | 'Update'

/** An entry of managedFields. */
export interface Owner {
  readonly manager: string
  readonly operation: Operation
  /** Empty: the object itself. */
  readonly subresource: string
  readonly time: string | undefined
  readonly fields: FieldSet
}

/** By `ownerId`: one and the same manager owns apart what it applies, what it updates, and what through a subresource. */
export type Owners = ReadonlyMap<string, Owner>

export const noOwners: Owners = new Map()

/** As Kubernetes spells it: conflicts come in its order. */
const idOf = ({ manager, operation, subresource }: Omit<Owner, 'time' | 'fields'>): string =>
  JSON.stringify({
    ...(manager === '' ? {} : { manager }),
    operation,
    ...(operation === 'Update' ? { apiVersion } : {}),
    ...(subresource === '' ? {} : { subresource }),
  })

/** Shape: `2026-11-23T00:51:00Z`. */
const toTime = (timeMs: number): string => `${new Date(timeMs).toISOString().slice(0, 19)}Z`

/** Who does it, with what it owns from now on. */
export const toOwner = (by: FieldManager, operation: Operation, fields: FieldSet): Owner => ({
  manager: by.name === '' ? 'unknown' : by.name,
  operation,
  subresource: by.subresource ?? '',
  time: toTime(by.timeMs),
  fields,
})

export const ownerId = (owner: Owner): string => idOf(owner)

/** Status is written through its subresource only, all else through the object only. Source: GetResetFields of CustomResources. */
export const writableThrough = (subresource: 'status' | undefined, fields: FieldSet): FieldSet =>
  subresource === undefined
    ? without(fields, fieldElement('status'))
    : without(without(fields, fieldElement('metadata')), fieldElement('spec'))

/** All owners, each without those fields; who is left with none is none. */
export const disown = (owners: Owners, fields: FieldSet): Owners => {
  const kept = new Map<string, Owner>()
  for (const [id, owner] of owners) {
    const rest = difference(owner.fields, fields)
    if (!isEmpty(rest)) kept.set(id, { ...owner, fields: rest })
  }
  return kept
}

const textAt = (entry: JsonObject, key: string): string | undefined => {
  const value = own(entry, key) ?? ''
  return typeof value === 'string' ? value : undefined
}

const isTime = (time: string): boolean => time === '' || !Number.isNaN(Date.parse(time))

const headOf = (entry: JsonObject): Omit<Owner, 'fields'> | undefined => {
  const [manager, operation] = [textAt(entry, 'manager'), own(entry, 'operation')]
  const [subresource, time] = [textAt(entry, 'subresource'), textAt(entry, 'time')]
  if (operation !== 'Apply' && operation !== 'Update') return undefined
  if (manager === undefined || subresource === undefined || time === undefined || !isTime(time)) return undefined
  const isOurs = own(entry, 'fieldsType') === 'FieldsV1' && textAt(entry, 'apiVersion') !== ''
  return isOurs ? { manager, operation, subresource, time: time === '' ? undefined : time } : undefined
}

const toOwnerOf = (entry: unknown): E.Either<string, Owner> => {
  const head = isObject(entry) ? headOf(entry) : undefined
  if (head === undefined || !isObject(entry)) return E.left('expected an entry of managedFields, got something else')
  return E.map((fields: FieldSet): Owner => ({ ...head, fields }))(parseFieldsV1(own(entry, 'fieldsV1')))
}

/**
 * Owners out of managedFields; those of versions that there are no more are left out. Left: a wrong entry, which makes the whole
 * list worthless. Source: DecodeManagedFields of apimachinery.
 */
export const parseOwners = (managedFields: unknown): E.Either<string, Owners> => {
  const owners = new Map<string, Owner>()
  if (managedFields === undefined || managedFields === null) return E.right(owners)
  if (!isArray(managedFields)) return E.left('expected a list as managedFields, got something else')
  for (const entry of managedFields) {
    const owner = toOwnerOf(entry)
    if (E.isLeft(owner)) return owner
    if (isObject(entry) && own(entry, 'apiVersion') === apiVersion) owners.set(ownerId(owner.right), owner.right)
  }
  return E.right(owners)
}

const secondOf = ({ time }: Owner): number => (time === undefined ? 0 : Math.floor(Date.parse(time) / 1000))

const byText = (a: string, b: string): number => (a < b ? -1 : Number(a > b))

const byPlace = (a: Owner, b: Owner): number =>
  byText(a.operation, b.operation) ||
  secondOf(a) - secondOf(b) ||
  byText(a.manager, b.manager) ||
  byText(a.subresource, b.subresource)

const toEntry = ({ manager, operation, time, fields, subresource }: Owner): ManagedFieldsEntry => ({
  ...(manager === '' ? {} : { manager }),
  operation,
  apiVersion,
  ...(time === undefined ? {} : { time }),
  fieldsType: 'FieldsV1',
  fieldsV1: toFieldsV1(fields),
  ...(subresource === '' ? {} : { subresource }),
})

/** Entries in the order of Kubernetes: appliers, then updaters, the oldest first. */
export const toManagedFields = (owners: Owners): ReadonlyArray<ManagedFieldsEntry> =>
  [...owners.values()].sort(byPlace).map(toEntry)

const maxUpdaters = 10
const ancient = 'ancient-changes'

/** Merges the oldest updaters until there are ten at most: managers come and go, and each would leave an entry. */
export const capUpdaters = (owners: Owners): Owners => {
  const updaters = [...owners.values()].filter(({ operation }) => operation === 'Update').sort(byPlace)
  const surplus = updaters.length - maxUpdaters
  if (surplus <= 0) return owners
  const oldest = updaters.slice(0, surplus + 1)
  const previous = updaters.find(({ manager, subresource }) => manager === ancient && subresource === '')
  const merged = previous === undefined || oldest.includes(previous) ? oldest : [previous, ...oldest]
  const [first] = merged
  if (first === undefined) return owners
  const bucket: Owner = {
    ...first,
    manager: ancient,
    subresource: '',
    time: oldest.at(-1)?.time,
    fields: unionOf(merged.map(({ fields }) => fields)),
  }
  const isMerged = new Set(merged.map(ownerId))
  return new Map([...[...owners].filter(([id]) => !isMerged.has(id)), [ownerId(bucket), bucket]])
}

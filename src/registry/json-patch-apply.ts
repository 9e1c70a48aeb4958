import { isDeepStrictEqual } from 'node:util'

import type { AggregatorError } from '../errors.ts'
import { E } from '../fp.ts'
import { toSteps, type Pointer, type Step } from './json-patch-steps.ts'
import { isDeeperThan, isObject, maxDepth } from './json-value.ts'

/** Characters of the patched object, as JSON, and of all that was copied on the way: `copy` doubles with each step. */
const maxSize = 3_145_728

/** Items of arrays that were moved up or down by what was put in or taken out before them. */
const maxShifts = 10_000_000

/** Nothing of the object or the patch is told: it may be a secret. Source: NewGenericServerResponse of apimachinery for 422. */
const misfit: AggregatorError = {
  _tag: 'Invalid',
  message: 'the server rejected our request due to an error in our request',
  causes: [],
}

const tooLarge: AggregatorError = { _tag: 'BodyTooLarge', limitBytes: maxSize, option: 'size of a patched object' }

/** What is changed in place: a clone, never anybody's object. */
interface Draft {
  root: unknown
  size: number
  shifts: number
}

const isMutable = (value: unknown): value is Record<string, unknown> => isObject(value)
const isList = (value: unknown): value is unknown[] => Array.isArray(value)

const index = /^(0|[1-9][0-9]{0,9})$/

/** `undefined` is no JSON: nothing is there. */
const childOf = (parent: unknown, key: string): unknown => {
  if (isList(parent)) return index.test(key) ? parent[Number(key)] : undefined
  return isMutable(parent) && Object.hasOwn(parent, key) ? parent[key] : undefined
}

const find = (root: unknown, pointer: Pointer): unknown => {
  let value = root
  for (const key of pointer) value = childOf(value, key)
  return value
}

/** A key `__proto__` becomes a field like any other; assigned, it would change what the object is. */
const put = (object: Record<string, unknown>, key: string, value: unknown): void => {
  Object.defineProperty(object, key, { value, writable: true, enumerable: true, configurable: true })
}

const insert = (draft: Draft, list: unknown[], key: string, value: unknown): boolean => {
  if (key !== '-' && !index.test(key)) return false
  const at = key === '-' ? list.length : Number(key)
  if (at > list.length) return false
  draft.shifts += list.length - at
  list.splice(at, 0, value)
  return true
}

const add = (draft: Draft, pointer: Pointer, value: unknown): boolean => {
  const key = pointer.at(-1)
  if (key === undefined) {
    draft.root = value
    return true
  }
  const parent = find(draft.root, pointer.slice(0, -1))
  if (isList(parent)) return insert(draft, parent, key, value)
  if (!isMutable(parent)) return false
  put(parent, key, value)
  return true
}

const remove = (draft: Draft, pointer: Pointer): boolean => {
  const key = pointer.at(-1)
  const parent = find(draft.root, pointer.slice(0, -1))
  if (key === undefined || childOf(parent, key) === undefined) return false
  if (isList(parent)) {
    draft.shifts += parent.length - Number(key)
    parent.splice(Number(key), 1)
  } else if (isMutable(parent)) Reflect.deleteProperty(parent, key)
  return true
}

const replace = (draft: Draft, pointer: Pointer, value: unknown): boolean => {
  const key = pointer.at(-1)
  if (key === undefined) return add(draft, pointer, value)
  const parent = find(draft.root, pointer.slice(0, -1))
  if (childOf(parent, key) === undefined) return false
  if (isList(parent)) parent[Number(key)] = value
  else if (isMutable(parent)) put(parent, key, value)
  return true
}

const isBelow = (pointer: Pointer, other: Pointer): boolean =>
  pointer.length > other.length && other.every((key, i) => key === pointer[i])

const copy = (draft: Draft, pointer: Pointer, value: unknown): boolean => {
  // A deep one would end the stack of whoever measures it.
  if (value === undefined || isDeeperThan(value, maxDepth)) return false
  draft.size += JSON.stringify(value).length
  return draft.size <= maxSize && add(draft, pointer, structuredClone(value))
}

const move = (draft: Draft, { path, from }: { readonly path: Pointer; readonly from: Pointer }): boolean => {
  const value = find(draft.root, from)
  if (value === undefined || isBelow(path, from)) return false
  return from.length === 0 || (remove(draft, from) && add(draft, path, value))
}

/** As in Kubernetes, what is not there is null: so a patch can ask that a field be absent. */
const test = (draft: Draft, { path, value }: { readonly path: Pointer; readonly value: unknown }): boolean => {
  const parent = find(draft.root, path.slice(0, -1))
  if (parent === undefined || parent === null) return false
  return isDeepStrictEqual(find(draft.root, path) ?? null, value)
}

const take = (draft: Draft, step: Step): boolean => {
  switch (step.op) {
    case 'add':
      return add(draft, step.path, structuredClone(step.value))
    case 'replace':
      return replace(draft, step.path, structuredClone(step.value))
    case 'test':
      return test(draft, step)
    case 'remove':
      return remove(draft, step.path)
    case 'copy':
      return copy(draft, step.path, find(draft.root, step.from))
    case 'move':
      return move(draft, step)
  }
}

/**
 * The document after all steps of a JSON patch. Fails with BadRequest, Invalid (a failed test, a missing path: which one is not
 * told), BodyTooLarge. Source: RFC 6902. Own code: fast-json-patch walks into prototypes and copies without bounds. Pure.
 */
export const applyJsonPatch = (document: object, operations: unknown): E.Either<AggregatorError, unknown> => {
  const steps = toSteps(operations)
  if (E.isLeft(steps)) return steps
  const draft: Draft = { root: structuredClone(document), size: JSON.stringify(document).length, shifts: 0 }
  for (const step of steps.right) {
    const isTaken = take(draft, step)
    if (draft.size > maxSize || draft.shifts > maxShifts) return E.left(tooLarge)
    if (!isTaken) return E.left(misfit)
  }
  return isDeeperThan(draft.root, maxDepth) ? E.left(misfit) : E.right(draft.root)
}

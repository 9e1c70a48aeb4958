import { isDeepStrictEqual } from 'node:util'

import { empty, isEmpty, leaf, node, type FieldSet } from './field-set.ts'
import type { FieldType } from './field-type.ts'
import { partsOf, type Part, type Parts } from './parts.ts'
import type { PathElement } from './path-element.ts'

/** What became of an object's fields. No field is in more than one of them. */
export interface Comparison {
  readonly removed: FieldSet
  readonly modified: FieldSet
  readonly added: FieldSet
}

const same: Comparison = { removed: empty, modified: empty, added: empty }

export const isSame = ({ removed, modified, added }: Comparison): boolean =>
  isEmpty(removed) && isEmpty(modified) && isEmpty(added)

const compareWhole = (before: unknown, after: unknown): Comparison => {
  if (before === undefined) return after === undefined ? same : { ...same, added: leaf }
  if (after === undefined) return { ...same, removed: leaf }
  return isDeepStrictEqual(before, after) ? same : { ...same, modified: leaf }
}

const comparePart = (before: Part | undefined, after: Part | undefined): Comparison => {
  const type = (after ?? before)?.type
  if (type === undefined) return same
  const [was = [], is = []] = [before?.values, after?.values]
  if (was.length <= 1 && is.length <= 1) return compare(type, was[0], is[0])
  // Items with the same keys: nobody can tell which became which.
  return compareWhole(before?.values, after?.values)
}

type Children = Map<PathElement, FieldSet>

const none: Parts = new Map()

const compareParts = (before: Parts, after: Parts, isAdded: boolean, isRemoved: boolean): Comparison => {
  const removed: Children = new Map()
  const modified: Children = new Map()
  const added: Children = new Map()
  const take = (element: PathElement, comparison: Comparison): void => {
    if (!isEmpty(comparison.removed)) removed.set(element, comparison.removed)
    if (!isEmpty(comparison.modified)) modified.set(element, comparison.modified)
    if (!isEmpty(comparison.added)) added.set(element, comparison.added)
  }
  for (const [element, part] of before) take(element, comparePart(part, after.get(element)))
  for (const [element, part] of after) if (!before.has(element)) take(element, comparePart(undefined, part))
  return { removed: node(isRemoved, removed), modified: node(false, modified), added: node(isAdded, added) }
}

/**
 * What changed from one value of a type to another; `undefined` is none. A container that came or went did so with all its parts.
 * Source: compareWalker of structured-merge-diff.
 */
export const compare = (type: FieldType, before: unknown, after: unknown): Comparison => {
  if (before === after) return same
  const [was, is] = [partsOf(type, before), partsOf(type, after)]
  if (type.kind === 'untracked' || (type.kind === 'struct' && type.isUntracked === true)) {
    return compareParts(was ?? none, is ?? none, false, false)
  }
  // An empty container is owned like a value: nothing else could tell it from none.
  if (was === undefined || is === undefined || was.size + is.size === 0) return compareWhole(before, after)
  return compareParts(was, is, before === undefined, after === undefined)
}

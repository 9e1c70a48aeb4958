import { E } from '../../fp.ts'
import { isObject, maxDepth, objectOf, type JsonObject } from '../json-value.ts'
import { empty, leaf, node, sortedChildren, union, type FieldSet } from './field-set.ts'
import { parseElement, type PathElement } from './path-element.ts'

const nothing: JsonObject = {}

/** The tree as FieldsV1 has it, in canonical order. Shape: `{ 'f:spec': { '.': {}, 'f:pluginID': {} } }`. */
export const toFieldsV1 = (set: FieldSet): JsonObject => {
  if (set.children.size === 0) return nothing
  const children = sortedChildren(set).map(([element, child]): readonly [string, unknown] => [
    element,
    toFieldsV1(child),
  ])
  return objectOf(set.isMember ? [['.', nothing], ...children] : children)
}

const addChild = (
  children: Map<PathElement, FieldSet>,
  key: string,
  value: unknown,
  levels: number,
): string | undefined => {
  const element = parseElement(key)
  if (E.isLeft(element)) return element.left
  if (element.right === undefined) return undefined
  const child = toNode(value, levels - 1)
  if (E.isLeft(child)) return child.left
  children.set(element.right, union(children.get(element.right) ?? empty, child.right))
  return undefined
}

/** A node without children is a member; that is how leaves are written. */
const toNode = (value: unknown, levels: number): E.Either<string, FieldSet> => {
  if (value === null) return E.right(leaf)
  if (!isObject(value) || levels === 0) return E.left('expected an object in fieldsV1, got something else')
  const children = new Map<PathElement, FieldSet>()
  for (const [key, inner] of Object.entries(value)) {
    const fault = key === '.' ? undefined : addChild(children, key, inner, levels)
    if (fault !== undefined) return E.left(fault)
  }
  return E.right(node(children.size === 0 || Object.hasOwn(value, '.'), children))
}

/**
 * What anybody wrote as `fieldsV1`: steps of unknown kinds are left out, steps in other spellings become canonical. Left: what is
 * wrong. Source: FromJSON of structured-merge-diff's fieldpath.Set.
 */
export const parseFieldsV1 = (value: unknown): E.Either<string, FieldSet> =>
  E.map((set: FieldSet) => node(false, set.children))(
    value === undefined || value === null ? E.right(empty) : toNode(value, maxDepth),
  )

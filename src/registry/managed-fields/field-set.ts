import { compareElements, type PathElement } from './path-element.ts'

/** Which fields, as a tree: a node is in the set, or something below it is. Never changed. */
export interface FieldSet {
  readonly isMember: boolean
  /** None of them is empty. */
  readonly children: ReadonlyMap<PathElement, FieldSet>
}

const noChildren: ReadonlyMap<PathElement, FieldSet> = new Map()

export const empty: FieldSet = { isMember: false, children: noChildren }

/** A field with nothing below it. */
export const leaf: FieldSet = { isMember: true, children: noChildren }

export const isEmpty = (set: FieldSet): boolean => !set.isMember && set.children.size === 0

/** A node of children none of which is empty. */
export const node = (isMember: boolean, children: ReadonlyMap<PathElement, FieldSet>): FieldSet => {
  if (children.size > 0) return { isMember, children }
  return isMember ? leaf : empty
}

export const asMember = (set: FieldSet): FieldSet => (set.isMember ? set : node(true, set.children))

/** Each child as another; those that become empty are left out, and a set that stays as it is remains the same one. */
export const mapChildren = (
  set: FieldSet,
  isMember: boolean,
  toChild: (child: FieldSet, element: PathElement) => FieldSet,
): FieldSet => {
  const children = new Map<PathElement, FieldSet>()
  let isSame = isMember === set.isMember
  for (const [element, child] of set.children) {
    const next = toChild(child, element)
    if (!isEmpty(next)) children.set(element, next)
    if (next !== child) isSame = false
  }
  return isSame ? set : node(isMember, children)
}

export const childAt = (set: FieldSet, element: PathElement): FieldSet => set.children.get(element) ?? empty

/** All at once: one after the other would copy what is there already each time. */
export const unionOf = (sets: ReadonlyArray<FieldSet>): FieldSet => {
  const full = sets.filter((set) => !isEmpty(set))
  const [first = empty] = full
  if (full.length <= 1) return first
  const groups = new Map<PathElement, FieldSet[]>()
  for (const set of full) {
    for (const [element, child] of set.children) {
      const group = groups.get(element)
      if (group === undefined) groups.set(element, [child])
      else group.push(child)
    }
  }
  const children = new Map<PathElement, FieldSet>()
  for (const [element, group] of groups) children.set(element, unionOf(group))
  return node(
    full.some(({ isMember }) => isMember),
    children,
  )
}

export const union = (a: FieldSet, b: FieldSet): FieldSet => unionOf([a, b])

/** Those of `a` that are not in `b`: a container stays while something in it does, its members stay when it goes. */
export const difference = (a: FieldSet, b: FieldSet): FieldSet =>
  isEmpty(a) || isEmpty(b)
    ? a
    : mapChildren(a, a.isMember && !b.isMember, (child, element) => difference(child, childAt(b, element)))

export const intersection = (a: FieldSet, b: FieldSet): FieldSet => {
  if (isEmpty(a) || isEmpty(b)) return empty
  const [small, large] = a.children.size <= b.children.size ? [a, b] : [b, a]
  return mapChildren(small, a.isMember && b.isMember, (child, element) => intersection(child, childAt(large, element)))
}

/** Without a field and all below it. */
export const without = (set: FieldSet, element: PathElement): FieldSet =>
  set.children.has(element)
    ? mapChildren(set, set.isMember, (child, other) => (other === element ? empty : child))
    : set

export const areEqual = (a: FieldSet, b: FieldSet): boolean => {
  if (a === b) return true
  if (a.isMember !== b.isMember || a.children.size !== b.children.size) return false
  for (const [element, child] of a.children) {
    const other = b.children.get(element)
    if (other === undefined || !areEqual(child, other)) return false
  }
  return true
}

export const sortedChildren = (set: FieldSet): ReadonlyArray<readonly [PathElement, FieldSet]> =>
  [...set.children].sort(([a], [b]) => compareElements(a, b))

/** All members as paths from the root: those of a container before what is in them. Source: Set.Iterate of structured-merge-diff. */
export const pathsOf = (set: FieldSet): ReadonlyArray<ReadonlyArray<PathElement>> => {
  const children = sortedChildren(set)
  const members = children.filter(([, child]) => child.isMember).map(([element]) => [element])
  const inner = children.flatMap(([element, child]) => pathsOf(child).map((path) => [element, ...path]))
  return [...members, ...inner]
}

import type { TemplateSegment } from '../api/path-template.ts'

/** Routes that end at the same template, by method; `*` answers what no other method does. */
export type Leaf<A> = Map<string, A>

/** A node of a segment trie: lookup costs by the length of the path, not by the number of routes. */
export interface Node<A> {
  /** Most nodes have none, and ten thousand objects have a hundred thousand nodes. */
  literals: Map<string, Node<A>> | undefined
  param: Node<A> | undefined
  /** Routes that end here. */
  leaf: Leaf<A> | undefined
  /** Routes whose wildcard begins here. */
  tail: Leaf<A> | undefined
}

export const emptyNode = <A>(): Node<A> => ({
  literals: undefined,
  param: undefined,
  leaf: undefined,
  tail: undefined,
})

const addLiteral = <A>(node: Node<A>, text: string): Node<A> => {
  const child = emptyNode<A>()
  node.literals ??= new Map<string, Node<A>>()
  node.literals.set(text, child)
  return child
}

const childOf = <A>(node: Node<A>, segment: TemplateSegment): Node<A> => {
  if (segment._tag === 'Param') return (node.param ??= emptyNode())
  if (segment._tag === 'Tail') return node
  return node.literals?.get(segment.text) ?? addLiteral(node, segment.text)
}

/** The place of a template in the trie, made where it is missing. */
export const leafAt = <A>(root: Node<A>, template: ReadonlyArray<TemplateSegment>): Leaf<A> => {
  const node = template.reduce(childOf, root)
  return template.at(-1)?._tag === 'Tail' ? (node.tail ??= new Map<string, A>()) : (node.leaf ??= new Map<string, A>())
}

/** All leaves below a node. */
export const everyLeaf = function* <A>(node: Node<A>): Generator<Leaf<A>> {
  if (node.leaf !== undefined) yield node.leaf
  if (node.tail !== undefined) yield node.tail
  for (const child of node.literals?.values() ?? []) yield* everyLeaf(child)
  if (node.param !== undefined) yield* everyLeaf(node.param)
}

/** All leaves that share at least one path with a template. */
export const overlapping = function* <A>(
  node: Node<A>,
  template: ReadonlyArray<TemplateSegment>,
  index = 0,
): Generator<Leaf<A>> {
  const segment = template[index]
  if (segment?._tag === 'Tail') {
    yield* everyLeaf(node)
    return
  }
  if (node.tail !== undefined) yield node.tail
  if (segment === undefined) {
    if (node.leaf !== undefined) yield node.leaf
    return
  }
  const literals = segment._tag === 'Param' ? (node.literals?.values() ?? []) : [node.literals?.get(segment.text)]
  for (const child of literals) if (child !== undefined) yield* overlapping(child, template, index + 1)
  if (node.param !== undefined) yield* overlapping(node.param, template, index + 1)
}

/** Where a path ended in the trie: `taken` segments were matched one by one, the rest is the tail. */
export interface Hit<A> {
  readonly leaf: Leaf<A>
  readonly taken: number
}

/** All leaves that a path reaches, the most specific first: literal before parameter before wildcard, at each segment. */
export const hits = function* <A>(
  node: Node<A>,
  segments: ReadonlyArray<string | undefined>,
  index: number,
): Generator<Hit<A>> {
  if (index === segments.length) {
    if (node.leaf !== undefined) yield { leaf: node.leaf, taken: index }
  } else {
    const segment = segments[index]
    const child = segment === undefined ? undefined : node.literals?.get(segment)
    if (child !== undefined) yield* hits(child, segments, index + 1)
    const isTrailingSlash = segment === '' && index === segments.length - 1
    if (node.param !== undefined && !isTrailingSlash) yield* hits(node.param, segments, index + 1)
  }
  if (node.tail !== undefined) yield { leaf: node.tail, taken: index }
}

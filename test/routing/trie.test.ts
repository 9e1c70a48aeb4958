import test from 'ava'
import fc from 'fast-check'

import { parsePathTemplate, type TemplateSegment } from '../../src/api/path-template.ts'
import { E } from '../../src/fp.ts'
import { emptyNode, hits, leafAt, overlapping, type Node } from '../../src/routing/trie.ts'

const templateOf = (path: string): ReadonlyArray<TemplateSegment> => {
  const parsed = parsePathTemplate(path)
  if (E.isLeft(parsed)) throw new Error(parsed.left)
  return parsed.right
}

const trieOf = (...paths: ReadonlyArray<string>): Node<string> => {
  const root = emptyNode<string>()
  for (const path of paths) leafAt(root, templateOf(path)).set('*', path)
  return root
}

const find = (root: Node<string>, path: string): ReadonlyArray<string> =>
  [...hits(root, path.slice(1).split('/'), 0)].map(({ leaf, taken }) => `${leaf.get('*') ?? ''} ${String(taken)}`)

const everything = trieOf('/a', '/{x}', '/*', '/a/b', '/a/{x}', '/a/*', '/{x}/b', '/{x}/{y}', '/{x}/*', '/a/b/*')

const found: Readonly<Record<string, ReadonlyArray<string>>> = {
  '/a': ['/a 1', '/a/* 1', '/{x} 1', '/{x}/* 1', '/* 0'],
  '/c': ['/{x} 1', '/{x}/* 1', '/* 0'],
  '/a/b': ['/a/b 2', '/a/b/* 2', '/a/{x} 2', '/a/* 1', '/{x}/b 2', '/{x}/{y} 2', '/{x}/* 1', '/* 0'],
  '/a/b/c/d': ['/a/b/* 2', '/a/* 1', '/{x}/* 1', '/* 0'],
  '/a/': ['/a/* 1', '/{x}/* 1', '/* 0'],
  '/': ['/* 0'],
}
for (const [path, leaves] of Object.entries(found)) {
  test(`finds the most specific template for ${path} first, then goes back`, (t) => {
    t.deepEqual(find(everything, path), leaves)
  })
}

test('binds no name to a slash at the end', (t) => {
  t.deepEqual(find(trieOf('/reports/{id}'), '/reports/'), [])
  t.deepEqual(find(trieOf('/reports/{id}'), '/reports//'), [])
})

test('takes a segment for text, never for a property', (t) => {
  t.deepEqual(find(trieOf('/__proto__/constructor'), '/__proto__/constructor'), ['/__proto__/constructor 2'])
  t.deepEqual(find(trieOf('/a'), '/__proto__'), [])
})

test('lets a segment that cannot be decoded be bound, not compared', (t) => {
  const root = trieOf('/a/undefined', '/a/{x}')
  t.deepEqual(
    [...hits(root, ['a', undefined], 0)].map(({ leaf }) => leaf.get('*')),
    ['/a/{x}'],
  )
})

const segment = fc.constantFrom('a', 'b', '{x}')
const template = fc
  .tuple(fc.array(segment, { maxLength: 4 }), fc.boolean())
  .filter(([segments, hasTail]) => segments.length > 0 || hasTail)
  .map(([segments, hasTail]) =>
    [...segments.map((text, index) => (text === '{x}' ? `{x${String(index)}}` : text)), ...(hasTail ? ['*'] : [])]
      .map((text) => `/${text}`)
      .join(''),
  )

/** All paths of up to five segments over three texts: enough to tell any two of these templates apart. */
const paths = (function* all(depth: number, path: string): Generator<string> {
  if (path !== '') yield path
  if (depth > 0) for (const text of ['a', 'b', 'c']) yield* all(depth - 1, `${path}/${text}`)
})(5, '')
const allPaths = [...paths]

test('finds just the templates that share a path with another', (t) => {
  fc.assert(
    fc.property(fc.uniqueArray(template, { maxLength: 6 }), template, (known, asked) => {
      const claims = (path: string, one: string): boolean => find(trieOf(one), path).length > 0
      const expected = known.filter((one) => allPaths.some((path) => claims(path, one) && claims(path, asked)))
      const actual = [...overlapping(trieOf(...known), templateOf(asked))].map((leaf) => leaf.get('*') ?? '')
      return new Set(actual).size === actual.length && actual.toSorted().join() === expected.toSorted().join()
    }),
    { numRuns: 100 },
  )
  t.pass()
})

test('finds in a full trie whatever each template finds alone', (t) => {
  fc.assert(
    fc.property(fc.uniqueArray(template, { maxLength: 8 }), fc.constantFrom(...allPaths), (known, path) => {
      const alone = known.flatMap((one) => find(trieOf(one), path))
      return (
        find(trieOf(...known), path)
          .toSorted()
          .join() === alone.toSorted().join()
      )
    }),
  )
  t.pass()
})

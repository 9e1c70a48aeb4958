import test from 'ava'
import fc from 'fast-check'
import { stringify } from 'yaml'

import { E } from '../src/fp.ts'
import { editYaml, formatYaml } from '../src/yaml-edit.ts'
import { parseYaml } from '../src/yaml.ts'

const file = `# What the team owns.
apiVersion: x/v1   # never change
kind:   Thing
metadata: {name: a,   labels: { team: 'one' }}
spec:
    # four spaces, as we like them
    version: v1 # the first
    list:
    - type: query   # asks
    # the way in
    - type: route

      path: "/x"
    - type: health
    text: |
      kept as
        it is
---
{"apiVersion": "x/v1",
   "kind": "Other", "n": [1,2,   3]}
---
# nothing here
---
other:   1
`

const spec = {
  version: 'v1',
  list: [{ type: 'query' }, { type: 'route', path: '/x' }, { type: 'health' }],
  text: 'kept as\n  it is\n',
}
const object = { apiVersion: 'x/v1', kind: 'Thing', metadata: { name: 'a', labels: { team: 'one' } }, spec }
const [query, route, health] = spec.list

const edited = (index: number, value: unknown, text = file): string => {
  const result = editYaml(text, index, value)
  if (E.isLeft(result)) throw new Error(result.left)
  return result.right
}

const cases: ReadonlyArray<readonly [string, unknown, readonly [old: string, young: string]]> = [
  ['a word', { ...object, spec: { ...spec, version: 'v2' } }, ['version: v1 #', 'version: v2 #']],
  [
    'a word that YAML would take for a number',
    { ...object, spec: { ...spec, version: '7' } },
    ['version: v1 #', 'version: "7" #'],
  ],
  ['a quoted text in flow style', { ...object, metadata: { name: 'a', labels: { team: 'two' } } }, ["'one'", "'two'"]],
  ['a new field', { ...object, spec: { ...spec, more: { a: [] } } }, ['it is\n', 'it is\n    more:\n      a: []\n']],
  [
    'a field that is gone',
    { ...object, spec: { list: spec.list, text: spec.text } },
    ['    version: v1 # the first\n', ''],
  ],
  [
    'an item that is gone, with what is said of it',
    { ...object, spec: { ...spec, list: [query, health] } },
    ['    # the way in\n    - type: route\n\n      path: "/x"\n', ''],
  ],
  [
    'an item in the middle',
    { ...object, spec: { ...spec, list: [query, route, { type: 'new' }, health] } },
    ['path: "/x"\n', 'path: "/x"\n    - type: new\n'],
  ],
  [
    'a block of text',
    { ...object, spec: { ...spec, text: 'new\ntext' } },
    ['text: |\n      kept as\n        it is\n', 'text: |-\n      new\n      text\n'],
  ],
]
for (const [what, value, [old, young]] of cases) {
  test(`changes ${what}, and no other byte`, (t) => {
    t.is(edited(0, value), file.replace(old, young))
  })
}
const word = fc.oneof(
  fc.constantFrom('a', 'no', '007', 'x: y', '- z', '# c', '', 'multi\nline', ' lead', "it's", '"q"', '~'),
  fc.string({ maxLength: 6 }),
)
const { node } = fc.letrec((tie) => ({
  node: fc.oneof(
    { depthSize: 'small', withCrossShrink: true },
    fc.oneof(word, fc.integer(), fc.boolean(), fc.constant(null)),
    fc.array(tie('node'), { maxLength: 4 }),
    fc.dictionary(fc.constantFrom('a', 'b', 'no', '1', 'x y'), tie('node'), { maxKeys: 4, noNullPrototype: true }),
  ),
}))
const styles: ReadonlyArray<(value: unknown) => string> = [
  formatYaml,
  (value) => stringify(value, { indentSeq: false, indent: 4, schema: 'core' }),
  (value) => stringify(value, { collectionStyle: 'flow', schema: 'core' }),
  (value) => JSON.stringify(value, undefined, 2),
  // a comment after each line that may have one
  (value) => formatYaml(value).replace(/^(\s*[\w-]+:|\s*- [ab]:)( \w+)?$/gm, '# before\n$& # after'),
]

test('makes any value of any other, in all styles', (t) => {
  let edits = 0
  const change = fc.tuple(node, node, fc.constantFrom(...styles))
  fc.assert(
    fc.property(change, ([a, b, style]) => {
      const [text, after] = [style({ k: 1, a }), { k: 1, a: b }]
      // what the writer of the text got wrong is not our affair
      if (JSON.stringify(parseYaml(text)) !== JSON.stringify(E.right([{ k: 1, a }]))) return
      edits += 1
      t.deepEqual(parseYaml(edited(0, after, text)), E.right([after]))
      if (style === styles[3]) t.deepEqual(JSON.parse(edited(0, after, text)), after)
    }),
    { numRuns: 500 },
  )
  t.true(edits > 100)
})

test('takes a document away, and leaves the others as they are', (t) => {
  const [first = '', second = '', ...others] = file.split('---\n')
  t.is(edited(1, undefined), [first, ...others].join('---\n'))
  t.is(edited(0, undefined, 'a: 1\n---\nb: 2\n'), '---\nb: 2\n')
  t.is(edited(2, undefined), [first, second, others[0]].join('---\n'))
})

const refused: ReadonlyArray<readonly [string, string, unknown]> = [
  ['an alias', 'a: &x { b: 1 }\nc: *x\n', { a: { b: 1 }, c: { b: 2 } }],
  ['what an alias stands for', 'a: &x { b: 1 }\nc: *x\n', { a: { b: 2 }, c: { b: 1 } }],
  ['a word that an alias stands for', 'a: &x one\nc: *x\n', { a: 'two', c: 'one' }],
  ['text that a tag stands before', 'a: !!str 7\n', { a: 8 }],
  ['a document that is not there', 'a: 1\n', undefined],
]
for (const [what, text, value] of refused) {
  test(`refuses to change ${what}`, (t) => {
    const index = value === undefined ? 1 : 0
    t.deepEqual(editYaml(text, index, value), E.left('expected YAML that can be changed in place'))
  })
}

test('changes what stands beside an alias', (t) => {
  const text = 'a: &x { b: 1 }\nc: *x # same\nd: 1\n'
  t.is(edited(0, { a: { b: 1 }, c: { b: 1 }, d: 2 }, text), text.replace('d: 1', 'd: 2'))
})

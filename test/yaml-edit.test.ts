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
test('fuzz', (t) => {
  const word = fc.oneof(
    fc.constantFrom('a', 'no', '007', 'x: y', '- z', '# c', '', 'multi\nline', ' lead', "it's", '"q"', '~'),
    fc.string({ maxLength: 6 }),
  )
  const json = fc.letrec((tie) => ({
    node: fc.oneof(
      { depthSize: 'small', withCrossShrink: true },
      fc.oneof(word, fc.integer(), fc.boolean(), fc.constant(null)),
      fc.array(tie('node'), { maxLength: 4 }),
      fc.dictionary(fc.constantFrom('a', 'b', 'c', 'd', 'no', '1', 'x y'), tie('node'), {
        maxKeys: 4,
        noNullPrototype: true,
      }),
    ),
  })).node
  let ok = 0,
    n = 0,
    same = 0
  const styles = [
    (v: unknown) => formatYaml(v),
    (v: unknown) => stringify(v, { indentSeq: false, indent: 4, schema: 'core', lineWidth: 0 }),
    (v: unknown) => JSON.stringify(v),
    (v: unknown) => JSON.stringify(v, undefined, 2),
    (v: unknown) => stringify(v, { collectionStyle: 'flow', schema: 'core' }),
  ]
  fc.assert(
    fc.property(json, json, fc.nat({ max: styles.length - 1 }), (a, b, s) => {
      const [x, y] = [
        { k: 1, a },
        { k: 1, a: b },
      ]
      const text = styles[s]?.(x) ?? ''
      const [before] = E.getOrElse((): ReadonlyArray<unknown> => [])(parseYaml(text))
      if (JSON.stringify(before) !== JSON.stringify(x)) return
      n++
      const r = editYaml(text, 0, y)
      if (E.isRight(r)) {
        ok++
      } else {
        console.log(JSON.stringify(text), JSON.stringify(y))
        throw new Error(r.left)
      }
    }),
    { numRuns: 40000 },
  )
  console.log(n, ok)
  t.pass()
})

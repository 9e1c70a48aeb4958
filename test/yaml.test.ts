import test from 'ava'
import fc from 'fast-check'

import { E } from '../src/fp.ts'
import { formatYaml, parseYaml } from '../src/yaml.ts'

const valuesOf = (text: string) => E.getOrElse((error: string): ReadonlyArray<unknown> => [error])(parseYaml(text))

test('gives a value per document and leaves empty ones out', (t) => {
  t.deepEqual(valuesOf('# nothing\n---\na: 1\n---\n---\n- 2\n---\n~\n'), [{ a: 1 }, [2]])
  t.deepEqual(valuesOf(''), [])
})

test('reads JSON, whatever it holds', (t) => {
  fc.assert(
    fc.property(fc.jsonValue({ stringUnit: 'binary' }), (value) => {
      const [parsed = null] = valuesOf(JSON.stringify(value))
      return JSON.stringify(parsed) === JSON.stringify(JSON.parse(JSON.stringify(value)))
    }),
  )
  t.pass()
})

test('keeps to the core schema of YAML 1.2, also under a directive that asks for 1.1', (t) => {
  const text = 'on: no\nyes: off\n<<: { a: 1 }\nbinary: !!binary aGk=\nday: !!timestamp 2020-01-01\nsmall: 010\n'
  const value = { on: 'no', yes: 'off', '<<': { a: 1 }, binary: 'aGk=', day: '2020-01-01', small: 10 }
  t.deepEqual(valuesOf(text), [value])
  t.deepEqual(valuesOf(`%YAML 1.1\n---\n${text}`), [value])
})

test('takes a __proto__ key for a key like any other', (t) => {
  const [value] = valuesOf('__proto__: { polluted: true }\nconstructor: 1')
  t.is(JSON.stringify(value), '{"__proto__":{"polluted":true},"constructor":1}')
  t.is(Reflect.get({}, 'polluted'), undefined)
})

const secret = 'hunter2-secret'
const bad: ReadonlyArray<readonly [string, string, string]> = [
  ['an open bracket', 'a: 1\nb: [1', 'expected YAML, got "bad indent" at 2:6'],
  ['a duplicate key', `a: 1\nb: 2\na: ${secret}`, 'expected YAML, got "duplicate key" at 3:1'],
  ['a duplicate key in JSON', `{"a": 1, "a": "${secret}"}`, 'expected YAML, got "duplicate key" at 1:10'],
  ['a token out of place', `a: @${secret}`, 'expected YAML, got "bad scalar start" at 1:4'],
  ['a key that is a map', `? { ${secret}: 1 }\n: 2`, 'expected YAML, got "non string key" at 1:3'],
  ['an unknown alias', `a: *${secret}`, 'expected YAML, got "unknown alias" at 1:4'],
  ['an alias to what comes later', 'a: *x\nb: &x 1', 'expected YAML, got "unknown alias" at 1:4'],
  ['an object that contains itself', 'a: &x\n  b: [*x]', 'expected YAML, got "alias inside its own anchor" at 2:7'],
  ['a fault in the second document', `a: 1\n---\n"${secret}`, 'expected YAML, got "missing char" at 3:16'],
]
for (const [what, text, message] of bad) {
  test(`refuses ${what}, says where, and quotes nothing`, (t) => {
    t.deepEqual(parseYaml(text), E.left(message))
  })
}

test('refuses a bomb of aliases', (t) => {
  const levels = 'abcdefghi'.split('')
  const bomb = levels.map((name, i) => {
    const inner = i === 0 ? 'x' : `*${levels[i - 1] ?? ''}`
    return `${name}: &${name} [${Array(9).fill(inner).join(', ')}]`
  })
  t.deepEqual(parseYaml(bomb.join('\n')), E.left('expected YAML, got "too many aliases"'))
})

test('refuses nesting without end', (t) => {
  t.true(E.isLeft(parseYaml('['.repeat(100_000))))
  t.true(E.isLeft(parseYaml('- '.repeat(100_000))))
})

test('allows an alias used twice', (t) => {
  t.deepEqual(valuesOf('a: &x { b: 1 }\nc: *x\nd: *x'), [{ a: { b: 1 }, c: { b: 1 }, d: { b: 1 } }])
})

test('keeps the very text of scalars below a key, and only there', (t) => {
  const text = 'list:\n  - secret: { a: 007, b: 1e3, c: true, d: ~, e: "5", f: 0x10 }\n    plain: { a: 007 }\n'
  t.deepEqual(
    parseYaml(text, { textBelow: 'secret' }),
    E.right([{ list: [{ secret: { a: '007', b: '1e3', c: 'true', d: null, e: '5', f: '0x10' }, plain: { a: 7 } }] }]),
  )
})

test('writes what it reads as the same again', (t) => {
  const word = fc.constantFrom(
    'no',
    'on',
    '~',
    '',
    '1e3',
    '0o17',
    '0x1f',
    '.inf',
    '2020-01-01',
    '- a',
    'a: b',
    '#',
    'a\nb\n',
    ' ',
    '&a',
  )
  const tree = fc.letrec<{ value: unknown }>((tie) => ({
    value: fc.oneof(
      { maxDepth: 4 },
      word,
      fc.string({ unit: 'binary' }),
      fc.constantFrom(null, true, 0, -1, 1.5, 1e30),
      fc.array(tie('value'), { maxLength: 4 }),
      fc.dictionary(fc.oneof(word, fc.string()), tie('value'), { maxKeys: 4, noNullPrototype: true }),
    ),
  })).value
  fc.assert(
    fc.property(tree, (value) => {
      t.deepEqual(valuesOf(formatYaml([value])), [[value]])
      t.true(formatYaml(value).endsWith('\n'))
    }),
  )
})

test('reads a mapping of very many keys before anybody gives up', (t) => {
  // what compares each key with all others takes minutes
  const keys = Array.from({ length: 80_000 }, (_, i) => `k${String(i)}: 1`)
  t.true(E.isRight(parseYaml(keys.join('\n'))))
  t.deepEqual(parseYaml([...keys, 'k7: 2'].join('\n')), E.left('expected YAML, got "duplicate key" at 80001:1'))
})

test('writes an object twice that is there twice', (t) => {
  const twice = { a: 'b' }
  t.is(formatYaml({ c: [twice], d: twice, e: [], f: {} }), 'c:\n  - a: "b"\nd:\n  a: "b"\ne: []\nf: {}\n')
})

test('refuses deep nesting of every form before it can end the process', (t) => {
  for (const form of ['[', '{"a":', '- ', '? ', '[?', '&a [', '!x [', '{a: "b", c: ', '{k: 2001-01-01, c: ']) {
    t.deepEqual(parseYaml(form.repeat(20_000)), E.left('expected YAML, got "too deep nesting"'), form)
  }
  t.true(E.isRight(parseYaml('['.repeat(90) + ']'.repeat(90))))
})

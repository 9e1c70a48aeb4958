import test from 'ava'
import fc from 'fast-check'

import { E } from '../../src/fp.ts'
import { everything, parseSelection } from '../../src/registry/selectors.ts'
import { createObjects } from './_reads.ts'

const objects = createObjects()
objects.put('a', { app: 'x', tier: 'front', size: '5' })
objects.put('b', { app: 'y', size: 'big' })
objects.put('c', { app: '', 'example.com/app': 'x' })
objects.put('d')
objects.put('E,=', { tier: 'back', size: '-12', in: 'notin' })

/** Names of what is selected, or why nothing is. */
const selected = (query: Readonly<Record<string, string>>): string => {
  const selection = parseSelection(new URLSearchParams(query))
  if (E.isLeft(selection)) return selection.left._tag === 'BadRequest' ? selection.left.message : selection.left._tag
  return objects
    .list()
    .filter(selection.right)
    .map(({ metadata }) => metadata.name)
    .join(' ')
}

const all = 'E,= a b c d'
const cannot = 'unable to parse requirement:'

const labels: ReadonlyArray<readonly [selector: string, expected: string]> = [
  ['', all],
  ['  ', all],
  ['app=x', 'a'],
  ['app==x', 'a'],
  [' app = x ', 'a'],
  ['app=', 'c'],
  ['app', 'a b c'],
  ['!app', 'E,= d'],
  ['! app', 'E,= d'],
  ['app!=x', 'E,= b c d'],
  ['app!=', 'E,= a b d'],
  ['app in (x,y)', 'a b'],
  ['app in(x)', 'a'],
  ['app in (x,)', 'a c'],
  ['app in (,)', 'c'],
  ['app in (,,x)', 'a c'],
  ['app notin (x, y)', 'E,= c d'],
  ['size>1', 'a'],
  ['size<1', 'E,='],
  ['size > -13, size < 6', 'E,= a'],
  ['app=x,tier=front', 'a'],
  ['app=x,tier=back', ''],
  ['app,!tier', 'b c'],
  ['example.com/app=x', 'c'],
  ['in=notin', 'E,='],
  ['in in (notin)', 'E,='],
  ['in', 'E,='],
  ['constructor', ''],
  ['app,app,app=x', 'a'],
  [',', "found ',', expected: !, identifier, or 'end of string'"],
  ['app,', "found '', expected: identifier after ','"],
  ['app,,tier', "found ',', expected: identifier after ','"],
  ['app=x tier=y', "found 'tier', expected: ',' or 'end of string'"],
  ['!app=x', "found '=', expected: ',' or 'end of string'"],
  ['!', `${cannot} found '', expected: identifier`],
  ['!=x', `found '!=', expected: !, identifier, or 'end of string'`],
  ['app tier', `${cannot} found 'tier', expected: in, notin, =, ==, !=, gt, lt`],
  ['app(x)', `${cannot} found '(', expected: in, notin, =, ==, !=, gt, lt`],
  ['app=(x)', `${cannot} found '(', expected: identifier`],
  ['app=!x', `${cannot} found '!', expected: identifier`],
  ['size>=1', `${cannot} found '=', expected: identifier`],
  ['app in x', `${cannot} found 'x', expected: '('`],
  ['app in (x', `${cannot} found '', expected: ',' or ')'`],
  ['app in (x y)', `${cannot} found 'y', expected: ',' or ')'`],
  ['app in (=)', `${cannot} found '=', expected: ',', or identifier`],
  ['app in ()', `${cannot} values: Invalid value: []: for 'in', 'notin' operators, values set can't be empty`],
  ['size>big', `${cannot} values[0]: Invalid value: "big": for 'Gt', 'Lt' operators, the value must be an integer`],
]
for (const [selector, expected] of labels) {
  test(`selects by labels: ${JSON.stringify(selector)}`, (t) => {
    t.is(selected({ labelSelector: selector }), expected)
  })
}

test('refuses keys and values that no label has', (t) => {
  const long = 'x'.repeat(64)
  for (const selector of ['-a', 'a-', 'a/', '/a', 'A.b/c/d', 'A/b', 'é', long, `${'a.'.repeat(130)}b/c`]) {
    t.true(selected({ labelSelector: selector }).startsWith(`${cannot} key: Invalid value: "${selector}": `), selector)
  }
  for (const value of ['-a', 'a b', 'a/b', 'é', long]) {
    t.regex(selected({ labelSelector: `app in (${value})` }), /^(unable|found)/, value)
    t.regex(selected({ labelSelector: `app=${value}` }), /^(unable|found)/, value)
  }
})

const fields: ReadonlyArray<readonly [selector: string, expected: string]> = [
  ['', all],
  [',', all],
  ['metadata.name=a', 'a'],
  ['metadata.name==a', 'a'],
  ['metadata.name!=a', 'E,= b c d'],
  ['metadata.name=a,metadata.name=b', ''],
  ['metadata.name!=a,metadata.name!=b,', 'E,= c d'],
  ['metadata.name=E\\,\\=', 'E,='],
  ['metadata.name=', ''],
  ['metadata.namespace=', all],
  ['metadata.namespace=default', ''],
  ['metadata.namespace!=default', all],
  ['spec.group=a', 'field label not supported: spec.group'],
  ['=a', 'field label not supported: '],
  ['constructor=a', 'field label not supported: constructor'],
  ['metadata.name', "invalid selector: 'metadata.name'; can't understand 'metadata.name'"],
  ['metadata.name=a,b', "invalid selector: 'metadata.name=a,b'; can't understand 'b'"],
  ['metadata.name=a=b', 'invalid field selector: unescaped character in value: ='],
  ['metadata.name=\\a', 'invalid field selector: invalid escape sequence: \\a'],
  ['metadata.name=a\\', 'invalid field selector: invalid escape sequence: \\'],
]
for (const [selector, expected] of fields) {
  test(`selects by fields: ${JSON.stringify(selector)}`, (t) => {
    t.is(selected({ fieldSelector: selector }), expected)
  })
}

test('selects by labels and fields together', (t) => {
  t.is(selected({ labelSelector: 'app', fieldSelector: 'metadata.name!=a' }), 'b c')
})

test('tells that everything is selected', (t) => {
  t.deepEqual(parseSelection(new URLSearchParams('labelSelector=&fieldSelector=')), E.right(everything))
})

test('refuses more requirements than anybody has', (t) => {
  t.is(selected({ labelSelector: '!x,'.repeat(999) + '!x' }), all)
  t.regex(selected({ labelSelector: '!x,'.repeat(1000) + '!x' }), /at most 1000 requirements, got 1001/)
})

test('selects or refuses, whatever it is given', (t) => {
  const part = fc.oneof(
    fc.constantFrom('a', 'app', 'in', 'notin', '(', ')', ',', '=', '==', '!=', '!', '<', '>', ' ', '\\', '1'),
    fc.string(),
  )
  const text = fc.array(part, { maxLength: 30 }).map((parts) => parts.join(''))
  fc.assert(
    fc.property(text, text, (labelSelector, fieldSelector) => {
      const selection = parseSelection(new URLSearchParams({ labelSelector, fieldSelector }))
      if (E.isLeft(selection)) return selection.left._tag === 'BadRequest'
      return objects.list().every((object) => typeof selection.right(object) === 'boolean')
    }),
    { numRuns: 500 },
  )
  t.pass()
})

test('reads the longest query there is at once', (t) => {
  for (const piece of ['a', ' ', '!', '=', '(', 'a in (', 'a,', 'a-', '\\', 'metadata.name=\\,', 'metadata.name!=a,']) {
    const text = piece.repeat(16_384 / piece.length)
    t.is(typeof selected({ labelSelector: text }), 'string')
    t.is(typeof selected({ fieldSelector: text }), 'string')
  }
})

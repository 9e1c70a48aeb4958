import test from 'ava'
import fc from 'fast-check'

import { parsePathTemplate } from '../../src/api/path-template.ts'
import { E } from '../../src/fp.ts'

const literal = (text: string) => ({ _tag: 'Literal', text })
const param = (name: string) => ({ _tag: 'Param', name })
const tail = { _tag: 'Tail' }

const good: Readonly<Record<string, ReadonlyArray<unknown>>> = {
  '/reports': [literal('reports')],
  '/reports/{id}/export': [literal('reports'), param('id'), literal('export')],
  '/files/*': [literal('files'), tail],
  '/files/{rest...}': [literal('files'), tail],
  '/*': [tail],
  '/a*b/**': [literal('a*b'), literal('**')],
  "/-._~!$&'()+,;=:@": [literal("-._~!$&'()+,;=:@")],
  '/...': [literal('...')],
}
for (const [path, segments] of Object.entries(good)) {
  test(`reads ${path}`, (t) => {
    t.deepEqual<unknown, unknown>(parsePathTemplate(path), E.right(segments))
  })
}

const bad: Readonly<Record<string, RegExp>> = {
  '': /^must start with "\/"$/,
  reports: /^must start with/,
  '/': /empty segment/,
  '/a/': /empty segment/,
  '/a//b': /empty segment/,
  '/a/./b': /dot segment "\."/,
  '/a/../b': /dot segment "\.\."/,
  '/a/*/b': /^must not go on after "\*"$/,
  '/{rest...}/b': /^must not go on after "\{rest\.\.\.\}"$/,
  '/{a}/{a}': /^must not bind "\{a\}" twice$/,
  '/{a}{b}': /is not a name/,
  '/x{a}': /is not a name/,
  '/{}': /is not a name/,
  '/{1}': /is not a name/,
  '/{a': /is not a name/,
  '/:id(\\d+)?': /is not a name/,
  '/a%2fb': /is not a name/,
  '/a b': /is not a name/,
  '/é': /is not a name/,
  '/a\u0000': /is not a name/,
  '/a?b': /is not a name/,
  '/a#b': /is not a name/,
  '/a\\b': /is not a name/,
}
for (const [path, message] of Object.entries(bad)) {
  test(`refuses ${JSON.stringify(path)}`, (t) => {
    const parsed = parsePathTemplate(path)
    t.regex(E.isLeft(parsed) ? parsed.left : '', message)
  })
}

test('refuses what is too long or too deep', (t) => {
  t.true(E.isRight(parsePathTemplate('/a'.repeat(32))))
  t.deepEqual(parsePathTemplate('/a'.repeat(33)), E.left('must not have more than 32 segments'))
  t.true(E.isRight(parsePathTemplate(`/${'a'.repeat(1023)}`)))
  t.deepEqual(parsePathTemplate(`/${'a'.repeat(1024)}`), E.left('must not be longer than 1024 characters'))
})

test('keeps only text that stands for itself in a URL', (t) => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary' }), (text) => {
      const parsed = parsePathTemplate(`/${text}`)
      if (E.isLeft(parsed)) return true
      return parsed.right.every(
        (segment) =>
          segment._tag !== 'Literal' || new URL(`http://h/x/${segment.text}`).pathname === `/x/${segment.text}`,
      )
    }),
  )
  t.pass()
})

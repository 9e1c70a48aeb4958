import { posix } from 'node:path'

import test from 'ava'
import fc from 'fast-check'

import { serviceTypes } from '../../src/api/dataplane-service.ts'
import { match } from '../../src/routing/match.ts'
import {
  encodeSegment,
  endOfPath,
  faultOfSegment,
  faultOfTail,
  isPlain,
  originForm,
  readLoosely,
  readStrictly,
} from '../../src/routing/path.ts'
import { service } from '../api/manifests.ts'
import { definitions, routes, tableOf } from './tables.ts'

const loosely: Readonly<Record<string, string>> = {
  '/a/b': 'a|b',
  '/a/b/': 'a|b|',
  '//a///b': 'a|b',
  '/a/./b/../c': 'a|c',
  '/../../a': 'a',
  '/a/%2e%2E/b': 'b',
  '/a%2fb%5Cc\\d': 'a|b|c|d',
  '/a/..;x=1/b': 'b',
  '/a/.;x/b;y': 'a|b;y',
  '/a%00': 'a\u0000',
  '/%zz%2fa': '%zz|a',
  '/%ff%2f%2e%2e/a': 'a',
  '/%252e%252e/a': '%2e%2e|a',
}
for (const [path, segments] of Object.entries(loosely)) {
  test(`reads ${path} as the most lenient server would`, (t) => {
    t.is(readLoosely(path).join('|'), segments)
  })
}

const unplain = [
  '//',
  '/.',
  '/..',
  '/a/.b',
  '/%41',
  '/a\\b',
  '/a b',
  '/é',
  '/a\u0000',
  '/a"',
  '/<',
  '/[',
  '/^',
  '/`',
  '/{',
  '/|',
]
for (const path of unplain) {
  test(`takes ${JSON.stringify(path)} for one to read twice`, (t) => {
    t.false(isPlain(path, path.length))
  })
}

test('takes a path of pchars without dots in front for a plain one', (t) => {
  const path = "/apis/a.b../v1/-._~!$&'()*+,;=:@/Z9/"
  t.true(isPlain(path, path.length))
  t.true(isPlain('/a?//../%', 2))
})

test('finds the end of the path', (t) => {
  t.deepEqual(['/a', '/a?b', '/a#b?c', '/a?b#c', ''].map(endOfPath), [2, 2, 2, 2, 0])
})

test('takes the path out of an absolute target', (t) => {
  const targets = ['/a//b', 'http://h/a?b', 'HTTP://u@h:1/a', 'http://h', 'http://h?/a', '*', 'h:443']
  t.deepEqual(targets.map(originForm), ['/a//b', '/a?b', '/a', '', '?/a', '*', 'h:443'])
})

test('encodes what is no pchar, and decodes to the same again', (t) => {
  t.is(encodeSegment(":@!$&'()*+,;=-._~"), ":@!$&'()*+,;=-._~")
  t.is(encodeSegment('a/b?c#d%e f"g\\é'), 'a%2Fb%3Fc%23d%25e%20f%22g%5C%C3%A9')
  t.is(encodeSegment('\ud800'), '%EF%BF%BD')
  fc.assert(
    fc.property(fc.string({ unit: 'grapheme' }), (text) => {
      const encoded = encodeSegment(text)
      return decodeURIComponent(encoded) === text && encodeSegment(decodeURIComponent(encoded)) === encoded
    }),
  )
})

const faults: ReadonlyArray<readonly [segment: string, matched: string | undefined, inTail: string | undefined]> = [
  ['a', undefined, undefined],
  ['...', undefined, undefined],
  ['a%20b', undefined, undefined],
  ['', 'an empty segment', 'an empty segment'],
  ['%2f', 'an encoded slash', undefined],
  ['a%2Fb', 'an encoded slash', undefined],
  ['a%5cb', 'a backslash', undefined],
  ['a\\b', 'a backslash', 'a backslash'],
  ['.', 'a dot segment', 'a dot segment'],
  ['%2e%2E', 'a dot segment', 'a dot segment'],
  ['..;x', 'a dot segment', 'a dot segment'],
  ['a%2f..', 'an encoded slash', 'a dot segment'],
  ['%2e%2e%2fa', 'an encoded slash', 'a dot segment'],
  ['..%5ca', 'a backslash', 'a dot segment'],
  ['%00', 'a control character', 'a control character'],
  ['%0d%0aHost:x', 'a control character', 'a control character'],
  ['%7f', 'a control character', 'a control character'],
  ['%', 'a percent-encoding that is not UTF-8', 'a percent-encoding that is not UTF-8'],
  ['%c0%ae', 'a percent-encoding that is not UTF-8', 'a percent-encoding that is not UTF-8'],
  ['é', 'a character that must be percent-encoded', 'a character that must be percent-encoded'],
]
for (const [segment, matched, inTail] of faults) {
  test(`finds ${matched ?? 'nothing wrong'} in ${JSON.stringify(segment)}, and ${inTail ?? 'nothing'} when it is a tail`, (t) => {
    const [decoded] = readStrictly(`/${segment}`).decoded
    t.is(faultOfSegment(segment, decoded), matched)
    t.is(faultOfTail(segment, decoded, false), inTail)
  })
}

test('takes an empty last segment of a tail for a slash at the end', (t) => {
  t.is(faultOfTail('', '', true), undefined)
})

// Every path that anything can claim, then bent in every way that has fooled a server once.

const objects = [
  service([
    ...serviceTypes.map((type) => ({ type })),
    ...routes('GET /reports/{id}', '/files/*', 'PUT /reports/{id}/x'),
  ]),
  service([{ type: 'query' }, ...routes('/*')], { name: 'app', pluginType: 'app', group: 'app.example.com' }),
]
const table = tableOf(...objects)

const claimedPaths = objects.flatMap((object) =>
  object.spec.services.flatMap((entry) =>
    definitions[entry.type].routes(entry, object).map(({ method, path }) => ({
      method: method === '*' ? 'PATCH' : method,
      path: `/apis/${object.spec.group}/${object.spec.version}${path
        .replace(/\{(\w+)\}/g, (_all, name: string) => `${name}-1`)
        .replace(/\*$/, 'x/y%2Fz')}`,
    })),
  ),
)

const inserted = fc.constantFrom(
  ...[
    '/',
    '//',
    '/./',
    '/../',
    '/x/../',
    '/%2e/',
    '/%2e%2e/',
    '/%2E%2e%2f',
    '%2f',
    '%2F',
    '%5c',
    '\\',
    '/..\\',
    '..;/',
  ],
  ...[
    ';x',
    '/;x/',
    '%3b',
    '/..;/',
    '%00',
    '\u0000',
    '%',
    '%zz',
    '%ff',
    '%c0%af',
    '%252f',
    '%252e%252e',
    '%25',
    '%20',
    ' ',
  ],
  ...['é', '\u00ff', '%C3%A9', '"', '{', '|', '%22', '.', '..', '%2e', 'x'],
)
type Bend = readonly [kind: 'insert' | 'encode' | 'upper' | 'append' | 'origin', at: number, piece: string]
const bend = fc.tuple(
  fc.constantFrom('insert', 'encode', 'upper', 'append', 'origin') satisfies fc.Arbitrary<Bend[0]>,
  fc.nat(),
  inserted,
)
const apply = (path: string, [kind, at, piece]: Bend): string => {
  const slashes = [...path].flatMap((char, index) => (char === '/' ? [index, index + 1] : []))
  const place = at % 2 === 0 ? (slashes[at % slashes.length] ?? 0) : at % path.length
  const [before, here, after] = [path.slice(0, place), path.charAt(place), path.slice(place + 1)]
  switch (kind) {
    case 'insert':
      return before + piece + here + after
    case 'encode':
      return `${before}${here === '' ? '' : `%${here.charCodeAt(0).toString(16).padStart(2, '0')}`}${after}`
    case 'upper':
      return before + here.toUpperCase() + after
    case 'append':
      return path + piece
    case 'origin':
      return path.startsWith('/') ? `http://host${path}` : path
  }
}

const attempt = (read: () => string): string | undefined => {
  try {
    return read()
  } catch {
    return undefined
  }
}

/** How others would read a path, each by an implementation that is not ours. */
const readers: Readonly<Record<string, (path: string) => string | undefined>> = {
  browser: (path) => attempt(() => new URL(path, 'http://host').pathname),
  decoder: (path) =>
    attempt(() => posix.normalize(decodeURIComponent(path)).split('/').map(encodeURIComponent).join('/')),
  'slash merger': (path) => path.replace(/\/{2,}/g, '/'),
  'backslash turner': (path) => posix.normalize(path.replaceAll('\\', '/')),
}

test('agrees with every other reader about a bent path that it takes, and leaves none that another reader would take', (t) => {
  const seen = { Claimed: 0, Ambiguous: 0, OtherMethods: 0, next: 0 }
  fc.assert(
    fc.property(fc.constantFrom(...claimedPaths), fc.array(bend, { minLength: 1, maxLength: 3 }), (claimed, bends) => {
      const { method } = claimed
      const target = bends.reduce(apply, claimed.path)
      const path = originForm(target)
      const matched = match(table, method, target)
      seen[matched?._tag ?? 'next']++
      if (matched?._tag === 'Claimed') {
        const again = match(table, method, matched.path)
        t.deepEqual(again, matched, target)
        t.true(isPlain(matched.path, matched.path.length) || !matched.path.includes('//'), target)
        if (matched.claim.route.path.endsWith('*')) return
        for (const [name, read] of Object.entries(readers)) {
          const other = read(path)
          const theirs = other === undefined ? undefined : match(table, method, other)
          t.like(theirs, { _tag: 'Claimed', claim: matched.claim, path: matched.path }, `${name}: ${target}`)
        }
      }
      if (matched === undefined) {
        for (const [name, read] of Object.entries(readers)) {
          const theirs = match(table, method, read(path) ?? '')
          t.is(theirs, undefined, `${name}: ${target}`)
        }
      }
    }),
    { numRuns: 20_000 },
  )
  // A bend that never did anything would prove nothing.
  for (const [tag, count] of Object.entries(seen))
    t.true(count > (tag === 'OtherMethods' ? -1 : 100), `${tag} ${String(count)}`)
})

test('never throws, whatever the target', (t) => {
  const anything = fc.oneof(
    fc.string({ unit: 'binary' }),
    fc.string({ unit: fc.constantFrom('/', '%', '2', 'e', 'f', '.', '\\', '\ud800', '?', '#', ';', '*') }),
  )
  fc.assert(
    fc.property(anything, fc.constantFrom('', '/apis/p.example.com/v1/namespaces/n/files/'), (text, prefix) => {
      match(table, 'GET', prefix + text)
    }),
    { numRuns: 2000 },
  )
  t.pass()
})

import assert from 'node:assert/strict'
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

const loosely: Readonly<Record<string, ReadonlyArray<string>>> = {
  '/a/b': ['a|b'],
  '/a/b/': ['a|b|'],
  '//a///b': ['a|b', 'b'],
  '/\\a/b': ['\\a|b', 'a|b', 'b'],
  '/a/./b/../c': ['a|c'],
  '/../../a': ['a'],
  '/a/%2e%2E/b': ['a|..|b', 'b'],
  '/a//../b': ['a|b', 'b'],
  '/a%2fb/../c': ['a|c', 'c'],
  '/a/..%2fb': ['a|../b', 'b'],
  '/a\\..\\b': ['a\\..\\b', 'b'],
  '/a/..;x=1/b': ['a|..;x=1|b', 'b'],
  '/a/.;x/b;y': ['a|.;x|b;y', 'a|b', 'a|b;y'],
  '/a;x/b;y=1;z': ['a;x|b;y=1;z', 'a|b'],
  '/%41%00': ['A', 'A\u0000'],
  '/a%00/b;x': ['a', 'a\u0000|b', 'a\u0000|b;x'],
  '//h;x/a%00': ['a', 'a\u0000', 'h;x|a', 'h;x|a\u0000', 'h|a', 'h|a\u0000'],
  '/%zz%2fa': ['%zz/a', '%zz|a'],
  '/%ff%2f%2e%2e/a': ['%ff/..|a', 'a'],
  '/%252e%252e/a': ['%2e%2e|a'],
}
for (const [path, readings] of Object.entries(loosely)) {
  test(`reads ${path} in every way that some server would`, (t) => {
    t.deepEqual([...new Set(readLoosely(path).map((reading) => reading.join('|')))].toSorted(), readings)
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
  '/a;b',
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
  const path = "/apis/a.b../v1/-._~!$&'()*+,=:@/Z9/"
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
  ...[';x', '/;x/', '%3b', '/..;/', '%00', '%', '%zz', '%ff', '%c0%af', '%252f', '%252e%252e', '%25', '%20'],
  ...['é', '\u00ff', '%C3%A9', '"', '{', '|', '%22', '.', '..', '%2e', 'x'],
)
type Bend = readonly [kind: 'insert' | 'encode' | 'upper' | 'append' | 'origin' | 'host', at: number, piece: string]
const bend = fc.tuple(
  fc.constantFrom('insert', 'encode', 'upper', 'append', 'origin', 'host') satisfies fc.Arbitrary<Bend[0]>,
  fc.nat(),
  inserted,
)
const apply = (path: string, [kind, at, piece]: Bend): string => {
  const slashes = [...path].flatMap((char, index) => (char === '/' ? [index, index + 1] : []))
  const place = Math.max(1, at % 2 === 0 ? (slashes[at % slashes.length] ?? 1) : at % path.length)
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
    case 'host':
      return path.startsWith('/') ? `//host${path}` : path
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
  browser: (path) => attempt(() => new URL(`http://host${path}`).pathname),
  decoder: (path) =>
    attempt(() => posix.normalize(decodeURIComponent(path)).split('/').map(encodeURIComponent).join('/')),
  'slash merger': (path) => path.replace(/\/{2,}/g, '/'),
  'relative browser': (path) => attempt(() => new URL(path, 'http://host').pathname),
  'backslash turner': (path) => posix.normalize(path.replaceAll('\\', '/')),
}

/** What others do not read: where we claim a path, the part is data of ours; where we do not, nobody else may find our claim. */
const shorteners: typeof readers = {
  'parameter cutter': (path) => (path.startsWith('/') ? path.replace(/;[^/]*/g, '') : path),
  'reader of C': (path) => path.split('%00', 1)[0],
}

/** What another reader would find behind a path; `undefined` also for a path that he refuses. */
const readBy = (read: (path: string) => string | undefined, method: string, path: string) => {
  const other = read(path)
  return other === undefined ? undefined : match(table, method, other)
}

test('agrees with every other reader about a bent path, or refuses it', (t) => {
  const seen = new Map<string, number>()
  const check = (method: string, target: string): void => {
    const matched = match(table, method, target)
    const tag = matched?._tag ?? 'next'
    seen.set(tag, (seen.get(tag) ?? 0) + 1)
    if (matched?._tag === 'Claimed') {
      assert.deepEqual(match(table, method, matched.path), matched, `not canonical: ${target}`)
      // In a wildcard's tail an encoded slash is data, which others may read otherwise.
      if (matched.claim.route.path.endsWith('*')) return
    }
    if (matched?._tag === 'Ambiguous') return
    for (const [name, read] of Object.entries(matched === undefined ? { ...readers, ...shorteners } : readers)) {
      const theirs = readBy(read, method, originForm(target))
      // What he finds ambiguous himself, he does not take.
      if (matched === undefined && theirs?._tag === 'Ambiguous') continue
      assert.equal(theirs?._tag, matched?._tag, `${name} finds another claim: ${target}`)
      assert.equal(theirs?.path, matched?.path, `${name} finds another path: ${target}`)
    }
  }
  fc.assert(
    fc.property(fc.constantFrom(...claimedPaths), fc.array(bend, { minLength: 1, maxLength: 3 }), (claimed, bends) => {
      check(claimed.method, bends.reduce(apply, claimed.path))
    }),
    { numRuns: 20_000 },
  )
  // Bends that all went the same way would prove nothing.
  for (const tag of ['Claimed', 'Ambiguous', 'next']) t.true((seen.get(tag) ?? 0) > 500, tag)
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

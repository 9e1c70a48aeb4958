import { isDeepStrictEqual } from 'node:util'

import test from 'ava'
import fc from 'fast-check'

import { apiVersion, kind } from '../../src/api/dataplane-service.ts'
import { toStatus } from '../../src/errors.ts'
import { E } from '../../src/fp.ts'
import { jsonPatch } from '../../src/json-patch.ts'
import { applyPatch, parseApplied, patchTypeOf, type PatchType } from '../../src/registry/patch.ts'

const live = {
  apiVersion,
  kind,
  metadata: {
    name: 'n',
    labels: { a: '1', b: '2' },
    finalizers: ['x/1', 'x/2', 'x/3'],
    ownerReferences: [
      { apiVersion: 'v1', kind: 'K', name: 'o1', uid: 'u1' },
      { apiVersion: 'v1', kind: 'K', name: 'o2', uid: 'u2', controller: true },
    ],
    managedFields: [{ manager: 'a' }],
  },
  spec: { pluginID: 'p', services: [{ type: 'query' }, { type: 'route', path: '/a/b~c' }] },
}

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text)

const patched = (type: PatchType, patch: unknown): unknown => {
  const text = typeof patch === 'string' ? patch : JSON.stringify(patch)
  const result = applyPatch(type, bytes(text), live)
  if (E.isRight(result)) return result.right
  const { code, message } = toStatus(result.left)
  return { code, message }
}

const generic = 'the server rejected our request due to an error in our request'
const misfit = { code: 422, message: generic }

type Case = readonly [patch: unknown, expected: object]
const metadata = (changes: object): object => ({ ...live, metadata: { ...live.metadata, ...changes } })
const spec = (changes: object): object => ({ ...live, spec: { ...live.spec, ...changes } })
const [query, route] = live.spec.services
const [first, second] = live.metadata.ownerReferences

const jsonCases: Readonly<Record<string, Case>> = {
  'adds a field': [
    [{ op: 'add', path: '/metadata/labels/c~1d', value: '3' }],
    metadata({ labels: { a: '1', b: '2', 'c/d': '3' } }),
  ],
  'adds an item before another': [
    [{ op: 'add', path: '/spec/services/1', value: 7 }],
    spec({ services: [query, 7, route] }),
  ],
  'adds an item behind all': [
    [{ op: 'add', path: '/spec/services/-', value: null }],
    spec({ services: [query, route, null] }),
  ],
  'removes an item': [[{ op: 'remove', path: '/spec/services/0' }], spec({ services: [route] })],
  'replaces managed fields': [
    [
      { op: 'replace', path: '/metadata/managedFields', value: [{}] },
      { op: 'add', path: '/metadata/resourceVersion', value: '9' },
    ],
    metadata({ managedFields: [{}], resourceVersion: '9' }),
  ],
  'replaces the whole object': [[{ op: 'replace', path: '', value: { a: 1 } }], { a: 1 }],
  moves: [[{ op: 'move', from: '/spec/services/0', path: '/spec/services/1' }], spec({ services: [route, query] })],
  'copies what stays apart': [
    [
      { op: 'copy', from: '/spec/services/0', path: '/spec/first' },
      { op: 'add', path: '/spec/first/type', value: 'stream' },
    ],
    spec({ first: { type: 'stream' } }),
  ],
  'goes on after a test that holds, keys in any order': [
    [
      { op: 'test', path: '/spec/services/1', value: { path: '/a/b~c', type: 'route' } },
      { op: 'replace', path: '/spec/pluginID', value: 'q' },
    ],
    spec({ pluginID: 'q' }),
  ],
  'tests that a field is not there': [[{ op: 'test', path: '/metadata/uid', value: null }], live],
  'does nothing with no steps': [[], live],
  'takes __proto__ for a field like any other': [
    [
      { op: 'add', path: '/metadata/labels', value: { a: '1' } },
      { op: 'add', path: '/metadata/labels/__proto__', value: 'x' },
    ],
    JSON.parse(
      JSON.stringify(live).replace('"labels":{"a":"1","b":"2"}', '"labels":{"a":"1","__proto__":"x"}'),
    ) as object,
  ],
  'refuses a failed test': [[{ op: 'test', path: '/spec/pluginID', value: 'q' }], misfit],
  'refuses to remove what is not there': [[{ op: 'remove', path: '/spec/x' }], misfit],
  'refuses to replace what is not there': [[{ op: 'replace', path: '/spec/x', value: 1 }], misfit],
  'refuses to add below what is not there': [[{ op: 'add', path: '/status/x', value: 1 }], misfit],
  'refuses to add below a text': [[{ op: 'add', path: '/spec/pluginID/x', value: 1 }], misfit],
  'refuses an index beyond the end': [[{ op: 'add', path: '/spec/services/3', value: 1 }], misfit],
  'refuses an index with a leading zero': [[{ op: 'remove', path: '/spec/services/01' }], misfit],
  'refuses an index that is none': [[{ op: 'add', path: '/spec/services/length', value: 0 }], misfit],
  'refuses to take what comes after the end': [[{ op: 'remove', path: '/spec/services/-' }], misfit],
  'refuses to remove the object': [[{ op: 'remove', path: '' }], misfit],
  'refuses to move a container into itself': [
    [{ op: 'move', from: '/spec/services', path: '/spec/services/0' }],
    misfit,
  ],
  'refuses the way through a prototype': [[{ op: 'add', path: '/constructor/prototype/polluted', value: 1 }], misfit],
  'refuses the way through __proto__': [[{ op: 'add', path: '/__proto__/polluted', value: 1 }], misfit],
  'refuses to copy out of a prototype': [[{ op: 'copy', from: '/__proto__', path: '/spec/x' }], misfit],
  'refuses to test in a prototype': [[{ op: 'test', path: '/spec/toString/name', value: 'toString' }], misfit],
  'refuses what is no list': [
    {},
    { code: 400, message: 'error decoding patch: expected an array, got something else' },
  ],
  'refuses what is no JSON': ['[', { code: 400, message: 'error decoding patch: expected JSON, got something else' }],
  'refuses an unknown op': [
    [
      { op: 'add', path: '/a', value: 1 },
      { op: 'swap', path: '/a' },
    ],
    {
      code: 400,
      message:
        'error decoding patch: expected op, one of add, remove, replace, move, copy, test, got something else in operation 1',
    },
  ],
  'refuses a path that is none': [
    [{ op: 'remove', path: 'a' }],
    { code: 400, message: 'error decoding patch: expected path, a pointer, got something else in operation 0' },
  ],
  'refuses a value that is missing': [
    [{ op: 'add', path: '/a' }],
    { code: 400, message: 'error decoding patch: expected a value, got something else in operation 0' },
  ],
  'refuses from that is missing': [
    [{ op: 'copy', path: '/a' }],
    { code: 400, message: 'error decoding patch: expected from, a pointer, got something else in operation 0' },
  ],
  'refuses a step that is none': [
    [null],
    { code: 400, message: 'error decoding patch: expected an object, got something else in operation 0' },
  ],
}

const mergeCases: Readonly<Record<string, Case>> = {
  'merges maps, replaces lists': [
    { metadata: { labels: { b: null, c: '3' }, finalizers: ['y'] }, spec: { pluginID: 'q' } },
    { ...metadata({ labels: { a: '1', c: '3' }, finalizers: ['y'] }), spec: { ...live.spec, pluginID: 'q' } },
  ],
  'takes away what is null, and null where nothing was': [
    { metadata: { labels: null }, status: { a: null, b: { c: null } } },
    { ...metadata({ labels: undefined }), status: { b: {} } },
  ],
  'keeps null in lists': [{ spec: { services: [null] } }, spec({ services: [null] })],
  'puts a map in the place of a text': [{ spec: { pluginID: { a: 1, b: null } } }, spec({ pluginID: { a: 1 } })],
  'refuses a list': [[], { code: 400, message: 'error decoding patch: expected an object, got something else' }],
  'refuses null': ['null', { code: 400, message: 'error decoding patch: expected an object, got something else' }],
  'refuses what nests too deep': [
    '{"a":'.repeat(100_000) + '1' + '}'.repeat(100_000),
    { code: 400, message: 'error decoding patch: expected at most 64 levels of arrays and objects, got more' },
  ],
}

const bad = (message: string) => ({ code: 400, message: `error decoding patch: ${message}` })
const order = '$setElementOrder/finalizers'
const strategicCases: Readonly<Record<string, Case>> = {
  'merges maps, replaces lists without merge keys': [
    { metadata: { labels: { b: null, c: '3' } }, spec: { services: [{ type: 'stream' }] } },
    { ...metadata({ labels: { a: '1', c: '3' } }), spec: { pluginID: 'p', services: [{ type: 'stream' }] } },
  ],
  'replaces a map': [{ metadata: { labels: { $patch: 'replace', c: '3' } } }, metadata({ labels: { c: '3' } })],
  'empties a map': [{ metadata: { labels: { $patch: 'delete' } } }, metadata({ labels: {} })],
  'merges a map that says so': [
    { metadata: { labels: { $patch: 'merge', c: '3' } } },
    metadata({ labels: { a: '1', b: '2', c: '3' } }),
  ],
  'leaves directives out of what is new': [
    { metadata: { annotations: { $retainKeys: ['x'], x: '1', y: null } }, status: { $patch: 'delete' } },
    metadata({ annotations: { x: '1' } }),
  ],
  'retains keys': [
    { metadata: { labels: { $retainKeys: ['b', 'c'], c: '3' } } },
    metadata({ labels: { b: '2', c: '3' } }),
  ],
  'adds finalizers before those that are there, the others in their places': [
    { metadata: { finalizers: ['x/4', 'x/2'] } },
    metadata({ finalizers: ['x/4', 'x/1', 'x/2', 'x/3'] }),
  ],
  'deletes finalizers': [
    { metadata: { '$deleteFromPrimitiveList/finalizers': ['x/2', 'x/9'] } },
    metadata({ finalizers: ['x/1', 'x/3'] }),
  ],
  'orders finalizers': [
    {
      metadata: { [order]: ['x/3', 'x/0', 'x/1'], finalizers: ['x/0'], '$deleteFromPrimitiveList/finalizers': ['x/2'] },
    },
    metadata({ finalizers: ['x/3', 'x/0', 'x/1'] }),
  ],
  'takes all finalizers away': [{ metadata: { finalizers: null } }, metadata({ finalizers: undefined })],
  'merges owner references by uid': [
    {
      metadata: {
        ownerReferences: [
          { uid: 'u2', controller: null, name: 'x' },
          { uid: 'u3', name: 'o3' },
        ],
      },
    },
    metadata({
      ownerReferences: [first, { apiVersion: 'v1', kind: 'K', name: 'x', uid: 'u2' }, { uid: 'u3', name: 'o3' }],
    }),
  ],
  'deletes an owner reference by uid': [
    { metadata: { ownerReferences: [{ uid: 'u1', $patch: 'delete' }] } },
    metadata({ ownerReferences: [second] }),
  ],
  'replaces all owner references': [
    { metadata: { ownerReferences: [{ $patch: 'replace' }, { uid: 'u9' }] } },
    metadata({ ownerReferences: [{ uid: 'u9' }] }),
  ],
  'orders owner references': [
    { metadata: { '$setElementOrder/ownerReferences': [{ uid: 'u2' }, { uid: 'u1' }] } },
    metadata({ ownerReferences: [second, first] }),
  ],
  'refuses an unknown directive': [
    { spec: { $patch: 'x' } },
    bad('expected $patch: delete, replace or merge, got something else'),
  ],
  'refuses an unknown directive in an item': [
    { metadata: { ownerReferences: [{ uid: 'u1', $patch: 'merge' }] } },
    bad('expected $patch: delete or replace in an item of a list, got another'),
  ],
  'refuses an item without its key': [
    { metadata: { ownerReferences: [{ name: 'o' }] } },
    bad('expected items with "uid", got one without'),
  ],
  'refuses an order that leaves items out': [
    { metadata: { [order]: ['x/1'], finalizers: ['x/0'] } },
    bad('expected all items of the list in $setElementOrder, got others'),
  ],
  'refuses an order that is no list': [{ metadata: { [order]: 'x' } }, bad('expected a list, got another')],
  'refuses fields beside the retained ones': [
    { metadata: { labels: { $retainKeys: ['b'], c: '3' } } },
    bad('expected all fields of the patch in $retainKeys, got others'),
  ],
  'refuses retained keys that are no list': [
    { spec: { $retainKeys: 'b' } },
    bad('expected a list as $retainKeys, got something else'),
  ],
}

const asJson = (value: unknown): unknown => JSON.parse(JSON.stringify(value))

const all: ReadonlyArray<readonly [PatchType, Readonly<Record<string, Case>>]> = [
  ['json', jsonCases],
  ['merge', mergeCases],
  ['strategic', strategicCases],
]
for (const [type, cases] of all) {
  for (const [what, [patch, expected]] of Object.entries(cases)) {
    test(`${what}, by a ${type} patch`, (t) => {
      const before = JSON.stringify(live)
      t.deepEqual(asJson(patched(type, patch)), asJson(expected))
      t.is(JSON.stringify(live), before, 'the live object stays as it is')
      t.is(Reflect.get({}, 'polluted'), undefined)
    })
  }
}

const types: Readonly<Record<string, PatchType | 'apply' | undefined>> = {
  'application/json-patch+json': 'json',
  'application/merge-patch+json; charset=utf-8': 'merge',
  'Application/Strategic-Merge-Patch+JSON': 'strategic',
  'application/apply-patch+yaml': 'apply',
  'application/apply-patch+cbor': undefined,
  'application/apply-patch+json': undefined,
  'application/json': undefined,
  '': undefined,
}

for (const [contentType, type] of Object.entries(types)) {
  test(`takes "${contentType}" for ${type ?? 'no patch'}`, (t) => {
    const result = patchTypeOf(contentType)
    if (E.isRight(result)) {
      t.is<string | undefined, string | undefined>(result.right, type)
      return
    }
    t.is(type, undefined)
    const { code, message } = toStatus(result.left)
    t.is(code, 415)
    t.is(
      message,
      'the body of the request was in an unknown format - accepted media types include: application/json-patch+json, ' +
        'application/merge-patch+json, application/strategic-merge-patch+json, application/apply-patch+yaml',
    )
  })
}

const tooMuch: Readonly<Record<string, ReadonlyArray<object>>> = {
  'more than 10,000 steps': Array.from({ length: 10_001 }, () => ({ op: 'test', path: '/status', value: null })),
  'copies of copies': Array.from({ length: 100 }, (_, i) => ({ op: 'copy', from: '', path: `/c${String(i)}` })),
  'items moved up over and over': [
    { op: 'add', path: '/x', value: Array<number>(15_000).fill(0) },
    ...Array.from({ length: 8000 }, () => ({ op: 'add', path: '/x/0', value: 0 })),
  ],
}

for (const [what, steps] of Object.entries(tooMuch)) {
  test(`refuses ${what} as too large`, (t) => {
    t.like(patched('json', steps), { code: 413 })
  })
}

test('refuses copies that nest deeper and deeper', (t) => {
  const steps = Array.from({ length: 2000 }, () => ({ op: 'copy', from: '/spec', path: '/spec/spec' }))
  t.deepEqual(patched('json', [{ op: 'replace', path: '/spec', value: {} }, ...steps]), misfit)
})

test('reads what is applied as YAML or JSON, one object of it', (t) => {
  const parse = (text: string): unknown => {
    const result = parseApplied(bytes(text), 'u')
    return E.isRight(result) ? result.right : toStatus(result.left).message
  }
  t.deepEqual(parse('kind: X\nmetadata:\n  name: n\n'), { kind: 'X', metadata: { name: 'n' } })
  t.deepEqual(parse('{"kind": "X"}'), { kind: 'X', metadata: { name: 'u' } })
  t.deepEqual(parse('{"metadata": []}'), { metadata: [] })
  t.is(parse('a: ['), 'error decoding patch: expected YAML, got "bad indent" at 1:5')
  t.is(parse('a: 1\n---\nb: 2'), 'error decoding patch: expected one YAML document, got several')
  t.is(parse(''), 'error decoding patch: expected an object, got something else')
  t.is(parse('- a'), 'error decoding patch: expected an object, got something else')
  t.is(parse(`a: ${'['.repeat(100)}${']'.repeat(100)}`), 'error decoding patch: expected YAML, got "too deep nesting"')
})

const json = fc.dictionary(fc.constantFrom('a', 'b', '__proto__', 'c/d', 'e~f'), fc.jsonValue({ depthSize: 'small' }), {
  noNullPrototype: true,
  maxKeys: 4,
})

test('turns one object into another by the JSON patch between them', (t) => {
  fc.assert(
    fc.property(json, json, (from, to) => {
      const [before, after] = [asJson(from), asJson(to)]
      const steps = jsonPatch({ spec: before }, { spec: after })
      const result = applyPatch('json', bytes(JSON.stringify(steps)), { ...live, spec: before })
      t.true(E.isRight(result))
      if (E.isRight(result)) t.true(isDeepStrictEqual(asJson(result.right), asJson({ ...live, spec: after })))
    }),
  )
})

test('gives an object or a 4xx for whatever is sent', (t) => {
  const pointer = fc.array(fc.constantFrom('spec', 'services', '0', '-', '__proto__', 'constructor', 'metadata', 'x'), {
    maxLength: 4,
  })
  const step = fc.record(
    {
      op: fc.constantFrom('add', 'remove', 'replace', 'move', 'copy', 'test'),
      path: pointer.map((keys) => keys.map((key) => `/${key}`).join('')),
      from: pointer.map((keys) => keys.map((key) => `/${key}`).join('')),
      value: fc.jsonValue(),
    },
    { requiredKeys: ['op', 'path'] },
  )
  const directives = fc.dictionary(
    fc.constantFrom(
      '$patch',
      '$retainKeys',
      order,
      '$deleteFromPrimitiveList/finalizers',
      'finalizers',
      'ownerReferences',
      'x',
    ),
    fc.oneof(
      fc.jsonValue(),
      fc.constantFrom('delete', 'replace', 'merge'),
      fc.array(fc.record({ uid: fc.jsonValue() })),
    ),
  )
  const patch = fc.oneof(
    fc.tuple(fc.constant('json' as const), fc.array(step, { maxLength: 5 })),
    fc.tuple(
      fc.constantFrom('merge' as const, 'strategic' as const),
      fc.record({ metadata: directives, spec: fc.jsonValue() }),
    ),
    fc.tuple(fc.constantFrom('json' as const, 'merge' as const, 'strategic' as const), fc.jsonValue()),
  )
  fc.assert(
    fc.property(patch, ([type, value]) => {
      const result = applyPatch(type, bytes(JSON.stringify(value)), live)
      if (E.isLeft(result)) t.regex(String(toStatus(result.left).code), /^4/)
      t.deepEqual(Object.keys(Object.prototype), [])
    }),
  )
})

import test from 'ava'
import fc from 'fast-check'
import fastJsonPatch from 'fast-json-patch'

import { toStatus } from '../../src/errors.ts'
import { E } from '../../src/fp.ts'
import type { HttpAnswer, HttpRequest } from '../../src/http.ts'
import { jsonPatch } from '../../src/json-patch.ts'
import type { MutationResponse, ValidationResponse } from '../../src/plugin.ts'
import { recordingPlugins } from '../../src/testing/recording-plugin.ts'
import { service } from '../api/manifests.ts'
import { recordingContexts, serve } from './serve.ts'

const of = service([{ type: 'admission' }])
const gvk = { group: 'g.example.com', version: 'v1', kind: 'Thing' }

/** A review as a text, so that its numbers are those that were written. */
const review = (members = '"object":{"a":1}', operation = 'CREATE'): string =>
  `{"apiVersion":"admission.k8s.io/v1","kind":"AdmissionReview","request":{"uid":"u-1","operation":"${operation}",` +
  `"kind":${JSON.stringify(gvk)},"namespace":"team-a"${members === '' ? '' : `,${members}`}}}`

const deep = (levels: number, leaf = 1): string => '{"a":'.repeat(levels) + String(leaf) + '}'.repeat(levels)

const json = { 'content-type': 'application/json' }

interface Said extends Partial<Omit<MutationResponse, 'objectBytes'>> {
  readonly object?: string
}
const ask = async (verb: 'mutate' | 'validate', text: string, said: Said = {}, request: Partial<HttpRequest> = {}) => {
  const { allowed = true, result, warnings = [], object = '' } = said
  const answer: ValidationResponse = { allowed, result, warnings }
  const contexts = recordingContexts()
  const { host, calls } = recordingPlugins(
    verb === 'mutate'
      ? { mutateAdmission: { ...answer, objectBytes: Buffer.from(object) } }
      : { validateAdmission: answer },
  )
  const outcome = await serve(`/admission/${verb}`, text, {
    ...{ plugins: host, contexts, of },
    request: { headers: json, ...request },
  })
  return { outcome, calls, contexts }
}

interface Response {
  readonly uid: string
  readonly allowed: boolean
  readonly status?: unknown
  readonly patch?: string
  readonly patchType?: string
  readonly warnings?: unknown
}
const responseOf = (outcome: E.Either<unknown, HttpAnswer>): Response => {
  if (E.isLeft(outcome) || outcome.right._tag !== 'Json') throw new Error(JSON.stringify(outcome))
  return (outcome.right.value as { response: Response }).response
}
const mutate = async (text: string, said: Said): Promise<Response> =>
  responseOf((await ask('mutate', text, said)).outcome)

const patchOf = ({ patch = '' }: Response): ReturnType<typeof jsonPatch> =>
  JSON.parse(Buffer.from(patch, 'base64').toString()) as ReturnType<typeof jsonPatch>

test('answers a review with a review, whose uid is that of the request', async (t) => {
  const { outcome } = await ask('validate', review())
  t.deepEqual(outcome, {
    _tag: 'Right',
    right: {
      ...{ _tag: 'Json', status: 200, headers: {} },
      value: {
        ...{ kind: 'AdmissionReview', apiVersion: 'admission.k8s.io/v1' },
        response: { uid: 'u-1', allowed: true },
      },
    },
  })
})

const operations: Readonly<Record<string, readonly [members: string, object: string, oldObject: string]>> = {
  CREATE: ['"object":{"a":1},"oldObject":null', '{"a":1}', ''],
  UPDATE: ['"object":{"a":2},"oldObject":{"a":1}', '{"a":2}', '{"a":1}'],
  DELETE: ['"object":null,"oldObject":{"a":1}', '', '{"a":1}'],
}
for (const [operation, [members, object, oldObject]] of Object.entries(operations)) {
  test(`tells the plugin all of ${operation}`, async (t) => {
    for (const verb of ['mutate', 'validate'] as const) {
      const { calls, contexts } = await ask(verb, review(members, operation), {}, { user: { name: 'jane' } })
      t.deepEqual(contexts.asked, [{ pluginId: 'p', pluginType: 'datasource', uid: undefined, namespace: 'team-a' }])
      t.like(calls, [
        {
          plugin: 'p',
          call: `${verb}Admission`,
          request: { operation, kind: gvk, pluginContext: { namespace: 'team-a' } },
        },
      ])
      const { objectBytes, oldObjectBytes } = calls[0]?.request as Record<string, Uint8Array>
      t.deepEqual(
        [objectBytes, oldObjectBytes].map((bytes) => Buffer.from(bytes ?? []).toString()),
        [object, oldObject],
      )
    }
  })
}

test('tells an empty namespace for objects of the cluster', async (t) => {
  const { contexts } = await ask('validate', review().replace('"namespace":"team-a",', ''))
  t.like(contexts.asked, [{ namespace: '' }])
})

test('sends objects as they were written, digit for digit', async (t) => {
  const object = '{ "n" : 9007199254740993, "e":1e400,"s":"\\u0041", "n2":-0 }'
  const { calls } = await ask('validate', review(`"object": ${object} ,"x":{"object":1}`))
  const { objectBytes } = calls[0]?.request as Record<string, Uint8Array>
  t.is(Buffer.from(objectBytes ?? []).toString(), object)
})

const result = { status: 'Failure', message: 'no', reason: 'Forbidden', code: 403 }

test('says no with 200, and why', async (t) => {
  for (const verb of ['mutate', 'validate'] as const) {
    const { outcome } = await ask(verb, review(), { allowed: false, result, warnings: ['w'], object: '{"a":2}' })
    t.like(outcome, { right: { status: 200 } })
    t.deepEqual(responseOf(outcome), {
      ...{ uid: 'u-1', allowed: false, status: { metadata: {}, ...result }, warnings: ['w'] },
    })
  }
})

const unpatched: Readonly<Record<string, readonly [text: string, said: Said]>> = {
  'a denial': [review(), { allowed: false, object: 'garbage' }],
  'a plugin that returns no object': [review(), { object: '' }],
  'an object that did not change': [review('"object":{"a":1,"b":[1]}'), { object: '{"b":[1],"a":1}' }],
  'a number that is only written otherwise': [review('"object":{"a":100}'), { object: '{"a":100.0}' }],
  'a DELETE': [review('"oldObject":{"a":1}', 'DELETE'), { object: '{"a":2}' }],
}
for (const [what, [text, said]] of Object.entries(unpatched)) {
  test(`gives no patch for ${what}`, async (t) => {
    const response = await mutate(text, said)
    t.false('patch' in response)
    t.false('patchType' in response)
  })
}

test('gives what changed as a JSON Patch', async (t) => {
  const response = await mutate(review('"object":{"a":1,"b":{"c":[1,2]}}'), { object: '{"a":2,"b":{"c":[1]},"d":"e"}' })
  t.is(response.patchType, 'JSONPatch')
  t.deepEqual(patchOf(response), [
    { op: 'remove', path: '/b/c/1' },
    { op: 'replace', path: '/a', value: 2 },
    { op: 'add', path: '/d', value: 'e' },
  ])
})

const fragile: Readonly<Record<string, readonly [from: string, to: string]>> = {
  'its last digit': ['{"id":9007199254740993}', '{"id":9007199254740992}'],
  'what stands before it': ['{"l":[{"id":9007199254740993}]}', '{"l":[ {"id":1},{"id":9007199254740993}]}'],
  'what stands beside it, and is gone': ['{"n":0.1000000000000000055511151231257827,"a":1}', '{"n":0.1}'],
  'its exponent': ['{"n":1e400}', '{"n":1e401}'],
}
for (const [what, [from, to]] of Object.entries(fragile)) {
  test(`replaces the whole of an object with a number that float64 does not hold: ${what} changes`, async (t) => {
    const { patch = '', patchType } = await mutate(review(`"object":${from}`), { object: to })
    t.is(Buffer.from(patch, 'base64').toString(), `[{"op":"replace","path":"","value":${to}}]`)
    t.is(patchType, 'JSONPatch')
  })
}

test('replaces the whole of a large object, whose patch could be many times its size', async (t) => {
  const list = (value: number): string => `{"l":[${Array.from({ length: 200_000 }, () => value).join()}]}`
  const { patch = '' } = await mutate(review(`"object":${list(1)}`), { object: list(2) })
  t.is(Buffer.from(patch, 'base64').toString(), `[{"op":"replace","path":"","value":${list(2)}}]`)
})

test('takes an object as deep as may be', async (t) => {
  const response = await mutate(review(`"object":${deep(1000)}`), { object: deep(1000, 2) })
  t.deepEqual(patchOf(response), [{ op: 'replace', path: '/a'.repeat(1000), value: 2 }])
})

const oversized: Readonly<Record<string, readonly [object: string, fault: string]>> = {
  deep: [deep(100_000), 'of 100000 levels, expected at most 1000'],
  long: [`{"a":"${'x'.repeat(4_194_300)}"}`, 'of 4194308 bytes, expected at most 4194304'],
}
for (const [how, [object, fault]] of Object.entries(oversized)) {
  test(`blames the plugin for an object that is too ${how}`, async (t) => {
    const { outcome } = await ask('mutate', review(), { object })
    const status = E.isLeft(outcome) ? toStatus(outcome.left) : undefined
    t.like(status, { code: 502, message: `the plugin answered a mutated object ${fault}` })
  })
}

for (const object of ['garbage', '[]', 'null', '"text"', '1', '{', '{} {}', '\u0000']) {
  test(`blames the plugin for the object ${JSON.stringify(object)}`, async (t) => {
    const { outcome } = await ask('mutate', review(), { object })
    const status = E.isLeft(outcome) ? toStatus(outcome.left) : undefined
    t.like(status, { code: 502, message: 'the plugin answered a mutated object that is not a JSON object' })
  })
}

test('takes JSON by any name and with any parameters', async (t) => {
  const types = [
    'application/json',
    'Application/JSON',
    ' application/json ; charset=utf-8',
    'application/json;',
    'application/merge-patch+json',
  ]
  for (const type of types) {
    const { outcome } = await ask('validate', review(), {}, { headers: { 'content-type': type } })
    t.true(responseOf(outcome).allowed, type)
  }
})

test('refuses other content types, before it looks at the body', async (t) => {
  for (const type of [undefined, '', 'text/plain', 'application/jsonp', 'application/x-json', 'x/application/json']) {
    const { outcome, calls } = await ask('validate', '[]', {}, { headers: { 'content-type': type } })
    t.like(outcome, { left: { _tag: 'UnsupportedMediaType', message: 'expected content type "application/json"' } })
    t.deepEqual(calls, [])
  }
})

const withRequest = (request: unknown): string =>
  JSON.stringify({ apiVersion: 'admission.k8s.io/v1', kind: 'AdmissionReview', request })
const kindOf = (apiVersion: string, kind: string): string =>
  JSON.stringify({ ...(JSON.parse(review()) as object), apiVersion, kind })
const refused: ReadonlyArray<readonly [text: string, message: RegExp | string]> = [
  ['null', 'invalid AdmissionReview: expected an object, got null'],
  ['{}', /^invalid AdmissionReview: apiVersion: .*; kind: .*; request: expected an object, got nothing$/],
  [withRequest(null), 'invalid AdmissionReview: request: expected an object, got null'],
  [withRequest({}), /request\.uid: .*; request\.operation: .*; request\.kind: /],
  [review('"object":"text"'), 'invalid AdmissionReview: request.object: expected an object, got a string'],
  [review('"object":[]'), 'invalid AdmissionReview: request.object: expected an object, got an array'],
  [review('"object":{},"object":1'), /request\.object: expected an object, got a number/],
  [review('', 'CONNECT'), 'expected operation CREATE, UPDATE or DELETE, which plugins know, got "CONNECT"'],
  ...['create', 'password=hunter2'].map((operation): readonly [string, string] => [
    review('', operation),
    'expected operation CREATE, UPDATE or DELETE, which plugins know, got another text',
  ]),
  [kindOf('v1', 'Pod'), 'expected AdmissionReview of admission.k8s.io/v1'],
  [kindOf('admission.k8s.io/v1beta1', 'AdmissionReview'), 'expected AdmissionReview of admission.k8s.io/v1'],
  [review().replace('"Thing"', '"\\udc00"'), /request\.kind\.kind: expected Unicode text, got half a surrogate pair$/],
  [review().replace('"team-a"', '"\\ud800"'), /request\.namespace: expected Unicode text, got half a surrogate pair$/],
  [review(`"object":${deep(1001)}`), 'invalid AdmissionReview: request.object: expected at most 1000 levels, got 1001'],
  [review(`"object":{},"oldObject":${deep(1e5)}`), /: request\.oldObject: expected at most 1000 levels, got 100000$/],
]
for (const [text, message] of refused) {
  test(`refuses ${text.slice(0, 230)}`, async (t) => {
    const { outcome, calls } = await ask('mutate', text)
    const status = E.isLeft(outcome) ? toStatus(outcome.left) : undefined
    t.is(status?.code, 400)
    if (typeof message === 'string') t.is(status?.message, message)
    else t.regex(status?.message ?? '', message)
    t.deepEqual(calls, [])
  })
}

test('gives a patch that makes the one object of the other', async (t) => {
  const name = fc.oneof(fc.constantFrom('a', 'b', '', '/', '~', '~1', 'a/b', '0', 'constructor'), fc.string())
  const { value } = fc.letrec((tie) => ({
    value: fc.oneof(
      { maxDepth: 4 },
      fc.constantFrom(null, true, 0, 1, '', 'x'),
      fc.array(tie('value'), { maxLength: 4 }),
      fc.dictionary(name, tie('value'), { maxKeys: 4, noNullPrototype: true }),
    ),
  }))
  const object = fc.dictionary(name, value, { maxKeys: 4, noNullPrototype: true })
  // The library that applies patches here refuses to touch __proto__ at all.
  const pair = fc.tuple(object, object).filter((both) => !JSON.stringify(both).includes('__proto__'))
  await fc.assert(
    fc.asyncProperty(pair, async ([from, to]) => {
      const response = await mutate(review(`"object":${JSON.stringify(from)}`), { object: JSON.stringify(to) })
      const operations = 'patch' in response ? [...patchOf(response)] : []
      const { newDocument } = fastJsonPatch.applyPatch(from, operations as fastJsonPatch.Operation[], true, false)
      t.deepEqual(newDocument, to)
    }),
  )
})

test('compares a hundred thousand elements one by one', (t) => {
  const size = 100_000
  let reads = 0
  const counted = (first: number) =>
    new Proxy(
      Array.from({ length: size }, (_, index) => first + index),
      {
        get: (target, key, receiver) => {
          reads++
          return Reflect.get(target, key, receiver) as unknown
        },
      },
    )
  const patch = jsonPatch({ list: counted(0) }, { list: counted(1) })
  t.is(patch.length, size)
  t.true(reads < 10 * size, String(reads))
})

test('tells an apiserver to ask again soon while the plugin is down', async (t) => {
  const down = { _tag: 'PluginUnavailable', message: 'it starts', retryAfterSeconds: 30 } as const
  const surroundings = { plugins: recordingPlugins({ error: down }).host, contexts: recordingContexts(), of }
  for (const verb of ['mutate', 'validate']) {
    const outcome = await serve(`/admission/${verb}`, review(), { ...surroundings, request: { headers: json } })
    t.deepEqual(outcome, E.left({ ...down, retryAfterSeconds: 1 }), verb)
  }
})

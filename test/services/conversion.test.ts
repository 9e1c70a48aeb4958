import test from 'ava'
import fc from 'fast-check'

import { toStatus, type AggregatorError } from '../../src/errors.ts'
import { E } from '../../src/fp.ts'
import type { HttpRequest } from '../../src/http.ts'
import type { ConversionRequest, ConversionResponse, RawObject, StatusResult } from '../../src/plugin.ts'
import { recordingPlugins, type ScriptedAnswer } from '../../src/testing/recording-plugin.ts'
import { service } from '../api/manifests.ts'
import { bytesOf, recordingContexts, serve } from './serve.ts'

// Which objects an apiserver refuses is told by the apiserver itself, in test/interop/conversion.test.ts.

const of = service([{ type: 'conversion' }])
const json = { 'content-type': 'application/json' }

/** A review as a text, so that its numbers are those that were written. */
const review = (objects: ReadonlyArray<string>, to = 'g.example.com/v2'): string =>
  `{"kind":"ConversionReview","apiVersion":"apiextensions.k8s.io/v1","request":{"uid":"u-1","desiredAPIVersion":"${to}",` +
  `"objects":[${objects.join()}]},"response":{"uid":"","convertedObjects":null,"result":{"metadata":{}}}}`

const thing = (version = 'v1', members = ''): string =>
  `{"apiVersion":"g.example.com/${version}","kind":"Thing","metadata":{"name":"a","uid":"1"}${members}}`

interface Said extends Partial<Omit<ConversionResponse, 'objects'>> {
  readonly objects?: ReadonlyArray<string | Uint8Array | RawObject>
}

const toRaw = (object: string | Uint8Array | RawObject): RawObject =>
  typeof object === 'string' || object instanceof Uint8Array
    ? { raw: Buffer.from(object), contentType: 'application/json' }
    : object

const ask = async (text: string, said: Said | ScriptedAnswer = {}, request: Partial<HttpRequest> = {}) => {
  const contexts = recordingContexts()
  const { uid = 'u-1', result, objects = [thing('v2')] } = 'error' in said ? {} : (said as Said)
  const { host, calls } = recordingPlugins(
    'error' in said ? said : { convertObjects: { uid, result, objects: objects.map(toRaw) } },
  )
  const surroundings = { plugins: host, contexts, of, request: { headers: json, ...request } }
  const outcome = await serve('/conversion', text, surroundings)
  return { outcome, calls, contexts }
}

interface Answered {
  readonly uid: string
  readonly result: Partial<StatusResult>
  readonly convertedObjects: ReadonlyArray<unknown>
}

const convert = async (said: Said, text = review([thing()])): Promise<Answered> => {
  const { outcome } = await ask(text, said)
  if (E.isLeft(outcome) || outcome.right._tag !== 'Bytes') throw new Error(JSON.stringify(outcome))
  const { response } = JSON.parse((await bytesOf(outcome.right)).toString()) as { readonly response: Answered }
  // a failure that is told with 200 is laid at the plugin all the same
  if ((outcome.right.errorSource === undefined) !== (response.result.status === 'Success')) throw new Error('unlike')
  return response
}
const faultOf = async (said: Said, text?: string): Promise<string> => (await convert(said, text)).result.message ?? ''
const refusalOf = async (text: string, request: Partial<HttpRequest> = {}) => {
  const { outcome, calls } = await ask(text, {}, request)
  if (E.isRight(outcome)) throw new Error('expected a refusal')
  const { code, message } = toStatus(outcome.left)
  return { code, message, calls: calls.length }
}

test('asks the plugin for all objects at once, outside of any namespace and instance', async (t) => {
  const { calls, contexts } = await ask(review([thing(), thing()]), {}, { user: { name: 'system:apiserver' } })
  t.deepEqual(contexts.asked, [{ pluginId: 'p', pluginType: 'datasource', uid: undefined, namespace: '' }])
  t.like(calls, { length: 1, 0: { plugin: 'p', call: 'convertObjects' } })
  t.like(calls[0]?.request, {
    pluginContext: { namespace: '', user: { login: 'system:apiserver' }, dataSourceInstanceSettings: undefined },
    uid: 'u-1',
    targetVersion: { group: 'g.example.com', version: 'v2' },
    objects: { length: 2 },
  })
})

test('carries numbers there and back as they were written', async (t) => {
  const digits = fc.stringMatching(/^-?[1-9][0-9]{0,40}(\.[0-9]{1,30})?(e[+-]?[1-9][0-9]{0,3})?$/)
  await fc.assert(
    fc.asyncProperty(digits, async (number) => {
      const given = thing('v1', `, "n" : ${number},"s":"\\u0041"`)
      const answered = thing('v2', `,"m":[${number} ]`)
      const { outcome, calls } = await ask(review([given]), { objects: [answered] })
      const { objects } = calls[0]?.request as ConversionRequest
      t.is(Buffer.from(objects[0]?.raw ?? []).toString(), given)
      if (E.isLeft(outcome)) throw new Error('refused')
      t.true((await bytesOf(outcome.right)).includes(`"convertedObjects":[${answered}]`))
    }),
    { numRuns: 50 },
  )
})

test('takes an answer for a success that does not say so', async (t) => {
  const nothing = { status: '', message: '', reason: '', code: 0 }
  for (const result of [undefined, nothing, { ...nothing, code: 200 }, { ...nothing, status: 'Success' }]) {
    t.like(await convert({ uid: '', result }), { uid: 'u-1', result: { status: 'Success' } })
  }
  const untyped = { raw: Buffer.from(thing('v2')), contentType: '' }
  t.like(await convert({ objects: [untyped] }), { convertedObjects: { length: 1 } })
  t.deepEqual(await convert({ objects: [] }, review([])), {
    uid: 'u-1',
    result: { status: 'Success' },
    convertedObjects: [],
  })
})

test('hands on why the plugin refuses', async (t) => {
  const no = { status: 'Failure', message: 'no size in v2', reason: 'Invalid', code: 422 }
  t.deepEqual((await convert({ result: no })).result, no)
  t.deepEqual((await convert({ result: { ...no, status: '', reason: '', code: 0 } })).result, {
    status: 'Failure',
    message: 'no size in v2',
  })
  t.regex(await faultOf({ result: { ...no, message: '' } }), /did not say why/)
  t.is(await faultOf({ uid: 'u-2' }), 'the plugin answered another review, uid "u-2"')
})

const deep = `,"a":${'['.repeat(1000)}${']'.repeat(1000)}`
const faults: ReadonlyArray<readonly [what: string, object: string | Uint8Array | RawObject, fault: string]> = [
  ['YAML', 'kind: Thing', ': expected a JSON object'],
  ['a BOM', `\uFEFF${thing('v2')}`, ': expected a JSON object'],
  ['half a character', Buffer.concat([Buffer.from('{"a":"'), Buffer.of(0xc3), Buffer.from('"}')]), ': expected UTF-8'],
  [
    'another content type',
    { raw: Buffer.from(thing('v2')), contentType: 'application/yaml' },
    ': expected content type "application/json", got "application/yaml"',
  ],
  [
    'too many bytes',
    Buffer.alloc(16 * 1024 * 1024, ' '),
    `: expected at most 16777216 bytes, got ${String(16 * 1024 * 1024 + thing('v2').length)}`,
  ],
  ['too many levels', thing('v2', deep), ': expected at most 1000 levels, got 1001'],
]
for (const [what, object, fault] of faults) {
  test(`finds in the second of two objects: ${what}`, async (t) => {
    const text = review([thing(), thing()])
    const where = what === 'too many bytes' ? '' : '[1]'
    t.is(
      await faultOf({ objects: [thing('v2'), object] }, text),
      `the plugin answered convertedObjects${where}${fault}`,
    )
  })
}

test('lets pass labels that were wrong before, and no others', async (t) => {
  const labelled = (labels: object, version = 'v1'): string =>
    thing(version).replace('"uid":"1"', `"uid":"1","labels":${JSON.stringify(labels)}`)
  const text = review([labelled({ 'a b': 'c' })])
  t.is((await convert({ objects: [labelled({ 'a b': 'c' }, 'v2')] }, text)).result.status, 'Success')
  for (const labels of [{ 'a b': 'd' }, { 'a b': 'c', good: 'one' }, { 'a c': 'c' }]) {
    t.regex(await faultOf({ objects: [labelled(labels, 'v2')] }, text), /metadata\.labels: expected labels that Kubern/)
  }
})

test('refuses a review that is none, and calls nobody', async (t) => {
  const code = async (text: string, request?: Partial<HttpRequest>) => (await refusalOf(text, request)).code
  t.is(await code(review([thing()]), { headers: {} }), 415)
  t.is(await code('{'), 400)
  t.is(await code('[]'), 400)
  t.is(await code(review(['1'])), 400)
  t.is(await code(review(['null'])), 400)
  for (const to of ['', 'g/', 'g/v2/x']) t.is(await code(review([thing()], to)), 400, to)
  t.deepEqual(await refusalOf(review([thing(), thing('v1', deep)])), {
    code: 400,
    message: 'invalid ConversionReview: request.objects[1]: expected at most 1000 levels, got 1001',
    calls: 0,
  })
  t.deepEqual(await refusalOf(review(Array.from({ length: 50_001 }, () => '{}'))), {
    code: 400,
    message: 'invalid ConversionReview: request.objects: expected at most 50000 objects, got 50001',
    calls: 0,
  })
})

test('tells an apiserver to ask again soon while the plugin is down, and of any other failure once', async (t) => {
  const down = { _tag: 'PluginUnavailable', message: 'it starts', retryAfterSeconds: 30 } as const
  t.deepEqual((await ask(review([thing()]), { error: down })).outcome, E.left({ ...down, retryAfterSeconds: 1 }))
  const failed: AggregatorError = { _tag: 'PluginFailed', message: 'no', source: 'plugin' }
  t.deepEqual((await ask(review([thing()]), { error: failed })).outcome, E.left(failed))
})

import test from 'ava'
import fc from 'fast-check'

import { fromWireMutation, fromWireValidation, toWireAdmission } from '../../../src/plugins/grpc/convert-kubernetes.ts'
import { fromWireQuery, toWireQuery } from '../../../src/plugins/grpc/convert-query.ts'
import { definitionsForTests } from './_wire.ts'
import { protocol } from '../../../src/plugins/grpc/proto.ts'
import { admission, pluginContext, query } from '../_setup.ts'

const { queryData, validateAdmission, mutateAdmission } = protocol()
const toArrowQuery = toWireQuery('arrow')
const wire = definitionsForTests()

test('sends a query as it is, and asks for Arrow', (t) => {
  const request = { ...query('type', 500, '{"expr":"up"}'), headers: { http_X: 'y' } }
  const sent = wire('pluginv2.QueryDataRequest').deserialize(queryData.serialize(toArrowQuery(request)))
  t.like(sent, {
    format: 0,
    headers: request.headers,
    pluginContext: { orgId: 1, pluginId: 'testds', namespace: 'default', apiVersion: 'v0alpha1' },
    queries: [
      { refId: 'A', queryType: 'type', maxDataPoints: 500, intervalMS: 1000, json: Buffer.from('{"expr":"up"}') },
    ],
  })
})

test('sends no half of a character, which Go would refuse', (t) => {
  const [first] = query().queries
  const half = '\ud800'
  const queries = first === undefined ? [] : [{ ...first, refId: `a${half}b\u{1f600}`, queryType: half }]
  const sent = queryData.serialize(toArrowQuery({ ...query(), queries }))
  t.like(wire('pluginv2.QueryDataRequest').deserialize(sent), {
    queries: [{ refId: 'a\ufffdb\u{1f600}', queryType: '\ufffd' }],
  })
})

test('leaves out of the context what is not known', (t) => {
  const sent = wire('pluginv2.QueryDataRequest').deserialize(queryData.serialize(toArrowQuery(query())))
  t.deepEqual('pluginContext' in sent && sent.pluginContext, pluginContext)
})

test('keeps every whole number that JavaScript can tell from its neighbours', (t) => {
  const integer = fc.integer({ min: Number.MIN_SAFE_INTEGER, max: Number.MAX_SAFE_INTEGER })
  fc.assert(
    fc.property(integer, integer, integer, (fromEpochMS, toEpochMS, lastUpdatedMS) => {
      const appInstanceSettings = { jsonData: Buffer.from('{}'), decryptedSecureJsonData: { key: 'v' }, lastUpdatedMS }
      const [first] = query().queries
      const sent = wire('pluginv2.QueryDataRequest').deserialize(
        queryData.serialize(
          toArrowQuery({
            pluginContext: { ...pluginContext, appInstanceSettings },
            headers: {},
            queries: first === undefined ? [] : [{ ...first, timeRange: { fromEpochMS, toEpochMS } }],
          }),
        ),
      )
      t.like(sent, { pluginContext: { appInstanceSettings }, queries: [{ timeRange: { fromEpochMS, toEpochMS } }] })
    }),
  )
})

const answer = (responses: object) =>
  fromWireQuery(queryData.deserialize(wire('pluginv2.QueryDataResponse').serialize({ responses })))

test('reads each response of an answer under its refId', (t) => {
  const { responses } = answer({
    A: { frames: [Buffer.from('arrow')], status: 200 },
    B: { error: 'no', errorSource: 'downstream', status: 502, format: 'JSON' },
  })
  t.deepEqual([...responses.keys()], ['A', 'B'])
  t.deepEqual(responses.get('A'), {
    format: 'arrow',
    frames: [Buffer.from('arrow')],
    error: '',
    errorSource: '',
    status: 200,
  })
  t.deepEqual(responses.get('B'), { format: 'json', frames: [], error: 'no', errorSource: 'downstream', status: 502 })
})

test('reads refIds that mean something to JavaScript', (t) => {
  const names = ['__proto__', 'constructor', 'toString', '0', '']
  const given = Object.fromEntries(names.map((name, index) => [name, { status: index + 1 }]))
  const { responses } = answer(given)
  for (const [index, name] of names.entries()) t.is(responses.get(name)?.status, index + 1)
  t.is(responses.size, names.length)
})

test('reads an entry that comes without a value, as prost writes an empty response', (t) => {
  const { responses } = fromWireQuery(queryData.deserialize(Buffer.from([0x0a, 0x03, 0x0a, 0x01, 0x41])))
  t.deepEqual(responses.get('A'), { format: 'arrow', frames: [], error: '', errorSource: '', status: 0 })
})

test('reads an empty answer', (t) => {
  t.is(answer({}).responses.size, 0)
})

test('sends an admission request under the names of the wire', (t) => {
  const sent = wire('pluginv2.AdmissionRequest').deserialize(validateAdmission.serialize(toWireAdmission(admission)))
  t.like(sent, {
    operation: 2,
    kind: { group: 'g', version: 'v1', kind: 'K' },
    old_object_bytes: Buffer.from('{"a":1}'),
  })
})

test('tells a result that is absent from one that is empty', (t) => {
  const encode = (message: object) => wire('pluginv2.ValidationResponse').serialize(message)
  const read = (message: object) => fromWireValidation(validateAdmission.deserialize(encode(message)))
  t.deepEqual(read({}), { allowed: false, result: undefined, warnings: [] })
  t.deepEqual(read({ allowed: true, result: {}, warnings: ['old'] }), {
    allowed: true,
    result: { status: '', message: '', reason: '', code: 0 },
    warnings: ['old'],
  })
})

test('reads a mutated object', (t) => {
  const encoded = wire('pluginv2.MutationResponse').serialize({ allowed: true, object_bytes: Buffer.from('{}') })
  t.deepEqual(fromWireMutation(mutateAdmission.deserialize(encoded)), {
    allowed: true,
    result: undefined,
    warnings: [],
    objectBytes: Buffer.from('{}'),
  })
})

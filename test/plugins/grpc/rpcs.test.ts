import type { Metadata, UntypedHandleCall } from '@grpc/grpc-js'
import test from 'ava'

import { E } from '../../../src/fp.ts'
import type { CallOptions, MessageStream, PluginClient, PluginContext } from '../../../src/plugin.ts'
import { admission, pluginContext, query, within } from '../_setup.ts'
import { replies, serve, streams, type Rpc, type StreamCall } from './_serve.ts'
import { definitionsForTests } from './_wire.ts'

const wire = definitionsForTests()
const encode = (name: string, message: object): Buffer => wire(`pluginv2.${name}`).serialize(message)

const context: PluginContext = {
  ...pluginContext,
  user: { login: 'ann', name: 'Ann', email: 'ann@example.com', role: 'Editor' },
  appInstanceSettings: {
    jsonData: Buffer.from('{"app":1}'),
    decryptedSecureJsonData: { token: 't' },
    lastUpdatedMS: 1,
    apiVersion: 'v1',
  },
  dataSourceInstanceSettings: {
    id: 7,
    uid: 'u7',
    name: 'seven',
    url: 'http://localhost:9090',
    user: 'db',
    database: 'metrics',
    basicAuthEnabled: true,
    basicAuthUser: 'basic',
    jsonData: Buffer.from('{"ds":1}'),
    decryptedSecureJsonData: { password: 'p' },
    lastUpdatedMS: 2,
    apiVersion: 'v2',
  },
  grafanaConfig: { GF_APP_URL: 'http://localhost/' },
}
const queries = query('type', 500, '{"expr":"up"}').queries
const queryRequest = { pluginContext: context, headers: { Authorization: 'Bearer b', http_X: 'y' }, queries }
const streamRequest = { pluginContext: context, path: 'stream/x', data: Buffer.from('{}'), headers: { Cookie: 'c=1' } }
const resourceRequest = {
  pluginContext: context,
  path: 'a/b',
  method: 'POST',
  url: 'a/b?c=d',
  headers: { Accept: ['a', 'b'], __proto: [], 'X-Empty': [''] },
  body: Buffer.from('body'),
}
const conversionRequest = {
  pluginContext: context,
  uid: 'u1',
  objects: [
    { raw: Buffer.from('{"a":1}'), contentType: 'application/json' },
    { raw: Buffer.from('{"a":2}'), contentType: 'application/json' },
  ],
  targetVersion: { group: 'g', version: 'v2' },
}
const failed = { status: 'Failure', message: 'no', reason: 'Invalid', code: 422 }

interface Case {
  readonly rpc: Exclude<Rpc, 'check' | 'shutdown' | 'streamStdio'>
  readonly call: (client: PluginClient, options: CallOptions) => unknown
  /** Message of the request, and what the plugin reads. */
  readonly sent: readonly [string, object]
  /** Message of the answer, and what the plugin writes. */
  readonly answer: readonly [string, object]
  readonly received: object
}

const cases: ReadonlyArray<Case> = [
  {
    rpc: 'queryData',
    call: (client, options) => client.queryData(queryRequest, options)(),
    sent: ['QueryDataRequest', { ...queryRequest, format: 1 }],
    answer: ['QueryDataResponse', { responses: { A: { frames: [Buffer.from('f')], status: 207, format: 1 } } }],
    received: {
      responses: new Map([
        ['A', { format: 'json', frames: [Buffer.from('f')], error: '', errorSource: '', status: 207 }],
      ]),
    },
  },
  {
    rpc: 'queryChunkedData',
    call: (client, options) => client.queryChunkedData(queryRequest, options),
    sent: ['QueryChunkedDataRequest', { ...queryRequest, format: 1 }],
    answer: [
      'QueryChunkedDataResponse',
      { refId: 'A', frameId: 'f1', frame: Buffer.from('f'), error: 'e', status: 500, errorSource: 'downstream' },
    ],
    received: {
      refId: 'A',
      frameId: 'f1',
      format: 'arrow',
      frame: Buffer.from('f'),
      error: 'e',
      errorSource: 'downstream',
      status: 500,
    },
  },
  {
    rpc: 'callResource',
    call: (client, options) => client.callResource(resourceRequest, options),
    sent: [
      'CallResourceRequest',
      {
        ...resourceRequest,
        headers: { Accept: { values: ['a', 'b'] }, __proto: { values: [] }, 'X-Empty': { values: [''] } },
      },
    ],
    answer: [
      'CallResourceResponse',
      { code: 201, headers: { 'Set-Cookie': { values: ['a=1', 'b=2'] } }, body: Buffer.from('made') },
    ],
    received: { status: 201, headers: { 'Set-Cookie': ['a=1', 'b=2'] }, body: Buffer.from('made') },
  },
  {
    rpc: 'checkHealth',
    call: (client, options) => client.checkHealth({ pluginContext: context, headers: { http_X: 'y' } }, options)(),
    sent: ['CheckHealthRequest', { pluginContext: context, headers: { http_X: 'y' } }],
    answer: ['CheckHealthResponse', { status: 'ERROR', message: 'no', jsonDetails: Buffer.from('{}') }],
    received: { status: 'ERROR', message: 'no', jsonDetails: Buffer.from('{}') },
  },
  {
    rpc: 'collectMetrics',
    call: (client, options) => client.collectMetrics({ pluginContext: context }, options)(),
    sent: ['CollectMetricsRequest', { pluginContext: context }],
    answer: ['CollectMetricsResponse', { metrics: { prometheus: Buffer.from('up 1\n') } }],
    received: { prometheus: Buffer.from('up 1\n') },
  },
  {
    rpc: 'subscribeStream',
    call: (client, options) => client.subscribeStream(streamRequest, options)(),
    sent: ['SubscribeStreamRequest', streamRequest],
    answer: ['SubscribeStreamResponse', { status: 'PERMISSION_DENIED', data: Buffer.from('{"a":1}') }],
    received: { status: 'PERMISSION_DENIED', data: Buffer.from('{"a":1}') },
  },
  {
    rpc: 'runStream',
    call: (client, options) => client.runStream(streamRequest, options),
    sent: ['RunStreamRequest', streamRequest],
    answer: ['StreamPacket', { data: Buffer.from('{"a":1}') }],
    received: { data: Buffer.from('{"a":1}') },
  },
  {
    rpc: 'publishStream',
    call: (client, options) => client.publishStream(streamRequest, options)(),
    sent: ['PublishStreamRequest', streamRequest],
    answer: ['PublishStreamResponse', { status: 'NOT_FOUND', data: Buffer.from('{"a":1}') }],
    received: { status: 'NOT_FOUND', data: Buffer.from('{"a":1}') },
  },
  {
    rpc: 'validateAdmission',
    call: (client, options) => client.validateAdmission({ ...admission, pluginContext: context }, options)(),
    sent: [
      'AdmissionRequest',
      {
        pluginContext: context,
        operation: 2,
        kind: admission.kind,
        object_bytes: Buffer.alloc(0),
        old_object_bytes: Buffer.from('{"a":1}'),
      },
    ],
    answer: ['ValidationResponse', { allowed: true, result: failed, warnings: ['old'] }],
    received: { allowed: true, result: failed, warnings: ['old'] },
  },
  {
    rpc: 'mutateAdmission',
    call: (client, options) => client.mutateAdmission({ ...admission, operation: 'UPDATE' }, options)(),
    sent: [
      'AdmissionRequest',
      {
        pluginContext,
        operation: 1,
        kind: admission.kind,
        object_bytes: Buffer.alloc(0),
        old_object_bytes: Buffer.from('{"a":1}'),
      },
    ],
    answer: ['MutationResponse', { allowed: true, result: failed, warnings: ['old'], object_bytes: Buffer.from('{}') }],
    received: { allowed: true, result: failed, warnings: ['old'], objectBytes: Buffer.from('{}') },
  },
  {
    rpc: 'convertObjects',
    call: (client, options) => client.convertObjects(conversionRequest, options)(),
    sent: [
      'ConversionRequest',
      {
        pluginContext: context,
        uid: 'u1',
        objects: conversionRequest.objects.map(({ raw, contentType }) => ({ raw, content_type: contentType })),
        target_version: { group: 'g', version: 'v2' },
      },
    ],
    answer: [
      'ConversionResponse',
      { uid: 'u1', result: failed, objects: [{ raw: Buffer.from('{}'), content_type: 'application/json' }] },
    ],
    received: {
      uid: 'u1',
      result: failed,
      objects: [{ raw: Buffer.from('{}'), contentType: 'application/json' }],
    },
  },
]

const isStream = (answer: unknown): answer is MessageStream<unknown> =>
  typeof answer === 'object' && answer !== null && Symbol.asyncIterator in answer

/** The one answer, however it comes. */
const only = async (answer: unknown): Promise<unknown> => {
  if (!isStream(answer)) return answer
  const items: Array<unknown> = []
  for await (const item of answer) items.push(item)
  return items.length === 1 ? items[0] : items
}

const answering = (
  toBytes: () => Buffer,
  hear: (call: { request: Buffer; metadata: Metadata }) => void = () => undefined,
): UntypedHandleCall =>
  ((call: StreamCall, callback?: (error: null, bytes: Buffer) => void) => {
    hear(call)
    if (callback !== undefined) {
      callback(null, toBytes())
      return
    }
    call.write(toBytes())
    call.end()
  }) as UntypedHandleCall

for (const { rpc, call, sent, answer, received } of cases) {
  test(`carries each field of ${rpc} there and back`, async (t) => {
    let request: unknown
    const answered = answering(
      () => encode(...answer),
      (call) => {
        request = wire(`pluginv2.${sent[0]}`).deserialize(call.request)
      },
    )
    const { connection } = await serve(t, { [rpc]: answered }, { frameFormat: 'json' })
    t.deepEqual(await only(call(connection.client, within(5000))), E.right(received))
    t.deepEqual(request, sent[1])
  })

  test(`tells of a plugin without ${rpc}, and of one that answers garbage or other types`, async (t) => {
    const { connection: without } = await serve(t, {})
    const message = `plugin "testds" does not implement ${rpc}`
    t.deepEqual(await only(call(without.client, within(5000))), E.left({ _tag: 'NotImplemented', message }))
    // too short, and field 1 as a fixed number, which it is in none of them
    const bad = [Buffer.from([0x0a, 0x7f]), Buffer.from([0x0d, 0, 0, 0, 0])]
    let answers = 0
    const { connection } = await serve(t, {
      [rpc]: answering(() => bad[answers] ?? t.fail()),
    })
    for (; answers < bad.length; answers += 1)
      t.like(await only(call(connection.client, within(5000))), {
        left: { _tag: 'BadPlugin', message: `plugin "testds" answered what is no ${rpc} response` },
      })
  })
}

test('asks for chunks in JSON, whatever whole answers are in', async (t) => {
  const asked: Array<unknown> = []
  const keep = (call: { readonly request: Buffer }): void => {
    asked.push(wire('pluginv2.QueryDataRequest').deserialize(call.request))
  }
  const { connection } = await serve(t, {
    queryData: answering(() => encode('QueryDataResponse', {}), keep),
    queryChunkedData: answering(() => encode('QueryChunkedDataResponse', {}), keep),
  })
  await connection.client.queryData(queryRequest, within(5000))()
  await only(connection.client.queryChunkedData(queryRequest, within(5000)))
  t.like(asked, [{ format: 0 }, { format: 1 }])
})

test('sends trace context, and nothing else, as metadata', async (t) => {
  const heard: Array<object> = []
  const { connection } = await serve(t, {
    queryData: answering(
      () => encode('QueryDataResponse', {}),
      ({ metadata }) => heard.push(metadata.getMap()),
    ),
  })
  const traceparent = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01'
  const trace = {
    traceparent,
    tracestate: 'a=ü',
    baggage: 'a=1\r\nx: y',
    connection: 'close',
    upgrade: 'h2c',
    'a b': 'c',
    'x-bin': 'text',
  }
  t.true(E.isRight(await connection.client.queryData(query(), { ...within(5000), trace })()))
  t.true(E.isRight(await connection.client.queryData(query(), within(5000))()))
  const more = { traceparent: ` ${traceparent}`, tracestate: 'x'.repeat(1025), baggage: 'a=1, b=2' }
  t.true(E.isRight(await connection.client.queryData(query(), { ...within(5000), trace: more })()))
  const [first = {}, second = {}, third = {}] = heard.map((metadata) =>
    Object.fromEntries(Object.entries(metadata).filter(([key]) => !/^(grpc-|user-agent$|accept-encoding$)/.test(key))),
  )
  t.deepEqual(first, { traceparent })
  t.deepEqual(second, {})
  t.deepEqual(third, { baggage: 'a=1, b=2' })
})

const two = (bytes: ReadonlyArray<number>): Buffer =>
  Buffer.concat(Array.from({ length: 2001 }, () => Buffer.from(bytes)))
const header = (length: number): Buffer =>
  encode('CallResourceResponse', { headers: { X: { values: Array.from({ length }, () => '') } } })
for (const [what, rpc, bytes, message] of [
  ['headers', 'callResource', two([0x12, 0x00]), 'answered more than 2000 headers or values of headers'],
  ['values of a header', 'callResource', header(2001), 'answered more than 2000 headers or values of headers'],
  ['objects', 'convertObjects', two([0x1a, 0x00]), 'answered more than 1000 objects'],
  ['fields', 'runStream', two([0x0a, 0x00]), 'answered more than 1000 fields'],
] as const) {
  test(`takes no thousands of ${what} in an answer`, async (t) => {
    const { connection } = await serve(t, { [rpc]: answering(() => bytes) })
    const { call } = cases.find((one) => one.rpc === rpc) ?? t.fail()
    t.deepEqual(
      await only(call(connection.client, within(5000))),
      E.left({ _tag: 'BadPlugin', message: `plugin "testds" ${message}` }),
    )
  })
}

test('takes as many objects as it asked for', async (t) => {
  const objects = Array.from({ length: 1500 }, () => ({ raw: Buffer.from('1'), content_type: 'j' }))
  const { connection } = await serve(t, { convertObjects: replies(encode('ConversionResponse', { objects })) })
  const asked = objects.map(({ raw }) => ({ raw, contentType: 'j' }))
  const result = await connection.client.convertObjects({ ...conversionRequest, objects: asked }, within(5000))()
  t.is(E.isRight(result) && result.right.objects.length, 1500)
})

test('reads a header that comes without values, and one that means something to JavaScript', async (t) => {
  const bare = Buffer.from([0x12, 0x03, 0x0a, 0x01, 0x58])
  const proto = encode('CallResourceResponse', { headers: Object.fromEntries([['__proto__', { values: ['a'] }]]) })
  const { connection } = await serve(t, { callResource: streams(Buffer.concat([bare, proto])) })
  const answer = await only(connection.client.callResource(resourceRequest, within(5000)))
  t.deepEqual(
    answer,
    E.right({
      status: 0,
      headers: Object.fromEntries([
        ['X', []],
        ['__proto__', ['a']],
      ]),
      body: new Uint8Array(0),
    }),
  )
})

test('reads enums that it does not know as the least they can mean', async (t) => {
  const nine = Buffer.from([0x08, 0x09])
  const { connection } = await serve(t, { checkHealth: replies(nine), subscribeStream: replies(nine) })
  const { client } = connection
  t.like(await client.checkHealth({ pluginContext, headers: {} }, within(5000))(), { right: { status: 'UNKNOWN' } })
  t.like(await client.subscribeStream(streamRequest, within(5000))(), { right: { status: 'PERMISSION_DENIED' } })
})

test('sends no request over our limit', async (t) => {
  let calls = 0
  const count = () => (calls += 1)
  const { connection } = await serve(t, { queryData: count, callResource: count }, { sendLimitBytes: 1000 })
  const large = query('', 1, 'x'.repeat(1000))
  const refused = { left: { _tag: 'BodyTooLarge', limitBytes: 1000, option: 'plugins.sendLimitBytes' } } as const
  t.like(await connection.client.queryData(large, within(5000))(), refused)
  const body = Buffer.alloc(1000)
  t.like(await only(connection.client.callResource({ ...resourceRequest, body }, within(5000))), refused)
  t.is(await connection.ping(5000), undefined)
  t.is(calls, 0)
})

test('begins no call while there is no room for its answer', async (t) => {
  let calls = 0
  const count = () => (calls += 1)
  const budget = { hasRoom: () => false, hold: () => true }
  const { connection } = await serve(t, { queryData: count, runStream: count }, { budget })
  const full = {
    left: {
      _tag: 'TooManyRequests',
      message: 'the answers of plugins in flight take all the memory they may have (option plugins.answerBytes)',
      retryAfterSeconds: 1,
    },
  } as const
  t.like(await connection.client.queryData(query(), within(5000))(), full)
  t.like(await only(connection.client.runStream(streamRequest, within(5000))), full)
  t.is(await connection.ping(5000), undefined)
  t.is(calls, 0)
})

test('counts an answer for as long as somebody needs it, and refuses it when that is too much', async (t) => {
  const bytes = encode('QueryDataResponse', { responses: { A: { frames: [Buffer.alloc(1000)] } } })
  const held: Array<readonly [number, Promise<void>]> = []
  let hasRoom = true
  const budget = {
    hasRoom: () => true,
    hold: (bytes: number, over: Promise<void>) => {
      held.push([bytes, over])
      return hasRoom
    },
  }
  const { connection } = await serve(t, { queryData: replies(bytes) }, { budget })
  const over = Promise.resolve()
  t.true(E.isRight(await connection.client.queryData(query(), { ...within(5000), over })()))
  t.deepEqual(held, [[bytes.length, over]])
  t.true(E.isRight(await connection.client.queryData(query(), within(5000))()))
  t.is(held.length, 1)
  hasRoom = false
  const refused = await connection.client.queryData(query(), { ...within(5000), over })()
  t.like(refused, { left: { _tag: 'TooManyRequests', retryAfterSeconds: 1 } })
})

test('calls BadPlugin a unary answer of no message, and one of two', async (t) => {
  const answer = encode('QueryDataResponse', {})
  for (const [messages, cause] of [
    [[], 'no message in the answer'],
    [[answer, answer], 'more than one message in the answer'],
  ] as const) {
    const { connection } = await serve(t, {
      queryDataAsStream: (call: StreamCall) => {
        for (const message of messages) call.write(message)
        // of two, the second one is enough
        if (messages.length === 0) call.end()
      },
    })
    t.like(await connection.client.queryData(query(), within(30_000))(), { left: { _tag: 'BadPlugin', cause } })
  }
})

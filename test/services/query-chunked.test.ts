import { Int32 } from 'apache-arrow'
import test, { type ExecutionContext } from 'ava'
import fc from 'fast-check'

import type { AggregatorError } from '../../src/errors.ts'
import { E } from '../../src/fp.ts'
import type { HttpAnswer, StreamAnswer } from '../../src/http.ts'
import type { MessageStream, PluginHost, QueryDataChunk } from '../../src/plugin.ts'
import { recordingPlugins, type ScriptedAnswer } from '../../src/testing/recording-plugin.ts'
import { service } from '../api/manifests.ts'
import { arrowFile } from '../frames/arrow.ts'
import { definitions } from '../routing/tables.ts'
import { requestOf } from '../telemetry/requests.ts'
import { parseEvents } from './event-stream.ts'
import { bytesOf, realFrames, serve } from './serve.ts'

const path = '/namespaces/team-a/datasources/p1/query'
const body = '{"queries":[{"refId":"A","datasource":"p1"}],"from":"1","to":"2"}'
const eventStream = 'text/event-stream'
const jsonl = 'application/jsonl'

const chunk = (given: Partial<QueryDataChunk> | { readonly json: string }): QueryDataChunk => ({
  ...{ refId: 'A', frameId: '', format: 'json', frame: new Uint8Array(), error: '', errorSource: '', status: 0 },
  ...('json' in given ? { frameId: 'x', frame: Buffer.from(given.json) } : given),
})

const ask = (plugins: PluginHost, accept: string): Promise<E.Either<AggregatorError, HttpAnswer>> =>
  serve(path, body, { plugins, frames: realFrames, request: { headers: { accept } } })

const streamOf = (t: ExecutionContext, outcome: E.Either<AggregatorError, HttpAnswer>): StreamAnswer => {
  if (E.isRight(outcome) && outcome.right._tag === 'Stream') return outcome.right
  return t.fail(JSON.stringify(outcome))
}

/** What a client reads of these answers, a failure in the end included. */
const read = async (t: ExecutionContext, answer: ScriptedAnswer, accept: string): Promise<string> => {
  const { chunks, farewell } = streamOf(t, await ask(recordingPlugins(answer).host, accept))
  let text = ''
  for await (const piece of chunks) {
    text += Buffer.from(E.isRight(piece) ? piece.right : (farewell?.(piece.left) ?? '')).toString()
  }
  return text
}

const arrow = arrowFile([{ name: 'n', type: new Int32(), values: [1, 2] }])
const down: AggregatorError = { _tag: 'PluginUnavailable', message: 'it is gone', retryAfterSeconds: 1 }

for (const [accept, contentType] of [
  [eventStream, eventStream],
  ['text/*, application/json;q=0.1', eventStream],
  [jsonl, jsonl],
  ['application/x-ndjson', 'application/x-ndjson'],
  ['text/jsonl', 'text/jsonl; charset=utf-8'],
] as const) {
  test(`answers piece by piece to whoever accepts ${accept}`, async (t) => {
    const { host, calls } = recordingPlugins({ queryChunkedData: [chunk({ json: '{}' })] })
    const { status, headers, heartbeat, isEndless } = streamOf(t, await ask(host, accept))
    t.deepEqual([status, isEndless], [200, undefined])
    t.deepEqual(headers, {
      'content-type': contentType,
      'cache-control': 'no-cache, private, no-transform',
      'x-accel-buffering': 'no',
    })
    // a comment; JSON lines have none
    t.is(heartbeat?.toString(), contentType === eventStream ? ':\n\n' : undefined)
    t.deepEqual(
      calls.map(({ call }) => call),
      ['queryChunkedData'],
    )
  })
}

test('answers at once to whoever takes JSON or says nothing', async (t) => {
  for (const accept of ['application/json', '*/*', 'application/json, text/plain, */*', '']) {
    const { host, calls } = recordingPlugins({ queryData: { responses: new Map() } })
    t.like(await ask(host, accept), { right: { _tag: 'Bytes', headers: { 'content-type': 'application/json' } } })
    t.like(calls, [{ call: 'queryData' }])
  }
})

test('answers 406 to whoever takes neither, and reads no body for it', async (t) => {
  const readJson = () => Promise.reject(new Error('it was read'))
  const outcome = await serve(path, body, { request: { headers: { accept: 'text/html' }, readJson } })
  const names = `"application/json", "${eventStream}", "${jsonl}", "application/x-ndjson", "text/jsonl"`
  const message = `expected an Accept header that takes one of ${names}`
  t.deepEqual(outcome, E.left({ _tag: 'NotAcceptable', message }))
})

test('counts as long-running only what goes out piece by piece', (t) => {
  for (const { isLongRunning } of definitions.query.routes({ type: 'query' }, service([{ type: 'query' }]))) {
    const isLong = (accept?: string) => isLongRunning?.(requestOf({ headers: { accept } }))
    t.deepEqual([isLong(eventStream), isLong('text/jsonl, */*;q=0.1')], [true, true])
    t.deepEqual([isLong(), isLong('*/*'), isLong('text/html')], [false, false, false])
  }
})

test("writes an event, or a line, for each chunk, with the plugin's own JSON in it", async (t) => {
  const queryChunkedData = [
    chunk({ json: '{"schema":{"fields":[]},"data":{"values":[[9007199254740993,1.0,"\\u2028"]]}}' }),
    chunk({ json: '{"data":{"values":[[1e2]]}}' }),
    chunk({ refId: '"\n', frameId: 'a\r\n', frame: arrow, format: 'arrow', status: 206 }),
    chunk({ error: 'no\nrows', errorSource: 'downstream', status: 429 }),
    chunk({ error: 'no', errorSource: 'nobody' }),
    chunk({ frameId: 'x', frame: Buffer.from('{}'), error: 'half', status: 99 }),
    chunk({}),
  ]
  const lines = [
    '{"refId":"A","frameId":"x","frame":{"schema":{"fields":[]},"data":{"values":[[9007199254740993,1.0,"\\u2028"]]}},"status":200}',
    '{"refId":"A","frameId":"x","frame":{"data":{"values":[[1e2]]}},"status":200}',
    '{"refId":"\\"\\n","frameId":"a\\r\\n","frame":{"schema":{"fields":[{"name":"n","type":"number","typeInfo":{"frame":"int32","nullable":true}}]},"data":{"values":[[1,2]]}},"status":206}',
    '{"refId":"A","error":"no\\nrows","errorSource":"downstream","status":429}',
    '{"refId":"A","error":"no","errorSource":"plugin","status":500}',
    '{"refId":"A","frameId":"x","frame":{},"error":"half","errorSource":"plugin","status":500}',
    '{"refId":"A","status":200}',
  ]
  t.is(await read(t, { queryChunkedData }, eventStream), lines.map((line) => `data: ${line}\n\n`).join(''))
  t.is(await read(t, { queryChunkedData }, jsonl), lines.map((line) => `${line}\n`).join(''))
})

test('gives every client the same chunks, whatever white space and line breaks are in their JSON', async (t) => {
  const indents = fc.constantFrom('\n', '\r\n', '\r', '\t', '\n  ', '')
  const frame = fc.tuple(fc.jsonValue(), indents).map(([value, indent]) => ({
    value: { data: value },
    json: JSON.stringify({ data: value }, undefined, 1).replace(/\n */g, indent),
  }))
  const text = fc.string({ unit: 'binary' })
  await fc.assert(
    fc.asyncProperty(fc.array(fc.tuple(text, text, frame)), async (given) => {
      const queryChunkedData = given.map(([refId, error, { json }]) =>
        chunk({ refId, error, frame: Buffer.from(json) }),
      )
      const expected = given.map(([refId, error, { value }]) => {
        const failed = error === '' ? { status: 200 } : { error, errorSource: 'plugin', status: 500 }
        return { refId, frame: JSON.parse(JSON.stringify(value)) as unknown, ...failed }
      })
      const events = parseEvents(await read(t, { queryChunkedData }, eventStream))
      t.deepEqual(
        events.map(({ data }) => JSON.parse(data) as unknown),
        expected,
      )
      t.true(events.every(({ type }) => type === 'message'))
      const lines = (await read(t, { queryChunkedData }, jsonl)).split('\n')
      t.is(lines.pop(), '')
      t.deepEqual(
        lines.map((line) => JSON.parse(line) as unknown),
        expected,
      )
    }),
  )
})

test('fails with a status as long as nothing was said', async (t) => {
  const failing: ReadonlyArray<readonly [ScriptedAnswer, object]> = [
    [{ error: down }, down],
    [
      { queryChunkedData: [chunk({ frameId: 'x', frame: Buffer.from('x'), format: 'arrow' })] },
      {
        _tag: 'BadPlugin',
        message: `the plugin's chunk cannot be read: frame "x" of query "A": expected an Arrow file, ending in "ARROW1"`,
      },
    ],
    [
      { queryChunkedData: [chunk({ json: '{"a":"\n"}' })] },
      {
        _tag: 'BadPlugin',
        message: `the plugin's chunk cannot be read: frame "x" of query "A": expected the bytes to be one JSON object`,
      },
    ],
  ]
  for (const accept of [eventStream, jsonl])
    for (const [answer, left] of failing) t.like(await ask(recordingPlugins(answer).host, accept), { left })
})

test('tells of a failure after that within the stream, as no chunk', async (t) => {
  const first = '{"refId":"A","frameId":"x","frame":{},"status":200}'
  const gone = { kind: 'Status', apiVersion: 'v1', status: 'Failure', code: 503, message: 'it is gone' }
  const garbage = { kind: 'Status', code: 502, reason: 'BadGateway' }
  const queryChunkedData = [chunk({ json: '{}' })]
  for (const [answer, status] of [
    [{ queryChunkedData, error: down }, gone],
    [{ queryChunkedData: [...queryChunkedData, chunk({ json: '[]' }), chunk({ json: '{}' })] }, garbage],
  ] as const) {
    const [event, error, ...events] = parseEvents(await read(t, answer, eventStream))
    t.deepEqual([event, events], [{ type: 'message', data: first }, []])
    t.is(error?.type, 'error')
    t.like(JSON.parse(error?.data ?? ''), status)
    const [line, last = '', ...lines] = (await read(t, answer, jsonl)).split('\n')
    t.deepEqual([line, lines], [first, ['']])
    t.like(JSON.parse(last), status)
  }
})

test('keeps a failure apart from the line that it interrupts', async (t) => {
  const json = `{"a":"${'x'.repeat(1_000_000)}"}`
  for (const accept of [eventStream, jsonl]) {
    const { host } = recordingPlugins({ queryChunkedData: [chunk({}), chunk({ json })] })
    const { chunks, farewell } = streamOf(t, await ask(host, accept))
    let text = ''
    let count = 0
    for await (const piece of chunks) {
      if (E.isRight(piece)) text += Buffer.from(piece.right).toString()
      count += 1
      if (count === 3) break
    }
    text += Buffer.from(farewell?.(down) ?? '').toString()
    t.true(text.length < 500_000)
    if (accept === eventStream) {
      const events = parseEvents(text)
      t.deepEqual(
        events.map(({ type }) => type),
        ['message', 'incomplete', 'error'],
      )
      t.like(JSON.parse(events[2]?.data ?? ''), { kind: 'Status', code: 503 })
    } else {
      const [first, half, last, ...rest] = text.split('\n')
      t.deepEqual([first, rest], ['{"refId":"A","status":200}', ['']])
      t.throws(() => JSON.parse(half ?? '') as unknown, { instanceOf: SyntaxError })
      t.like(JSON.parse(last ?? ''), { kind: 'Status', code: 503 })
    }
  }
})

test('asks for a whole answer where there are no chunks, and tells it in chunks', async (t) => {
  const empty = { format: 'json', frames: [], error: '', errorSource: '', status: 0 } as const
  const frames = [Buffer.from('{"schema":{}}'), Buffer.from('{}')]
  const responses = new Map([
    ['B', { ...empty, frames, error: 'half', errorSource: 'downstream', status: 504 }],
    ['\u{1f600}', { ...empty, status: 404 }],
    ['\uff5e', { ...empty, error: 'no' }],
    ['A', { ...empty, frames: [arrow], format: 'arrow' as const, status: 200 }],
  ])
  t.is(
    await read(t, { queryData: { responses } }, jsonl),
    [
      '{"refId":"A","frameId":"0","frame":{"schema":{"fields":[{"name":"n","type":"number","typeInfo":{"frame":"int32","nullable":true}}]},"data":{"values":[[1,2]]}},"status":200}',
      '{"refId":"B","frameId":"0","frame":{"schema":{}},"status":200}',
      '{"refId":"B","frameId":"1","frame":{},"status":200}',
      '{"refId":"B","error":"half","errorSource":"downstream","status":504}',
      '{"refId":"\uff5e","error":"no","errorSource":"plugin","status":500}',
      '{"refId":"\u{1f600}","status":404}',
      '',
    ].join('\n'),
  )
  const { host, calls } = recordingPlugins({ queryData: { responses: new Map() } })
  t.is((await bytesOf(streamOf(t, await ask(host, eventStream)))).length, 0)
  t.deepEqual(
    calls.map(({ call }) => call),
    ['queryChunkedData', 'queryData'],
  )
  t.deepEqual(calls[0]?.request, calls[1]?.request)
  t.like(await ask(recordingPlugins({}).host, eventStream), { left: { _tag: 'NotImplemented' } })
})

/** A plugin whose chunks come as they are asked for, and what became of them. */
const watched = (messages: ReadonlyArray<E.Either<AggregatorError, QueryDataChunk>>) => {
  const seen = { asked: 0, returned: 0 }
  const stream: MessageStream<QueryDataChunk> = {
    [Symbol.asyncIterator]: () => ({
      next: () => {
        const value = seen.returned > 0 ? undefined : messages[seen.asked]
        seen.asked += 1
        return Promise.resolve(value === undefined ? { done: true, value } : { done: false, value })
      },
      return: () => {
        seen.returned += 1
        return Promise.resolve({ done: true, value: undefined })
      },
    }),
  }
  const { host } = recordingPlugins({})
  const plugin = host.plugin('p')
  const plugins: PluginHost = {
    ...host,
    plugin: () => plugin && { ...plugin, client: { ...plugin.client, queryChunkedData: () => stream } },
  }
  return { plugins, seen }
}

test('asks for the next chunk when all of the last one was taken', async (t) => {
  const big = chunk({ json: `{"a":"${'x'.repeat(300_000)}"}` })
  const { plugins, seen } = watched([E.right(big), E.right(chunk({})), E.right(chunk({}))])
  const { chunks } = streamOf(t, await ask(plugins, eventStream))
  const iterator = chunks[Symbol.asyncIterator]()
  t.is(seen.asked, 1)
  let text = ''
  let count = 0
  while (!text.endsWith('\n\n')) {
    t.is(seen.asked, 1)
    const step = await iterator.next()
    text += step.done !== true && E.isRight(step.value) ? Buffer.from(step.value.right).toString() : t.fail()
    count += 1
  }
  t.true(count > 1)
  t.like(JSON.parse(text.slice('data: '.length)), { refId: 'A', frame: { a: 'x'.repeat(300_000) } })
  await iterator.next()
  t.is(seen.asked, 2)
  await iterator.return?.()
  t.is(seen.returned, 1)
  t.deepEqual(await iterator.next(), { done: true, value: undefined })
})

test('lets go of a plugin whose chunk is garbage, once', async (t) => {
  const garbage = E.right(chunk({ json: 'garbage' }))
  const early = watched([garbage, E.right(chunk({}))])
  t.like(await ask(early.plugins, eventStream), { left: { _tag: 'BadPlugin' } })
  t.deepEqual(early.seen, { asked: 1, returned: 1 })
  const late = watched([E.right(chunk({})), garbage, E.right(chunk({}))])
  const { chunks } = streamOf(t, await ask(late.plugins, eventStream))
  const items = []
  for await (const item of chunks) items.push(item._tag)
  t.deepEqual(items, ['Right', 'Left'])
  t.is(late.seen.returned, 1)
})

test('tells whom the error of a chunk is laid at, the plugin before what stands behind it', async (t) => {
  const errors = (...sources: ReadonlyArray<string>): ScriptedAnswer => ({
    queryChunkedData: sources.map((errorSource) => chunk({ error: 'no', errorSource })),
  })
  const sourceOf = async (answer: ScriptedAnswer): Promise<string | undefined> => {
    const { chunks, errorSource } = streamOf(t, await ask(recordingPlugins(answer).host, jsonl))
    for await (const piece of chunks) t.true(E.isRight(piece))
    return errorSource?.()
  }
  t.is(await sourceOf(errors('downstream', 'plugin', 'downstream')), 'plugin')
  t.is(await sourceOf(errors('downstream')), 'downstream')
  t.is(await sourceOf({ queryChunkedData: [chunk({ json: '{}' })] }), undefined)
})

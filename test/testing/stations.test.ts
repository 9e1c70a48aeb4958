import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import test from 'ava'

import type { ForwardRequest } from '../../src/forward.ts'
import { E } from '../../src/fp.ts'
import { bytes, stream } from '../../src/http.ts'
import { readAnswer } from '../../src/testing/answer.ts'
import { readFixtures } from '../../src/testing/index.ts'
import { recordingForward, type RecordedForward } from '../../src/testing/recording-forward.ts'
import { arrivalOf, readRequest } from '../../src/testing/request-station.ts'
import { responseOf, toPlain } from '../../src/testing/response-station.ts'
import { readInstance, readPluginJson } from '../../src/testing/surroundings.ts'

const broken = { _tag: 'BadGateway', message: 'it broke off' } as const

test('reads an answer of every call, its bytes written as text or as JSON', (t) => {
  const station = {
    queryData: { A: { frames: [{ schema: {} }], status: 207 } },
    queryChunkedData: [
      { refId: 'A', frame: { schema: {} } },
      { refId: 'A', error: 'no', status: 500 },
    ],
    callResource: [{ status: 201, headers: { ETag: 'x', Vary: ['a', 'b'] }, body: 'text' }, { body: { a: 1 } }],
    checkHealth: { status: 'OK', details: { a: 1 } },
    collectMetrics: { prometheus: 'up 1\n' },
    subscribeStream: { status: 'NOT_FOUND' },
    runStream: [{ data: { a: 1 } }, { data: '1.0' }],
    publishStream: { status: 'OK', data: [] },
    validateAdmission: { allowed: false },
    mutateAdmission: { allowed: true, object: {} },
    convertObjects: { result: { message: 'no' }, objects: [{}, { raw: 'x', contentType: 'text/plain' }] },
    forward: { status: 200, headers: { 'set-cookie': ['a', 'b'] }, body: 'x', error: broken },
    error: { _tag: 'PluginTimeout', message: 'late' },
  }
  const { queryData, ...read } = readAnswer(station, '.')
  t.deepEqual(toPlain([...(queryData?.responses ?? [])]), [
    ['A', { format: 'json', frames: ['{"schema":{}}'], error: '', errorSource: '', status: 207 }],
  ])
  const chunk = { refId: 'A', frameId: '', format: 'json', frame: '', error: '', errorSource: '', status: 0 }
  t.deepEqual(toPlain(read), {
    queryChunkedData: [
      { ...chunk, frame: '{"schema":{}}' },
      { ...chunk, error: 'no', status: 500 },
    ],
    callResource: [
      { status: 201, headers: { ETag: ['x'], Vary: ['a', 'b'] }, body: 'text' },
      { status: 0, headers: {}, body: '{"a":1}' },
    ],
    checkHealth: { status: 'OK', message: '', jsonDetails: '{"a":1}' },
    collectMetrics: { prometheus: 'up 1\n' },
    subscribeStream: { status: 'NOT_FOUND', data: '' },
    runStream: [{ data: '{"a":1}' }, { data: '1.0' }],
    publishStream: { status: 'OK', data: '[]' },
    validateAdmission: { allowed: false, warnings: [] },
    mutateAdmission: { allowed: true, warnings: [], objectBytes: '{}' },
    convertObjects: {
      uid: '',
      result: { status: '', message: 'no', reason: '', code: 0 },
      objects: [
        { raw: '{}', contentType: 'application/json' },
        { raw: 'x', contentType: 'text/plain' },
      ],
    },
    forward: { status: 200, headers: { 'set-cookie': ['a', 'b'] }, body: 'x', error: broken },
    error: { _tag: 'PluginTimeout', message: 'late' },
  })
})

const misspelt: ReadonlyArray<readonly [read: () => unknown, message: RegExp]> = [
  [
    () => readRequest({ method: 'GET', url: '/', boddy: 1 }),
    /^1-request\.json: unknown member "boddy", known: method, /,
  ],
  [() => readRequest({ method: 'GET', url: '/', user: { nam: 1 } }), /^1-request\.json: user: unknown member "nam"/],
  [() => readRequest({ url: '/' }), /^1-request\.json: method: expected a text, got nothing$/],
  [() => readAnswer({ queryDatum: {} }, '.'), /^3-answer\.json: unknown member "queryDatum", known: queryData, /],
  [() => readAnswer({ queryData: { A: { frame: [] } } }, '.'), /^3-answer\.json: queryData\.A: unknown member "frame"/],
  [
    () => readAnswer({ callResource: [{ status: '200' }] }, '.'),
    /callResource\[0\]\.status: expected a number, got "200"$/,
  ],
  [
    () => readAnswer({ checkHealth: { status: 'Fine' } }, '.'),
    /checkHealth\.status: expected one of UNKNOWN, OK, ERROR/,
  ],
  [() => readAnswer({ error: { _tag: 'Teapot' } }, '.'), /^3-answer\.json: error\._tag: expected one of BadRequest, /],
  [() => readAnswer({ error: { ...broken, retry: 1 } }, '.'), /^3-answer\.json: error: unknown member "retry"/],
  [() => readInstance({ jsondata: {} }), /^instance\.json: unknown member "jsondata"/],
  [() => readPluginJson({ id: 'a' }), /^plugin\.json: type: expected/],
]
for (const [read, message] of misspelt) {
  test(`refuses a station that no request comes to as it is meant: ${message.source}`, (t) => {
    t.throws(read, { instanceOf: TypeError, message })
  })
}

test('refuses a station that the request did not come to', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'stations-'))
  t.teardown(() => {
    rmSync(folder, { recursive: true, force: true })
  })
  writeFileSync(join(folder, '1-request.json'), '{ "method": "GET", "url": "/x" }')
  writeFileSync(join(folder, '4-next.json'), '{}')
  const [fixture] = await readFixtures(folder, { services: [] })
  await fixture?.check()
  writeFileSync(join(folder, '4-respons.json'), '{}')
  await t.throwsAsync(async () => fixture?.check(), { message: /4-respons\.json/ })
  t.is(readFileSync(join(folder, '4-next.json'), 'utf8'), '{}')
})

test('gives a body to every way of reading it', async (t) => {
  const over = Promise.resolve(undefined)
  const arrival = arrivalOf(readRequest({ method: 'POST', url: '/', body: { a: 1 }, upgrade: 'websocket' }), over)
  const chunks: unknown[] = []
  for await (const chunk of arrival.streamBody() ?? []) chunks.push(chunk)
  t.deepEqual(chunks, [E.right(Buffer.from('{"a":1}'))])
  t.deepEqual(await arrival.readBytes(), E.right(Buffer.from('{"a":1}')))
  t.deepEqual(await arrival.readJson(), E.right({ value: { a: 1 }, text: '{"a":1}' }))
  t.is(arrival.upgrade, 'websocket')
  t.is(arrivalOf(readRequest({ method: 'GET', url: '/' }), over).streamBody(), undefined)
})

test('shows what a client reads of a stream, and how it ended', async (t) => {
  const chunks = async function* () {
    yield await Promise.resolve(E.right(Buffer.from('data: 1\n\n')))
    yield E.left({ ...broken, cause: new Error('secret') })
  }
  const expected = { status: 200, headers: { a: 'b' }, chunks: ['data: 1\n\n'], error: broken }
  t.deepEqual(await responseOf(stream(200, { a: 'b' }, chunks())), expected)
  t.deepEqual(await responseOf(stream(200, { a: 'b' }, chunks(), { farewell: () => Buffer.from('bye') })), {
    ...expected,
    chunks: ['data: 1\n\n', 'bye'],
  })
  const body = async (text: string) => responseOf(bytes(200, {}, [Buffer.from(text)]))
  t.like(await body('{"a":[1]}'), { body: { a: [1] } })
  t.like(await body('{"a":12345678901234567890}'), { body: '{"a":12345678901234567890}' })
  t.like(await body('up 1\n'), { body: 'up 1\n' })
})

test('records what is sent on once its body is read, and answers from the script', async (t) => {
  const calls: RecordedForward[] = []
  const request = (body: ForwardRequest['body']): ForwardRequest => ({
    method: 'PUT',
    url: 'http://db:9090/a?b',
    headers: { accept: '*/*' },
    body,
    transport: {
      pool: { owner: 'default/hello/h1', settings: 'a hash' },
      tls: { skipVerify: false },
      timeoutMs: 1,
      dialTimeoutMs: 1,
      tlsHandshakeTimeoutMs: 1,
      idleTimeoutMs: 1,
      maxIdle: 1,
    },
  })
  const { signal } = new AbortController()
  const script = { status: 200, headers: { etag: 'x' }, body: Buffer.from('hi'), error: broken }
  const forward = recordingForward(script, (call) => calls.push(call))
  const answer = await forward(
    request(
      arrivalOf(readRequest({ method: 'PUT', url: '/', bodyText: 'in' }), Promise.resolve(undefined)).streamBody(),
    ),
    { signal },
  )()
  if (E.isLeft(answer)) throw new Error('refused')
  const { body, ...head } = answer.right
  t.deepEqual(head, { status: 200, headers: { etag: 'x' } })
  const items: unknown[] = []
  for await (const item of body) items.push(item)
  t.deepEqual(items, [E.right(Buffer.from('hi')), E.left(broken)])
  const transport = { owner: 'default/hello/h1', tls: { skipVerify: false } }
  const recorded = { method: 'PUT', url: 'http://db:9090/a?b', headers: { accept: '*/*' }, body: 'in', transport }
  t.deepEqual(toPlain(calls), [{ call: 'forward', request: recorded }])
  const down = recordingForward({ ...script, status: 0 }, () => undefined)
  t.deepEqual(await down(request(undefined), { signal })(), E.left(broken))
})

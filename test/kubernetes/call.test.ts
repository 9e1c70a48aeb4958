import test from 'ava'
import fc from 'fast-check'

import { systemClock } from '../../src/clock.ts'
import { E } from '../../src/fp.ts'
import { answerLimitBytes, createCall, toFailure } from '../../src/kubernetes/call.ts'
import type { KubernetesCall } from '../../src/kubernetes.ts'
import { createManualClock, settle } from '../plugins/_setup.ts'
import { plainTransport, serve, type Handler } from './_serve.ts'
import type { ExecutionContext } from 'ava'

const start = async (t: ExecutionContext, handler: Handler, clock = systemClock) => {
  const transport = plainTransport(t, await serve(t, handler))
  return { transport, call: createCall(transport, clock) }
}
const get: KubernetesCall = { method: 'GET', path: '/api' }

const status = (code: number, reason: string, more: object = {}) =>
  JSON.stringify({ kind: 'Status', status: 'Failure', code, reason, message: `m ${reason}`, ...more })

test('gives the JSON of an answer to what it writes as JSON', async (t) => {
  const { call } = await start(t, (request, response) => {
    const { method, url, headers } = request
    let body = ''
    request.on('data', (chunk: Buffer) => (body += chunk.toString()))
    request.on('end', () => {
      response.statusCode = 201
      response.end(JSON.stringify({ method, url, body, type: headers['content-type'] }))
    })
  })
  const asked = { method: 'POST', path: '/apis/a', query: { dryRun: 'All' }, body: { a: 'é' } } as const
  t.deepEqual(
    await call(asked)(),
    E.right({ method: 'POST', url: '/apis/a?dryRun=All', body: '{"a":"é"}', type: 'application/json' }),
  )
  const patch = { method: 'PATCH', path: '/apis/a', body: [], contentType: 'application/json-patch+json' } as const
  t.deepEqual(
    await call(patch)(),
    E.right({ method: 'PATCH', url: '/apis/a', body: '[]', type: 'application/json-patch+json' }),
  )
})

test('tells what the apiserver said instead', async (t) => {
  const { call } = await start(t, ({ url }, response) => {
    response.statusCode = Number(url?.slice(1))
    response.end(response.statusCode === 409 ? status(409, 'Conflict') : '<html>')
  })
  const said = (path: string) => call({ method: 'PUT', path, body: {} })()
  t.deepEqual(await said('/409'), E.left({ _tag: 'Refused', code: 409, reason: 'Conflict', message: 'm Conflict' }))
  for (const code of [302, 404, 503])
    t.deepEqual(
      await said(`/${String(code)}`),
      E.left({ _tag: 'Refused', code, reason: '', message: `the apiserver answered ${String(code)}` }),
    )
})

test('refuses what is no JSON, too large or broken off', async (t) => {
  const { call } = await start(t, ({ url }, response) => {
    if (url === '/large') response.writeHead(200, { 'content-length': answerLimitBytes + 1 }).flushHeaders()
    else if (url === '/growing') for (let i = 0; i <= 64; i++) response.write(Buffer.alloc(1024 * 1024, 0x20))
    else if (url === '/broken') response.write('{', () => response.destroy())
    else if (url === '/latin1') response.end(Buffer.from([0x22, 0xe4, 0x22]))
    else if (url === '/empty') response.end()
    else response.end('{"a":1} x')
  })
  const say = async (path: string) => {
    const answer = await call({ method: 'GET', path })()
    return E.isLeft(answer) && 'message' in answer.left ? `${answer.left._tag}: ${answer.left.message}` : 'fine'
  }
  const large = 'Garbled: expected JSON of the apiserver, got more than 67108864 bytes'
  t.is(await say('/large'), large)
  t.is(await say('/growing'), large)
  t.is(await say('/broken'), 'Unreachable: the apiserver broke off its answer')
  t.is(await say('/latin1'), 'Garbled: expected JSON of the apiserver, got something else')
  t.is(await say('/empty'), 'Garbled: expected JSON of the apiserver, got nothing')
  t.is(await say('/other'), 'Garbled: expected JSON of the apiserver, got something else')
  const loop: { self?: object } = {}
  loop.self = loop
  t.deepEqual(
    await call({ method: 'POST', path: '/', body: loop })(),
    E.left({ _tag: 'Unreachable', message: 'the body of the request is no JSON' }),
  )
})

test('waits as Retry-After says, ten times, whatever it was that it asked', async (t) => {
  const { clock, advance, timers } = createManualClock()
  let count = 0
  const { call } = await start(
    t,
    (_request, response) => {
      count += 1
      response.writeHead(429, { 'retry-after': '1' }).end(status(429, 'TooManyRequests'))
    },
    clock,
  )
  let isOver = false
  const answer = call({ method: 'POST', path: '/a', body: {} })().finally(() => (isOver = true))
  // the timer of the call itself, and the wait
  while (!isOver) {
    await settle()
    if (timers.size === 2) await advance(1000)
  }
  const refused = { _tag: 'Refused', code: 429, reason: 'TooManyRequests', message: 'm TooManyRequests' } as const
  t.deepEqual(await answer, E.left({ ...refused, retryAfterMs: 1000 }))
  t.is(count, 11)
  t.is(timers.size, 0)
})

test('waits for nothing that comes too late, and for no answer that is final', async (t) => {
  let count = 0
  const { call } = await start(t, ({ url }, response) => {
    count += 1
    response.writeHead(Number(url?.slice(1)), { 'retry-after': url === '/503' ? '60' : '0' }).end()
  })
  const refused = (code: number, retryAfterMs: number) =>
    E.left({ _tag: 'Refused', code, reason: '', message: `the apiserver answered ${String(code)}`, retryAfterMs })
  t.deepEqual(await call({ ...get, path: '/503' })(), refused(503, 60_000))
  t.deepEqual(await call({ ...get, path: '/409' })(), refused(409, 0))
  t.is(count, 2)
})

test('leaves when its caller does, also amid a wait or a body, and ends in time', async (t) => {
  const { clock, advance } = createManualClock()
  let came = (): void => undefined
  const { call } = await start(
    t,
    ({ url }, response) => {
      if (url === '/wait') response.writeHead(503, { 'retry-after': '5' }).end()
      else response.write('{')
      came()
    },
    clock,
  )
  for (const path of ['/wait', '/body']) {
    const controller = new AbortController()
    const arrived = new Promise<void>((resolve) => (came = resolve))
    const answer = call({ ...get, path, signal: controller.signal })()
    await arrived
    await settle()
    controller.abort()
    t.deepEqual(await answer, E.left({ _tag: 'Cancelled' }))
    t.deepEqual(await call({ ...get, path, signal: controller.signal })(), E.left({ _tag: 'Cancelled' }))
  }
  const arrived = new Promise<void>((resolve) => (came = resolve))
  const late = call({ ...get, path: '/body', timeoutMs: 700 })()
  await arrived
  await advance(700)
  t.deepEqual(await late, E.left({ _tag: 'Unreachable', message: 'the apiserver did not answer within 700 ms' }))
})

test('reads any refusal, and Retry-After as seconds or as a date', (t) => {
  const at = (header: string, text = '') => toFailure(503, { 'retry-after': header }, text, Date.UTC(2030, 0, 1))
  t.like(at('7'), { retryAfterMs: 7000 })
  t.like(at('Tue, 01 Jan 2030 00:00:09 GMT'), { retryAfterMs: 9000 })
  t.like(at('Mon, 31 Dec 2029 00:00:00 GMT'), { retryAfterMs: 0 })
  t.false('retryAfterMs' in at('soon'))
  t.like(toFailure(503, {}, status(503, 'x', { details: { retryAfterSeconds: 3 } })), { retryAfterMs: 3000 })
  fc.assert(
    fc.property(fc.nat(), fc.string(), fc.oneof(fc.string(), fc.json()), (code, retryAfter, text) => {
      const failure = toFailure(code, { 'retry-after': retryAfter }, text)
      t.true(failure._tag === 'Refused' && (failure.retryAfterMs ?? 0) >= 0)
    }),
  )
})

import { context, trace } from '@opentelemetry/api'
import test from 'ava'
import { Registry } from 'prom-client'

import { E, TE } from '../../src/fp.ts'
import type { AggregatorError } from '../../src/errors.ts'
import { json, stream } from '../../src/http.ts'
import { deadline } from '../../src/layers/deadline.ts'
import { telemetry } from '../../src/layers/telemetry.ts'
import type { Handle } from '../../src/service.ts'
import { requestMetrics, requestSpans } from '../../src/telemetry/index.ts'
import { observeAll, type Observer } from '../../src/telemetry.ts'
import { broken, recordingObserver } from '../telemetry/observers.ts'
import { contextManager, recordingTracer } from '../telemetry/recording-tracer.ts'
import { envOf, requestOf } from '../telemetry/requests.ts'

test.before(() => {
  context.setGlobalContextManager(contextManager())
})

const answered = json(200, { ok: true })
const ok: Handle = () => TE.right(answered)

test('tells an observer how a request was answered, and hands on the answer itself', async (t) => {
  const observe = recordingObserver()
  const result = await telemetry(observe)(ok)(requestOf(), envOf())()
  t.deepEqual(result, E.right(answered))
  t.is(observe.outcomes.length, 1)
  t.like(observe.outcomes[0], { code: 200, error: undefined })
  t.true((observe.outcomes[0]?.durationMs ?? -1) >= 0)
})

test('tells an observer how a request failed', async (t) => {
  const observe = recordingObserver()
  const error = { _tag: 'NotFound', message: 'no such thing' } as const
  const result = await telemetry(observe)(() => TE.left(error))(requestOf(), envOf())()
  t.deepEqual(result, E.left(error))
  t.like(observe.outcomes[0], { code: 404, error })
})

test('does not begin before the result is run', async (t) => {
  let begun = 0
  const observe: Observer = () => {
    begun++
    return { ended: () => undefined }
  }
  const run = telemetry(observe)(ok)(requestOf(), envOf())
  t.is(begun, 0)
  await run()
  t.is(begun, 1)
})

const thrown: ReadonlyArray<readonly [string, Handle]> = [
  ['throws', broken],
  ['throws when it is run', () => broken],
  ['rejects', () => () => Promise.reject(new Error('broken'))],
]

for (const [how, next] of thrown) {
  test(`tells the end of a request whose service ${how}`, async (t) => {
    const observe = recordingObserver()
    await telemetry(observe)(next)(requestOf(), envOf())()
    t.like(observe.outcomes[0], { code: 500, error: { _tag: 'Unexpected' } })
  })
}

const twice: Observer = () => ({
  within: (start) => {
    start()
    start()
  },
  ended: () => undefined,
})

const throwsAfterwards: Observer = () => ({
  within: (start) => {
    start()
    broken()
  },
  ended: () => undefined,
})

const faulty: ReadonlyArray<readonly [string, Observer]> = [
  ['throws as it begins', broken],
  ['throws as it ends', () => ({ ended: broken })],
  ['throws before it runs the request', () => ({ within: broken, ended: () => undefined })],
  ['throws after it ran the request', throwsAfterwards],
  ['never runs the request', () => ({ within: () => undefined, ended: () => undefined })],
  ['runs the request twice', twice],
]

for (const [how, observe] of faulty) {
  test(`answers once when the observer ${how}`, async (t) => {
    let runs = 0
    const next: Handle = () => () => {
      runs++
      return Promise.resolve(E.right(answered))
    }
    t.deepEqual(await telemetry(observe)(next)(requestOf(), envOf())(), E.right(answered))
    t.is(runs, 1)
  })
}

test('counts a client that leaves as 499 and leaves nothing in flight', async (t) => {
  const registry = new Registry()
  const client = new AbortController()
  const hanging: Handle = () => () => new Promise(() => undefined)
  const handle = telemetry(requestMetrics(registry))(
    deadline({ requestTimeoutMs: 60_000, longRunningTimeoutMs: 60_000 })(hanging),
  )
  const running = handle(requestOf(), envOf({ signal: client.signal }))()
  t.true((await registry.metrics()).includes('dataplane_aggregator_requests_in_flight{type="query"} 1'))
  client.abort()
  t.deepEqual(await running, E.left({ _tag: 'Cancelled' }))
  const text = await registry.metrics()
  t.regex(text, /requests_total\{.*code="499"\} 1/)
  t.true(text.includes('dataplane_aggregator_requests_in_flight{type="query"} 0'))
})

test('answers in the context of the request span, each request in its own', async (t) => {
  const tracer = recordingTracer()
  const next: Handle = () => async () => {
    await Promise.resolve()
    return E.right(json(200, trace.getActiveSpan()?.spanContext().spanId))
  }
  const handle = telemetry(observeAll([requestSpans(tracer)]))(next)
  const results = await Promise.all([1, 2].map(() => handle(requestOf(), envOf())()))
  const ids = results.map((result) =>
    E.isRight(result) && result.right._tag === 'Json' ? result.right.value : undefined,
  )
  t.deepEqual(
    ids,
    tracer.spans.map((span) => span.context.spanId),
  )
  t.is(new Set(ids).size, 2)
})

test('hands the trace context of an observer on with the request', async (t) => {
  const given = { traceparent: '00-1-2-01' }
  const seen: unknown[] = []
  const handle: Handle = (_request, { trace: inner }) => {
    seen.push(inner)
    return TE.right(answered)
  }
  const observe: Observer = () => ({ ended: () => undefined, trace: given })
  await telemetry(observe)(handle)(requestOf(), envOf())()
  await telemetry(recordingObserver())(handle)(requestOf(), envOf())()
  t.deepEqual(seen, [given, undefined])
})

const timeout: AggregatorError = { _tag: 'PluginTimeout', message: 'too late' }
const badPlugin: AggregatorError = { _tag: 'BadPlugin', message: 'garbage' }
const endings: ReadonlyArray<
  readonly [title: string, given: { isEndless?: boolean }, end: AggregatorError | undefined, isFailure: boolean]
> = [
  ['takes a stream that was read to its end for served', {}, undefined, false],
  ['takes it for no failure that the reader of a stream leaves', {}, { _tag: 'Cancelled' }, false],
  ['takes it for no failure that an endless stream has had its time', { isEndless: true }, timeout, false],
  ['takes it for a failure that another stream has had its time', {}, timeout, true],
  ['takes it for a failure that an endless stream breaks off', { isEndless: true }, badPlugin, true],
]
for (const [title, given, end, isFailure] of endings) {
  test(`${title}, and tells so once, when it is over`, async (t) => {
    const observe = recordingObserver()
    let finish: (error: AggregatorError | undefined) => void = () => undefined
    const over = new Promise<AggregatorError | undefined>((resolve) => (finish = resolve))
    const chunks = (async function* () {})()
    const answer = stream(206, {}, chunks, given)
    t.deepEqual(await telemetry(observe)(() => TE.right(answer))(requestOf({ over }), envOf())(), E.right(answer))
    await new Promise(setImmediate)
    t.deepEqual(observe.outcomes, [])
    finish(end)
    await new Promise(setImmediate)
    t.is(observe.outcomes.length, 1)
    t.like(observe.outcomes[0], { code: 206, error: isFailure ? end : undefined })
  })
}

test('tells whom the failure is laid at that a stream told of itself, when it has ended', async (t) => {
  const observe = recordingObserver()
  const told: { source?: 'downstream' } = {}
  const chunks = (async function* () {
    yield await Promise.resolve(E.right(Buffer.from('x')))
  })()
  let over = (_error: undefined): void => undefined
  const request = requestOf({ over: new Promise((resolve) => (over = resolve)) })
  await telemetry(observe)(() => TE.right(stream(200, {}, chunks, { errorSource: () => told.source })))(
    request,
    envOf(),
  )()
  told.source = 'downstream'
  over(undefined)
  await request.over
  t.like(observe.outcomes[0], { code: 200, error: undefined, errorSource: 'downstream' })
})

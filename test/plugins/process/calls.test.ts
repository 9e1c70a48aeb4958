import { getEventListeners } from 'node:events'

import test, { type ExecutionContext } from 'ava'
import fc from 'fast-check'

import type { AggregatorError } from '../../../src/errors.ts'
import { E } from '../../../src/fp.ts'
import type { CallOptions, MessageStream, PluginClient } from '../../../src/plugin.ts'
import type { PluginOptions } from '../../../src/plugins/options.ts'
import { createCalls } from '../../../src/plugins/process/calls.ts'
import { abandon, drain, type Target } from '../../../src/plugins/process/target.ts'
import { admission, createManualClock, pluginContext, query, settle, within } from '../_setup.ts'
import { createFakePeer, recordingSecrets, response, settingsOf } from './_peer.ts'

type Found = E.Either<AggregatorError, Target> | undefined

const down: E.Either<AggregatorError, never> = E.left({
  _tag: 'PluginUnavailable',
  message: 'plugin "testds" is not running',
  retryAfterSeconds: 7,
})

/** The calls to one peer; `find` says whether they may be made. */
const setUp = (t: ExecutionContext, options: PluginOptions = {}, answersAtOnce = false) => {
  const { clock, advance, timers } = createManualClock()
  const { secrets, learned } = recordingSecrets()
  const heard: Array<string> = []
  const peer = createFakePeer(1, answersAtOnce)
  let found: Found
  const calls = createCalls({ pluginId: 'testds', find: () => found, settings: settingsOf(options), secrets, clock })
  const target = calls.createTarget(peer.client, {
    succeeded: () => heard.push('succeeded'),
    suspect: () => heard.push('suspect'),
  })
  const ready = E.right(target)
  found = ready
  const become = async (next: Found) => {
    found = next
    calls.wake()
    await settle()
  }
  const ask = (namespace = 'default', callOptions = within(60_000)) =>
    calls.client.queryData({ ...query(), pluginContext: { ...pluginContext, namespace } }, callOptions)()
  const counts = () => [calls.inFlight, calls.queued, target.running]
  t.teardown(() => {
    if (timers.size > 0) throw new Error(`${String(timers.size)} timers are left`)
  })
  return {
    calls,
    client: calls.client,
    clock,
    advance,
    timers,
    learned,
    heard,
    peer,
    target,
    ready,
    become,
    ask,
    counts,
  }
}

const streamRequest = { pluginContext, path: 'a', data: Buffer.from(''), headers: {} }
const resourceRequest = { pluginContext, path: 'a', method: 'GET', url: 'a', headers: {}, body: Buffer.from('') }

const collect = async <A>(stream: MessageStream<A>): Promise<ReadonlyArray<E.Either<AggregatorError, A>>> => {
  const items: Array<E.Either<AggregatorError, A>> = []
  for await (const item of stream) items.push(item)
  return items
}

const every: Readonly<Record<keyof PluginClient, (client: PluginClient, options: CallOptions) => Promise<unknown>>> = {
  queryData: (client, options) => client.queryData(query(), options)(),
  queryChunkedData: (client, options) => collect(client.queryChunkedData(query(), options)),
  callResource: (client, options) => collect(client.callResource(resourceRequest, options)),
  checkHealth: (client, options) => client.checkHealth({ pluginContext, headers: {} }, options)(),
  collectMetrics: (client, options) => client.collectMetrics({ pluginContext }, options)(),
  subscribeStream: (client, options) => client.subscribeStream(streamRequest, options)(),
  runStream: (client, options) => collect(client.runStream(streamRequest, options)),
  publishStream: (client, options) => client.publishStream(streamRequest, options)(),
  validateAdmission: (client, options) => client.validateAdmission(admission, options)(),
  mutateAdmission: (client, options) => client.mutateAdmission(admission, options)(),
  convertObjects: (client, options) =>
    client.convertObjects(
      { pluginContext, uid: '1', objects: [], targetVersion: { group: 'g', version: 'v1' } },
      options,
    )(),
}

for (const [name, call] of Object.entries(every)) {
  test(`makes ${name} once, with all its options, and counts it no more when it has ended`, async (t) => {
    const { client, peer, learned, counts, become, ready } = setUp(t, {}, true)
    const options = { ...within(100), over: Promise.resolve(), trace: { traceparent: '00-1-2-01' } }
    await call(client, options)
    t.deepEqual(new Set(peer.names), new Set([name]))
    t.like(peer.calls[0], options)
    t.deepEqual(learned, ['default'])
    await become(undefined)
    const waiting = call(client, options)
    await settle()
    t.is(learned.length, 1)
    await become(ready)
    await waiting
    t.like(peer.calls.at(-1), options)
    t.deepEqual(new Set(peer.names), new Set([name]))
    t.is(peer.names.length, 2)
    t.deepEqual(counts(), [0, 0, 0])
  })

  test(`answers ${name} at once while the plugin is down`, async (t) => {
    const { client, peer, become } = setUp(t)
    await become(down)
    const answer = await call(client, within(100))
    t.deepEqual(Array.isArray(answer) ? answer[0] : answer, down)
    t.is(peer.names.length, 0)
  })
}

test('makes no more calls at once than inFlight, and lets no more wait than queue', async (t) => {
  const { ask, peer, counts } = setUp(t, { inFlight: 2, queue: 1 })
  const answers = [ask(), ask(), ask()]
  t.deepEqual(counts(), [2, 1, 2])
  t.deepEqual(await ask(), {
    _tag: 'Left',
    left: {
      _tag: 'TooManyRequests',
      message:
        'too many calls to plugin "testds": limit is 2 at once (option plugins.inFlight), and 1 that wait (option plugins.queue)',
      retryAfterSeconds: 1,
    },
  })
  t.is(peer.calls.length, 2)
  await peer.answer(E.right(response), 1)
  t.is(peer.calls.length, 3)
  t.deepEqual(counts(), [2, 0, 2])
  await peer.answer()
  t.deepEqual(await Promise.all(answers), [E.right(response), E.right(response), E.right(response)])
  t.deepEqual(counts(), [0, 0, 0])
})

test('lets no call wait where queue is 0', async (t) => {
  const { ask, peer, counts } = setUp(t, { inFlight: 1, queue: 0 })
  const answer = ask()
  t.like(await ask(), { left: { _tag: 'TooManyRequests' } })
  await peer.answer()
  await answer
  t.deepEqual(counts(), [0, 0, 0])
})

test('gives a place that becomes free to each namespace in turn', async (t) => {
  const { ask, peer, learned } = setUp(t, { inFlight: 1 })
  const namespaces = ['greedy', 'greedy', 'greedy', 'greedy', 'modest', 'other', 'modest']
  const answers = namespaces.map((namespace) => ask(namespace))
  for (let i = 0; i < namespaces.length; i++) await peer.answer()
  await Promise.all(answers)
  t.deepEqual(learned, ['greedy', 'greedy', 'modest', 'other', 'greedy', 'modest', 'greedy'])
})

test('passes on what is left of the time after waiting for a place', async (t) => {
  const { ask, advance, peer } = setUp(t, { inFlight: 1 })
  const answers = [ask(), ask('default', within(10_000))]
  await advance(3_000)
  await peer.answer()
  t.is(peer.calls[1]?.timeoutMs, 7_000)
  await peer.answer()
  await Promise.all(answers)
})

test('ends a call that waits for a place when its time is up, its client leaves or the plugin goes down', async (t) => {
  const { ask, advance, peer, counts, become, learned } = setUp(t, { inFlight: 1 })
  const first = ask()
  const controller = new AbortController()
  const deadline = new AbortController()
  const late = ask('a', within(10_000))
  const aborted = ask('b', within(20_000, controller.signal))
  const overtaken = ask('d', within(15_000, deadline.signal))
  const stays = ask('c')
  await advance(10_000)
  t.like(await late, {
    left: { _tag: 'PluginTimeout', message: 'plugin "testds" had no place for the call in time' },
  })
  controller.abort()
  t.like(await aborted, { left: { _tag: 'Cancelled' } })
  // the request's own deadline is a little earlier than the timer here
  await advance(4_999)
  deadline.abort()
  t.like(await overtaken, { left: { _tag: 'PluginTimeout' } })
  t.deepEqual(counts(), [1, 1, 1])
  await become(down)
  t.deepEqual(await stays, down)
  await peer.answer()
  await first
  t.deepEqual(learned, ['default'])
  t.deepEqual(counts(), [0, 0, 0])
})

test('lets calls wait for a start, as many as may run and wait afterwards', async (t) => {
  const { ask, peer, become, ready, counts } = setUp(t, { inFlight: 2, queue: 1 })
  await become(undefined)
  const answers = [ask(), ask(), ask()]
  t.like(await ask(), { left: { _tag: 'TooManyRequests' } })
  await become(ready)
  t.deepEqual(counts(), [2, 1, 2])
  await peer.answer()
  await peer.answer()
  await Promise.all(answers)
})

test('counts the wait for a start from the call on, and the wait for a place to the end of its time', async (t) => {
  const { ask, advance, become, ready, peer, counts } = setUp(t, { inFlight: 1, startWaitMs: 5_000 })
  await become(undefined)
  const early = ask()
  await advance(3_000)
  const later = ask()
  await advance(2_000)
  t.like(await early, { left: { _tag: 'PluginUnavailable', message: 'plugin "testds" is still starting' } })
  const last = ask('default', within(9_000))
  await become(ready)
  t.deepEqual(counts(), [1, 1, 1])
  await advance(8_999)
  t.deepEqual(counts(), [1, 1, 1])
  await advance(1)
  t.like(await last, { left: { _tag: 'PluginTimeout' } })
  await peer.answer()
  t.deepEqual(await later, E.right(response))
})

test('leaves no listener at a signal', async (t) => {
  const { client, become, ready } = setUp(t, {}, true)
  const { signal } = new AbortController()
  await become(undefined)
  const answers = [
    client.queryData(query(), within(60_000, signal))(),
    collect(client.callResource(resourceRequest, within(60_000, signal))),
  ]
  t.is(getEventListeners(signal, 'abort').length, 2)
  await become(ready)
  await Promise.all(answers)
  t.is(getEventListeners(signal, 'abort').length, 0)
})

test('refuses a call whose client has left already', async (t) => {
  const { ask, become, ready, counts } = setUp(t)
  await become(undefined)
  t.like(await ask('default', within(100, AbortSignal.abort())), { left: { _tag: 'Cancelled' } })
  await become(ready)
  t.deepEqual(counts(), [0, 0, 0])
})

test('tells of answers and of missed deadlines, and of nothing else', async (t) => {
  const { ask, peer, heard, client } = setUp(t)
  const errors: ReadonlyArray<AggregatorError> = [
    { _tag: 'PluginTimeout', message: 'late' },
    { _tag: 'PluginFailed', message: 'failed', source: 'plugin' },
    { _tag: 'Cancelled' },
    { _tag: 'PluginUnavailable', message: 'gone', retryAfterSeconds: 1 },
  ]
  for (const error of errors) {
    const answer = ask()
    await peer.answer(E.left(error))
    await answer
  }
  t.deepEqual(heard, ['suspect'])
  const answer = ask()
  await peer.answer()
  await answer
  t.deepEqual(heard, ['suspect', 'succeeded'])
  const stream = collect(client.callResource(resourceRequest, within(100)))
  await settle()
  await peer.answer()
  await peer.answer(E.left({ _tag: 'PluginTimeout', message: 'late' }))
  t.is((await stream).length, 2)
  t.deepEqual(heard, ['suspect', 'succeeded', 'succeeded', 'suspect'])
})

test('gives the place back when a client throws or rejects', async (t) => {
  const { ask, peer, counts, client } = setUp(t)
  peer.client.queryData = () => () => Promise.reject(new Error('a bug'))
  await t.throwsAsync(ask(), { message: 'a bug' })
  peer.client.queryData = () => {
    throw new Error('a bug')
  }
  t.like(await ask(), { left: { _tag: 'Unexpected' } })
  peer.client.callResource = () => {
    throw new Error('a bug')
  }
  t.like(await collect(client.callResource(resourceRequest, within(100))), [{ left: { _tag: 'Unexpected' } }])
  peer.client.callResource = () => ({
    [Symbol.asyncIterator]: () => ({ next: () => Promise.reject(new Error('a bug')) }),
  })
  t.like(await collect(client.callResource(resourceRequest, within(100))), [{ left: { _tag: 'Unexpected' } }])
  t.deepEqual(counts(), [0, 0, 0])
})

test('holds the place of a stream until it was read to its end or left', async (t) => {
  const { client, peer, counts, ask } = setUp(t, { inFlight: 1 })
  const stream = client.queryChunkedData(query(), within(60_000))
  await settle()
  t.deepEqual(counts(), [0, 0, 0])
  const all = collect(stream)
  t.deepEqual(counts(), [1, 0, 1])
  await settle()
  await peer.answer()
  await peer.answer()
  t.deepEqual(counts(), [1, 0, 1])
  await peer.answer()
  t.is((await all).length, 3)
  t.deepEqual(counts(), [0, 0, 0])
  t.deepEqual(await collect(stream), [])

  const left = (async () => {
    for await (const _ of client.callResource(resourceRequest, within(60_000))) break
  })()
  const waiting = ask()
  await settle()
  t.deepEqual(counts(), [1, 1, 1])
  await peer.answer()
  await left
  t.is(peer.count.left, 2)
  await peer.answer()
  t.deepEqual(await waiting, E.right(response))
  t.deepEqual(counts(), [0, 0, 0])
})

test('holds the place of a stream that goes on and on until it has begun', async (t) => {
  const { client, peer, counts, ask } = setUp(t, { inFlight: 1 })
  const controller = new AbortController()
  const options = { ...within(60_000, controller.signal), isLongRunning: true }
  const staying = client.callResource(resourceRequest, options)[Symbol.asyncIterator]()
  const first = staying.next()
  const waiting = ask()
  await settle()
  t.deepEqual(counts(), [1, 1, 1])
  await peer.answer()
  t.true(E.isRight((await first).value as E.Either<unknown, unknown>))
  await settle()
  t.deepEqual(counts(), [1, 0, 2])
  await peer.answer()
  t.deepEqual(await waiting, E.right(response))
  t.deepEqual(counts(), [0, 0, 1])
  const second = staying.next()
  await settle()
  await peer.answer()
  await second
  t.deepEqual(counts(), [0, 0, 1])
  controller.abort()
  t.deepEqual(counts(), [0, 0, 0])
  await staying.return?.()
  t.deepEqual(counts(), [0, 0, 0])
})

test('gives the place of a stream back when its signal is aborted, though nobody comes back for the rest', async (t) => {
  const { client, peer, counts } = setUp(t)
  const controller = new AbortController()
  const iterator = client.callResource(resourceRequest, within(60_000, controller.signal))[Symbol.asyncIterator]()
  const first = iterator.next()
  await settle()
  await peer.answer()
  await first
  t.deepEqual(counts(), [1, 0, 1])
  controller.abort()
  t.deepEqual(counts(), [0, 0, 0])
  t.like(await iterator.next(), { done: false, value: { left: { _tag: 'Cancelled' } } })
  t.like(await iterator.next(), { done: true })
})

test('counts the streams of a peer that is gone no more', async (t) => {
  const { client, peer, target, counts } = setUp(t)
  const iterator = client.runStream(streamRequest, within(60_000))[Symbol.asyncIterator]()
  const first = iterator.next()
  await settle()
  await peer.answer()
  await first
  t.deepEqual(counts(), [0, 0, 1])
  abandon(target)
  t.deepEqual(counts(), [0, 0, 0])
  await peer.crash()
  await iterator.return?.()
  t.deepEqual(counts(), [0, 0, 0])
})

test('makes one call of a stream that is asked twice at once, and none of one that is left first', async (t) => {
  const { client, peer, become, ready, counts } = setUp(t)
  const twice = client.callResource(resourceRequest, within(60_000))[Symbol.asyncIterator]()
  const both = Promise.all([twice.next(), twice.next()])
  await settle()
  await peer.answer()
  await peer.answer()
  t.like(await both, [{ done: false }, { done: false }])
  t.is(peer.names.length, 1)
  await twice.return?.()

  const unread = client.callResource(resourceRequest, within(60_000))[Symbol.asyncIterator]()
  await unread.return?.()
  t.like(await unread.next(), { done: true })
  await become(undefined)
  const left = client.callResource(resourceRequest, within(60_000))[Symbol.asyncIterator]()
  const first = left.next()
  await left.return?.()
  await become(ready)
  t.like(await first, { done: true })
  t.is(peer.names.length, 1)
  t.deepEqual(counts(), [0, 0, 0])
})

test('lets a stream that is left wait no longer', async (t) => {
  const { client, counts, peer, ask, become, ready } = setUp(t, { inFlight: 1, queue: 1 })
  const answer = ask()
  const first = client.callResource(resourceRequest, within(60_000))[Symbol.asyncIterator]()
  const step = first.next()
  t.deepEqual(counts(), [1, 1, 1])
  await first.return?.()
  t.deepEqual(counts(), [1, 0, 1])
  t.like(await step, { done: true })
  await peer.answer()
  await answer
  await become(undefined)
  const long = client.runStream(streamRequest, within(60_000))[Symbol.asyncIterator]()
  const packets = long.next()
  t.deepEqual(counts(), [0, 1, 0])
  await long.return?.()
  t.deepEqual(counts(), [0, 0, 0])
  t.like(await packets, { done: true })
  await become(ready)
  t.deepEqual(peer.names, ['queryData'])
})

/** What callers, the plugin and time may do to calls. */
const events = [
  'ask',
  'open',
  'run',
  'next',
  'leave',
  'abort',
  'answer',
  'late',
  'down',
  'wait',
  'ready',
  'abandon',
  'pass',
]

test('counts nothing once everybody has left, whatever happened', async (t) => {
  const event = fc.tuple(fc.constantFrom(...events), fc.nat(4))
  const property = fc.asyncProperty(fc.array(event, { maxLength: 40 }), async (happened) => {
    const { client, peer, ask, become, ready, advance, calls, counts, target, timers } = setUp(t, {
      inFlight: 2,
      queue: 2,
    })
    const callers: Array<AbortController> = []
    const streams: Array<AsyncIterator<unknown>> = []
    const settled: Array<Promise<unknown>> = []
    const enter = (): CallOptions => {
      const caller = new AbortController()
      callers.push(caller)
      return within(10_000, caller.signal)
    }
    const open = (stream: MessageStream<unknown>): void => {
      const iterator = stream[Symbol.asyncIterator]()
      streams.push(iterator)
      settled.push(iterator.next())
    }
    const acts: Readonly<Record<string, (nth: number) => unknown>> = {
      ask: (nth) => settled.push(ask(`namespace-${String(nth)}`, enter())),
      open: () => {
        open(client.callResource(resourceRequest, enter()))
      },
      run: () => {
        open(client.runStream(streamRequest, enter()))
      },
      next: (nth) => settled.push(Promise.resolve(streams.at(-nth)?.next())),
      leave: (nth) => settled.push(Promise.resolve(streams.at(-nth)?.return?.())),
      abort: (nth) => callers.at(-nth)?.abort(),
      answer: (nth) => peer.answer(E.right(response), nth),
      late: () => peer.answer(E.left({ _tag: 'PluginTimeout', message: 'late' }), 1),
      down: () => become(down),
      wait: () => become(undefined),
      ready: () => become(ready),
      abandon: () => {
        abandon(target)
      },
      pass: (nth) => advance(nth * 1_500),
    }
    for (const [name, nth] of happened) {
      await acts[name]?.(nth)
      t.true(calls.inFlight >= 0 && calls.inFlight <= 2)
    }
    for (const caller of callers) caller.abort()
    for (const stream of streams) settled.push(Promise.resolve(stream.return?.()))
    await peer.answer()
    await Promise.all(settled)
    t.deepEqual([...counts(), target.streams.size, timers.size], [0, 0, 0, 0, 0])
  })
  await fc.assert(property, { numRuns: 100 })
})

test('gives streams that run for long no place, whatever their number', async (t) => {
  const { client, peer, counts, ask, become, ready } = setUp(t, { inFlight: 1, queue: 0 })
  const controller = new AbortController()
  const run = () => collect(client.runStream(streamRequest, within(60_000, controller.signal)))
  const streams = [run(), run()]
  const answer = ask()
  t.deepEqual(counts(), [1, 0, 3])
  await peer.answer(E.right(response))
  await answer
  await become(undefined)
  streams.push(run(), run())
  t.deepEqual(counts(), [0, 2, 2])
  await become(ready)
  t.deepEqual(counts(), [0, 0, 4])
  controller.abort()
  await Promise.all(streams)
  t.deepEqual(counts(), [0, 0, 0])
})

test('drains when the last call has ended, streams included, or after its time', async (t) => {
  const { ask, client, peer, target, clock, advance, timers } = setUp(t)
  await drain(target, 1_000, clock)
  const controller = new AbortController()
  const answer = ask()
  const stream = collect(client.runStream(streamRequest, within(60_000, controller.signal)))
  await settle()
  let isDrained = false
  const drained = drain(target, 1_000, clock).then(() => (isDrained = true))
  await peer.answer(E.right(response), 1)
  await answer
  t.false(isDrained)
  controller.abort()
  await drained
  await stream
  t.is(timers.size, 0)
  const hanging = ask()
  const late = drain(target, 1_000, clock)
  await advance(1_000)
  await late
  await peer.answer()
  await hanging
})

test('counts back to zero after 10,000 calls that end in all ways', async (t) => {
  const { client, peer, counts, become, ready } = setUp(t, { inFlight: 40, queue: 60 })
  const controllers: Array<AbortController> = []
  const endings = new Map<string, number>()
  const calls: Array<Promise<unknown>> = []
  const note = (answer: E.Either<AggregatorError, unknown>) => {
    const ending = E.isLeft(answer) ? answer.left._tag : 'answer'
    endings.set(ending, (endings.get(ending) ?? 0) + 1)
  }
  for (let i = 0; i < 10_000; i++) {
    const controller = new AbortController()
    controllers.push(controller)
    const options = within(60_000, controller.signal)
    const context = { ...pluginContext, namespace: `n${String(i % 7)}` }
    if (i % 3 > 0)
      calls.push(
        client
          .queryData({ ...query(), pluginContext: context }, options)()
          .then(note),
      )
    else
      calls.push(
        (async () => {
          for await (const item of client.callResource({ ...resourceRequest, pluginContext: context }, options)) {
            note(item)
            if (i % 2 === 0) break
          }
        })(),
      )
    if (i % 40 === 0) for (const one of controllers.splice(0, 20)) one.abort()
    if (i % 60 === 0) await peer.answer()
    if (i % 1_000 === 500) await become(i % 2_000 === 500 ? down : undefined)
    if (i % 1_000 === 550) await become(ready)
  }
  for (let round = 0; round < 20; round++) await peer.answer()
  await Promise.all(calls)
  t.deepEqual(counts(), [0, 0, 0])
  for (const ending of ['answer', 'Cancelled', 'TooManyRequests', 'PluginUnavailable'])
    t.true((endings.get(ending) ?? 0) > 20, ending)
})

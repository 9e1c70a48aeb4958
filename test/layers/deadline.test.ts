import { getEventListeners } from 'node:events'

import test from 'ava'

import type { AggregatorError } from '../../src/errors.ts'
import { E } from '../../src/fp.ts'
import { stream, type ByteStream } from '../../src/http.ts'
import { deadline } from '../../src/layers/deadline.ts'
import { envOf, requestOf } from '../telemetry/requests.ts'
import { answer, broken, messageOf, ok, slow, tagOf } from './answers.ts'

// The file runs alone in its process, and its tests one after the other: every timer here is the deadline's.
const timers = (): number => process.getActiveResourcesInfo().filter((name) => name === 'Timeout').length

const hour = 3_600_000

const within = (requestTimeoutMs: number, longRunningTimeoutMs = hour) =>
  deadline({ requestTimeoutMs, longRunningTimeoutMs })

const ways: ReadonlyArray<readonly [title: string, ...Parameters<typeof run>]> = [
  ['an answer', () => ok, 'none', '200'],
  ['a failure', () => () => () => Promise.resolve(E.left({ _tag: 'Cancelled' })), 'none', 'Cancelled'],
  ...Object.entries(broken).map(
    ([how, handle]) => [`a service that ${how}`, () => handle, 'none', 'Unexpected'] as const,
  ),
  ['a client that leaves a service which ignores it', () => slow().handle, 'during', 'Cancelled'],
  ['a client that has left before', () => ok, 'before', 'Cancelled'],
]

const run = async (
  makeHandle: () => typeof ok,
  leaves: 'none' | 'before' | 'during',
  tag: string,
): Promise<readonly [actual: string, expected: string, timers: number, listeners: number]> => {
  const before = timers()
  const client = new AbortController()
  if (leaves === 'before') client.abort()
  const result = within(hour)(makeHandle())(requestOf(), envOf({ signal: client.signal }))()
  if (leaves === 'during') client.abort()
  return [tagOf(await result), tag, timers() - before, getEventListeners(client.signal, 'abort').length]
}

for (const [title, ...given] of ways) {
  test.serial(`leaves no timer and no listener after ${title}`, async (t) => {
    const [actual, expected, left, listeners] = await run(...given)
    t.is(actual, expected)
    t.is(left, 0)
    t.is(listeners, 0)
  })
}

test.serial('counts the timer that it tells of', async (t) => {
  const before = timers()
  const service = slow()
  const result = within(hour)(service.handle)(requestOf(), envOf())()
  t.is(timers() - before, 1)
  service.finish()
  await result
  t.is(timers() - before, 0)
})

test.serial('ends a request whose time is over, whatever it waits for, and tells the call', async (t) => {
  const service = slow()
  const client = new AbortController()
  const outcome = await within(5)(service.handle)(requestOf(), envOf({ signal: client.signal }))()
  t.is(tagOf(outcome), 'PluginTimeout')
  t.is(messageOf(outcome), 'the request took longer than 5 ms (option limits.requestTimeoutMs)')
  t.true(service.envs[0]?.signal.aborted)
  t.false(client.signal.aborted)
  t.is(getEventListeners(client.signal, 'abort').length, 0)
})

test.serial('ends a request at once when its client leaves, and tells the call', async (t) => {
  const service = slow()
  const client = new AbortController()
  const result = within(hour)(service.handle)(requestOf(), envOf({ signal: client.signal }))()
  t.false(service.envs[0]?.signal.aborted)
  client.abort()
  t.true(service.envs[0]?.signal.aborted)
  t.is(tagOf(await result), 'Cancelled')
})

test.serial('keeps to the first end: a late answer changes nothing', async (t) => {
  const service = slow()
  const client = new AbortController()
  const result = within(hour)(service.handle)(requestOf(), envOf({ signal: client.signal }))()
  client.abort()
  service.finish()
  t.is(tagOf(await result), 'Cancelled')
})

test.serial('does not abort the call of an answered request, even if the client leaves then', async (t) => {
  const service = slow()
  const client = new AbortController()
  const result = within(hour)(service.handle)(requestOf(), envOf({ signal: client.signal }))()
  service.finish()
  t.deepEqual(await result, E.right(answer))
  client.abort()
  t.false(service.envs[0]?.signal.aborted)
})

test.serial('calls no service for a client that has left, and tells the others their time', async (t) => {
  const service = slow()
  t.is(tagOf(await within(hour)(service.handle)(requestOf(), envOf({ signal: AbortSignal.abort() }))()), 'Cancelled')
  t.is(service.envs.length, 0)
  const result = within(hour)(service.handle)(requestOf(), envOf({ timeoutMs: 1 }))()
  t.is(service.envs[0]?.timeoutMs, hour)
  service.finish()
  await result
})

test.serial('gives a request that goes on and on a time of its own, and names the option', async (t) => {
  const isLongRunning = ({ query }: { query: string }): boolean => query === 'watch'
  const env = envOf()
  const route = { ...env.route, isLongRunning }
  const service = slow()
  const [long, short] = await Promise.all(
    ['watch', ''].map((query) => within(4, 5)(service.handle)(requestOf({ query }), { ...env, route })()),
  )
  t.deepEqual(
    service.envs.map(({ timeoutMs }) => timeoutMs),
    [5, 4],
  )
  t.is(long && messageOf(long), 'the request took longer than 5 ms (option limits.longRunningTimeoutMs)')
  t.is(short && messageOf(short), 'the request took longer than 4 ms (option limits.requestTimeoutMs)')
})

test.serial('ends the call of a service that fails, which may have begun what nobody will read', async (t) => {
  const service = slow()
  const result = within(hour)(service.handle)(requestOf(), envOf())()
  const error: AggregatorError = { _tag: 'BadRequest', message: 'no' }
  service.finish(E.left(error))
  t.deepEqual(await result, E.left(error))
  t.is(service.envs[0]?.signal.reason, error)
})

const nothing: ByteStream = {
  [Symbol.asyncIterator]: () => ({ next: () => Promise.resolve({ done: true, value: undefined }) }),
}
const streamed = async (layer: ReturnType<typeof within>) => {
  const service = slow()
  const client = new AbortController()
  let end: (error?: AggregatorError) => void = () => undefined
  const over = new Promise<AggregatorError | undefined>((resolve) => (end = resolve))
  const result = layer(service.handle)(requestOf({ over }), envOf({ signal: client.signal }))()
  service.finish(E.right(stream(200, {}, nothing, { isEndless: true })))
  const outcome = await result
  const answered = E.isRight(outcome) && outcome.right._tag === 'Stream' ? outcome.right : undefined
  return { answered, signal: service.envs[0]?.signal, client, end }
}

test.serial('times a stream until its last chunk is out, then lets go of it', async (t) => {
  const before = timers()
  const { answered, signal, client, end } = await streamed(within(hour))
  t.like(answered, { status: 200, chunks: nothing, isEndless: true })
  t.is(timers() - before, 1)
  t.is(answered?.until, signal)
  t.false(signal?.aborted)
  end()
  await new Promise(setImmediate)
  t.is(timers() - before, 0)
  t.is(getEventListeners(client.signal, 'abort').length, 0)
  // whoever could not hear that nobody iterates any more hears this
  t.true(signal?.aborted)
})

test.serial('tells a stream that its time is over, and why', async (t) => {
  const { answered } = await streamed(within(5))
  const { until } = answered ?? {}
  if (until === undefined) throw new Error('expected a time')
  await new Promise((resolve) => until.addEventListener('abort', resolve))
  t.deepEqual(until.reason, {
    _tag: 'PluginTimeout',
    message: 'the request took longer than 5 ms (option limits.requestTimeoutMs)',
  })
})

test.serial('ends a stream whose client leaves', async (t) => {
  const before = timers()
  const { answered, client } = await streamed(within(hour))
  client.abort()
  t.deepEqual(answered?.until?.reason, { _tag: 'Cancelled' })
  t.is(timers() - before, 0)
})

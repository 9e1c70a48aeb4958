import { getEventListeners } from 'node:events'
import { setImmediate as turn } from 'node:timers/promises'

import test from 'ava'

import type { AggregatorError } from '../../src/errors.ts'
import { pump, type Delivery, type Sink } from '../../src/express/pump.ts'
import { stream, type ByteStream, type StreamAnswer } from '../../src/http.ts'
import { manualSource, readySource, type ManualSource } from './streams.ts'

const hour = 3_600_000
const badPlugin: AggregatorError = { _tag: 'BadPlugin', message: 'garbage' }
const late: AggregatorError = { _tag: 'PluginTimeout', message: 'too late' }

// The file runs alone in its process, and its tests one after the other: every timer here is the pump's.
const timers = (): number => process.getActiveResourcesInfo().filter((name) => name === 'Timeout').length

/** Says what it was told; takes what it is given, unless it is full. */
const fakeSink = (changes: Partial<Sink> = {}) => {
  const told: string[] = []
  let onDrain: (() => void) | undefined
  let isFull = false
  const sink: Sink = {
    begin: () => told.push('begin'),
    write: (chunk) => {
      told.push(Buffer.from(chunk).toString())
      return !isFull
    },
    onDrain: (drained) => (onDrain = drained),
    heartbeat: (beat) => told.push(Buffer.from(beat).toString()),
    end: (error, farewell) => {
      told.push(`end ${error?._tag ?? ''} ${farewell === undefined ? '' : Buffer.from(farewell).toString()}`.trim())
      return Promise.resolve()
    },
    cut: () => told.push('cut'),
    ...changes,
  }
  return {
    sink,
    told,
    fill: () => (isFull = true),
    drain: () => {
      isFull = false
      onDrain?.()
    },
  }
}

interface Started {
  readonly source: ManualSource
  readonly sink: ReturnType<typeof fakeSink>
  readonly until: AbortController
  readonly shutdown: AbortController
  /** The client leaves, or has all. */
  readonly endClient: () => void
  readonly failures: ReadonlyArray<AggregatorError>
  readonly over: Promise<void>
}

interface Given {
  readonly answer?: Partial<StreamAnswer>
  readonly sink?: Partial<Sink>
  readonly delivery?: Partial<Delivery>
  readonly source?: ManualSource
  readonly before?: (controllers: Pick<Started, 'until' | 'shutdown'>) => void
}

const start = ({ answer = {}, sink: changes = {}, delivery = {}, source = manualSource(), before }: Given): Started => {
  const until = new AbortController()
  const shutdown = new AbortController()
  const sink = fakeSink(changes)
  const failures: AggregatorError[] = []
  let endClient: () => void = () => undefined
  const client = new Promise<void>((resolve) => (endClient = resolve))
  before?.({ until, shutdown })
  const over = pump({ ...stream(200, {}, source.chunks), until: until.signal, ...answer }, sink.sink, {
    ...{ stallMs: hour, over: client, shutdown: shutdown.signal, heartbeatMs: hour },
    onFailure: (error) => failures.push(error),
    ...delivery,
  })
  return { source, sink, until, shutdown, endClient, failures, over }
}

test.serial('asks for the next chunk when the last is taken, and not before', async (t) => {
  const { source, sink, over } = start({})
  t.is(source.counts.next, 1)
  source.give('a')
  await source.asked(2)
  sink.fill()
  source.give('b')
  await turn()
  await turn()
  t.is(source.counts.next, 2)
  sink.drain()
  t.is(source.counts.next, 3)
  source.end()
  await over
  t.deepEqual(sink.told, ['begin', 'a', 'b', 'end'])
})

const farewell = (error: AggregatorError): Uint8Array => Buffer.from(`bye ${error._tag}`)
const heartbeat = Buffer.from(':')
const throws = (): never => {
  throw new Error('boom')
}
const noStream = (next: unknown): ByteStream =>
  ({ [Symbol.asyncIterator]: () => ({ next, return: throws }) }) as unknown as ByteStream

type Ending = readonly [
  title: string,
  given: Given,
  act: (started: Started) => void,
  told: ReadonlyArray<string>,
  failure: AggregatorError['_tag'] | undefined,
]
const endings: ReadonlyArray<Ending> = [
  ['ends in order when the source does', {}, ({ source }) => source.end(), ['begin', 'end'], undefined],
  [
    'cuts a stream that fails, so that nobody takes a part for the whole',
    {},
    ({ source }) => source.fail(badPlugin),
    ['begin', 'cut'],
    'BadPlugin',
  ],
  [
    'says goodbye where it can',
    { answer: { farewell } },
    ({ source }) => source.fail(badPlugin),
    ['begin', 'end BadPlugin bye BadPlugin'],
    'BadPlugin',
  ],
  [
    'says nothing to a client that is gone, by what its source says',
    { answer: { farewell } },
    ({ source }) => source.fail({ _tag: 'Cancelled' }),
    ['begin', 'cut'],
    'Cancelled',
  ],
  [
    'stops at once when the client leaves',
    { answer: { farewell } },
    ({ endClient }) => endClient(),
    ['begin'],
    undefined,
  ],
  [
    'cuts a stream whose source rejects',
    {},
    ({ source }) => source.reject(new Error('boom')),
    ['begin', 'cut'],
    'Unexpected',
  ],
  [
    'says goodbye for a source that throws',
    { answer: { farewell, chunks: noStream(throws) } },
    () => undefined,
    ['begin', 'end Unexpected bye Unexpected'],
    'Unexpected',
  ],
  [
    'survives a source that gives no promise',
    { answer: { chunks: noStream(() => 1) } },
    () => undefined,
    ['begin', 'cut'],
    'Unexpected',
  ],
  [
    'survives a source that gives no step',
    { answer: { chunks: noStream(() => Promise.resolve(undefined)) } },
    () => undefined,
    ['begin', 'cut'],
    'Unexpected',
  ],
  [
    'survives a source that gives nothing for a chunk',
    { answer: { chunks: noStream(() => Promise.resolve({ done: false })) } },
    () => undefined,
    ['begin', 'cut'],
    'Unexpected',
  ],
  [
    'survives what cannot be iterated',
    { answer: { chunks: { [Symbol.asyncIterator]: throws } } },
    () => undefined,
    ['begin', 'cut'],
    'Unexpected',
  ],
  [
    'survives a source whose return rejects',
    { source: manualSource(() => Promise.reject(new Error('boom'))) },
    ({ source }) => source.fail(badPlugin),
    ['begin', 'cut'],
    'BadPlugin',
  ],
  [
    'survives a source whose return throws',
    { source: manualSource(throws) },
    ({ endClient }) => endClient(),
    ['begin'],
    undefined,
  ],
  [
    'survives a source whose return never resolves',
    { source: manualSource(() => new Promise(() => undefined)) },
    ({ source }) => source.end(),
    ['begin', 'end'],
    undefined,
  ],
  [
    'cuts a stream that its sink throws at',
    { sink: { write: throws } },
    ({ source }) => source.give('a'),
    ['begin', 'cut'],
    'Unexpected',
  ],
  [
    'cuts a stream that cannot be ended',
    { sink: { end: () => Promise.reject(new Error('boom')) } },
    ({ source }) => source.end(),
    ['begin', 'cut'],
    undefined,
  ],
  [
    'cuts a stream whose goodbye cannot be made',
    { answer: { farewell: throws } },
    ({ source }) => source.fail(badPlugin),
    ['begin', 'cut'],
    'BadPlugin',
  ],
  [
    'ends a stream whose time is over while it waits for a chunk',
    { answer: { farewell } },
    ({ until }) => until.abort(late),
    ['begin', 'end PluginTimeout bye PluginTimeout'],
    'PluginTimeout',
  ],
  ['cuts it where it cannot say so', {}, ({ until }) => until.abort(late), ['begin', 'cut'], 'PluginTimeout'],
  [
    'takes no reason for a client that left',
    { answer: { farewell } },
    ({ until }) => until.abort(),
    ['begin', 'cut'],
    'Cancelled',
  ],
  [
    'begins nothing when its time is over already',
    { answer: { farewell }, before: ({ until }) => until.abort(late) },
    () => undefined,
    ['end PluginTimeout bye PluginTimeout'],
    'PluginTimeout',
  ],
  [
    'ends an endless stream at once when the server shuts down, which is no failure',
    { answer: { isEndless: true, farewell } },
    ({ shutdown }) => shutdown.abort(),
    ['begin', 'end PluginUnavailable bye PluginUnavailable'],
    undefined,
  ],
  [
    'begins no endless stream while the server shuts down',
    { answer: { isEndless: true }, before: ({ shutdown }) => shutdown.abort() },
    () => undefined,
    ['cut'],
    undefined,
  ],
  [
    'waits for a stream that will end, also while the server shuts down',
    { before: ({ shutdown }) => shutdown.abort() },
    ({ source }) => source.end(),
    ['begin', 'end'],
    undefined,
  ],
  [
    'begins no source for an answer that is a head only',
    { sink: { isHeadOnly: true }, answer: { heartbeat } },
    () => undefined,
    ['end'],
    undefined,
  ],
  [
    'forgets a client that leaves while it takes nothing',
    { sink: { write: () => false } },
    ({ source, endClient }) => {
      source.give('a')
      setImmediate(endClient)
    },
    ['begin'],
    undefined,
  ],
  [
    'cuts a client that takes nothing for too long',
    { sink: { write: () => false }, delivery: { stallMs: 1 }, answer: { farewell } },
    ({ source }) => source.give('a'),
    ['begin', 'cut'],
    'Cancelled',
  ],
]
for (const [title, given, act, told, failure] of endings) {
  test.serial(title, async (t) => {
    const before = timers()
    const started = start({ ...given, answer: { heartbeat, ...given.answer } })
    const { source, sink, until, shutdown, failures, over } = started
    act(started)
    await over
    t.deepEqual(sink.told, told)
    t.deepEqual(
      failures.map(({ _tag }) => _tag),
      failure === undefined ? [] : [failure],
    )
    t.is(timers() - before, 0)
    t.is(getEventListeners(until.signal, 'abort').length + getEventListeners(shutdown.signal, 'abort').length, 0)
    t.true(source.counts.returned <= 1)
    t.is(source.counts.returned, source.counts.next === 0 ? 0 : 1)
    // what comes now comes too late
    const asked = source.counts.next
    until.abort(badPlugin)
    shutdown.abort()
    started.endClient()
    sink.drain()
    await turn()
    t.deepEqual(sink.told, told)
    t.true(failures.length <= 1 && source.counts.returned <= 1)
    t.is(source.counts.next, asked)
  })
}

test.serial('lets what is under way come too late when the client leaves', async (t) => {
  const { source, sink, endClient, over } = start({})
  endClient()
  await over
  source.give('a')
  await turn()
  t.deepEqual(sink.told, ['begin'])
  t.deepEqual(source.counts, { next: 1, returned: 1 })
})

test.serial('counts the timers and listeners that it tells of', async (t) => {
  const before = timers()
  const { source, sink, until, shutdown, over } = start({ answer: { heartbeat, isEndless: true } })
  t.is(timers() - before, 1)
  sink.fill()
  source.give('a')
  await turn()
  t.is(timers() - before, 2)
  t.is(getEventListeners(until.signal, 'abort').length + getEventListeners(shutdown.signal, 'abort').length, 2)
  sink.drain()
  t.is(timers() - before, 1)
  source.end()
  await over
  t.is(timers() - before, 0)
})

test.serial('sends heartbeats while there is nothing else to send, and none after the end', async (t) => {
  const before = timers()
  let beats = 0
  let enough: () => void = () => undefined
  const third = new Promise<void>((resolve) => (enough = resolve))
  const { source, sink, over } = start({
    answer: { heartbeat },
    delivery: { heartbeatMs: 1 },
    sink: {
      heartbeat: () => {
        if (++beats === 3) enough()
      },
    },
  })
  await third
  source.end()
  await over
  t.is(timers() - before, 0)
  t.deepEqual(sink.told, ['begin', 'end'])
})

test.serial('puts the heartbeat off with each chunk', async (t) => {
  const { setInterval: real } = globalThis
  let refreshed = 0
  globalThis.setInterval = (() => ({ refresh: () => refreshed++ })) as unknown as typeof real
  const { source, over } = start({ answer: { heartbeat } })
  globalThis.setInterval = real
  for (const count of [1, 2, 3]) {
    source.give('a')
    await source.asked(count + 1)
    t.is(refreshed, count)
  }
  source.end()
  await over
})

test.serial('survives a sink that throws at a heartbeat', async (t) => {
  const { sink, failures, over } = start({
    answer: { heartbeat },
    delivery: { heartbeatMs: 1 },
    sink: { heartbeat: throws },
  })
  await over
  t.deepEqual(sink.told, ['begin', 'cut'])
  t.like(failures, [{ _tag: 'Unexpected' }])
})

test.serial('asks for nothing more when its client leaves while others have their turn', async (t) => {
  const { chunks, counts } = readySource(1000, Buffer.from('a'))
  let leave: () => void = () => undefined
  let written = 0
  const { over, endClient } = start({
    answer: { chunks },
    sink: {
      write: () => {
        if (++written === 64) leave()
        return true
      },
    },
  })
  leave = endClient
  await over
  await turn()
  t.deepEqual(counts, { next: 64, returned: 1 })
})

test.serial('leaves turns to others, however much is ready', async (t) => {
  const { chunks, counts } = readySource(10_000, Buffer.from('a'))
  let turns = 0
  let isOver = false
  const spin = (): void => {
    turns++
    if (!isOver) setImmediate(spin)
  }
  spin()
  const { over, sink } = start({ answer: { chunks } })
  await over
  isOver = true
  t.is(counts.next, 10_001)
  t.is(sink.told.length, 10_002)
  t.true(turns > 100, String(turns))
})

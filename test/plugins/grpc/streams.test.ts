import { getEventListeners, once } from 'node:events'

import { Metadata, status } from '@grpc/grpc-js'
import test from 'ava'

import type { AggregatorError } from '../../../src/errors.ts'
import { E } from '../../../src/fp.ts'
import type { CallResourceRequest, MessageStream, StreamRequest } from '../../../src/plugin.ts'
import type { Connection } from '../../../src/plugins/grpc/connection.ts'
import { pluginContext, query, settle, within } from '../_setup.ts'
import { replies, serve, streams, type StreamCall } from './_serve.ts'
import { definitionsForTests } from './_wire.ts'

const wire = definitionsForTests()
const packet = (data: Buffer | string): Buffer => wire('pluginv2.StreamPacket').serialize({ data: Buffer.from(data) })
const chunk = (message: object): Buffer => wire('pluginv2.QueryChunkedDataResponse').serialize(message)
const run: StreamRequest = { pluginContext, path: 'x', data: Buffer.alloc(0), headers: {} }
const resource: CallResourceRequest = {
  pluginContext,
  path: '',
  method: 'GET',
  url: '',
  headers: {},
  body: Buffer.alloc(0),
}
const answer = replies(wire('pluginv2.QueryDataResponse').serialize({}))

/** One step at a time; `undefined` when it is over. */
const iterate = <A>(stream: MessageStream<A>) => {
  const iterator = stream[Symbol.asyncIterator]()
  return {
    next: async (): Promise<E.Either<AggregatorError, A> | undefined> => {
      const step = await iterator.next()
      return step.done === true ? undefined : step.value
    },
    leave: async () => {
      await iterator.return?.()
    },
  }
}

const all = async <A>(stream: MessageStream<A>): Promise<ReadonlyArray<unknown>> => {
  const items: Array<unknown> = []
  for await (const item of stream) items.push(E.isRight(item) ? item.right : item.left)
  return items
}

/** A roundtrip on the same connection: what was under way before it has arrived after it. */
const roundtrip = async (connection: Connection): Promise<void> => {
  await connection.client.queryData(query(), within(10_000))()
}

/** A stream that never ends by itself, and what became of its calls. */
const endless = () => {
  let started = 0
  let cancelled = 0
  let notify = (): void => undefined
  const left = new Promise<void>((resolve) => (notify = resolve))
  return {
    handle: (call: StreamCall) => {
      started += 1
      call.on('cancelled', () => {
        cancelled += 1
        notify()
      })
      call.write(packet('1'))
    },
    counts: () => ({ started, cancelled }),
    /** Resolves when the plugin hears that a call was given up. */
    left,
  }
}

const one = E.right({ data: Buffer.from('1') })

test('begins with the first message that is asked for, once, however many loops there are', async (t) => {
  let calls = 0
  const { connection } = await serve(t, {
    queryData: answer,
    runStream: (call: StreamCall) => {
      calls += 1
      call.write(packet('1'))
      call.write(packet('2'))
      call.end()
    },
  })
  const stream = connection.client.runStream(run, within(10_000))
  const [first, second] = [iterate(stream), iterate(stream)]
  await roundtrip(connection)
  t.is(calls, 0)
  t.deepEqual(await first.next(), one)
  t.deepEqual(await second.next(), E.right({ data: Buffer.from('2') }))
  t.is(await first.next(), undefined)
  t.is(await second.next(), undefined)
  t.is(calls, 1)
})

test('leaves with the plugin what nobody takes, and lets other calls through', async (t) => {
  const size = 32 * 1024
  const total = 400
  let written = 0
  const { connection } = await serve(t, {
    queryData: answer,
    runStream: (call: StreamCall) => {
      const message = packet(Buffer.alloc(size))
      const write = async (): Promise<void> => {
        while (written < total) {
          written += 1
          if (!call.write(message)) await once(call, 'drain')
        }
        call.end()
      }
      void write()
    },
  })
  const stream = iterate(connection.client.runStream(run, within(30_000)))
  t.truthy(await stream.next())
  let before = -1
  for (let same = 0; same < 10; same += 1) {
    await roundtrip(connection)
    if (written !== before) same = 0
    before = written
  }
  // the window of the stream, and what waits in sockets
  t.true(written * size < 4 * 1024 * 1024)
  let taken = 1
  while ((await stream.next()) !== undefined) taken += 1
  t.is(taken, total)
})

test('gives messages in order to those who do not wait for one before they ask for the next', async (t) => {
  const { connection } = await serve(t, { runStream: streams(packet('1'), packet('2'), packet('3')) })
  const stream = iterate(connection.client.runStream(run, within(10_000)))
  const steps = await Promise.all([stream.next(), stream.next(), stream.next(), stream.next(), stream.next()])
  const texts = steps.map((step) => step && E.isRight(step) && Buffer.from(step.right.data).toString())
  t.deepEqual(texts, ['1', '2', '3', undefined, undefined])
})

test('tells the plugin at once when the loop is left', async (t) => {
  const plugin = endless()
  const { connection } = await serve(t, { runStream: plugin.handle })
  const { signal } = new AbortController()
  for await (const item of connection.client.runStream(run, within(60_000, signal))) {
    t.true(E.isRight(item))
    break
  }
  await plugin.left
  t.is(getEventListeners(signal, 'abort').length, 0)
})

test('tells those who wait that it is over when somebody else leaves', async (t) => {
  const plugin = endless()
  const { connection } = await serve(t, { runStream: plugin.handle })
  const stream = iterate(connection.client.runStream(run, within(60_000)))
  t.deepEqual(await stream.next(), one)
  const waiting = stream.next()
  await stream.leave()
  t.is(await waiting, undefined)
  t.is(await stream.next(), undefined)
  await plugin.left
})

test('leaves no call behind that was given up in the turn it began in', async (t) => {
  const plugin = endless()
  const { connection } = await serve(t, { queryData: answer, runStream: plugin.handle })
  await roundtrip(connection)
  const stream = iterate(connection.client.runStream(run, within(60_000)))
  const first = stream.next()
  await stream.leave()
  t.is(await first, undefined)
  const unused = iterate(connection.client.runStream(run, within(60_000)))
  await unused.leave()
  t.is(await unused.next(), undefined)
  for (let i = 0; i < 5; i += 1) await roundtrip(connection)
  const { started, cancelled } = plugin.counts()
  t.is(started, cancelled)
})

test('gives what came before a failure, then the failure, then nothing', async (t) => {
  const metadata = new Metadata()
  const value = wire('google.rpc.ErrorInfo').serialize({ metadata: { errorSource: 'downstream' } })
  const details = [{ type_url: 'type.googleapis.com/google.rpc.ErrorInfo', value }]
  metadata.set('grpc-status-details-bin', wire('google.rpc.Status').serialize({ code: 2, details }))
  const { connection } = await serve(t, {
    runStream: (call: StreamCall) => {
      call.write(packet('1'))
      call.write(packet('2'))
      call.emit('error', { code: status.UNKNOWN, details: 'boom', metadata })
    },
  })
  const stream = connection.client.runStream(run, within(10_000))
  t.like(await all(stream), [
    { data: Buffer.from('1') },
    { data: Buffer.from('2') },
    { _tag: 'PluginFailed', source: 'downstream', cause: 'UNKNOWN (2): boom' },
  ])
  t.is(await iterate(stream).next(), undefined)
})

test('ends at once when the client leaves, also while nobody asks', async (t) => {
  const plugin = endless()
  const { connection } = await serve(t, { runStream: plugin.handle })
  for (const asks of [true, false]) {
    const controller = new AbortController()
    const stream = iterate(connection.client.runStream(run, within(60_000, controller.signal)))
    t.deepEqual(await stream.next(), one)
    const waiting = asks ? stream.next() : undefined
    controller.abort()
    t.deepEqual(await (waiting ?? stream.next()), E.left({ _tag: 'Cancelled' }))
    t.is(await stream.next(), undefined)
    t.is(getEventListeners(controller.signal, 'abort').length, 0)
  }
  await plugin.left
})

test('gives up at the deadline, and tells the plugin that streams', async (t) => {
  const plugin = endless()
  const { connection } = await serve(t, { queryData: answer, runStream: plugin.handle })
  await roundtrip(connection)
  const items = await all(connection.client.runStream(run, within(500)))
  t.like(items.at(-1), {
    _tag: 'PluginTimeout',
    message: 'plugin "testds" did not answer runStream in time',
  })
  await plugin.left
})

for (const end of ['endCalls', 'close'] as const) {
  test(`ends streams with PluginUnavailable at ${end}`, async (t) => {
    const plugin = endless()
    let unavailable = 0
    const { connection } = await serve(t, { runStream: plugin.handle }, { onUnavailable: () => (unavailable += 1) })
    const stream = iterate(connection.client.runStream(run, within(60_000)))
    t.deepEqual(await stream.next(), one)
    connection[end]()
    t.like(await stream.next(), { left: { _tag: 'PluginUnavailable' } })
    t.is(unavailable, 1)
    await plugin.left
    if (end === 'close')
      t.like(await all(connection.client.runStream(run, within(60_000))), [{ _tag: 'PluginUnavailable' }])
  })
}

test('takes messages up to the limit, each by itself, and none over it', async (t) => {
  const most = packet(Buffer.alloc(64 * 1024 - 4))
  const { connection } = await serve(t, { runStream: streams(most, most, packet(Buffer.alloc(64 * 1024 - 3)), most) })
  const [first, second, third, ...rest] = await all(connection.client.runStream(run, within(10_000)))
  t.is(most.length, 64 * 1024)
  t.like([first, second], [{ data: Buffer.alloc(64 * 1024 - 4) }, { data: Buffer.alloc(64 * 1024 - 4) }])
  t.like(third, {
    _tag: 'BadPlugin',
    message: 'plugin "testds" answered 65537 bytes, the limit is 65536 (option plugins.receiveLimitBytes)',
  })
  t.deepEqual(rest, [])
})

test('gives up a stream that holds garbage', async (t) => {
  const plugin = endless()
  const { connection } = await serve(t, {
    runStream: (call: StreamCall) => {
      plugin.handle(call)
      call.write(Buffer.from('garbage'))
    },
  })
  t.like(await all(connection.client.runStream(run, within(60_000))), [
    { data: Buffer.from('1') },
    { _tag: 'BadPlugin', message: 'plugin "testds" answered what is no runStream response' },
  ])
  await plugin.left
})

/** Counts what is held; takes so many bytes. */
const createBudget = (limitBytes: number) => {
  let heldBytes = 0
  return {
    heldBytes: () => heldBytes,
    budget: {
      hasRoom: () => true,
      hold: (bytes: number, over: Promise<void>) => {
        if (heldBytes + bytes > limitBytes) return false
        heldBytes += bytes
        void over.then(() => (heldBytes -= bytes))
        return true
      },
    },
  }
}

test('counts a message until the next one is asked for', async (t) => {
  const { budget, heldBytes } = createBudget(1000)
  const { connection } = await serve(t, { runStream: streams(packet('1'), packet('22'), packet('333')) }, { budget })
  const stream = iterate(connection.client.runStream(run, within(10_000)))
  const held: Array<number> = []
  while ((await stream.next()) !== undefined) held.push(heldBytes())
  t.deepEqual(held, [3, 4, 5])
  t.is(heldBytes(), 0)
  await Promise.all(Array.from({ length: 4 }, () => stream.next()))
  t.is(heldBytes(), 0)
})

test('counts no message of a loop that was left, cut off, or not needed any more', async (t) => {
  const { budget, heldBytes } = createBudget(1000)
  const plugin = endless()
  const { connection } = await serve(t, { runStream: plugin.handle }, { budget })
  const controller = new AbortController()
  let finish = (): void => undefined
  for (const end of [
    (leave: () => void) => {
      leave()
    },
    () => {
      connection.endCalls()
    },
    () => {
      finish()
    },
    () => {
      controller.abort()
    },
  ]) {
    const over = new Promise<void>((resolve) => (finish = resolve))
    const options = { ...within(60_000, controller.signal), over }
    const stream = iterate(connection.client.runStream(run, options))
    t.deepEqual(await stream.next(), one)
    t.is(heldBytes(), 3)
    end(() => void stream.leave())
    await settle()
    t.is(heldBytes(), 0)
    await stream.leave()
  }
})

test('gives up a stream when its answers take too much memory', async (t) => {
  const { budget } = createBudget(4)
  const plugin = endless()
  const { connection } = await serve(
    t,
    {
      runStream: (call: StreamCall) => {
        plugin.handle(call)
        call.write(packet('333'))
      },
    },
    { budget },
  )
  t.like(await all(connection.client.runStream(run, within(60_000))), [
    { data: Buffer.from('1') },
    { _tag: 'TooManyRequests', retryAfterSeconds: 1 },
  ])
  await plugin.left
})

const refusal = chunk({ status: 501 })
const notImplemented = { _tag: 'NotImplemented', message: 'plugin "testds" does not implement queryChunkedData' }
const frame = { frame: Buffer.from('f') }
for (const [what, messages, expected] of [
  ['takes a lone 501 for "not implemented"', [refusal], [notImplemented]],
  ['takes a 501 that more follows for what it is', [refusal, chunk(frame)], [{ status: 501 }, frame]],
  ['takes a 501 after another message for what it is', [chunk(frame), refusal], [frame, { status: 501 }]],
  ['takes a 501 with an error for what it is', [chunk({ status: 501, error: 'no' })], [{ status: 501, error: 'no' }]],
  ['takes a 501 with a frame for what it is', [chunk({ status: 501, ...frame })], [{ status: 501, ...frame }]],
] as const) {
  test(`${what}, of chunks`, async (t) => {
    const { connection } = await serve(t, { queryChunkedData: streams(...messages) })
    const given = await all(connection.client.queryChunkedData(query(), within(10_000)))
    t.like(given, expected)
    t.is(given.length, expected.length)
  })
}

test('tells of a failure after a 501 of chunks', async (t) => {
  const { connection } = await serve(t, {
    queryChunkedData: (call: StreamCall) => {
      call.write(refusal)
      call.emit('error', { code: status.UNKNOWN, details: 'boom' })
    },
  })
  t.like(await all(connection.client.queryChunkedData(query(), within(10_000))), [{ _tag: 'PluginFailed' }])
})

test('takes a 501 of a resource for the answer of the plugin', async (t) => {
  const lone = wire('pluginv2.CallResourceResponse').serialize({ code: 501 })
  const { connection } = await serve(t, { callResource: streams(lone) })
  t.like(await all(connection.client.callResource(resource, within(10_000))), [{ status: 501 }])
})

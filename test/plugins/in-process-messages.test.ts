import { getEventListeners } from 'node:events'

import test from 'ava'

import { E } from '../../src/fp.ts'
import type { CallResourceRequest, MessageStream, StreamPacket, StreamRequest } from '../../src/plugin.ts'
import { inProcess, type InProcessPlugin } from '../../src/plugins/in-process.ts'
import { pluginContext, query, settle, within } from './_setup.ts'

const clientOf = (plugin: InProcessPlugin) => {
  const host = inProcess({ testds: plugin })
  const installed = host.plugin('testds')
  if (installed === undefined) throw new Error('not installed')
  return { host, client: installed.client }
}

const streamRequest: StreamRequest = { pluginContext, path: 'p', data: Buffer.from('{}'), headers: {} }
const resource: CallResourceRequest = {
  ...{ pluginContext, path: 'p', method: 'GET', url: 'p?a=1', headers: {} },
  body: Buffer.of(),
}

const collect = async <A>(stream: MessageStream<A>): Promise<ReadonlyArray<E.Either<unknown, A>>> => {
  const messages: E.Either<unknown, A>[] = []
  for await (const message of stream) messages.push(message)
  return messages
}

const packet = (text: string): StreamPacket => ({ data: Buffer.from(text) })
const never = new Promise<never>(() => undefined)

/** A source that says what was asked of it, and waits for nobody. */
const recordingSource = (packets: ReadonlyArray<StreamPacket>) => {
  const asked: string[] = []
  const iterator: AsyncIterableIterator<StreamPacket> = {
    next: () => {
      asked.push('next')
      const value = packets[asked.length - 1]
      return value === undefined ? never : Promise.resolve({ done: false, value })
    },
    return: () => {
      asked.push('return')
      return Promise.reject(new Error('leaving failed'))
    },
    [Symbol.asyncIterator]: () => iterator,
  }
  return { iterator, asked }
}

const sources: ReadonlyArray<readonly [title: string, run: InProcessPlugin['runStream']]> = [
  ['a list', () => [packet('1'), packet('2')]],
  ['a promised list', () => Promise.resolve([packet('1'), packet('2')])],
  [
    'a generator',
    function* () {
      yield packet('1')
      yield packet('2')
    },
  ],
  [
    'an asynchronous generator',
    async function* () {
      yield await Promise.resolve(packet('1'))
      yield packet('2')
    },
  ],
]
for (const [title, runStream = () => []] of sources) {
  test(`streams ${title}`, async (t) => {
    const { client } = clientOf({ runStream })
    const messages = await collect(client.runStream(streamRequest, within(5000)))
    t.deepEqual(messages, [E.right(packet('1')), E.right(packet('2'))])
  })
}

test('fills in what a message leaves out', async (t) => {
  const { client } = clientOf({
    callResource: () => [{}, { status: 404, body: Buffer.of(1) }],
    queryChunkedData: () => [{ refId: 'A' }],
  })
  const none = new Uint8Array(0)
  t.deepEqual(await collect(client.callResource(resource, within(5000))), [
    E.right({ status: 200, headers: {}, body: none }),
    E.right({ status: 404, headers: {}, body: Buffer.of(1) }),
  ])
  t.deepEqual(await collect(client.queryChunkedData(query(), within(5000))), [
    E.right({ refId: 'A', frameId: '', format: 'arrow', frame: none, error: '', errorSource: '', status: 0 }),
  ])
})

test('begins with the first message that is asked for, once, and asks for no more than is taken', async (t) => {
  const { iterator, asked } = recordingSource([packet('1'), packet('2')])
  let begun = 0
  const { client } = clientOf({
    runStream: () => {
      begun += 1
      return iterator
    },
  })
  const stream = client.runStream(streamRequest, within(5000))
  await settle()
  t.is(begun, 0)
  const messages = stream[Symbol.asyncIterator]()
  t.deepEqual(await messages.next(), { done: false, value: E.right(packet('1')) })
  await settle()
  t.deepEqual(asked, ['next'])
  t.deepEqual(await stream[Symbol.asyncIterator]().next(), { done: false, value: E.right(packet('2')) })
  t.is(begun, 1)
})

test('ends its source when the client leaves the loop, whatever the source says to it', async (t) => {
  const { iterator, asked } = recordingSource([packet('1'), packet('2')])
  const { signal } = new AbortController()
  let given: AbortSignal | undefined
  const { client } = clientOf({
    runStream: (_request, options) => {
      given = options.signal
      return iterator
    },
  })
  for await (const message of client.runStream(streamRequest, within(5000, signal))) {
    t.true(E.isRight(message))
    break
  }
  await settle()
  t.deepEqual(asked, ['next', 'return'])
  t.true(given?.aborted)
  t.is(getEventListeners(signal, 'abort').length, 0)
})

test('lets go of a client that leaves while it waits', async (t) => {
  const { iterator, asked } = recordingSource([])
  const { client } = clientOf({ runStream: () => iterator })
  const messages = client.runStream(streamRequest, within(5000))[Symbol.asyncIterator]()
  const waiting = messages.next()
  await settle()
  await messages.return?.()
  t.deepEqual(await waiting, { done: true, value: undefined })
  t.deepEqual(await messages.next(), { done: true, value: undefined })
  await settle()
  t.deepEqual(asked, ['next', 'return'])
})

const controller = new AbortController()
const endings: ReadonlyArray<readonly [how: string, tag: string, options: ReturnType<typeof within>, end: () => void]> =
  [
    ['at the deadline', 'PluginTimeout', within(30), () => undefined],
    [
      'when the client is gone',
      'Cancelled',
      within(5000, controller.signal),
      () => {
        controller.abort()
      },
    ],
  ]
for (const [how, _tag, options, end] of endings) {
  test(`ends a stream that says nothing ${how}`, async (t) => {
    const { iterator, asked } = recordingSource([packet('1')])
    const { client } = clientOf({ runStream: () => iterator })
    const messages = client.runStream(streamRequest, options)[Symbol.asyncIterator]()
    t.like(await messages.next(), { value: { _tag: 'Right' } })
    const waiting = messages.next()
    await settle()
    end()
    t.like(await waiting, { done: false, value: { left: { _tag } } })
    t.deepEqual(await messages.next(), { done: true, value: undefined })
    await messages.return?.()
    t.deepEqual(asked, ['next', 'next', 'return'])
    t.is(getEventListeners(options.signal, 'abort').length, 0)
  })
}

test('asks a source for nothing once the call has ended, and ends it unasked', async (t) => {
  const { iterator, asked } = recordingSource([packet('1'), packet('2')])
  const { host, client } = clientOf({ runStream: () => iterator })
  const messages = client.runStream(streamRequest, within(5000))[Symbol.asyncIterator]()
  await messages.next()
  await host.close()
  await settle()
  t.deepEqual(asked, ['next', 'return'])
  t.like(await messages.next(), { value: { left: { _tag: 'PluginUnavailable' } } })
  t.deepEqual(await messages.next(), { done: true, value: undefined })
  t.deepEqual(asked, ['next', 'return'])
  t.like(await client.runStream(streamRequest, within(5000))[Symbol.asyncIterator]().next(), {
    value: { left: { _tag: 'PluginUnavailable' } },
  })
})

test('says nothing to a source that has ended by itself', async (t) => {
  const { iterator, asked } = recordingSource([])
  let given: AbortSignal | undefined
  const { client } = clientOf({
    runStream: (_request, { signal }) => {
      given = signal
      return {
        [Symbol.asyncIterator]: () => ({ ...iterator, next: () => Promise.resolve({ done: true, value: undefined }) }),
      }
    },
  })
  const messages = client.runStream(streamRequest, within(5000))[Symbol.asyncIterator]()
  t.deepEqual(await messages.next(), { done: true, value: undefined })
  await messages.return?.()
  await settle()
  t.deepEqual(asked, [])
  t.false(given?.aborted)
})

test('ends a source that is given by a function whose client leaves meanwhile', async (t) => {
  const { iterator, asked } = recordingSource([packet('1')])
  const leaving = new AbortController()
  const { client } = clientOf({
    runStream: () => {
      leaving.abort()
      return iterator
    },
  })
  const messages = client.runStream(streamRequest, within(5000, leaving.signal))[Symbol.asyncIterator]()
  t.like(await messages.next(), { value: { left: { _tag: 'Cancelled' } } })
  await settle()
  t.deepEqual(asked, ['return'])
})

test('ends a source that comes when the client has left already', async (t) => {
  const { iterator, asked } = recordingSource([])
  let come = (_iterator: typeof iterator): void => undefined
  const { client } = clientOf({
    runStream: () =>
      new Promise((resolve) => {
        come = resolve
      }),
  })
  const messages = client.runStream(streamRequest, within(5000))[Symbol.asyncIterator]()
  const waiting = messages.next()
  await settle()
  await messages.return?.()
  await waiting
  come(iterator)
  await settle()
  t.deepEqual(asked, ['return'])
})

const secret = new Error('password is 1234')
const broken: ReadonlyArray<readonly [what: string, run: () => AsyncIterable<StreamPacket>]> = [
  [
    'throws at once',
    () => {
      throw secret
    },
  ],
  [
    'throws in the middle',
    async function* () {
      yield await Promise.resolve(packet('1'))
      throw secret
    },
  ],
]
for (const [what, runStream] of broken) {
  test(`ends with PluginFailed when a stream ${what}`, async (t) => {
    const { client } = clientOf({ runStream })
    const messages = await collect(client.runStream(streamRequest, within(5000)))
    t.like(messages.at(-1), {
      left: { _tag: 'PluginFailed', message: 'plugin "testds" failed in runStream', cause: secret },
    })
    t.true(messages.slice(0, -1).every(E.isRight))
  })
}

test('passes an AggregatorError on, and ends a source that gives no message', async (t) => {
  const error = { _tag: 'NotFound', message: 'no such path' } as const
  const nothing: unknown = null
  const { client } = clientOf({
    callResource: () => Promise.reject(Object.assign(new Error('x'), error)),
    runStream: () => [nothing as StreamPacket],
  })
  t.like(await collect(client.callResource(resource, within(5000))), [{ left: error }])
  t.like(await collect(client.runStream(streamRequest, within(5000))), [{ left: { _tag: 'PluginFailed' } }])
})

test('calls NotImplemented a stream that is left out', async (t) => {
  const { client } = clientOf({})
  t.deepEqual(await collect(client.callResource(resource, within(5000))), [
    E.left({ _tag: 'NotImplemented', message: 'plugin "testds" does not implement callResource' }),
  ])
})

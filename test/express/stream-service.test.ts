import { once } from 'node:events'
import { connect } from 'node:net'
import { createInterface } from 'node:readline'
import { Readable } from 'node:stream'

import test, { type ExecutionContext } from 'ava'
import { EventSource } from 'eventsource'
import express from 'express'

import {
  createServer,
  dataPlaneAggregator,
  memorySource,
  pluginDirectory,
  staticContexts,
  type DataPlaneAggregator,
} from '../../src/index.ts'
import { writeScriptedPlugin } from '../../src/testing/index.ts'
import { base, listen, makeAggregator, manifest, post, type Made } from '../_setup/aggregator.ts'
import { temporaryDirectory } from '../plugins/_setup.ts'

const services = [{ type: 'stream' }]
const path = `${base}/namespaces/default/datasources/h1/stream/cpu`

interface Served {
  readonly aggregator: DataPlaneAggregator
  /** Of the stream. */
  readonly url: string
}

const serveWith = async (t: ExecutionContext, made: Made): Promise<Served> => {
  const aggregator = await makeAggregator(t, { manifests: [manifest(services)], ...made })
  const url = await listen(t, createServer(express().use(aggregator)))
  return { aggregator, url: `${url}${path}` }
}

/** Messages that come when the test sends them, for all who run it. */
const createFeed = () => {
  const waiting = new Set<() => void>()
  const sent: string[] = []
  let runs = 0
  let left = 0
  let onLeft = (): void => undefined
  const someLeft = new Promise<void>((resolve) => (onLeft = resolve))
  return {
    runs: () => runs,
    left: () => left,
    someLeft,
    send: (text: string): void => {
      sent.push(text)
      for (const wake of waiting) wake()
      waiting.clear()
    },
    run: (): AsyncIterable<{ data: Uint8Array }> => {
      runs += 1
      let next = sent.length
      return {
        [Symbol.asyncIterator]: () => ({
          next: async () => {
            while (next >= sent.length) await new Promise<void>((resolve) => waiting.add(resolve))
            return { done: false, value: { data: Buffer.from(sent[next++] ?? '') } }
          },
          return: () => {
            left += 1
            onLeft()
            return Promise.resolve({ done: true, value: undefined })
          },
        }),
      }
    },
  }
}

/** The lines of a body as they come. */
const linesOf = (response: Response): AsyncIterator<string> => {
  if (response.body === null) throw new Error('no body')
  return createInterface({ input: Readable.fromWeb(response.body) })[Symbol.asyncIterator]()
}

const readLines = (url: string, signal?: AbortSignal): Promise<Response> =>
  fetch(url, { headers: { accept: 'application/jsonl' }, ...(signal === undefined ? {} : { signal }) })

const lineOf = async (lines: AsyncIterator<string>): Promise<unknown> => {
  const step = await lines.next()
  return step.done === true ? 'end' : JSON.parse(step.value)
}

test('feeds an EventSource: initial data, packets, what is published, and the end', async (t) => {
  let runs = 0
  let finish = (): void => undefined
  const finished = new Promise<void>((resolve) => (finish = resolve))
  const { url } = await serveWith(t, {
    plugin: {
      subscribeStream: ({ data }) => ({ status: 'OK', data: Buffer.from(`{"given":${Buffer.from(data).toString()}}`) }),
      runStream: async function* () {
        runs += 1
        yield { data: Buffer.from('{"n":\n1}') }
        await finished
      },
      publishStream: ({ data }) => ({ status: 'OK', data }),
    },
  })
  const head = await fetch(`${url}?data=1`, { method: 'HEAD' })
  t.deepEqual([head.status, head.headers.get('content-type')], [200, 'text/event-stream'])
  const source = new EventSource(`${url}?data=${encodeURIComponent('{"a":1}')}`)
  t.teardown(() => {
    source.close()
  })
  const messages: unknown[] = []
  const ended = once(source, 'end')
  source.addEventListener('message', ({ data }) => messages.push(data))
  const has = async (count: number): Promise<void> => {
    while (messages.length < count) await once(source, 'message')
  }
  await has(2)
  const published = await post(url, '{"said": 1}')
  t.is(published.status, 200)
  t.deepEqual(await published.json(), {})
  await has(3)
  finish()
  await ended
  t.is(runs, 1)
  t.deepEqual(messages, ['{"given":{"a":1}}', '{"n":1}', '{"said": 1}'])
})

test('runs one stream for a hundred readers, and tells all of them when the server shuts down', async (t) => {
  const feed = createFeed()
  const { aggregator, url } = await serveWith(t, {
    plugin: { subscribeStream: () => ({ status: 'OK' }), runStream: () => feed.run() },
  })
  const responses = await Promise.all(Array.from({ length: 100 }, () => readLines(url)))
  const readers = responses.map(linesOf)
  feed.send('{"n":1}')
  for (const reader of readers) t.deepEqual(await lineOf(reader), { n: 1 })
  feed.send('{"n":2}')
  for (const reader of readers) t.deepEqual(await lineOf(reader), { n: 2 })
  t.is(feed.runs(), 1)
  await aggregator.close()
  t.is(feed.left(), 1)
  for (const reader of readers) {
    t.like(await lineOf(reader), { kind: 'Status', code: 503, message: 'the server is shutting down' })
    t.is(await lineOf(reader), 'end')
  }
})

test('cuts a client that reads too slowly, while another reads on', async (t) => {
  const feed = createFeed()
  const { url } = await serveWith(t, {
    plugin: { subscribeStream: () => ({ status: 'OK' }), runStream: () => feed.run() },
  })
  const { hostname, port } = new URL(url)
  const slow = connect(Number(port), hostname)
  t.teardown(() => slow.destroy())
  slow.write(`GET ${path} HTTP/1.1\r\nHost: x\r\nAccept: application/jsonl\r\n\r\n`)
  slow.pause()
  const fast = linesOf(await readLines(url))
  const text = JSON.stringify('x'.repeat(256 * 1024))
  // more than the buffers of two sockets and the queue hold
  for (let n = 0; n < 60; n++) {
    feed.send(text)
    t.is(await lineOf(fast), 'x'.repeat(256 * 1024))
  }
  let end = ''
  slow.on('data', (chunk) => (end = `${end}${chunk.toString('latin1')}`.slice(-1000)))
  slow.resume()
  while (!end.includes('"Status"')) await once(slow, 'data')
  t.regex(end, /"reason":"TooManyRequests".*"code":429/)
  feed.send('"on"')
  t.is(await lineOf(fast), 'on')
  t.is(feed.runs(), 1)
})

test('gives back the places of readers who leave at any time (S24)', async (t) => {
  const feed = createFeed()
  let subscribed = 0
  let cancelled = 0
  const { url } = await serveWith(t, {
    limits: { inFlight: { longRunning: 20 } },
    plugin: {
      subscribeStream: async (_request, { signal }) => {
        subscribed += 1
        if (subscribed % 2 === 0) return { status: 'OK', data: Buffer.from('0') }
        await once(signal, 'abort')
        cancelled += 1
        return { status: 'OK' }
      },
      runStream: () => feed.run(),
    },
  })
  for (let round = 1; round <= 10; round++) {
    const clients = Array.from({ length: 20 }, () => new AbortController())
    const requests = clients.map(({ signal }) => readLines(url, signal))
    const settled = Promise.allSettled(requests)
    // every other one is answered, the rest waits for its subscription
    await new Promise<void>((resolve) => {
      let answered = 0
      for (const request of requests)
        void request.then(
          ({ status }) => {
            t.is(status, 200)
            answered += 1
            if (answered === 10) resolve()
          },
          () => undefined,
        )
    })
    for (const client of clients) client.abort()
    await settled
    while (cancelled < 10 * round) await new Promise(setImmediate)
  }
  t.is(subscribed, 200)
  t.is(feed.runs(), 1)
})

test('lets readers read on when the process of the plugin died and was started again', async (t) => {
  const plugins = temporaryDirectory(t)
  const answers = (n: number) => [{ data: Buffer.from(`{"n":${String(n)}}`) }]
  await writeScriptedPlugin(plugins, {
    id: 'hello',
    on: {
      subscribeStream: 'answer',
      runStream: [
        { answers: answers(1), then: { exit: 7 } },
        { answers: answers(2), then: 'hang' },
      ],
    },
  })
  const aggregator = dataPlaneAggregator({
    source: memorySource([manifest(services)]),
    plugins: pluginDirectory(plugins, { backoff: { initialMs: 10, maxMs: 10 } }),
    contexts: staticContexts({ datasources: [{ uid: 'h1', type: 'hello' }] }),
  })
  t.teardown(() => aggregator.close())
  await aggregator.ready
  const url = `${await listen(t, createServer(express().use(aggregator)))}${path}`
  const lines = linesOf(await readLines(url))
  t.deepEqual(await lineOf(lines), { n: 1 })
  t.deepEqual(await lineOf(lines), { n: 2 })
  t.is(aggregator.plugins()[0]?.startCount, 2)
})

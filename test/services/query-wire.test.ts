import { request } from 'node:http'

import test from 'ava'
import express from 'express'

import { createServer, dataPlaneAggregator, memorySource, pluginDirectory, staticContexts } from '../../src/index.ts'
import type { CallOptions } from '../../src/plugin.ts'
import { writeScriptedPlugin } from '../../src/testing/index.ts'
import { listen, makeAggregator, manifest, post, queryBody, queryPath, type Made } from '../_setup/aggregator.ts'
import { temporaryDirectory } from '../plugins/_setup.ts'
import { parseEvents } from './event-stream.ts'

// Chunked queries by HTTP: what a client has while its answer goes on, and who learns that it will not be whole.

const frame = Buffer.from('{"data":{"values":[[1]]}}')
const line = (frameId: string): string =>
  `{"refId":"A","frameId":"${frameId}","frame":{"data":{"values":[[1]]}},"status":200}`
const chunk = (frameId: string) => ({ refId: 'A', frameId, frame, format: 'json' as const, status: 200 })

const serve = async (t: Parameters<typeof listen>[0], made: Made): Promise<string> =>
  `${await listen(t, createServer(express().use(await makeAggregator(t, made))))}${queryPath}`

/** Reads on until there is a text of that ending; all that was read since the last time is given. */
const textOf = ({ body }: Response): ((ending: string) => Promise<string>) => {
  const reader = body?.pipeThrough(new TextDecoderStream()).getReader()
  return async (ending) => {
    let text = ''
    while (!text.endsWith(ending)) {
      const step = await reader?.read()
      if (step?.done !== false) throw new Error(`the answer ended with "${text}"`)
      text += step.value
    }
    return text
  }
}

for (const [accept, before, after] of [
  ['text/event-stream', 'data: ', '\n\n'],
  ['application/jsonl', '', '\n'],
] as const) {
  test(`hands each chunk on before there is the next, as ${accept}`, async (t) => {
    let open = (): void => undefined
    const url = await serve(t, {
      plugin: {
        queryChunkedData: async function* () {
          for (const frameId of ['x', 'y', 'z']) {
            yield chunk(frameId)
            await new Promise<void>((resolve) => (open = resolve))
          }
        },
      },
    })
    const response = await post(url, queryBody, { accept })
    t.is(response.status, 200)
    t.is(response.headers.get('content-type'), accept)
    const read = textOf(response)
    for (const frameId of ['x', 'y', 'z']) {
      t.is(await read(after), `${before}${line(frameId)}${after}`)
      open()
    }
    await t.throwsAsync(read('more'), { message: 'the answer ended with ""' })
  })
}

test('tells the plugin at once that its client has left', async (t) => {
  const leave = new AbortController()
  let left: (signal: AbortSignal) => void
  const told = new Promise<AbortSignal>((resolve) => (left = resolve))
  const url = await serve(t, {
    plugin: {
      queryChunkedData: async function* (_request, { signal }: CallOptions) {
        yield chunk('x')
        await new Promise((resolve) => {
          signal.addEventListener('abort', resolve)
        })
        left(signal)
      },
    },
  })
  const response = await fetch(url, {
    method: 'POST',
    body: JSON.stringify(queryBody),
    headers: { accept: 'text/event-stream' },
    signal: leave.signal,
  })
  await textOf(response)('\n\n')
  leave.abort()
  t.true((await told).aborted)
})

test('takes no more of a plugin than its client takes', async (t) => {
  const most = 256
  const large = Buffer.from(`{"data":{"values":[["${'x'.repeat(256 * 1024)}"]]}}`)
  let given = 0
  let end: () => void
  const ended = new Promise<void>((resolve) => (end = resolve))
  const url = await serve(t, {
    limits: { stallMs: 300 },
    plugin: {
      queryChunkedData: function* () {
        try {
          for (; given < most; given += 1) yield { ...chunk('x'), frame: large }
        } finally {
          end()
        }
      },
    },
  })
  const client = request(url, { method: 'POST', headers: { accept: 'application/x-ndjson' } })
  t.teardown(() => client.destroy())
  // a response that nobody reads from
  client.on('response', (response) => response.pause()).on('error', () => undefined)
  client.end(JSON.stringify(queryBody))
  await ended
  t.true(given > 0 && given < most, String(given))
})

test('tells a client within the stream that its time is over, and the plugin too', async (t) => {
  let left: (signal: AbortSignal) => void
  const told = new Promise<AbortSignal>((resolve) => (left = resolve))
  const url = await serve(t, {
    limits: { longRunningTimeoutMs: 1500 },
    plugin: {
      queryChunkedData: async function* (_request, { signal }: CallOptions) {
        yield chunk('x')
        await new Promise((resolve) => {
          signal.addEventListener('abort', resolve)
        })
        left(signal)
      },
    },
  })
  const events = parseEvents(await (await post(url, queryBody, { accept: 'text/event-stream' })).text())
  t.deepEqual([events[0], events[1]?.type, events.length], [{ type: 'message', data: line('x') }, 'error', 2])
  const message = 'the request took longer than 1500 ms (option limits.longRunningTimeoutMs)'
  t.like(JSON.parse(events[1]?.data ?? ''), { kind: 'Status', code: 504, message })
  t.true((await told).aborted)
})

test('says in JSON what goes wrong before there is a chunk, whatever is accepted', async (t) => {
  const url = await serve(t, { plugin: {} })
  for (const [code, path, accept] of [
    [406, url, 'text/html, image/*;q=0.5'],
    [404, url.replace('h1/query', 'h2/query'), 'text/event-stream'],
    [400, url, 'text/event-stream'],
    [501, url, 'application/jsonl'],
  ] as const) {
    const uid = code === 404 ? 'h2' : 'h1'
    const queries = code === 400 ? [] : [{ refId: 'A', datasource: { type: 'hello', uid } }]
    const response = await post(path, { ...queryBody, queries }, { accept })
    t.is(response.headers.get('content-type'), 'application/json')
    t.like(await response.json(), { kind: 'Status', code })
    t.is(response.status, code)
  }
})

test('tells of the end of a process amid its chunks, and asks one without chunks for all', async (t) => {
  const directory = temporaryDirectory(t)
  await writeScriptedPlugin(directory, {
    id: 'hello',
    on: {
      queryChunkedData: [
        { answers: [chunk('x'), chunk('y')], then: { exit: 3 } },
        { answers: [chunk('x'), chunk('y')], then: { exit: 3 } },
        { answer: { status: 501 } },
      ],
      queryData: { answer: { responses: { A: { frames: [frame], format: 'json', status: 200 } } } },
    },
  })
  const plugins = pluginDirectory(directory, { startWaitMs: 20_000, backoff: { initialMs: 1, maxMs: 1 } })
  const isReadyAgain = (count: number): Promise<void> =>
    new Promise((resolve) => {
      const end = plugins.watch(({ to: { state, startCount } }) => {
        if (state !== 'ready' || startCount !== count) return
        end()
        resolve()
      })
    })
  const aggregator = dataPlaneAggregator({
    source: memorySource([manifest()]),
    plugins,
    contexts: staticContexts({ datasources: [{ uid: 'h1', type: 'hello' }] }),
  })
  t.teardown(() => aggregator.close())
  await aggregator.ready
  const url = `${await listen(t, createServer(express().use(aggregator)))}${queryPath}`
  const ask = async (accept: string): Promise<string> => (await post(url, queryBody, { accept })).text()

  const second = isReadyAgain(2)
  const [x, y, ...rest] = parseEvents(await ask('text/event-stream'))
  t.deepEqual(
    [x, y],
    [
      { type: 'message', data: line('x') },
      { type: 'message', data: line('y') },
    ],
  )
  t.deepEqual(
    rest.map(({ type }) => type),
    ['error'],
  )
  t.like(JSON.parse(rest[0]?.data ?? ''), { kind: 'Status', code: 503, details: { retryAfterSeconds: 1 } })

  await second
  const third = isReadyAgain(3)
  const lines = (await ask('text/jsonl')).split('\n')
  t.deepEqual([lines.length, lines[0], lines[1], lines[3]], [4, line('x'), line('y'), ''])
  t.like(JSON.parse(lines[2] ?? ''), { kind: 'Status', code: 503 })

  await third
  t.is(await ask('application/x-ndjson'), `${line('0')}\n`)
})

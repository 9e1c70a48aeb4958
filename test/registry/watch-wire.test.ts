import { once } from 'node:events'
import { get, type IncomingMessage } from 'node:http'

import test from 'ava'

import { createManualClock } from '../plugins/_setup.ts'
import { brief, createObjects, parse } from './_reads.ts'
import { serve } from './_served.ts'

/** The lines of an answer, in short, one for each `next`. */
const linesOf = (response: Response): (() => Promise<string>) => {
  const reader = (response.body ?? new ReadableStream<Uint8Array>()).pipeThrough(new TextDecoderStream()).getReader()
  let text = ''
  return async () => {
    for (;;) {
      const end = text.indexOf('\n')
      if (end !== -1) {
        const line = text.slice(0, end)
        text = text.slice(end + 1)
        return brief(parse(line))
      }
      const { done, value } = await reader.read()
      if (done) return text === '' ? 'end' : `a broken line: ${text}`
      text += value
    }
  }
}

test('follows a list over the wire, and goes on from the last version', async (t) => {
  const objects = createObjects()
  objects.put('a')
  objects.put('b')
  const { url } = await serve(t, objects)
  const list = parse(await (await fetch(url)).text())
  const leaving = new AbortController()
  const response = await fetch(`${url}?watch=true&resourceVersion=${String(list.metadata?.resourceVersion)}`, {
    signal: leaving.signal,
  })
  t.is(response.status, 200)
  t.is(response.headers.get('content-type'), 'application/json')
  t.is(response.headers.get('transfer-encoding'), 'chunked')
  const next = linesOf(response)
  objects.put('c')
  t.is(await next(), 'ADDED c@3')
  objects.remove('a')
  t.is(await next(), 'DELETED a@4')
  leaving.abort()
  objects.put('d')
  const again = linesOf(await fetch(`${url}?watch=1&resourceVersion=4`))
  t.is(await again(), 'ADDED d@5')
})

test('answers a HEAD for a list, an object and a watch with nothing but the head', async (t) => {
  const objects = createObjects()
  objects.put('a')
  const { url } = await serve(t, objects)
  for (const path of ['', '/a', '/a/status', '?watch=1', '?limit=1']) {
    const response = await fetch(url + path, { method: 'HEAD' })
    t.is(response.status, 200)
    t.is(response.headers.get('content-type'), 'application/json')
    t.is(await response.text(), '')
  }
})

test('ends a watch in order when its time is over, and when the server shuts down', async (t) => {
  const { clock, advance } = createManualClock()
  const objects = createObjects()
  const { url, drain } = await serve(t, objects, { clock })
  const timed = linesOf(await fetch(`${url}?watch=1&timeoutSeconds=30`))
  const other = linesOf(await fetch(`${url}?watch=1`))
  objects.put('a')
  t.is(await timed(), 'ADDED a@1')
  await advance(30_000)
  t.is(await timed(), 'end')
  t.is(await other(), 'ADDED a@1')
  await drain(60_000)
  t.is(await other(), 'end')
})

test('tells a reader that was too slow, once it reads again, to list again', async (t) => {
  const objects = createObjects({ historyLimit: 100 })
  objects.put('a')
  const { url } = await serve(t, objects)
  const request = get(`${url}?watch=1&resourceVersion=1`)
  const [response] = (await once(request, 'response')) as [IncomingMessage]
  const spec = 'x'.repeat(100_000)
  // what the sockets on both sides take is a few MiB
  for (let i = 0; i < 400; i++) {
    objects.put('a', { i: String(i) }, { spec })
    if (i % 20 === 0) await new Promise(setImmediate)
  }
  const chunks: Buffer[] = []
  for await (const chunk of response) chunks.push(chunk as Buffer)
  const lines = Buffer.concat(chunks).toString().trimEnd().split('\n')
  t.true(lines.length < 400)
  t.is(brief(parse(lines.at(-1) ?? '')), 'ERROR 410')
  t.true(response.complete)
})

test('sends many objects as they are taken', async (t) => {
  const objects = createObjects()
  for (let i = 0; i < 5000; i++) objects.put(`o${String(i)}`)
  const { url } = await serve(t, objects)
  const next = linesOf(
    await fetch(`${url}?watch=1&allowWatchBookmarks=1&sendInitialEvents=1&resourceVersionMatch=NotOlderThan`),
  )
  let count = 0
  while ((await next()).startsWith('ADDED')) count++
  t.is(count, 5000)
  const list = parse(await (await fetch(url)).text())
  t.is(list.items?.length, 5000)
})

test('tells everybody who watches of each change', async (t) => {
  const objects = createObjects()
  const { url } = await serve(t, objects)
  const all = await Promise.all(Array.from({ length: 50 }, async () => linesOf(await fetch(`${url}?watch=1`))))
  objects.put('a')
  objects.put('a', { b: 'c' })
  for (const next of all) t.deepEqual([await next(), await next()], ['ADDED a@1', 'MODIFIED a@2'])
})

// Many watchers of many changes, over real connections, as informers are: each sees every change, in order, whatever happens to others.
import { Agent, get, request, type IncomingMessage } from 'node:http'
import { once } from 'node:events'
import { createInterface } from 'node:readline'

import test from 'ava'

import { collection, manifest, startHost } from './_kubectl.ts'

const watcherCount = 100
const writeCount = 1000

const ask = async (url: string, agent: Agent, method: string, path: string, body: string): Promise<string> => {
  const sent = request(`${url}${collection}${path}`, {
    method,
    agent,
    headers: { 'content-type': method === 'PATCH' ? 'application/merge-patch+json' : 'application/json' },
  })
  sent.end(body)
  const [response] = (await once(sent, 'response')) as [IncomingMessage]
  let text = ''
  for await (const chunk of response.setEncoding('utf8')) text += String(chunk)
  if ((response.statusCode ?? 500) >= 300) throw new Error(`${method} ${path}: ${text}`)
  return text
}

const revisionOf = (text: string): number => Number(/"resourceVersion":"(\d+)"/.exec(text)?.[1])

const connect = async (url: string, agent: Agent, since: number): Promise<IncomingMessage> => {
  const sent = get(`${url}${collection}?watch=true&resourceVersion=${String(since)}`, { agent })
  const [response] = (await once(sent, 'response')) as [IncomingMessage]
  if (response.statusCode !== 200) throw new Error(`a watch was answered with ${String(response.statusCode)}`)
  // a watcher that leaves makes its own answer fail
  response.on('error', () => undefined)
  return response
}

/** Sees changes until the last one. It comes again where it stopped: when it is cut off, and after every `leavesAfter`. */
const watch = async (
  url: string,
  agent: Agent,
  begin: number,
  leavesAfter = Infinity,
): Promise<ReadonlyArray<number>> => {
  const seen: number[] = []
  for (let isOver = false; !isOver;) {
    const response = await connect(url, agent, seen.at(-1) ?? begin)
    const stop = seen.length + leavesAfter
    for await (const line of createInterface({ input: response })) {
      if (line.startsWith('{"type":"ERROR"')) throw new Error(line)
      seen.push(revisionOf(line))
      isOver = line.includes('"last":"yes"')
      if (isOver || seen.length >= stop) break
    }
    response.destroy()
  }
  return seen
}

test('shows every change to every watcher, in order, while one of them stalls and one comes and goes', async (t) => {
  t.timeout(120_000)
  const { url } = await startHost(t)
  const agent = new Agent({ keepAlive: true, maxSockets: 1000 })
  t.teardown(() => {
    agent.destroy()
  })
  const names = Array.from({ length: 10 }, (_, index) => `stormy-${String(index)}`)
  for (const name of names) await ask(url, agent, 'POST', '', manifest(name))
  const list = JSON.parse(await ask(url, agent, 'GET', '', '')) as { readonly metadata: { resourceVersion: string } }
  const begin = Number(list.metadata.resourceVersion)

  const stalled = await connect(url, agent, begin)
  stalled.pause()
  const watchers = Array.from({ length: watcherCount }, () => watch(url, agent, begin))
  const restless = watch(url, agent, begin, 50)

  const written: number[] = []
  const write = async (name: string): Promise<void> => {
    for (let count = 0; count < writeCount / names.length; count++) {
      const change = { metadata: { annotations: { count: String(count), filler: 'x'.repeat(500) } } }
      written.push(revisionOf(await ask(url, agent, 'PATCH', `/${name}`, JSON.stringify(change))))
    }
  }
  await Promise.all(names.map(write))
  await ask(url, agent, 'PATCH', '/stormy-0', '{"metadata":{"labels":{"last":"yes"}}}')

  const all = await Promise.all(watchers)
  const [first = []] = all
  t.deepEqual(
    first,
    [...first].sort((one, other) => one - other),
  )
  const seen = new Set(first)
  t.deepEqual([written.filter((revision) => !seen.has(revision)), seen.size], [[], first.length])
  for (const other of all) t.deepEqual(other, first)
  t.deepEqual(await restless, first)
  stalled.destroy()
})

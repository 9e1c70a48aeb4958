import { once } from 'node:events'
import { connect, type Socket } from 'node:net'

import type { ExecutionContext } from 'ava'
import express from 'express'
import { WebSocket } from 'ws'

import { createServer, type DataPlaneAggregator, type UpgradeOptions } from '../../src/index.ts'
import { base, listen, makeAggregator, manifest, type Made } from '../_setup/aggregator.ts'

export const streamPath = `${base}/namespaces/default/datasources/h1/stream`

type Plugin = NonNullable<Made['plugin']>

/** A promise, and what resolves it. */
export const gate = (): { readonly open: () => void; readonly opened: Promise<void> } => {
  let open = (): void => undefined
  const opened = new Promise<void>((resolve) => (open = resolve))
  return { open: () => open(), opened }
}

const untilAborted = (signal: AbortSignal): Promise<void> =>
  new Promise((resolve) => {
    if (signal.aborted) resolve()
    signal.addEventListener('abort', () => resolve())
  })

/** Streams by path: `three` has three messages and an end, `endless` one and no end, `flood` as many as anybody takes. */
export const streaming: Plugin = {
  subscribeStream: ({ path }) =>
    path === 'secret' ? { status: 'PERMISSION_DENIED' } : { status: 'OK', data: Buffer.from('{"first":true}') },
  runStream: async function* ({ path }, { signal }) {
    if (path === 'broken') throw Object.assign(new Error(`no ${'ü'.repeat(100)}`), { _tag: 'NotFound' })
    if (path === 'three') for (const n of [1, 2, 3]) yield { data: Buffer.from(`{"n":${String(n)}}`) }
    else if (path === 'flood') {
      const data = Buffer.from(JSON.stringify('x'.repeat(100_000)))
      for (;;) yield await Promise.resolve({ data })
    } else {
      yield { data: Buffer.from('{"n":1}') }
      await untilAborted(signal)
    }
  },
}

export interface Host {
  readonly aggregator: DataPlaneAggregator
  readonly url: URL
  readonly detach: () => void
}

/** An aggregator whose server takes WebSockets of anybody with `x-user`. */
export const serve = async (t: ExecutionContext, made: Made = {}, options: UpgradeOptions = {}): Promise<Host> => {
  const aggregator = await makeAggregator(t, {
    plugin: streaming,
    manifests: [manifest([{ type: 'stream' }, { type: 'query' }])],
    ...made,
  })
  const server = createServer(express().use(aggregator))
  const detach = aggregator.upgrade(server, {
    authenticate: ({ headers }) => (headers['x-user'] === undefined ? undefined : { name: String(headers['x-user']) }),
    ...options,
  })
  return { aggregator, url: new URL(await listen(t, server)), detach }
}

export interface Said {
  readonly code: number
  readonly reason: string
}

/** A client and all that it was told. */
export interface Reader {
  readonly socket: WebSocket
  readonly messages: ReadonlyArray<string>
  /** Resolves with the message of this number, from 0. */
  readonly message: (index: number) => Promise<string>
  readonly closed: Promise<Said>
}

export const watch = (t: ExecutionContext, socket: WebSocket): Reader => {
  const messages: string[] = []
  const looks = new Set<() => void>()
  t.teardown(() => socket.terminate())
  socket.on('error', () => undefined)
  socket.on('message', (data, isBinary) => {
    messages.push(isBinary ? 'binary' : (data as Buffer).toString())
    for (const look of looks) look()
  })
  return {
    socket,
    messages,
    message: (index) =>
      new Promise((resolve) => {
        const look = (): void => {
          const message = messages[index]
          if (message !== undefined) resolve(message)
        }
        looks.add(look)
        look()
      }),
    closed: new Promise((resolve) => {
      socket.on('close', (code, reason) => resolve({ code, reason: reason.toString() }))
    }),
  }
}

/** Asks for a stream as user `joe`. */
export const ask = (t: ExecutionContext, { url }: Pick<Host, 'url'>, path: string, headers = {}): Reader =>
  watch(t, new WebSocket(`ws://${url.host}${streamPath}/${path}`, { headers: { 'x-user': 'joe', ...headers } }))

/** Head of a handshake; a header given as `undefined` is left out. */
export const head = (path: string, headers: Record<string, string | undefined> = {}, method = 'GET'): string => {
  const all = {
    host: 'x',
    connection: 'upgrade',
    upgrade: 'websocket',
    'sec-websocket-version': '13',
    'sec-websocket-key': 'dGhlIHNhbXBsZSBub25jZQ==',
    'x-user': 'joe',
    ...headers,
  }
  const lines = Object.entries(all).flatMap(([name, value]) => (value === undefined ? [] : [`${name}: ${value}`]))
  return [`${method} ${path} HTTP/1.1`, ...lines, '', ''].join('\r\n')
}

/** A connection that says `text` and nothing more; `all` is what came until its end. */
export const say = async (
  t: ExecutionContext,
  url: URL,
  text: string | Uint8Array,
): Promise<{ readonly socket: Socket; readonly all: Promise<string> }> => {
  const socket = connect({ port: Number(url.port), host: url.hostname })
  t.teardown(() => socket.destroy())
  socket.on('error', () => undefined)
  let said = ''
  socket.on('data', (chunk) => (said += chunk.toString('latin1')))
  const all = new Promise<string>((resolve) => {
    socket.on('close', () => resolve(said))
  })
  await once(socket, 'connect')
  socket.write(text)
  return { socket, all }
}

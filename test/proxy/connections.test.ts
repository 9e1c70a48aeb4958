import { execFileSync, spawn } from 'node:child_process'
import { getEventListeners, once } from 'node:events'
import { mkdirSync, writeFileSync } from 'node:fs'
import type { ServerResponse } from 'node:http'
import { connect, createServer, type AddressInfo, type Socket } from 'node:net'
import { join } from 'node:path'

import test from 'ava'

import { E } from '../../src/fp.ts'
import { temporaryDirectory } from '../plugins/_setup.ts'
import {
  bodyOf,
  leftOf,
  makeForwarder,
  readAll,
  rightOf,
  send,
  serve,
  serveRaw,
  signalOf,
  source,
  textOf,
  transport,
} from './_setup.ts'

const ok = 'HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok'

/** A new pool for the same datasource, as after a change of its settings. */
const changed = { transport: { pool: { ...transport.pool, settings: '2' } } }
const other = { transport: { pool: { owner: 'default/loki/l1', settings: '1' } } }

test('keeps one connection for requests that follow each other', async (t) => {
  const upstream = await serve(t, (_request, response) => response.end('ok'))
  const forwarder = makeForwarder(t)
  for (let count = 0; count < 5; count += 1) t.is(await textOf(t, await send(forwarder, upstream.url)), 'ok')
  t.is(upstream.accepted(), 1)
  // not of another datasource's, though it goes to the same server
  t.is(await textOf(t, await send(forwarder, upstream.url, other)), 'ok')
  t.is(upstream.accepted(), 2)
})

test('keeps no connection where none is to be kept', async (t) => {
  const upstream = await serve(t, ({ headers }, response) => response.end(headers.connection))
  t.is(await textOf(t, await send(makeForwarder(t), upstream.url, { transport: { maxIdle: 0 } })), 'close')
  await upstream.deserted()
})

test('closes a connection that nobody used for its time', async (t) => {
  const upstream = await serve(t, (_request, response) => response.end('ok'))
  t.is(await textOf(t, await send(makeForwarder(t), upstream.url, { transport: { idleTimeoutMs: 20 } })), 'ok')
  await upstream.deserted()
})

test('retires the pool of a datasource whose settings have changed: what runs ends, what waits is closed', async (t) => {
  const held = signalOf<ServerResponse>()
  const upstream = await serve(t, ({ url }, response) => {
    if (url === '/held') {
      response.write('begun, ')
      held.resolve(response)
    } else response.end('ok')
  })
  const forwarder = makeForwarder(t)
  const running = rightOf(t, await send(forwarder, `${upstream.url}/held`))
  t.is(await textOf(t, await send(forwarder, upstream.url)), 'ok')
  t.is(upstream.accepted(), 2)
  // at another address even: the old one will not be asked for again
  t.is(leftOf(t, await send(forwarder, 'http://localhost:1', changed))._tag, 'BadGateway')
  const rest = readAll(running.body)
  const response = await held.promise
  response.end('ended')
  t.deepEqual(await rest, { bytes: Buffer.from('begun, ended'), error: undefined })
  await upstream.deserted()
})

test('retires the pool that was not used for longest when there are more than allowed', async (t) => {
  const upstream = await serve(t, (_request, response) => response.end('ok'))
  const forwarder = makeForwarder(t, { maxPools: 1 })
  t.is(await textOf(t, await send(forwarder, upstream.url)), 'ok')
  t.is(leftOf(t, await send(forwarder, 'http://localhost:1', other))._tag, 'BadGateway')
  await upstream.deserted()
})

test('sends a request again, once, when the kept connection was closed meanwhile and it may be sent twice', async (t) => {
  let isTired = false
  const upstream = await serveRaw(t, (socket) => {
    let count = 0
    socket.on('data', () => {
      count += 1
      // a server that lets go of a connection just when it is used again
      if (count > 1 || isTired) socket.resetAndDestroy()
      else socket.write(ok)
    })
  })
  const forwarder = makeForwarder(t)
  const first = (): Promise<string> => send(forwarder, upstream.url).then((sent) => textOf(t, sent))
  // two are kept, and both are dead
  t.deepEqual(await Promise.all([first(), first()]), ['ok', 'ok'])
  for (const [method, body] of [
    ['GET', undefined],
    ['PUT', Buffer.from('x')],
    ['DELETE', undefined],
  ] as const) {
    const before = upstream.accepted()
    t.is(await textOf(t, await send(forwarder, upstream.url, { method, body })), 'ok', method)
    t.is(upstream.accepted(), before + 1)
  }
  const message = 'what stands behind this path closed the connection before it answered'
  // from here on there is one
  for (const [method, body] of [
    ['POST', Buffer.from('x')],
    ['PUT', bodyOf('x')],
    ['PATCH', undefined],
  ] as const) {
    const before = upstream.accepted()
    t.like(leftOf(t, await send(forwarder, upstream.url, { method, body })), { _tag: 'BadGateway', message }, method)
    t.is(upstream.accepted(), before)
    t.is(await first(), 'ok')
  }
  isTired = true
  const before = upstream.accepted()
  t.like(leftOf(t, await send(forwarder, upstream.url)), { _tag: 'BadGateway', message })
  t.is(upstream.accepted(), before + 1)
})

test('gives no answer to a request that it was not meant for (S9)', async (t) => {
  // more than one answer to a request, and a body for a HEAD, which might hold what looks like an answer
  const stray = 'HTTP/1.1 200 OK\r\ncontent-length: 6\r\n\r\nstolen'
  const sockets: Socket[] = []
  const upstream = await serveRaw(t, (socket) => {
    sockets.push(socket)
    socket.on('data', () => socket.write(sockets.length === 1 ? 'HTTP/1.1 200 OK\r\ncontent-length: 50\r\n\r\n' : ok))
  })
  const forwarder = makeForwarder(t)
  rightOf(t, await send(forwarder, upstream.url, { method: 'HEAD' }))
  const closed = signalOf()
  sockets[0]?.once('close', () => closed.resolve())
  sockets[0]?.write(stray)
  await closed.promise
  t.is(await textOf(t, await send(forwarder, upstream.url)), 'ok')
  t.is(upstream.accepted(), 2)
})

test('never mixes what ten users ask for at once over one pool (S9)', async (t) => {
  const upstream = await serve(t, (request, response) => {
    const chunks: Buffer[] = []
    request.on('data', (chunk: Buffer) => chunks.push(chunk))
    request.on('end', () => {
      const answer = `${request.headers.authorization ?? ''} ${request.url ?? ''} ${Buffer.concat(chunks).toString()}`
      setImmediate(() => response.end(answer))
    })
  })
  const forwarder = makeForwarder(t)
  const user = async (name: string): Promise<void> => {
    for (let count = 0; count < 40; count += 1) {
      const path = `/${name}/${String(count)}`
      const sent = await send(forwarder, `${upstream.url}${path}`, {
        method: 'POST',
        headers: { authorization: name },
        body: count % 2 === 0 ? Buffer.from(name) : bodyOf(name),
      })
      t.is(await textOf(t, sent), `${name} ${path} ${name}`)
    }
  }
  await Promise.all(Array.from({ length: 10 }, (_, index) => user(`user${String(index)}`)))
  t.true(upstream.accepted() <= 10)
})

test('closes the connection when the client leaves: before the head, within the body, and unread', async (t) => {
  const asked: Array<() => void> = []
  const upstream = await serve(t, ({ url }, response) => {
    if (url === '/body') response.write('x'.repeat(100))
    asked.shift()?.()
  })
  const forwarder = makeForwarder(t)
  const early = new AbortController()
  const begun = signalOf()
  asked.push(() => begun.resolve())
  const waiting = send(forwarder, upstream.url, { signal: early.signal })
  await begun.promise
  early.abort()
  t.deepEqual(leftOf(t, await waiting), { _tag: 'Cancelled' })
  await upstream.deserted()

  const later = new AbortController()
  const { body } = rightOf(t, await send(forwarder, `${upstream.url}/body`, { signal: later.signal }))
  const iterator = body[Symbol.asyncIterator]()
  await iterator.next()
  const next = iterator.next()
  later.abort()
  t.deepEqual(await next, { done: false, value: E.left({ _tag: 'Cancelled' }) })
  t.deepEqual(await iterator.next(), { done: true, value: undefined })
  await upstream.deserted()

  const unread = new AbortController()
  rightOf(t, await send(forwarder, `${upstream.url}/body`, { signal: unread.signal }))
  unread.abort()
  await upstream.deserted()

  const unbegun = rightOf(t, await send(forwarder, `${upstream.url}/body`)).body[Symbol.asyncIterator]()
  t.deepEqual(await unbegun.return?.(), { done: true, value: undefined })
  await upstream.deserted()

  for await (const chunk of rightOf(t, await send(forwarder, `${upstream.url}/body`)).body) {
    t.true(E.isRight(chunk))
    break
  }
  await upstream.deserted()
  const gone = AbortSignal.abort()
  t.deepEqual(leftOf(t, await send(forwarder, upstream.url, { signal: gone })), { _tag: 'Cancelled' })
})

test('leaves nothing behind after a thousand clients that left (S24)', async (t) => {
  const upstream = await serve(t, (request, response) => {
    request.resume()
    if (request.url === '/1') response.write('x')
  })
  const forwarder = makeForwarder(t)
  const signals: AbortSignal[] = []
  const leave = async (index: number): Promise<void> => {
    const client = new AbortController()
    signals.push(client.signal)
    const path = `/${String(index % 2)}`
    const body = index % 3 === 0 ? source(() => new Promise(() => undefined)) : undefined
    const method = body === undefined ? 'GET' : 'POST'
    const sent = send(forwarder, `${upstream.url}${path}`, { method, body: body?.stream, signal: client.signal })
    // at once, when the request is made, when it may be on its way, when there is an answer
    if (index % 4 === 1) await Promise.resolve()
    if (index % 4 === 2) await new Promise((resolve) => setImmediate(resolve))
    if (index % 4 === 3) await sent
    client.abort()
    await sent
  }
  for (let round = 0; round < 20; round += 1) await Promise.all(Array.from({ length: 50 }, (_, index) => leave(index)))
  await upstream.deserted()
  t.deepEqual([...new Set(signals.map((signal) => getEventListeners(signal, 'abort').length))], [0])
  await forwarder.close()
})

test('closes everything: what runs is told, what comes is refused, no connection is left', async (t) => {
  const asked = signalOf()
  const upstream = await serve(t, ({ url }, response) => {
    if (url === '/') response.end('ok')
    else if (url === '/body') response.write('begun')
    else asked.resolve()
  })
  const forwarder = makeForwarder(t)
  const answer = rightOf(t, await send(forwarder, `${upstream.url}/body`))
  const hanging = send(forwarder, `${upstream.url}/hang`)
  t.is(await textOf(t, await send(forwarder, upstream.url)), 'ok')
  await asked.promise
  const closed = Promise.all([forwarder.close(), forwarder.close()])
  t.like(leftOf(t, await hanging), { _tag: 'PluginUnavailable', message: 'the server is shutting down' })
  t.like((await readAll(answer.body)).error, {
    _tag: 'BadGateway',
    message: 'what stands behind this path broke off its answer',
  })
  await closed
  await upstream.deserted()
  t.like(leftOf(t, await send(forwarder, upstream.url)), { _tag: 'PluginUnavailable' })
  t.is(upstream.accepted(), 3)
})

const nginx = ((): string | undefined => {
  try {
    // Debian keeps it where only root looks
    const path = `${process.env['PATH'] ?? ''}:/usr/sbin:/sbin`
    return execFileSync('sh', ['-c', 'command -v nginx'], { env: { PATH: path }, stdio: ['ignore', 'pipe', 'ignore'] })
      .toString()
      .trim()
  } catch {
    return undefined
  }
})()

const withNginx = nginx === undefined ? test.skip : test

withNginx('gets along with nginx: bodies refused early, connections that it closes, compression', async (t) => {
  const directory = temporaryDirectory(t)
  mkdirSync(join(directory, 'tmp'))
  // nginx cannot choose one itself
  const free = createServer().listen(0, '127.0.0.1')
  await once(free, 'listening')
  const { port } = free.address() as AddressInfo
  free.close()
  await once(free, 'close')
  const paths = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map(
    (name) => `${name}_temp_path ${directory}/tmp/${name};`,
  )
  const config = join(directory, 'nginx.conf')
  writeFileSync(
    config,
    `daemon off; pid ${directory}/pid; error_log ${directory}/error.log; events {}
     http { access_log off; ${paths.join(' ')} client_max_body_size 1k; keepalive_requests 2; gzip on; gzip_min_length 1; gzip_types text/plain;
     server { listen 127.0.0.1:${String(port)}; default_type text/plain; location / { return 200 "hello\\n"; } } }`,
  )
  const child = spawn(nginx ?? '', ['-p', directory, '-c', config, '-e', join(directory, 'error.log')], {
    stdio: 'ignore',
  })
  const exited = once(child, 'exit')
  t.teardown(async () => {
    child.kill('SIGTERM')
    await exited
  })
  const listens = (): Promise<boolean> =>
    new Promise((resolve) => {
      const socket = connect(port, '127.0.0.1', () => {
        socket.destroy()
        resolve(true)
      })
      socket.on('error', () => {
        resolve(false)
      })
    })
  while (child.exitCode === null && !(await listens())) await new Promise((resolve) => setImmediate(resolve))
  const url = `http://127.0.0.1:${String(port)}/`
  const forwarder = makeForwarder(t)
  for (let count = 0; count < 7; count += 1) t.is(await textOf(t, await send(forwarder, url)), 'hello\n')
  const zipped = rightOf(t, await send(forwarder, url, { headers: { 'accept-encoding': 'gzip' } }))
  t.is(zipped.headers['content-encoding'], 'gzip')
  t.is((await readAll(zipped.body)).bytes[0], 0x1f)
  const large = await send(forwarder, url, { method: 'POST', body: Buffer.alloc(100_000) })
  t.is(rightOf(t, large).status, 413)
  await readAll(rightOf(t, large).body)
})

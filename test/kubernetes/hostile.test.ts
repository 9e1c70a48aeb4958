import { once } from 'node:events'
import { unlinkSync, writeFileSync } from 'node:fs'
import { createServer, type Socket } from 'node:net'
import { join } from 'node:path'

import test from 'ava'

import { parseLease } from '../../src/api/lease.ts'
import { systemClock } from '../../src/clock.ts'
import { E } from '../../src/fp.ts'
import { toApiServer } from '../../src/kubernetes/api-server.ts'
import { toFailure } from '../../src/kubernetes/call.ts'
import { parseEvent } from '../../src/kubernetes/events.ts'
import { createFileText } from '../../src/kubernetes/file-text.ts'
import { isOlder } from '../../src/kubernetes/known.ts'
import { createLogin } from '../../src/kubernetes/login.ts'
import { silentLogger } from '../../src/logger.ts'
import { createManualClock, settle, temporaryDirectory } from '../plugins/_setup.ts'
import { follow } from './_following.ts'
import { bookmark, dps, event, failure, listOf, scriptedApiserver, type Asked } from './_scripted-apiserver.ts'
import { get, plainTransport, serveTcp, textOf } from './_serve.ts'

const added = (name: string, resourceVersion: number) => event('ADDED', dps(name, resourceVersion))

/** Follows up to where `a` at 5 was told of, and the watch goes on. */
const followed = async (t: Parameters<typeof follow>[0]) => {
  const apiserver = await scriptedApiserver(t)
  const all = follow(t, apiserver.url)
  const watch = await apiserver.next()
  watch.send(added('a', 5), bookmark(7, true))
  t.is(await all.told.next(), 'a@5')
  const heardAt = async (ms: number): Promise<void> => {
    while (all.told.heard() !== ms) await new Promise((resolve) => setImmediate(resolve))
  }
  return { apiserver, watch, heardAt, ...all }
}

test('reads on after an object whose kind is as deep as a well, and logs none of what is huge', async (t) => {
  const { watch, told, logger, apiserver } = await followed(t)
  const deep = `${'['.repeat(50_000)}${']'.repeat(50_000)}`
  const withKind = (kind: string): string =>
    `{"type":"ADDED","object":{"kind":${kind},"metadata":{"name":"z","resourceVersion":"8"}}}\n`
  watch.send(withKind(deep), withKind(JSON.stringify('K'.repeat(100_000))), added('b', 9))
  t.is(await told.next(), 'b@9')
  t.is(apiserver.requests.length, 1)
  t.true(JSON.stringify(logger.lines).length < 1000)
})

test('takes no resourceVersion for a number that would take minutes to read', (t) => {
  t.true(isOlder('1', '9'.repeat(40)))
  t.false(isOlder('1', '9'.repeat(41)))
})

test('waits for the words of a refusal for some seconds only, and keeps asking as before', async (t) => {
  const sockets: Array<Socket> = []
  const served = await serveTcp(t, (socket) => {
    sockets.push(socket)
    socket.once('data', () => {
      socket.write('HTTP/1.1 403 Forbidden\r\ncontent-length: 100\r\n\r\n{"kind":')
    })
  })
  const { told, advance, logger, timers } = follow(t, `http://127.0.0.1:${String(served.port)}`)
  let isTold = false
  const first = told.next().then((line) => {
    isTold = true
    return line
  })
  // the watchdog and the limit of the refusal
  while (timers.size < 2 || sockets.length === 0) await settle()
  await advance(4999)
  t.false(isTold)
  await advance(1)
  t.is(await first, 'failed: 403')
  // nobody concludes of it that the apiserver cannot begin a watch with all objects
  t.deepEqual(logger.lines, [])
})

test('does not ask for everything time and again where history is lost at once', async (t) => {
  const { apiserver, watch, told, advance } = await followed(t)
  watch.send(bookmark(8), failure(410, 'Expired'))
  const again = await apiserver.next()
  again.send(added('a', 5), bookmark(9, true), added('b', 10))
  t.is(await told.next(), 'b@10')
  again.send(bookmark(11), failure(410, 'Expired'))
  t.is(await told.next(), 'failed: 410 Expired')
  await advance(799)
  t.is(apiserver.requests.length, 2)
  await advance(1)
  t.is((await apiserver.next()).query.sendInitialEvents, 'true')
})

test('does not open one watch after the other where each brings a little and ends', async (t) => {
  const { apiserver, told, ...first } = await followed(t)
  let watch: Asked = first.watch
  for (let version = 10; told.all.at(-1) !== 'failed: Unreachable' && version < 40; version++) {
    watch.send(bookmark(version))
    watch.end()
    const next = await Promise.race([apiserver.next(), told.next()])
    if (typeof next !== 'string') watch = next
  }
  t.is(told.all.at(-1), 'failed: Unreachable')
  t.is(apiserver.requests.length, 6)
})

test('asks a quiet collection for the present, and for everything less and less often', async (t) => {
  const { apiserver, heardAt, advance, told, ...first } = await followed(t)
  let watch: Asked = first.watch
  let nowMs = 1_000_000
  const asked: Array<string> = []
  while (nowMs < 1_000_000 + 60 * 60_000) {
    await advance(120_000)
    nowMs += 120_000
    watch.end()
    const next = await apiserver.next()
    asked.push(next.isWatch ? 'everything' : `present, ${String(next.query.limit)}`)
    if (next.isWatch) {
      next.send(added('a', 5), bookmark(7, true))
      watch = next
    } else {
      next.answer(200, listOf(7, [dps('a', 5)], 'more'))
      watch = await apiserver.next()
      t.is(watch.query.resourceVersion, '7')
      watch.begin()
    }
    await heardAt(nowMs)
  }
  const everything = asked.flatMap((what, at) => (what === 'everything' ? [at + 1] : []))
  t.deepEqual(everything, [1, 3, 7, 15, 23])
  t.true(asked.every((what) => what === 'everything' || what === 'present, 1'))
  t.deepEqual(told.all, ['a@5'])
})

test('believes no bookmark that only repeats what the watch was asked with', async (t) => {
  const { apiserver, watch, advance, heardAt, told } = await followed(t)
  for (const passedMs of [60_000, 120_000]) {
    await advance(60_000)
    watch.send(bookmark(7))
    await heardAt(1_000_000 + passedMs)
  }
  watch.end()
  const probe = await apiserver.next()
  t.deepEqual(probe.query, { limit: '1' })
  // of a store that was restored
  probe.answer(200, listOf(3, []))
  const again = await apiserver.next()
  t.is(again.query.sendInitialEvents, 'true')
  again.send(added('b', 2), bookmark(3, true))
  t.is(await told.next(), '-a b@2')
})

test('tells of no failure where it may watch a quiet collection, and not list it', async (t) => {
  const { apiserver, watch, advance, heardAt, told } = await followed(t)
  await advance(100_000)
  watch.send(bookmark(7))
  await heardAt(1_100_000)
  await advance(20_000)
  watch.end()
  ;(await apiserver.next()).answer(403, '')
  const again = await apiserver.next()
  t.is(again.query.sendInitialEvents, 'true')
  again.send(added('b', 8), bookmark(8, true))
  t.is(await told.next(), '-a b@8')
})

test('takes nothing that comes unasked on a kept connection for an answer', async (t) => {
  const sockets: Socket[] = []
  const served = await serveTcp(t, (socket) => {
    sockets.push(socket)
    socket.on('data', () => socket.write('HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok'))
  })
  const transport = plainTransport(t, served)
  const ask = async () => {
    const answer = await transport.open(get())()
    if (E.isLeft(answer)) throw new Error(JSON.stringify(answer.left))
    return `${String(answer.right.status)} ${await textOf(answer.right.body)}`
  }
  t.is(await ask(), '200 ok')
  const [kept] = sockets
  if (kept === undefined) throw new Error('expected a connection')
  await settle()
  const dropped = once(kept, 'close')
  kept.write('HTTP/1.1 408 Request Timeout\r\ncontent-length: 4\r\n\r\nlate')
  await dropped
  t.is(await ask(), '200 ok')
  t.is(sockets.length, 2)
})

test('shows no login to a proxy', (t) => {
  for (const options of [{ token: 'secret' }, { headers: { authorization: 'secret' } }]) {
    const error = t.throws(() => toApiServer('http://localhost:1', { ...options, proxyUrl: 'http://10.0.0.1:3128' }))
    t.regex(error?.message ?? '', /^option proxyUrl: expected none beside /)
    t.notRegex(error?.message ?? '', /secret/)
  }
  t.notThrows(() => toApiServer('http://localhost:1', { proxyUrl: 'http://10.0.0.1:3128' }))
})

test('keeps what an apiserver says of a failure short', (t) => {
  const long = 'x'.repeat(1_000_000)
  const said = { kind: 'Status', reason: long, message: long, code: 500 }
  const refusal = toFailure(500, {}, JSON.stringify(said))
  const told = parseEvent(JSON.stringify({ type: 'ERROR', object: said }), undefined)
  for (const one of [refusal, told]) t.true(JSON.stringify(one).length < 2000)
})

test('takes no Lease without a resourceVersion: a PUT of it would overwrite any', (t) => {
  t.true(E.isLeft(parseLease({ metadata: { resourceVersion: '' }, spec: {} })))
  t.true(E.isRight(parseLease({ metadata: { resourceVersion: '1' }, spec: {} })))
})

test('reads a file of credentials again though the clock was set back, and serves on when it is gone', async (t) => {
  const path = join(temporaryDirectory(t), 'token')
  let nowMs = 1e9
  const file = createFileText(path, { ...systemClock, now: () => nowMs }, silentLogger)
  writeFileSync(path, 'a')
  t.deepEqual(await file.read(), E.right('a'))
  writeFileSync(path, 'b')
  t.deepEqual(await file.read(), E.right('a'))
  nowMs -= 3_600_000
  t.deepEqual(await file.read(), E.right('b'))
  unlinkSync(path)
  file.forget()
  t.deepEqual(await file.read(), E.right('b'))
})

const credential = (status: object): string =>
  JSON.stringify({ apiVersion: 'client.authentication.k8s.io/v1', kind: 'ExecCredential', status })

for (const [title, script, expected] of [
  [
    'prints a header within its token',
    `printf '%s' '${credential({ token: 'a\r\nX-Evil: 1' })}'`,
    /no header can carry/,
  ],
  ['floods', 'yes secret', /printed more than 1048576 bytes/],
  ['leaves a child that holds its pipe', `sleep 600 & printf '%s' '${credential({ token: 'a' })}'`, undefined],
  [
    'gives what has expired',
    `printf '%s' '${credential({ token: 'a', expirationTimestamp: '2001-01-01T00:00:00Z' })}'`,
    undefined,
  ],
  ['fails, with a secret on its lips', 'echo secret; echo secret >&2; exit 3', /ended with code 3/],
] as const) {
  test(`runs a command of exec that ${title}`, async (t) => {
    const plugin = {
      apiVersion: 'client.authentication.k8s.io/v1',
      command: 'sh',
      args: ['-c', script],
      env: {},
      installHint: '',
      cluster: undefined,
    }
    const login = createLogin({ _tag: 'Exec', plugin }, createManualClock().clock, silentLogger)
    t.teardown(() => login.close())
    const given = await login.current()
    if (expected === undefined) t.like(given, { right: { authorization: 'Bearer a' } })
    else t.regex(E.isLeft(given) ? given.left : '', expected)
    t.notRegex(JSON.stringify(given), /secret|Evil/)
  })
}

test('ends a command of exec that hangs with the connection, and all who wait for it', async (t) => {
  const directory = temporaryDirectory(t)
  const server = createServer()
  server.listen(join(directory, 'up'))
  await once(server, 'listening')
  t.teardown(() => server.close())
  const code = `require('net').connect(process.argv[1]).on('error',()=>{}); setInterval(()=>{}, 1000); process.on('SIGTERM',()=>{})`
  const plugin = {
    apiVersion: 'client.authentication.k8s.io/v1',
    command: process.execPath,
    args: ['-e', code, join(directory, 'up')],
    env: {},
    installHint: '',
    cluster: undefined,
  }
  const login = createLogin({ _tag: 'Exec', plugin }, systemClock, silentLogger)
  const waiting = [login.current(), login.current()]
  const [socket] = (await once(server, 'connection')) as [Socket]
  const gone = once(socket, 'close')
  socket.on('error', () => undefined).resume()
  await login.close()
  await gone
  for (const given of await Promise.all(waiting)) t.true(E.isLeft(given))
  t.true(E.isLeft(await login.current()))
})

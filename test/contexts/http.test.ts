import { once } from 'node:events'
import { createServer, type IncomingMessage, type RequestListener, type ServerResponse } from 'node:http'
import { createServer as createTlsServer } from 'node:https'
import { createServer as createTcpServer, type AddressInfo, type Server } from 'node:net'
import type { Socket } from 'node:net'

import test, { type ExecutionContext } from 'ava'

import { httpContexts, type HttpContextsOptions } from '../../src/contexts/index.ts'
import { E } from '../../src/fp.ts'
import { authority, serverCertificate } from '../proxy/_certificates.ts'
import { createManualClock } from '../plugins/_setup.ts'
import { ask, refusal, settingsOf } from './ask.ts'
import { recordingLogger } from './recording-logger.ts'

const listen = async (t: ExecutionContext, server: Server): Promise<string> => {
  const sockets = new Set<Socket>()
  server.on('connection', (socket: Socket) => {
    sockets.add(socket)
    socket.once('close', () => sockets.delete(socket))
  })
  t.teardown(() => {
    for (const socket of sockets) socket.destroy()
    server.close()
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return `127.0.0.1:${String((server.address() as AddressInfo).port)}`
}

interface Asked {
  readonly request: IncomingMessage
  readonly body: string
}

const setUp = async (
  t: ExecutionContext,
  answer: (response: ServerResponse, asked: Asked) => void,
  options: HttpContextsOptions = {},
) => {
  const asked: Asked[] = []
  const onRequest: RequestListener = (request, response) => {
    let body = ''
    request.setEncoding('utf8')
    request.on('data', (chunk: string) => {
      body += chunk
    })
    request.on('end', () => {
      asked.push({ request, body })
      answer(response, { request, body })
    })
  }
  const server = createServer(onRequest)
  const origin = await listen(t, server)
  const logger = recordingLogger()
  const provider = httpContexts(`http://${origin}/settings?a=b`, { logger, ...options })
  t.teardown(() => provider.close?.())
  return { asked, logger, origin, provider, server }
}

const json =
  (value: unknown, status = 200, headers: Readonly<Record<string, string>> = {}) =>
  (response: ServerResponse): void => {
    response.writeHead(status, headers).end(JSON.stringify(value))
  }

const secret = 'hunter2secret'
const good = { type: 'testds', url: 'http://u', jsonData: { a: 1 }, secureJsonData: { password: secret } }

test('asks once for each instance, with the headers of its operator, over a kept connection', async (t) => {
  const { asked, provider } = await setUp(t, json({ datasource: good }), { headers: { Authorization: 'Bearer x' } })
  const first = await settingsOf(provider, { namespace: 'org-7' })
  t.is(await settingsOf(provider, { namespace: 'org-7' }), first)
  t.is(first.orgId, 7)
  t.like(first.dataSourceInstanceSettings, { uid: 'p1', name: 'p1', url: 'http://u' })
  t.deepEqual(first.dataSourceInstanceSettings?.decryptedSecureJsonData, { password: secret })
  const other = await settingsOf(provider, { namespace: 'team' })
  t.is(other.orgId, 1)
  t.not(other.dataSourceInstanceSettings?.id, first.dataSourceInstanceSettings?.id)
  t.is(asked.length, 2)
  t.like(asked[0]?.request, { method: 'POST', url: '/settings?a=b' })
  t.is(asked[0]?.request.headers.authorization, 'Bearer x')
  t.is(asked[0]?.request.headers['content-type'], 'application/json')
  t.deepEqual(JSON.parse(asked[0]?.body ?? ''), {
    pluginId: 'testds',
    pluginType: 'datasource',
    uid: 'p1',
    namespace: 'org-7',
  })
  t.is(asked[0]?.request.socket, asked[1]?.request.socket)
})

test('gives an app its settings, and asks nothing for what concerns no instance', async (t) => {
  const { asked, provider } = await setUp(t, json({ app: { type: 'my-app', secureJsonData: { key: 'k' } } }))
  const app = { pluginId: 'my-app', pluginType: 'app', uid: undefined } as const
  t.deepEqual((await settingsOf(provider, app)).appInstanceSettings?.decryptedSecureJsonData, { key: 'k' })
  t.is(await refusal(provider, { ...app, pluginId: 'other-app' }), 'NotFound: apps "other-app" not found')
  t.is(asked.length, 2)
  t.is((await settingsOf(provider, { ...app, namespace: '' })).orgId, 0)
  t.is((await settingsOf(provider, { uid: undefined })).dataSourceInstanceSettings, undefined)
  t.is(asked.length, 2)
})

const absent: ReadonlyArray<readonly [what: string, answer: (response: ServerResponse) => void]> = [
  ['404', json({ datasource: good }, 404)],
  ['another plugin', json({ datasource: { ...good, type: 'other' } })],
  ['another uid', json({ datasource: { ...good, uid: 'p2' } })],
]
for (const [what, answer] of absent) {
  test(`finds nothing where the answer is ${what}`, async (t) => {
    const { logger, provider } = await setUp(t, answer)
    t.is(await refusal(provider), 'NotFound: datasources "p1" not found')
    t.deepEqual(logger.lines, [])
  })
}

const raw =
  (text: string | Uint8Array, headers: Readonly<Record<string, string>> = {}) =>
  (response: ServerResponse): void => {
    response.writeHead(200, headers).end(text)
  }

const deep = `{"datasource":{"type":"testds","name":"n","jsonData":{"a":${'['.repeat(20_000)}${']'.repeat(20_000)}}}}`
const failures: ReadonlyArray<readonly [what: string, answer: (response: ServerResponse) => void, why: RegExp]> = [
  ['a redirect', json({ datasource: good }, 307, { location: '/elsewhere' }), /expected status 200 or 404, got 307$/],
  ['a failure', json({ datasource: good }, 500), /got 500$/],
  [
    'an upgrade',
    (response) => response.socket?.end('HTTP/1.1 101 S\r\nconnection: upgrade\r\nupgrade: x\r\n\r\n'),
    /expected an answer/,
  ],
  ['no HTTP', (response) => response.socket?.end(`${secret}\r\n\r\n`), /expected an answer, got HPE_/],
  ['nothing', (response) => response.socket?.destroy(), /expected an answer, got ECONNRESET$/],
  [
    'a part',
    (response) => {
      response.writeHead(200, { 'content-length': '100' }).write(`{"datasource":"${secret}`)
      setImmediate(() => response.socket?.destroy())
    },
    /the answer broke off/,
  ],
  ['too much', raw('x'.repeat(5000)), /at most 4096 bytes \(option answerLimitBytes\)$/],
  ['too much of a failure', (response) => response.writeHead(500).end('x'.repeat(5000)), /at most 4096 bytes/],
  ['compressed', raw(secret, { 'content-encoding': 'gzip' }), /not compressed$/],
  ['no JSON', raw(`{"${secret}`), /expected an answer in JSON$/],
  ['no text', raw(Uint8Array.of(0xff)), /expected an answer in JSON$/],
  ['null', raw('null'), /datasource: expected an object, got nothing$/],
  [
    'a list',
    json({ datasource: [secret] }),
    /datasource\.name: expected string, got nothing|datasource: expected an object/,
  ],
  ['an app', json({ app: { type: 'testds' } }), /datasource: expected an object, got nothing$/],
  [
    'a wrong field',
    json({ datasource: { ...good, secureJsonData: { a: [secret] } } }),
    /datasource\.secureJsonData\.a: expected a string, got an array$/,
  ],
]
for (const [what, answer, why] of failures) {
  test(`cannot tell where the answer is ${what}, says so once, and asks again`, async (t) => {
    const { asked, logger, provider } = await setUp(t, answer, { answerLimitBytes: 4096 })
    const unavailable = 'PluginUnavailable: instance settings cannot be read at present'
    t.deepEqual([await refusal(provider), await refusal(provider)], [unavailable, unavailable])
    t.is(asked.length, 2)
    t.is(logger.lines.length, 1)
    t.regex(logger.lines[0]?.message ?? '', why)
    t.false(JSON.stringify(logger.lines).includes(secret))
  })
}

test('refuses an answer nested deeper than the stack', async (t) => {
  const { logger, provider } = await setUp(t, raw(deep))
  t.regex(await refusal(provider), /^PluginUnavailable/)
  t.regex(logger.lines[0]?.message ?? '', /expected an answer of less depth$/)
})

const retries: ReadonlyArray<readonly [given: string | undefined, seconds: number]> = [
  [undefined, 5],
  ['7', 7],
  ['0', 1],
  ['86400', 60],
  ['soon', 5],
  // the clock of the test stands at 1000 s
  ['Thu, 01 Jan 1970 00:16:50 GMT', 10],
]
for (const [given, seconds] of retries) {
  test(`passes on when to ask again: ${given ?? 'not said'}`, async (t) => {
    const headers = given === undefined ? {} : { 'retry-after': given }
    const { provider } = await setUp(t, json({}, 503, headers), { clock: createManualClock().clock })
    t.like(await ask(provider), { left: { _tag: 'PluginUnavailable', retryAfterSeconds: seconds } })
  })
}

test('ends its request when the last caller leaves', async (t) => {
  let onAsked = (_socket: Socket): void => undefined
  const reached = new Promise<Socket>((resolve) => {
    onAsked = resolve
  })
  const { logger, provider } = await setUp(t, (_response, { request }) => {
    onAsked(request.socket)
  })
  const leaver = new AbortController()
  const left = ask(provider, {}, leaver.signal)
  const socket = await reached
  const died = once(socket, 'close')
  leaver.abort()
  t.deepEqual(await left, E.left({ _tag: 'Cancelled' }))
  await died
  t.deepEqual(logger.lines, [])
})

test('waits for a whole answer for so long and no longer', async (t) => {
  const { clock, advance, timers } = createManualClock()
  let onAsked = (): void => undefined
  const reached = new Promise<void>((resolve) => {
    onAsked = resolve
  })
  const drip = (response: ServerResponse): void => {
    response.writeHead(200).write('{')
    onAsked()
  }
  const { logger, provider } = await setUp(t, drip, { clock, timeoutMs: 100 })
  const late = refusal(provider)
  await reached
  await advance(100)
  t.regex(await late, /^PluginUnavailable/)
  t.regex(logger.lines[0]?.message ?? '', /expected an answer within 100 ms$/)
  t.is(timers.size, 0)
})

test('leaves no socket behind when it closes, whatever is under way, and asks nothing after', async (t) => {
  let onAsked = (): void => undefined
  const reached = new Promise<void>((resolve) => {
    onAsked = resolve
  })
  const answer = (response: ServerResponse, { body }: Asked): void => {
    if (body.includes('"hangs"')) onAsked()
    else json({ datasource: good })(response)
  }
  const { asked, logger, provider, server } = await setUp(t, answer)
  await settingsOf(provider)
  // two at once: the second needs a connection of its own
  const [hung] = [refusal(provider, { uid: 'hangs' }), await reached]
  await settingsOf(provider, { uid: 'p3' })
  const sockets = new Set(asked.map(({ request }) => request.socket))
  await provider.close?.()
  t.regex(await hung, /^PluginUnavailable/)
  for (const socket of sockets) if (!socket.destroyed) await once(socket, 'close')
  const connections = await new Promise((resolve) => {
    server.getConnections((_error, count) => {
      resolve(count)
    })
  })
  t.is(connections, 0)
  t.is(asked.length, 3)
  t.regex(await refusal(provider, { uid: 'p4' }), /^PluginUnavailable/)
  t.is(asked.length, 3)
  t.deepEqual(logger.lines, [])
})

/** Answers by hand, so that it can break what HTTP servers keep. */
const byHand = async (t: ExecutionContext, onRequest: (socket: Socket, count: number) => void): Promise<string> => {
  let count = 0
  const server = createTcpServer((socket) => {
    socket.on('error', () => undefined)
    socket.on('data', () => {
      count += 1
      onRequest(socket, count)
    })
  })
  return `http://${await listen(t, server)}/`
}

const answerText = (datasource: unknown): string => {
  const body = JSON.stringify({ datasource })
  return `HTTP/1.1 200 OK\r\ncontent-length: ${String(Buffer.byteLength(body))}\r\n\r\n${body}`
}

test('asks again over a new connection when the kept one was closed meanwhile', async (t) => {
  const url = await byHand(t, (socket, count) => {
    if (count === 2) socket.resetAndDestroy()
    else socket.write(answerText(good))
  })
  const provider = httpContexts(url)
  t.teardown(() => provider.close?.())
  t.is((await settingsOf(provider)).dataSourceInstanceSettings?.uid, 'p1')
  t.is((await settingsOf(provider, { uid: 'p2' })).dataSourceInstanceSettings?.uid, 'p2')
})

test('never takes what comes unasked for the answer to the next request', async (t) => {
  const unasked = { ...good, url: 'http://unasked' }
  const sockets: Socket[] = []
  const url = await byHand(t, (socket) => {
    sockets.push(socket)
    socket.write(answerText(good))
  })
  const provider = httpContexts(url)
  t.teardown(() => provider.close?.())
  await settingsOf(provider)
  const [first] = sockets
  if (first === undefined) throw new Error('expected a connection')
  const dropped = once(first, 'close')
  first.write(answerText(unasked))
  await dropped
  t.is((await settingsOf(provider, { uid: 'p2' })).dataSourceInstanceSettings?.url, 'http://u')
})

test('trusts whom its operator names, and nobody else', async (t) => {
  const origin = await listen(
    t,
    createTlsServer(serverCertificate, (_request, response) => {
      json({ datasource: good })(response)
    }),
  )
  const url = `https://${origin.replace('127.0.0.1', 'localhost')}/`
  const logger = recordingLogger()
  const [trusting, strict] = [httpContexts(url, { ca: authority }), httpContexts(url, { logger })]
  t.teardown(() => Promise.all([trusting.close?.(), strict.close?.()]))
  t.is((await settingsOf(trusting)).dataSourceInstanceSettings?.uid, 'p1')
  t.regex(await refusal(strict), /^PluginUnavailable/)
  t.regex(logger.lines[0]?.message ?? '', /expected an answer, got UNABLE_TO_VERIFY_LEAF_SIGNATURE$/)
})

test('refuses options that cannot be used, without their values', (t) => {
  const options: ReadonlyArray<readonly [url: string, options: HttpContextsOptions]> = [
    ['ftp://a', {}],
    [secret, {}],
    [`http://me:${secret}@a`, {}],
    ['http://a', { headers: { authorization: `${secret}\r\n` } }],
    ['http://a', { headers: { 'content-length': '1' } }],
    ['https://a', { ca: secret }],
    ['http://a', { timeoutMs: 0 }],
    ['http://a', { ttlMs: 0 }],
    ['http://a', { answerLimitBytes: 0 }],
  ]
  const misspelt: object = { header: { authorization: secret } }
  for (const [url, given] of [...options, ['http://a', misspelt] as const]) {
    const error = t.throws(() => httpContexts(url, given), { instanceOf: TypeError })
    t.false(error.message.includes(secret))
  }
})

import { createServer } from 'node:http'
import { createServer as createHttp2Server } from 'node:http2'
import { getEventListeners, once } from 'node:events'
import { createServer as createNetServer, type Server as NetServer } from 'node:net'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'

import { Metadata, ServerCredentials, status, type UntypedHandleCall } from '@grpc/grpc-js'
import test, { type ExecutionContext } from 'ava'

import { E } from '../../../src/fp.ts'
import type { Connection } from '../../../src/plugins/grpc/connection.ts'
import { admission, query, settle, temporaryDirectory, within } from '../_setup.ts'
import { hostCertificate, pluginCertificate } from './_certificates.ts'
import { connect, listen, replies, serve, type Handlers } from './_serve.ts'
import { definitionsForTests } from './_wire.ts'

const wire = definitionsForTests()

const answer = (responses: object): Buffer => wire('pluginv2.QueryDataResponse').serialize({ responses })

/** Connects, so that a short deadline is spent on the call alone. */
const warmUp = async (connection: Connection): Promise<void> => {
  await connection.ping(10_000)
}

test('asks and answers', async (t) => {
  const { connection } = await serve(t, {
    queryData: replies(answer({ A: { frames: [Buffer.from('f')], status: 200 } })),
    validateAdmission: replies(wire('pluginv2.ValidationResponse').serialize({ allowed: true })),
    mutateAdmission: replies(wire('pluginv2.MutationResponse').serialize({ object_bytes: Buffer.from('{}') })),
  })
  const { client } = connection
  t.like(await client.queryData(query(), within(5000))(), { _tag: 'Right' })
  t.deepEqual(
    await client.validateAdmission(admission, within(5000))(),
    E.right({ allowed: true, result: undefined, warnings: [] }),
  )
  t.like(await client.mutateAdmission(admission, within(5000))(), { right: { objectBytes: Buffer.from('{}') } })
})

test('calls NotImplemented what the plugin did not register', async (t) => {
  const { connection } = await serve(t, {})
  t.like(await connection.client.validateAdmission(admission, within(5000))(), { left: { _tag: 'NotImplemented' } })
})

test('calls BadPlugin an answer that is no message', async (t) => {
  const { connection } = await serve(t, { queryData: replies(Buffer.from('garbage')) })
  t.like(await connection.client.queryData(query(), within(5000))(), { left: { _tag: 'BadPlugin' } })
})

test('tells an answer over our limit from a request over the limit of the plugin', async (t) => {
  const { connection } = await serve(t, { queryData: replies(answer({ A: { frames: [Buffer.alloc(70_000)] } })) })
  const tooMuch = await connection.client.queryData(query(), within(5000))()
  t.like(tooMuch, { left: { _tag: 'BadPlugin' } })
  const tooLarge = await connection.client.queryData(query('', 1, 'x'.repeat(20_000)), within(5000))()
  t.like(tooLarge, { left: { _tag: 'BodyTooLarge', limitBytes: 16 * 1024 } })
})

test('takes an answer just under the limit', async (t) => {
  const frames = [Buffer.alloc(64 * 1024 - 100)]
  const { connection } = await serve(t, { queryData: replies(answer({ A: { frames } })) })
  const result = await connection.client.queryData(query(), within(5000))()
  t.true(E.isRight(result) && result.right.responses.get('A')?.frames[0]?.length === frames[0]?.length)
})

const tooMany = 'plugin "testds" answered more than 100 frames or responses (option plugins.maxFrames)'
const framesOf = (length: number) => ({ frames: Array.from({ length }, () => Buffer.alloc(0)) })
const responsesOf = (length: number) =>
  Object.fromEntries(Array.from({ length }, (_, index) => [`r${String(index)}`, {}]))
for (const [what, most, more] of [
  ['frames', { A: framesOf(60), B: framesOf(40) }, { A: framesOf(60), B: framesOf(41) }],
  ['responses', responsesOf(100), responsesOf(101)],
] as const) {
  test(`takes no more ${what} in an answer than the option says`, async (t) => {
    const { connection } = await serve(t, { queryData: replies(answer(most)) })
    t.true(E.isRight(await connection.client.queryData(query(), within(5000))()))
    const { connection: other } = await serve(t, { queryData: replies(answer(more)) })
    t.like(await other.client.queryData(query(), within(5000))(), { left: { _tag: 'BadPlugin', message: tooMany } })
  })
}

test('takes no more than 1000 warnings in an admission answer', async (t) => {
  const warnings = Array.from({ length: 1001 }, () => '')
  const { connection } = await serve(t, {
    validateAdmission: replies(wire('pluginv2.ValidationResponse').serialize({ warnings })),
    mutateAdmission: replies(wire('pluginv2.MutationResponse').serialize({ warnings: warnings.slice(1) })),
  })
  t.like(await connection.client.validateAdmission(admission, within(5000))(), {
    left: { _tag: 'BadPlugin', message: 'plugin "testds" answered more than 1000 warnings' },
  })
  t.true(E.isRight(await connection.client.mutateAdmission(admission, within(5000))()))
})

test('reads whose error it is from the trailers', async (t) => {
  const metadata = new Metadata()
  const value = wire('google.rpc.ErrorInfo').serialize({ metadata: { errorSource: 'downstream' } })
  const details = [{ type_url: 'type.googleapis.com/google.rpc.ErrorInfo', value }]
  metadata.set('grpc-status-details-bin', wire('google.rpc.Status').serialize({ code: 2, details }))
  const { connection } = await serve(t, {
    queryData: (_call: unknown, callback: (error: object) => void) => {
      callback({ code: status.UNKNOWN, details: 'boom', metadata })
    },
  })
  t.like(await connection.client.queryData(query(), within(5000))(), {
    left: { _tag: 'PluginFailed', source: 'downstream', cause: 'UNKNOWN (2): boom' },
  })
})

for (const code of [status.UNKNOWN, status.INVALID_ARGUMENT, status.UNAVAILABLE, status.INTERNAL]) {
  test(`tells nobody a secret that the plugin put into ${String(status[code])}`, async (t) => {
    const handlers: Handlers = {
      queryData: (_call: unknown, callback: (error: object) => void) => {
        callback({ code, details: 'cannot log in with "hunter2"' })
      },
    }
    const strike = (text: string): string => text.replaceAll('hunter2', '[redacted]')
    const connection = connect(t, (await listen(t, handlers)).target, { strike })
    const said = JSON.stringify(await connection.client.queryData(query(), within(5000))())
    t.true(said.includes('[redacted]'), said)
    t.false(said.includes('hunter2'), said)
  })
}

test('gives up at the deadline, and tells the plugin', async (t) => {
  let cancelled = (): void => undefined
  const heard = new Promise<void>((resolve) => (cancelled = resolve))
  const { connection } = await serve(t, {
    queryData: (call: { on: (event: 'cancelled', listener: () => void) => void }) => {
      call.on('cancelled', cancelled)
    },
  })
  await warmUp(connection)
  t.like(await connection.client.queryData(query(), within(500))(), { left: { _tag: 'PluginTimeout' } })
  await heard
  t.pass()
})

test('ends a call at once when the client leaves, and tells the plugin', async (t) => {
  const controller = new AbortController()
  let cancelled = (): void => undefined
  const heard = new Promise<void>((resolve) => (cancelled = resolve))
  const { connection } = await serve(t, {
    queryData: (call: { on: (event: 'cancelled', listener: () => void) => void }) => {
      call.on('cancelled', cancelled)
      controller.abort()
    },
  })
  t.like(await connection.client.queryData(query(), within(60_000, controller.signal))(), {
    left: { _tag: 'Cancelled' },
  })
  await heard
  t.pass()
})

test('makes no call whose time is up, or whose client is gone', async (t) => {
  let calls = 0
  const { connection } = await serve(t, { queryData: () => (calls += 1) })
  t.like(await connection.client.queryData(query(), within(0))(), { left: { _tag: 'PluginTimeout' } })
  const gone = AbortSignal.abort()
  t.like(await connection.client.queryData(query(), within(5000, gone))(), { left: { _tag: 'Cancelled' } })
  t.is(calls, 0)
})

test('takes its listener off the signal, however the call ends', async (t) => {
  const { signal } = new AbortController()
  const { connection } = await serve(t, { queryData: replies(answer({})) })
  await connection.client.queryData(query(), within(5000, signal))()
  await connection.client.validateAdmission(admission, within(5000, signal))()
  await connection.client.queryData(query(), within(1, signal))()
  connection.close()
  await connection.client.queryData(query(), within(5000, signal))()
  t.is(getEventListeners(signal, 'abort').length, 0)
})

test('calls PluginUnavailable a socket where nobody listens, with its path in the log only', async (t) => {
  let unavailable = 0
  const connection = connect(t, `unix:${join(temporaryDirectory(t), 'nobody')}`, {
    onUnavailable: () => (unavailable += 1),
  })
  const result = await connection.client.queryData(query(), within(5000))()
  t.like(result, {
    left: { _tag: 'PluginUnavailable', message: 'plugin "testds" is unavailable', retryAfterSeconds: 1 },
  })
  t.true(E.isLeft(result) && 'cause' in result.left && String(result.left.cause).includes('ENOENT'))
  t.is(unavailable, 1)
})

test('ends running calls with PluginUnavailable when it is closed, and makes no more', async (t) => {
  let close = (): void => undefined
  const { connection } = await serve(t, {
    queryData: () => {
      close()
    },
  })
  close = () => {
    connection.close()
  }
  t.like(await connection.client.queryData(query(), within(60_000))(), { left: { _tag: 'PluginUnavailable' } })
  t.like(await connection.client.queryData(query(), within(60_000))(), { left: { _tag: 'PluginUnavailable' } })
})

test('fails with Unexpected for a request that cannot be encoded', async (t) => {
  const { connection } = await serve(t, {})
  const broken = Object.assign(query(), { queries: 'none' })
  t.like(await connection.client.queryData(broken, within(5000))(), { left: { _tag: 'Unexpected' } })
})

test('asks for the health of the service "plugin"', async (t) => {
  const asked: Array<string> = []
  const check: UntypedHandleCall = (call: { request: Buffer }, callback: (error: null, bytes: Buffer) => void) => {
    asked.push(call.request.subarray(2).toString())
    callback(null, Buffer.from([0x08, 0x01]))
  }
  const { connection } = await serve(t, { check })
  t.is(await connection.ping(5000), undefined)
  t.deepEqual(asked, ['plugin'])
})

test('takes a plugin without health service for a healthy one, and NOT_SERVING for a sick one', async (t) => {
  const { connection: silent } = await serve(t, {})
  t.is(await silent.ping(5000), undefined)
  const { connection: sick } = await serve(t, { check: replies(Buffer.from([0x08, 0x02])) })
  t.like(await sick.ping(5000), { kind: 'not-serving', message: 'it answers but says that it does not serve' })
})

test('reads what the plugin prints, and hears when the stream breaks', async (t) => {
  const printed: Array<readonly [string, string]> = []
  const { connection, server } = await serve(t, {
    streamStdio: (call: { write: (bytes: Buffer) => void }) => {
      call.write(Buffer.from([0x08, 0x01, 0x12, 0x01, 0x61]))
      call.write(Buffer.from([0x08, 0x02, 0x12, 0x01, 0x62]))
    },
  })
  await new Promise<void>((resolve) => {
    connection.readStdio((channel, data) => {
      printed.push([channel, data.toString()])
      if (printed.length === 2) server.forceShutdown()
    }, resolve)
  })
  t.deepEqual(printed, [
    ['stdout', 'a'],
    ['stderr', 'b'],
  ])
})

test('gives others their turn while the plugin prints a flood in one message', async (t) => {
  const data = Buffer.alloc(40_000)
  const { connection } = await serve(
    t,
    {
      streamStdio: (call: { write: (bytes: Buffer) => void }) => {
        const message = wire('plugin.StdioData').serialize({
          channel: 1,
          data: Buffer.concat([data, data, data, data]),
        })
        call.write(message)
      },
    },
    { receiveLimitBytes: 1024 * 1024 },
  )
  const turns: Array<number> = []
  let turn = 0
  let isOver = false
  const over = new Promise<void>((resolve) => {
    let size = 0
    connection.readStdio(
      (_channel, piece) => {
        turns.push(turn)
        size += piece.length
        if (size === 4 * data.length) resolve()
      },
      () => undefined,
    )
  }).finally(() => (isOver = true))
  while (!isOver) {
    await settle()
    turn += 1
  }
  await over
  t.is(new Set(turns).size, 3)
})

test('says nothing when the plugin has no such stream', async (t) => {
  const { connection } = await serve(t, { queryData: replies(answer({})) })
  let lost = 0
  connection.readStdio(
    () => undefined,
    () => (lost += 1),
  )
  // the answer comes on the same connection, after the refusal
  await connection.client.queryData(query(), within(5000))()
  await connection.client.queryData(query(), within(5000))()
  t.is(lost, 0)
})

test('asks the plugin to end, and waits no longer than told for an answer', async (t) => {
  let asked = 0
  const { connection } = await serve(t, { shutdown: () => (asked += 1) })
  await warmUp(connection)
  await connection.shutdown(500)
  t.is(asked, 1)
})

const listenOn = async (t: ExecutionContext, server: NetServer): Promise<string> => {
  const socket = join(temporaryDirectory(t), 's')
  server.listen(socket)
  await once(server, 'listening')
  t.teardown(() => {
    server.close()
  })
  return `unix:${socket}`
}

test('tells a peer that speaks HTTP/1 from a plugin', async (t) => {
  const target = await listenOn(
    t,
    createServer((_request, response) => {
      response.end('hello')
    }),
  )
  const connection = connect(t, target)
  t.like(await connection.ping(2000), { kind: 'unreachable' })
  t.like(await connection.client.queryData(query(), within(2000))(), { left: { _tag: 'PluginUnavailable' } })
})

for (const code of [200, 404, 500, 503]) {
  test(`tells a peer that answers HTTP/2 ${String(code)} from a plugin`, async (t) => {
    const target = await listenOn(
      t,
      createHttp2Server((_request, response) => {
        response.writeHead(code, { 'content-type': 'text/html' })
        response.end('<html>not found</html>')
      }),
    )
    const connection = connect(t, target)
    t.like(await connection.ping(2000), { kind: 'not-serving' })
    t.like(await connection.client.queryData(query(), within(2000))(), { left: { _tag: 'BadPlugin' } })
  })
}

/** A message as gRPC frames it, marked as compressed. */
const compressed = (bytes: Buffer): Buffer => {
  const head = Buffer.from([1, 0, 0, 0, 0])
  head.writeUInt32BE(bytes.length, 1)
  return Buffer.concat([head, bytes])
}
for (const [what, encoding, message, expected] of [
  [
    'more than the limit once it is inflated',
    'gzip',
    gzipSync(Buffer.alloc(100_000)),
    'plugin "testds" answered more than 65536 bytes, compressed (option plugins.receiveLimitBytes)',
  ],
  ['what cannot be inflated', 'gzip', Buffer.from('x'), 'plugin "testds" answered what is no queryData response'],
  ['in an encoding of its own', 'own', Buffer.from('x'), 'plugin "testds" answered what is no queryData response'],
] as const) {
  test(`calls BadPlugin a peer that answers ${what}`, async (t) => {
    const target = await listenOn(
      t,
      createHttp2Server((_request, response) => {
        response.writeHead(200, { 'content-type': 'application/grpc', 'grpc-encoding': encoding })
        response.end(compressed(message))
      }),
    )
    t.like(await connect(t, target).client.queryData(query(), within(5000))(), {
      left: { _tag: 'BadPlugin', message: expected },
    })
  })
}

test('gives up at the deadline on a peer that says nothing', async (t) => {
  const target = await listenOn(
    t,
    createNetServer((stream) => {
      t.teardown(() => {
        stream.destroy()
      })
    }),
  )
  t.like(await connect(t, target).client.queryData(query(), within(200))(), { left: { _tag: 'PluginTimeout' } })
})

const mutual = ServerCredentials.createSsl(
  Buffer.from(hostCertificate.cert),
  [{ cert_chain: Buffer.from(pluginCertificate.cert), private_key: Buffer.from(pluginCertificate.key) }],
  true,
)
const tls = { ca: pluginCertificate.cert, ...hostCertificate }

test('speaks TLS with a certificate on each side, over a Unix socket and over TCP', async (t) => {
  const handlers = { queryData: replies(answer({})) }
  const { target } = await listen(t, handlers, mutual)
  t.true(E.isRight(await connect(t, target, { tls }).client.queryData(query(), within(5000))()))
  const { target: address } = await listen(t, handlers, mutual, '127.0.0.1:0')
  const named = connect(t, address, { tls: { ...tls, serverName: 'localhost' } })
  t.true(E.isRight(await named.client.queryData(query(), within(5000))()))
})

for (const [what, wrong] of [
  ['a plugin whose certificate is another', { ...tls, ca: hostCertificate.cert }],
  ['a plugin that goes by another name', { ...tls, serverName: 'plugin.example.com' }],
  ['without a certificate of our own', { ca: pluginCertificate.cert }],
  ['with a certificate that the plugin does not know', { ca: pluginCertificate.cert, ...pluginCertificate }],
  ['without TLS', undefined],
] as const) {
  test(`calls nothing ${what}`, async (t) => {
    let calls = 0
    const { target } = await listen(t, { queryData: () => (calls += 1) }, mutual)
    const connection = connect(t, target, { tls: wrong })
    t.like(await connection.ping(5000), { kind: 'unreachable' })
    t.like(await connection.client.queryData(query(), within(5000))(), { left: { _tag: 'PluginUnavailable' } })
    t.is(calls, 0)
  })
}

test('throws for a certificate that cannot be read', (t) => {
  t.throws(() => connect(t, 'unix:/nowhere', { tls: { ca: pluginCertificate.cert, cert: 'x', key: 'y' } }))
})

test('tells a plugin that is silent from one that does not serve, and stops asking when told to', async (t) => {
  const { connection } = await serve(t, { check: () => undefined })
  await connection.client.queryData(query(), within(10_000))()
  t.deepEqual(await connection.ping(200), { kind: 'silent', message: 'it did not answer in time' })
  const controller = new AbortController()
  const asked = connection.ping(60_000, controller.signal)
  controller.abort()
  t.like(await asked, { kind: 'silent' })
  connection.close()
  t.like(await connection.ping(5000), { kind: 'unreachable' })
  const { connection: other } = await serve(t, { check: replies(Buffer.from('garbage')) })
  t.like(await other.ping(5000), { kind: 'not-serving' })
})

import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'

import { Client, credentials, status, type ServiceError } from '@grpc/grpc-js'
import { loadSync, type MethodDefinition } from '@grpc/proto-loader'
import test, { type ExecutionContext } from 'ava'

import { createIdentity, toPem, type Identity } from '../../src/plugins/process/certificate.ts'
import { writeScriptedPlugin, type PluginScript } from '../../src/testing/index.ts'

// How a host of another make sees a scripted plugin: child_process and grpc-js alone. What our own makes of one is told in
// test/plugins/misbehaviour.test.ts.

const definitions = loadSync(['pluginv2.proto', 'go-plugin.proto', 'health.proto', 'rpc-status.proto'], {
  keepCase: true,
  longs: Number,
  enums: String,
  includeDirs: [fileURLToPath(new URL('../../proto', import.meta.url))],
})

/** Without the names of messages, and bytes as bytes. */
const plain = (message: object): unknown => structuredClone(message)

type Outcome = readonly [messages: ReadonlyArray<unknown>, error?: ServiceError]

const temporaryDirectory = (t: ExecutionContext): string => {
  const directory = mkdtempSync(join(tmpdir(), 'scripted-'))
  t.teardown(() => {
    rmSync(directory, { recursive: true, force: true })
  })
  return directory
}

const environmentOf = (directory: string, variables: Readonly<Record<string, string>>) => ({
  PATH: process.env['PATH'],
  grafana_plugin_type: 'datasource',
  PLUGIN_UNIX_SOCKET_DIR: directory,
  ...variables,
})

/** Starts what was written, up to its first line. */
const start = async (t: ExecutionContext, folder: string, variables: Readonly<Record<string, string>> = {}) => {
  const directory = temporaryDirectory(t)
  const child = spawn(join(folder, 'run'), [], {
    env: environmentOf(directory, variables),
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  t.teardown(() => child.kill('SIGKILL'))
  const exited = once(child, 'exit') as Promise<[code: number | null, signal: string | null]>
  let stderr = ''
  child.stderr.on('data', (chunk: Buffer) => (stderr += chunk.toString()))
  const line = String((await Promise.race([once(createInterface(child.stdout), 'line'), exited]))[0])
  const [, , , socket = '', , certificate = ''] = line.split('|')

  const connect = (own?: Identity) => {
    const client = new Client(
      `unix:${socket}`,
      own === undefined
        ? credentials.createInsecure()
        : credentials.createSsl(
            Buffer.from(toPem(Buffer.from(certificate, 'base64'))),
            Buffer.from(own.key),
            Buffer.from(own.certificate),
          ),
      // so that an oversized message is one of a few bytes
      { 'grpc.max_receive_message_length': 100_000, 'grpc.enable_retries': 0 },
    )
    t.teardown(() => {
      client.close()
    })
    /** All messages of a call, and how it failed; unary calls are streams of one. */
    const call = (name: string, request: object = {}, timeoutMs = 20_000, limit = Infinity): Promise<Outcome> => {
      const [service = '', method = ''] = name.split('/')
      const { requestSerialize, responseDeserialize } = (
        definitions[service] as Record<string, MethodDefinition<object, object>>
      )[method] as MethodDefinition<object, object>
      const messages: Array<unknown> = []
      return new Promise((resolve) => {
        const stream = client.makeServerStreamRequest(`/${name}`, requestSerialize, responseDeserialize, request, {
          deadline: Date.now() + timeoutMs,
        })
        stream.on('data', (message: object) => {
          messages.push(plain(message))
          if (messages.length === limit) stream.cancel()
        })
        stream.on('error', (error: ServiceError) => {
          resolve([messages, error])
        })
        stream.on('end', () => {
          resolve([messages])
        })
      })
    }
    return call
  }
  return { child, line, socket, exited, connect, call: connect(), stderr: () => stderr }
}

const write = (t: ExecutionContext, script: Omit<PluginScript, 'id'>): Promise<string> =>
  writeScriptedPlugin(temporaryDirectory(t), { id: 'scripted', ...script })

const bytes = (text: string): Buffer => Buffer.from(text)

test('writes a plugin as pluginDirectory expects it', async (t) => {
  const directory = temporaryDirectory(t)
  const folder = await writeScriptedPlugin(directory, { id: 'my-app', type: 'app', version: '2.0.0' })
  t.is(folder, join(directory, 'my-app'))
  t.like(JSON.parse(readFileSync(join(folder, 'plugin.json'), 'utf8')), {
    id: 'my-app',
    type: 'app',
    backend: true,
    executable: 'run',
    info: { version: '2.0.0' },
  })
  for (const id of ['', '..', 'a/b', 'a b']) {
    await t.throwsAsync(writeScriptedPlugin(directory, { id }), { instanceOf: TypeError, message: /plugin id/ })
  }
  const misspelt = { id: 'a', on: { queryDatum: 'hang' } } as PluginScript
  await t.throwsAsync(writeScriptedPlugin(directory, misspelt), { instanceOf: TypeError, message: /"queryDatum"/ })
})

test('answers every call: with what is usual, at the next start with what was given', async (t) => {
  const folder = await write(t, {
    on: {
      queryData: [
        'answer',
        { answer: { responses: { A: { frames: [bytes('f')], format: 'json', status: 207 }, B: { error: 'no' } } } },
      ],
      queryChunkedData: [
        'answer',
        {
          answers: [
            { refId: 'A', frame: bytes('1') },
            { refId: 'A', format: 'json' },
          ],
        },
      ],
      callResource: [
        'answer',
        { answers: [{ status: 201, headers: { 'X-A': ['1', '2'] }, body: bytes('a') }, { body: bytes('b') }] },
      ],
      checkHealth: ['answer', { answer: { status: 'ERROR', message: 'ill', jsonDetails: bytes('{}') } }],
      collectMetrics: ['answer', { answer: { prometheus: bytes('up 1\n') } }],
      subscribeStream: ['answer', { answer: { status: 'NOT_FOUND' } }],
      runStream: ['answer', { answers: [{ data: bytes('1') }, { data: bytes('2') }] }],
      publishStream: ['answer', { answer: { status: 'PERMISSION_DENIED', data: bytes('{}') } }],
      validateAdmission: ['answer', { answer: { allowed: false, warnings: ['w'], result: undefined } }],
      mutateAdmission: ['answer', { answer: { allowed: true, objectBytes: bytes('{}') } }],
      convertObjects: ['answer', { answer: { uid: 'u', objects: [{ raw: bytes('{}'), contentType: 'json' }] } }],
    },
  })
  // name, what is usual, what was given; in the words of the proto files
  const expected: ReadonlyArray<readonly [string, ReadonlyArray<object>, ReadonlyArray<object>]> = [
    [
      'pluginv2.Data/QueryData',
      [{}],
      [{ responses: { A: { frames: [bytes('f')], format: 'JSON', status: 207 }, B: { error: 'no' } } }],
    ],
    [
      'pluginv2.Data/QueryChunkedData',
      [],
      [
        { refId: 'A', frame: bytes('1') },
        { refId: 'A', format: 'JSON' },
      ],
    ],
    [
      'pluginv2.Resource/CallResource',
      [{ code: 200 }],
      [{ code: 201, headers: { 'X-A': { values: ['1', '2'] } }, body: bytes('a') }, { body: bytes('b') }],
    ],
    [
      'pluginv2.Diagnostics/CheckHealth',
      [{ status: 'OK' }],
      [{ status: 'ERROR', message: 'ill', jsonDetails: bytes('{}') }],
    ],
    ['pluginv2.Diagnostics/CollectMetrics', [{ metrics: {} }], [{ metrics: { prometheus: bytes('up 1\n') } }]],
    ['pluginv2.Stream/SubscribeStream', [{ status: 'OK' }], [{ status: 'NOT_FOUND' }]],
    ['pluginv2.Stream/RunStream', [], [{ data: bytes('1') }, { data: bytes('2') }]],
    ['pluginv2.Stream/PublishStream', [{ status: 'OK' }], [{ status: 'PERMISSION_DENIED', data: bytes('{}') }]],
    ['pluginv2.AdmissionControl/ValidateAdmission', [{ allowed: true }], [{ allowed: false, warnings: ['w'] }]],
    ['pluginv2.AdmissionControl/MutateAdmission', [{ allowed: true }], [{ allowed: true, object_bytes: bytes('{}') }]],
    [
      'pluginv2.ResourceConversion/ConvertObjects',
      [{}],
      [{ uid: 'u', objects: [{ raw: bytes('{}'), content_type: 'json' }] }],
    ],
  ]
  for (const nth of [0, 1]) {
    const { call } = await start(t, folder)
    for (const [name, usual, given] of expected) {
      const [messages, error] = await call(name)
      t.is(error, undefined, name)
      t.deepEqual(messages, (nth === 0 ? usual : given).map(plain), name)
    }
  }
})

test('fails a call in each way that a script knows', async (t) => {
  const folder = await write(t, {
    on: {
      queryData: { fail: 'RESOURCE_EXHAUSTED', details: 'zu groß\n100%', errorSource: 'downstream' },
      queryChunkedData: { answers: [{ refId: 'A' }], then: { fail: 'ABORTED' } },
      checkHealth: 'garbage',
      collectMetrics: { oversize: 100_001 },
      subscribeStream: { oversize: 100_000 },
      publishStream: 'hang',
      runStream: { answers: [{ data: bytes('x') }], then: 'repeat' },
      callResource: {
        answers: [{ body: bytes('a') }, { body: bytes('b') }],
        then: { exit: 7, stderr: 'panic: why\n' },
      },
    },
  })
  const { call, exited, stderr, socket } = await start(t, folder)

  const [, failed] = await call('pluginv2.Data/QueryData')
  t.like(failed, { code: status.RESOURCE_EXHAUSTED, details: 'zu groß\n100%' })
  const details = failed?.metadata.get('grpc-status-details-bin')[0] as Buffer
  t.true(details.includes('type.googleapis.com/google.rpc.ErrorInfo') && details.includes('downstream'))
  const [chunks, aborted] = await call('pluginv2.Data/QueryChunkedData')
  t.is(chunks.length, 1)
  t.is(aborted?.code, status.ABORTED)
  t.is((await call('pluginv2.Diagnostics/CheckHealth'))[1]?.code, status.INTERNAL)
  t.regex(
    (await call('pluginv2.Diagnostics/CollectMetrics'))[1]?.details ?? '',
    /larger than max \(100001 vs\.? 100000\)/,
  )
  // so much the client takes, and finds nothing in it that it knows
  t.deepEqual((await call('pluginv2.Stream/SubscribeStream'))[1], undefined)
  t.is((await call('pluginv2.Stream/PublishStream', {}, 50))[1]?.code, status.DEADLINE_EXCEEDED)
  const [packets, cancelled] = await call('pluginv2.Stream/RunStream', {}, 20_000, 1000)
  t.true(packets.length >= 1000)
  t.is(cancelled?.code, status.CANCELLED)

  const [parts, cut] = await call('pluginv2.Resource/CallResource')
  t.is(parts.length, 2)
  t.is(cut?.code, status.UNAVAILABLE)
  t.deepEqual(await exited, [7, null])
  t.is(stderr(), 'panic: why\n')
  t.true(existsSync(socket))
})

const health = 'grpc.health.v1.Health/Check'
const shutdown = 'plugin.GRPCController/Shutdown'

test('ends as the script says when it is told to', async (t) => {
  const folder = await write(t, { shutdown: ['cut', 'reply', { lateMs: 1 }, 'hang'], start: ['serve', 'not-serving'] })
  const cut = await start(t, folder)
  t.like(await cut.call(health), [[{ status: 'SERVING' }]])
  t.not((await cut.call(shutdown))[1], undefined)
  t.deepEqual(await cut.exited, [0, null])
  t.false(existsSync(cut.socket))

  const replying = await start(t, folder)
  t.like(await replying.call(health), [[{ status: 'NOT_SERVING' }]])
  t.is((await replying.call(shutdown))[1], undefined)
  t.deepEqual(await replying.exited, [0, null])

  const late = await start(t, folder)
  t.not((await late.call(shutdown))[1], undefined)
  t.deepEqual(await late.exited, [0, null])

  const hanging = await start(t, folder)
  t.is((await hanging.call(shutdown, {}, 50))[1]?.code, status.DEADLINE_EXCEEDED)
  hanging.child.kill('SIGTERM')
  hanging.child.kill('SIGINT')
  t.is((await hanging.call(health))[1], undefined)
})

test('speaks TLS with the one that asks for it, and with nobody else', async (t) => {
  const folder = await write(t, { tls: ['right', 'wrong-certificate', 'plain'] })
  const [own, other] = await Promise.all([createIdentity(), createIdentity()])
  const asked = { PLUGIN_CLIENT_CERT: own.certificate }
  const right = await start(t, folder, asked)
  t.like(await right.connect(own)(health), [[{ status: 'SERVING' }]])
  t.is((await right.connect(other)(health))[1]?.code, status.UNAVAILABLE)
  t.is((await right.call(health))[1]?.code, status.UNAVAILABLE)
  const wrong = await start(t, folder, asked)
  t.is((await wrong.connect(own)(health))[1]?.code, status.UNAVAILABLE)
  t.like(await (await start(t, folder, asked)).call(health), [[{ status: 'SERVING' }]])
})

test('is no program to be run by hand', async (t) => {
  const { exited, stderr } = await start(t, await write(t, {}), { grafana_plugin_type: '' })
  t.deepEqual(await exited, [1, null])
  t.regex(stderr(), /host of plugins/)
})

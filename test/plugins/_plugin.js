// A go-plugin plugin in plain JavaScript, as bad as its settings and queries ask for.
// Settings: GF_PLUGIN_SHUTDOWN = reply | silent | never, GF_PLUGIN_START_DELAY_MS, GF_PLUGIN_HEALTH, GF_PLUGIN_STDIO;
// GF_PLUGIN_TLS_CERT and GF_PLUGIN_TLS_KEY, without which it does not know AutoMTLS.
// Queries: the `queryType` of the first one says what happens.
import { spawn } from 'node:child_process'
import { X509Certificate } from 'node:crypto'
import { unlinkSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

import grpc from '@grpc/grpc-js'
import { loadSync } from '@grpc/proto-loader'

const {
  GF_PLUGIN_SHUTDOWN: shutdown = 'silent',
  GF_PLUGIN_START_DELAY_MS: startDelayMs = '0',
  GF_PLUGIN_HEALTH: health = '1',
  GF_PLUGIN_STDIO: stdio = '',
  GF_PLUGIN_TLS_CERT: certificate,
  GF_PLUGIN_TLS_KEY: key,
  PLUGIN_CLIENT_CERT: clientCertificate,
  PLUGIN_UNIX_SOCKET_DIR: directory = '',
} = process.env

if (process.env.grafana_plugin_type !== 'datasource') {
  process.stderr.write('this is a plugin, not a program\n')
  process.exit(1)
}

const definitions = loadSync(['pluginv2.proto', 'go-plugin.proto', 'health.proto'], {
  keepCase: true,
  longs: Number,
  arrays: true,
  objects: true,
  includeDirs: [fileURLToPath(new URL('../../proto', import.meta.url))],
})
const serviceOf = (name) =>
  Object.fromEntries(Object.entries(definitions[name]).map(([key, value]) => [key, { ...value }]))

const socket = join(directory, `plugin${String(process.pid)}`)
const server = new grpc.Server({ 'grpc.max_receive_message_length': 16 * 1024 * 1024 })
const stdioStreams = new Set()

const answers = {
  crash: () => process.exit(7),
  hang: () => undefined,
  log: (_call, answer) => {
    const line = { '@level': 'info', '@message': 'asked', '@timestamp': '2026-01-01T00:00:00.000000Z', n: 1 }
    process.stderr.write(`${JSON.stringify(line)}\n`)
    answer(null, { responses: {} })
  },
  flood: (_call, answer) => {
    process.stderr.write('x'.repeat(4 * 1024 * 1024), () => answer(null, { responses: {} }))
  },
  big: (call, answer) => {
    answer(null, { responses: { A: { frames: [Buffer.alloc(Number(call.request.queries[0].maxDataPoints))] } } })
  },
  frames: (call, answer) => {
    const frames = Array.from({ length: Number(call.request.queries[0].maxDataPoints) }, () => Buffer.alloc(0))
    answer(null, { responses: { A: { frames } } })
  },
  chatter: (_call, answer) => {
    process.stderr.write('x\n'.repeat(3000), () => answer(null, { responses: {} }))
  },
  fail: (_call, answer) => answer({ code: grpc.status.UNKNOWN, details: 'no such\ntable' }),
  environment: (_call, answer) => {
    answer(null, { responses: { A: { frames: [Buffer.from(JSON.stringify(process.env))] } } })
  },
  grandchild: (_call, answer) => {
    // inherits both pipes and outlives us
    const child = spawn('sleep', ['30'], { stdio: 'inherit', detached: true })
    child.unref()
    answer(null, { responses: { A: { status: child.pid } } })
  },
  unlink: (_call, answer) => {
    answer(null, { responses: {} })
    unlinkSync(socket)
    // the connection goes, the process stays
    setImmediate(() => server.forceShutdown())
    setInterval(() => undefined, 1000)
  },
}

const services = {
  'pluginv2.Data': {
    QueryData: (call, answer) => {
      const [query] = call.request.queries
      const respond = answers[query?.queryType ?? '']
      if (respond !== undefined) respond(call, answer)
      else
        answer(null, {
          responses: { [query?.refId ?? 'A']: { frames: [query?.json ?? Buffer.alloc(0)], status: 200 } },
        })
    },
  },
  'plugin.GRPCController': {
    Shutdown: (_call, answer) => {
      if (shutdown === 'never') return
      if (shutdown === 'reply') answer(null, {})
      // like grpc-go: cut everything, and let the process run out
      setImmediate(() => server.forceShutdown())
    },
  },
  'plugin.GRPCStdio': {
    StreamStdio: (call) => {
      stdioStreams.add(call)
      call.write({ channel: 1, data: Buffer.from('printed by the plugin\n') })
      if (stdio === 'flood') for (let i = 0; i < 2000; i++) call.write({ channel: 2, data: Buffer.alloc(1024, 'y') })
    },
  },
  'grpc.health.v1.Health': { Check: (_call, answer) => answer(null, { status: Number(health) }) },
}

for (const [name, handlers] of Object.entries(services)) server.addService(serviceOf(name), handlers)
process.on('SIGINT', () => undefined)

const isSecure = Boolean(clientCertificate && certificate && key)
const credentials = isSecure
  ? grpc.ServerCredentials.createSsl(
      Buffer.from(clientCertificate),
      [{ private_key: Buffer.from(key), cert_chain: Buffer.from(certificate) }],
      true,
    )
  : grpc.ServerCredentials.createInsecure()
const ownCertificate = isSecure ? new X509Certificate(certificate).raw.toString('base64').replace(/=+$/, '') : ''

setTimeout(() => {
  server.bindAsync(`unix:${socket}`, credentials, (error) => {
    if (error) throw error
    process.stdout.write(`1|2|unix|${socket}|grpc|${ownCertificate}\n`)
  })
}, Number(startDelayMs))

import { ServerCredentials, type Server } from '@grpc/grpc-js'
import test, { type ExecutionContext } from 'ava'

import { toStatus } from '../../src/errors.ts'
import { E } from '../../src/fp.ts'
import type { PluginClient } from '../../src/plugin.ts'
import type { PluginState } from '../../src/plugin-status.ts'
import { attachedPlugins } from '../../src/plugins/address.ts'
import type { PluginAddress, ReattachConfig } from '../../src/plugins/address-options.ts'
import type { LivingPluginHost } from '../../src/plugins/host.ts'
import type { PluginOptions } from '../../src/plugins/options.ts'
import { createIdentity } from '../../src/plugins/process/certificate.ts'
import { query, recordingLogger, within } from './_setup.ts'
import { listen, replies, streams, type Handlers, type StreamCall } from './grpc/_serve.ts'

const [ours, theirs, stranger] = await Promise.all([createIdentity(), createIdentity(), createIdentity()])

const serving = replies(Buffer.from([8, 1]))
const queryData = replies(Buffer.of())
const full: Handlers = { queryData, check: serving }

const attach = (t: ExecutionContext, address: PluginAddress, options: PluginOptions = {}): LivingPluginHost => {
  const host = attachedPlugins({ testds: address }, { backoff: { initialMs: 1, maxMs: 1 }, ...options })
  t.teardown(() => host.close())
  return host
}

const clientOf = (host: LivingPluginHost): PluginClient => {
  const installed = host.plugin('testds')
  if (installed === undefined) throw new Error('not installed')
  return installed.client
}

const stateOf = (host: LivingPluginHost): PluginState | undefined => host.statuses()[0]?.state

/** Resolves as soon as the plugin is in that state. */
const until = (host: LivingPluginHost, state: PluginState): Promise<void> =>
  new Promise((resolve) => {
    const end = host.watch(({ to }) => {
      if (to.state !== state) return
      end()
      resolve()
    })
    if (stateOf(host) !== state) return
    end()
    resolve()
  })

/** Resolves when nobody is connected any more. */
const left = (server: Server): Promise<void> =>
  new Promise((resolve, reject) => {
    server.tryShutdown((error) => {
      if (error === undefined) resolve()
      else reject(error)
    })
  })

const spellings: ReadonlyArray<
  readonly [what: string, spell: (target: string) => string, handlers: Handlers, on?: string]
> = [
  ['a unix socket', (target) => target, full],
  ['the path of a unix socket', (target) => target.replace('unix:', ''), full],
  [
    'a port, served by the plugin SDK alone',
    (target) => target.replace('ipv4:127.0.0.1', ''),
    { queryData },
    '127.0.0.1:0',
  ],
  ['a host and a port', (target) => target.replace('ipv4:', ''), full, '127.0.0.1:0'],
  ['a URL', (target) => target.replace('ipv4:127.0.0.1', 'tcp://localhost'), full, '127.0.0.1:0'],
]
for (const [what, spell, handlers, on] of spellings) {
  test(`calls a plugin at ${what}, and leaves it when it is closed`, async (t) => {
    const { server, target } = await listen(t, handlers, ServerCredentials.createInsecure(), on)
    const host = attach(t, { address: spell(target), version: '1.2.3' })
    t.deepEqual(await clientOf(host).queryData(query(), within(5000))(), E.right({ responses: new Map() }))
    t.like(host.statuses(), [{ id: 'testds', version: '1.2.3', state: 'ready', startCount: 1 }])
    t.like(host.plugin('testds'), { id: 'testds', version: '1.2.3' })
    await host.close()
    await left(server)
    t.like(await clientOf(host).queryData(query(), within(5000))(), { left: { _tag: 'PluginUnavailable' } })
  })
}

const protectedPlugin = (t: ExecutionContext) =>
  listen(
    t,
    full,
    ServerCredentials.createSsl(
      Buffer.from(ours.certificate),
      [{ private_key: Buffer.from(theirs.key), cert_chain: Buffer.from(theirs.certificate) }],
      true,
    ),
    '127.0.0.1:0',
  )
const own = { cert: ours.certificate, key: ours.key }
const tlsCases = [
  ['a certificate that both know', { ca: theirs.certificate, serverName: 'localhost', ...own }, 'ready'],
  ['the certificate of a stranger', { ca: stranger.certificate, serverName: 'localhost', ...own }, 'crashed'],
  ['authorities that did not sign', { serverName: 'localhost', ...own }, 'crashed'],
  ['another name than the host has', { ca: theirs.certificate, serverName: 'testds.example.com', ...own }, 'crashed'],
  ['no certificate of ours', { ca: theirs.certificate, serverName: 'localhost' }, 'crashed'],
] as const
for (const [what, tls, state] of tlsCases) {
  test(`is ${state} over TLS with ${what}`, async (t) => {
    const { target } = await protectedPlugin(t)
    const host = attach(t, { address: target, tls }, { backoff: { initialMs: 60_000 } })
    await until(host, state)
    const answer = await clientOf(host).queryData(query(), within(5000))()
    t.is(E.isRight(answer), state === 'ready')
  })
}

test('verifies the host of an address where no other name is given', async (t) => {
  const { target } = await protectedPlugin(t)
  const host = attach(t, {
    address: target.replace('ipv4:127.0.0.1', 'dns:///localhost'),
    tls: { ca: theirs.certificate, ...own },
  })
  await until(host, 'ready')
  t.like(await clientOf(host).queryData(query(), within(5000))(), { _tag: 'Right' })
})

test('hears at once that a plugin is gone, and connects again when it is back', async (t) => {
  const opened: StreamCall[] = []
  const handlers: Handlers = { ...full, streamStdio: (call: StreamCall) => opened.push(call) }
  const { server, target } = await listen(t, handlers)
  const host = attach(t, { address: target })
  await until(host, 'ready')
  const crashed = until(host, 'crashed')
  server.forceShutdown()
  await crashed
  t.like(host.statuses(), [{ lastExit: { code: null, signal: null, stderr: '' } }])
  await listen(t, handlers, ServerCredentials.createInsecure(), target)
  await until(host, 'ready')
  t.like(await clientOf(host).queryData(query(), within(5000))(), { _tag: 'Right' })
  t.true(host.statuses()[0]?.lastError?.includes(target.slice('unix:'.length)))
})

test('learns from a call that a plugin without stdio is gone', async (t) => {
  const { server, target } = await listen(t, { queryData })
  // only the call can tell: the next health check is far away
  const host = attach(t, { address: target }, { backoff: { initialMs: 60_000 }, probe: { intervalMs: 600_000 } })
  t.like(await clientOf(host).queryData(query(), within(5000))(), { _tag: 'Right' })
  server.forceShutdown()
  const crashed = until(host, 'crashed')
  t.like(await clientOf(host).queryData(query(), within(5000))(), { left: { _tag: 'PluginUnavailable' } })
  await crashed
})

test('starts where nobody listens yet, and finds the plugin once it is there', async (t) => {
  const { server, target } = await listen(t, full)
  server.forceShutdown()
  const patient = attach(t, { address: target }, { backoff: { initialMs: 60_000 } })
  await until(patient, 'crashed')
  const path = target.slice('unix:'.length)
  t.true(patient.statuses()[0]?.lastError?.includes(path))
  // the operator reads where, a client does not
  const refused = await clientOf(patient).queryData(query(), within(5000))()
  t.true(
    E.isLeft(refused) && refused.left._tag === 'PluginUnavailable' && !toStatus(refused.left).message.includes(path),
  )

  const host = attach(t, { address: target })
  await until(host, 'crashed')
  await listen(t, full, ServerCredentials.createInsecure(), target)
  await until(host, 'ready')
  t.like(await clientOf(host).queryData(query(), within(5000))(), { _tag: 'Right' })
})

test('ends running calls when it is closed', async (t) => {
  let come = (): void => undefined
  const came = new Promise<void>((resolve) => {
    come = resolve
  })
  const { target } = await listen(t, {
    queryData: () => {
      come()
    },
  })
  const host = attach(t, { address: target }, { drainMs: 1 })
  const running = clientOf(host).queryData(query(), within(60_000))()
  await came
  await host.close()
  t.like(await running, { left: { _tag: 'PluginUnavailable' } })
})

test('passes on what an attached plugin prints', async (t) => {
  // StdioData: channel 2 (stderr), 6 bytes
  const printed = Buffer.concat([Buffer.from([8, 2, 18, 6]), Buffer.from('hello\n')])
  const { target } = await listen(t, { ...full, streamStdio: streams(printed) })
  const logger = recordingLogger()
  attach(t, { address: target }, { logger })
  t.like(await logger.find(({ message }) => message === 'hello'), { level: 'debug', fields: { plugin: 'testds' } })
})

const reattached = (target: string, changes: Partial<ReattachConfig> = {}): PluginAddress => {
  const [Network, String] = target.startsWith('unix:')
    ? (['unix', target.slice(5)] as const)
    : (['tcp', target.slice(5)] as const)
  return { reattach: { Protocol: 'grpc', ProtocolVersion: 2, Pid: 42, Addr: { Network, String }, ...changes } }
}
const endings = [
  ['leaves a plugin at an address', (target: string): PluginAddress => ({ address: target }), undefined, 0],
  ['leaves a plugin of a test', (target: string) => reattached(target, { Test: true }), 42, 0],
  ['tells a reattached plugin to end', (target: string) => reattached(target), 42, 1],
] as const
for (const [what, address, pid, count] of endings) {
  test(`${what} when it is closed`, async (t) => {
    let shutdowns = 0
    const { server, target } = await listen(t, {
      ...full,
      shutdown: () => {
        shutdowns += 1
        // like grpc-go: without an answer
        server.forceShutdown()
      },
    })
    const host = attach(t, address(target))
    await until(host, 'ready')
    t.is(host.statuses()[0]?.pid, pid)
    await host.close()
    t.is(shutdowns, count)
    t.is(stateOf(host), 'stopped')
  })
}

import test, { type ExecutionContext } from 'ava'

import type { AggregatorError } from '../../src/errors.ts'
import { E } from '../../src/fp.ts'
import type { HttpAnswer, User } from '../../src/http.ts'
import type { CallOptions, PluginHost, StreamRequest } from '../../src/plugin.ts'
import { inProcess, type InProcessPlugin } from '../../src/plugins/in-process.ts'
import type { CallEnv } from '../../src/service.ts'
import type { SharedStreams } from '../../src/shared-streams.ts'
import { stream } from '../../src/services/stream.ts'
import { createSharedStreams } from '../../src/streams/index.ts'
import { service } from '../api/manifests.ts'
import { createManualClock, recordingLogger } from '../plugins/_setup.ts'
import { serve } from './serve.ts'

const of = service([{ type: 'stream' }])
const logger = recordingLogger()

const hubOf = (t: ExecutionContext, perUser = false) => {
  const { clock, timers, advance } = createManualClock()
  const streams = createSharedStreams({ logger, clock, perUser, random: () => 0 })
  t.teardown(() => streams.close())
  return { streams, timers, advance }
}

const get = (plugin: InProcessPlugin | PluginHost, streams: SharedStreams, user?: User, env: Partial<CallEnv> = {}) =>
  serve('/namespaces/default/datasources/u1/stream/some/path', undefined, {
    of,
    method: 'GET',
    plugins: 'plugin' in plugin ? plugin : inProcess({ p: plugin }),
    request: { user },
    env: { streams, ...env },
  })

const publish = (body: string, plugin: InProcessPlugin, streams: SharedStreams) =>
  serve('/namespaces/default/connections/u1/stream/some/path', body, {
    of,
    plugins: inProcess({ p: plugin }),
    env: { streams },
  })

const readerOf = (answer: E.Either<AggregatorError, HttpAnswer>) => {
  if (E.isLeft(answer) || answer.right._tag !== 'Stream') throw new Error(JSON.stringify(answer))
  const iterator = answer.right.chunks[Symbol.asyncIterator]()
  const next = async (): Promise<string | undefined> => {
    const step = await iterator.next()
    if (step.done === true) return undefined
    return E.isLeft(step.value) ? `Left ${step.value.left._tag}` : Buffer.from(step.value.right).toString()
  }
  return { answer: answer.right, next, leave: () => iterator.return?.() }
}

const quiet = { subscribeStream: () => ({ status: 'OK' as const }), runStream: () => silence() }

/** Messages that never come, until somebody leaves. */
const silence = (onLeave = (): void => undefined): AsyncIterable<never> => ({
  [Symbol.asyncIterator]: () => ({
    next: () => new Promise(() => undefined),
    return: () => {
      onLeave()
      return Promise.resolve({ done: true, value: undefined })
    },
  }),
})

test('lets a reader leave who waits for a packet', async (t) => {
  const { streams, timers } = hubOf(t)
  const reader = readerOf(await get(quiet, streams))
  t.true(reader.answer.isEndless)
  const waiting = reader.next()
  t.is(timers.size, 0)
  await reader.leave()
  t.is(await waiting, undefined)
  t.is(await reader.next(), undefined)
  await streams.close()
  t.is(timers.size, 0)
})

test('reads along before the initial data is out', async (t) => {
  const { streams } = hubOf(t)
  const plugin = {
    ...quiet,
    subscribeStream: () => ({ status: 'OK' as const, data: Buffer.from('{"first":true}') }),
    publishStream: ({ data }: StreamRequest) => ({ status: 'OK' as const, data }),
  }
  const reader = readerOf(await get(plugin, streams))
  t.is(await reader.next(), 'data: {"first":true}\n\n')
  t.deepEqual(
    await publish('{"n": 1}', plugin, streams),
    E.right({ _tag: 'Json', status: 200, headers: {}, value: {} }),
  )
  t.is(await reader.next(), 'data: {"n": 1}\n\n')
  await streams.close()
  t.is(await reader.next(), 'Left PluginUnavailable')
})

test('does not give a subscription the time of a stream, nor counts its answer for as long', async (t) => {
  let given: CallOptions | undefined
  const { streams } = hubOf(t)
  const plugin: InProcessPlugin = {
    ...quiet,
    subscribeStream: (_request, options) => {
      given = options
      return { status: 'OK' }
    },
  }
  await get(plugin, streams, undefined, { timeoutMs: 1_800_000, over: new Promise(() => undefined) })
  t.is(given?.timeoutMs, 60_000)
  t.is(given?.over, undefined)
  await get(plugin, streams, undefined, { timeoutMs: 1_000 })
  t.is(given?.timeoutMs, 1_000)
})

test('runs no stream for those whom the plugin does not take', async (t) => {
  const { streams } = hubOf(t)
  let runs = 0
  const plugin = {
    subscribeStream: () => ({ status: 'SURE' as 'OK' }),
    runStream: () => {
      runs += 1
      return silence()
    },
  }
  t.like(await get(plugin, streams), { left: { _tag: 'BadPlugin' } })
  t.is(runs, 0)
})

test('mixes the identities of two users in no call, and tells a shared one of none (S9)', async (t) => {
  const seen: Array<[call: string, login: string | undefined]> = []
  const see = (call: string, request: StreamRequest): void => {
    seen.push([call, request.pluginContext.user?.login])
  }
  const { streams } = hubOf(t)
  const plugin: InProcessPlugin = {
    subscribeStream: async (request) => {
      await new Promise(setImmediate)
      see('subscribe', request)
      return { status: 'OK', data: Buffer.from(JSON.stringify(request.pluginContext.user?.login)) }
    },
    runStream: (request) => {
      see('run', request)
      return silence()
    },
  }
  const host = inProcess({ p: plugin })
  const names = Array.from({ length: 1000 }, (_, index) => (index % 2 === 0 ? 'ada' : 'bob'))
  const readers = await Promise.all(names.map(async (name) => readerOf(await get(host, streams, { name }))))
  const initial = await Promise.all(readers.map(({ next }) => next()))
  t.deepEqual(
    initial,
    names.map((name) => `data: "${name}"\n\n`),
  )
  await new Promise(setImmediate)
  t.deepEqual(
    seen.filter(([call]) => call === 'run'),
    [['run', undefined]],
  )
  t.is(seen.filter(([, login]) => login === 'ada').length, 500)
})

test('runs a stream for each user, with his identity, where that is wished for (S9)', async (t) => {
  const users: Array<string | undefined> = []
  const { streams } = hubOf(t, true)
  const plugin: InProcessPlugin = {
    ...quiet,
    runStream: ({ pluginContext }) => {
      users.push(pluginContext.user?.login)
      return silence()
    },
  }
  const host = inProcess({ p: plugin })
  for (const name of ['ada', 'bob', 'ada', 'bob']) void readerOf(await get(host, streams, { name })).next()
  await new Promise(setImmediate)
  t.deepEqual(users, ['ada', 'bob'])
})

test('waits for a plugin that is not installed any more', async (t) => {
  const { streams, advance } = hubOf(t)
  let runs = 0
  const host = inProcess({
    p: {
      ...quiet,
      runStream: function* () {
        runs += 1
        yield { data: Buffer.from('1') }
      },
    },
  })
  let isInstalled = true
  const plugins: PluginHost = { ...host, plugin: (id) => (isInstalled ? host.plugin(id) : undefined) }
  const reader = readerOf(await get(plugins, streams))
  isInstalled = false
  const waiting = reader.next()
  await advance(0)
  t.is(runs, 0)
  isInstalled = true
  await advance(200)
  t.is(await waiting, 'data: 1\n\n')
  t.is(await reader.next(), 'event: end\ndata: {}\n\n')
  t.is(await reader.next(), undefined)
})

test('takes GET alone for long, and as a WebSocket', (t) => {
  const routes = stream.routes({ type: 'stream' }, of)
  t.deepEqual(
    routes.map(({ method, path, isLongRunning, upgrades }) => [method, path, isLongRunning !== undefined, upgrades]),
    ['connections', 'datasources'].flatMap((resource) => {
      const path = `/namespaces/{namespace}/${resource}/{uid}/stream/*`
      return [
        ['GET', path, true, true],
        ['POST', path, false, undefined],
      ]
    }),
  )
})

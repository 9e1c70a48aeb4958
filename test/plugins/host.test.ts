import test, { type ExecutionContext } from 'ava'

import { E } from '../../src/fp.ts'
import type { PluginChange } from '../../src/plugin-status.ts'
import { createHost } from '../../src/plugins/host.ts'
import type { PluginOptions } from '../../src/plugins/options.ts'
import { toPluginSettings } from '../../src/plugins/options.ts'
import { createManualClock, query, recordingLogger, settle, within } from './_setup.ts'
import { createFakePeer, recordingSecrets, response, type FakePeer } from './process/_peer.ts'

/** A host of plugins `a`, `b`, … whose starts the test lets succeed. */
const setUp = (t: ExecutionContext, ids: ReadonlyArray<string>, options: PluginOptions = {}) => {
  const { clock, advance, timers } = createManualClock()
  const logger = recordingLogger()
  const starting = new Map<string, () => void>()
  const peers = new Map<string, FakePeer>()
  const members = ids.map((id, index) => ({
    id,
    version: '1.2.3',
    start: (signal: AbortSignal) =>
      new Promise<FakePeer>((resolve, reject) => {
        const peer = createFakePeer(index + 1)
        const succeed = (): void => {
          starting.delete(id)
          peers.set(id, peer)
          resolve(peer)
        }
        signal.addEventListener('abort', () => {
          reject(new Error('stopped while it started'))
        })
        starting.set(id, succeed)
      }),
    secrets: recordingSecrets().secrets,
  }))
  const host = createHost(members, toPluginSettings({ logger, ...options }), { clock, random: () => 0 })
  t.teardown(async () => {
    await host.close()
    if (timers.size > 0) throw new Error(`${String(timers.size)} timers are left`)
  })
  const succeed = async (id: string): Promise<void> => {
    starting.get(id)?.()
    await settle()
  }
  return { host, logger, clock, advance, starting, peers, succeed, members }
}

const states = (changes: ReadonlyArray<PluginChange>): ReadonlyArray<string> =>
  changes.map(({ to }) => `${to.id} ${to.state}`)

test('starts a few plugins at once, and the rest after them', async (t) => {
  const { starting, succeed, host } = setUp(t, ['a', 'b', 'c', 'd'], { startsAtOnce: 2 })
  await settle()
  t.deepEqual([...starting.keys()], ['a', 'b'])
  await succeed('b')
  t.deepEqual([...starting.keys()], ['a', 'c'])
  await host.close()
  await settle()
  t.deepEqual(
    host.statuses().map(({ id, version, state, startCount }) => [id, version, state, startCount]),
    [
      ['a', '1.2.3', 'stopped', 1],
      ['b', '1.2.3', 'stopped', 1],
      ['c', '1.2.3', 'stopped', 1],
      ['d', '1.2.3', 'stopped', 0],
    ],
  )
})

test('starts a plugin at its first call without prewarm', async (t) => {
  const { host, starting, succeed } = setUp(t, ['a', 'b'], { prewarm: false })
  await settle()
  t.is(starting.size, 0)
  const plugin = host.plugin('b')
  t.like(plugin, { id: 'b', version: '1.2.3' })
  t.is(host.plugin('b'), plugin)
  const answer = plugin?.client.queryData(query(), within(1_000))()
  await settle()
  t.deepEqual([...starting.keys()], ['b'])
  await succeed('b')
  t.deepEqual(await answer, E.right(response))
})

test('knows no plugin that was not given', (t) => {
  const { host } = setUp(t, [])
  t.is(host.plugin('a'), undefined)
  t.is(host.plugin('__proto__'), undefined)
  t.deepEqual(host.statuses(), [])
})

test('tells each watcher of each change, until it ends', async (t) => {
  const { host, succeed, peers } = setUp(t, ['a'])
  const first: Array<PluginChange> = []
  const second: Array<PluginChange> = []
  const endFirst = host.watch((change) => first.push(change))
  host.watch((change) => second.push(change))
  await settle()
  await succeed('a')
  endFirst()
  endFirst()
  await peers.get('a')?.crash()
  t.deepEqual(states(first), ['a ready'])
  t.deepEqual(states(second), ['a ready', 'a crashed'])
  t.like(second[1], { from: 'ready', to: { lastError: 'exited with code 2', startCount: 1 } })
  await host.close()
  t.deepEqual(states(second).slice(2), ['a stopping', 'a stopped'])
})

test('tells the others when a watcher throws, and the log', async (t) => {
  const { host, succeed, logger } = setUp(t, ['a'])
  const heard: Array<PluginChange> = []
  host.watch(() => {
    throw new Error('a bug')
  })
  host.watch((change) => heard.push(change))
  await settle()
  await succeed('a')
  t.deepEqual(states(heard), ['a ready'])
  const lines = logger.lines.filter(({ level }) => level === 'error')
  t.deepEqual(
    lines.map(({ message, fields }) => [message, fields['plugin']]),
    [['a watcher of plugins threw', 'a']],
  )
})

test('lets watchers come, go and close the host while they are told', async (t) => {
  const { host, succeed } = setUp(t, ['a'])
  const heard: Array<string> = []
  const told =
    (name: string) =>
    ({ to: { state } }: PluginChange): void => {
      heard.push(`${name} ${state}`)
    }
  let endLast = (): void => undefined
  host.watch((change) => {
    told('first')(change)
    if (change.to.state !== 'ready') return
    endLast()
    host.watch(told('late'))
    void host.close()
  })
  host.watch(told('second'))
  endLast = host.watch(told('last'))
  await settle()
  await succeed('a')
  await host.close()
  t.deepEqual(heard, [
    'first ready',
    'second ready',
    'first stopping',
    'second stopping',
    'late stopping',
    'first stopped',
    'second stopped',
    'late stopped',
  ])
})

test('closes once, however often it is asked to, and stops all plugins', async (t) => {
  const { host, succeed, peers } = setUp(t, ['a', 'b'])
  await settle()
  await succeed('a')
  await succeed('b')
  const closed = host.close()
  t.is(host.close(), closed)
  t.like(await host.plugin('a')?.client.queryData(query(), within(1_000))(), { left: { _tag: 'PluginUnavailable' } })
  await closed
  t.deepEqual(
    [...peers.values()].map(({ count }) => count.stops),
    [1, 1],
  )
})

test('needs neither clock nor chance to be given', async (t) => {
  const { members } = setUp(t, [])
  const host = createHost(members, toPluginSettings({}))
  t.deepEqual(host.statuses(), [])
  await host.close()
})

import test from 'ava'

import type { PluginHost } from '../../src/plugin.ts'
import type { PluginChange, PluginStatus, PluginWatcher } from '../../src/plugin-status.ts'
import { pluginHosts } from '../../src/plugins/hosts.ts'
import { inProcess } from '../../src/plugins/in-process.ts'
import { query, within } from './_setup.ts'

const statusOf = (id: string, version: string): PluginStatus => ({
  ...{ id, version, state: 'ready', sinceMs: 0, startCount: 1, inFlight: 0, queued: 0 },
})

/** A host of empty plugins of one version, with a life of their own. */
const living = (version: string, ...ids: ReadonlyArray<string>) => {
  const plugins = inProcess(Object.fromEntries(ids.map((id) => [id, { version }])))
  const watchers = new Set<PluginWatcher>()
  let closed = 0
  const host: PluginHost = {
    plugin: (id) => plugins.plugin(id),
    statuses: () => ids.map((id) => statusOf(id, version)),
    watch: (watcher) => {
      watchers.add(watcher)
      return () => watchers.delete(watcher)
    },
    close: () => {
      closed += 1
      return plugins.close()
    },
  }
  const tell = (id: string): void => {
    for (const watcher of watchers) watcher({ from: 'starting', to: statusOf(id, version) })
  }
  return { host, tell, watchers, closed: () => closed }
}

test('lets the first host that has a plugin answer', async (t) => {
  const first = inProcess({ a: { version: '2', queryData: () => ({ responses: {} }) } })
  const hosts = pluginHosts(first, living('1', 'a', 'b').host)
  t.deepEqual(
    ['a', 'b', 'c', 'toString'].map((id) => hosts.plugin(id)?.version),
    ['2', '1', undefined, undefined],
  )
  t.is(hosts.plugin('a'), first.plugin('a'))
  t.like(await hosts.plugin('a')?.client.queryData(query(), within(5000))(), { _tag: 'Right' })
})

test('tells of the plugins that answer, and of no other of their ids', (t) => {
  const debugged = living('2', 'a')
  const installed = living('1', 'a', 'b')
  const inner = inProcess({ c: {} })
  const hosts = pluginHosts(inner, debugged.host, installed.host, debugged.host)
  t.deepEqual(hosts.statuses(), [statusOf('a', '2'), statusOf('b', '1')])
  const changes: PluginChange[] = []
  const end = hosts.watch((change) => {
    changes.push(change)
  })
  const tellAll = (): void => {
    debugged.tell('a')
    installed.tell('a')
    installed.tell('b')
  }
  tellAll()
  t.deepEqual(
    changes.map(({ to }) => to),
    [statusOf('a', '2'), statusOf('b', '1')],
  )
  end()
  tellAll()
  t.is(changes.length, 2)
  t.is(debugged.watchers.size + installed.watchers.size, 0)
})

test('closes each host once, also behind one that fails', async (t) => {
  const broken: PluginHost = { plugin: () => undefined, close: () => Promise.reject(new Error('stuck')) }
  const first = living('1', 'a')
  const last = living('1', 'b')
  const hosts = pluginHosts(first.host, broken, last.host, first.host)
  const error = await t.throwsAsync(hosts.close(), { instanceOf: AggregateError })
  t.like(error, { errors: [{ message: 'stuck' }] })
  await t.throwsAsync(hosts.close())
  t.deepEqual([first.closed(), last.closed()], [1, 1])
})

test('throws at once for what is no host', (t) => {
  for (const wrong of [undefined, {}, [inProcess({})], { plugin: () => undefined }]) {
    t.throws((): unknown => Reflect.apply(pluginHosts, undefined, [inProcess({}), wrong]), {
      instanceOf: TypeError,
      message: 'pluginHosts: expected hosts of plugins, such as pluginDirectory(dir), got something else',
    })
  }
})

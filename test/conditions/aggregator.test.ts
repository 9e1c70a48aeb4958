import test from 'ava'

import { dataPlaneAggregator, memorySource, pluginDirectory, staticContexts } from '../../src/index.ts'
import type { MemorySource } from '../../src/index.ts'
import { manifest } from '../_setup/aggregator.ts'
import { nodePlugin, temporaryDirectory, writePlugin } from '../plugins/_setup.ts'

const name = 'v1.hello.example.com'

/** Resolves once the object says so. Shape: `Accepted True Accepted, Available True Passed`. */
const says = ({ objects }: MemorySource, expected: string): Promise<void> =>
  new Promise((resolve) => {
    const look = (): void => {
      const conditions = objects.get(name)?.status?.conditions ?? []
      if (conditions.map(({ type, status, reason }) => `${type} ${status} ${reason}`).join(', ') !== expected) return
      end()
      clearInterval(stay)
      resolve()
    }
    // the timers of the library keep nobody alive
    const stay = setInterval(() => undefined, 1000)
    const end = objects.subscribe(look)
    look()
  })

test('tells in the status of an object that its plugin crashes, and that it serves again', async (t) => {
  const root = temporaryDirectory(t)
  writePlugin(root, 'hello', 'echo a secret of the host at /etc/shadow >&2; exit 1')
  const source = memorySource([manifest()])
  const plugins = pluginDirectory(root, {
    crashLoopAfter: 1,
    // it comes back because its program is replaced, and no sooner
    backoff: { initialMs: 60_000 },
    probe: { intervalMs: 100 },
  })
  const aggregator = dataPlaneAggregator({ source, plugins, contexts: staticContexts({ datasources: [] }) })
  t.teardown(() => aggregator.close())

  await says(source, 'Accepted True Accepted, Available False PluginNotRunning')
  const [accepted, down] = source.objects.get(name)?.status?.conditions ?? []
  t.like(accepted, { observedGeneration: 1, message: 'all claims stand' })
  t.is(down?.message, 'plugin "hello" is not running, it is started again by itself')

  writePlugin(root, 'hello', nodePlugin)
  await says(source, 'Accepted True Accepted, Available True Passed')
  t.deepEqual(source.objects.get(name)?.status?.conditions?.[0], accepted)
})

test('tells of claims that were lost, and of their return', async (t) => {
  const rival = { ...(manifest() as object), metadata: { name: 'a', creationTimestamp: '2020-01-01T00:00:00Z' } }
  const source = memorySource([manifest(), rival])
  const root = temporaryDirectory(t)
  const aggregator = dataPlaneAggregator({
    source,
    plugins: pluginDirectory(root),
    contexts: staticContexts({ datasources: [] }),
  })
  t.teardown(() => aggregator.close())
  await says(source, 'Accepted False Conflict, Available False NotAccepted')
  source.delete('a')
  await says(source, 'Accepted True Accepted, Available False PluginNotInstalled')
  t.is(source.objects.get(name)?.metadata.generation, 1)
})

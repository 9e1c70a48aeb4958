import test, { type ExecutionContext } from 'ava'
import express from 'express'

import type { Condition } from '../../src/api/object.ts'
import { createServer, dataPlaneAggregator, inProcess, memorySource, staticContexts } from '../../src/index.ts'
import { apiServer } from '../../src/kubernetes/index.ts'
import type { KubernetesApi, KubernetesObject, ObjectChange } from '../../src/kubernetes.ts'
import type { DataPlaneServiceSource, MemorySource } from '../../src/index.ts'
import { createKubernetesSource, kubernetesSource } from '../../src/sources/kubernetes.ts'
import { scriptedApi } from '../kubernetes/_connection.ts'
import { createManualClock } from '../plugins/_setup.ts'
import { listen } from '../_setup/aggregator.ts'
import { testContract } from './contract.ts'
import { badManifest, manifest, namesOf, record, serves, versionOf } from './recorder.ts'

/** A real registry: our own, over memory. */
const serveRegistry = async (t: ExecutionContext, initial: ReadonlyArray<unknown>) => {
  const memory = memorySource(initial)
  // its own conditions would be changes that no test has made
  const { updateStatus: _, ...source } = memory
  const aggregator = dataPlaneAggregator({
    source,
    plugins: inProcess({}),
    contexts: staticContexts({}),
  })
  t.teardown(aggregator.close)
  await aggregator.ready
  return { memory, url: await listen(t, createServer(express().use(aggregator))) }
}

const versionsIn = (memory: MemorySource): string =>
  JSON.stringify(memory.objects.list().map(({ metadata }) => [metadata.name, metadata.resourceVersion]))

/** The same apiserver, whose changes are told in one go once there are all of a `replace`, as a relist would. */
const gated = (api: KubernetesApi, memory: MemorySource) => {
  const seen = new Map<string, string | undefined>()
  let held: ObjectChange[] = []
  let flush: (() => void) | undefined
  const isCurrent = (): boolean => {
    const sorted = [...seen].toSorted(([a], [b]) => (a < b ? -1 : 1))
    return JSON.stringify(sorted) === versionsIn(memory)
  }
  const gate: KubernetesApi = {
    connect: (options) => {
      const connection = api.connect(options)
      return {
        ...connection,
        follow: (collection, follower) =>
          connection.follow(collection, {
            ...follower,
            changed: (changes) => {
              for (const { key, object } of changes) {
                if (object === undefined) seen.delete(key)
                else seen.set(key, object.metadata.resourceVersion)
              }
              held.push(...changes)
              if (flush !== undefined && !isCurrent()) return
              const all = held
              held = []
              follower.changed(all)
              flush?.()
            },
          }),
      }
    },
  }
  const replace = (objects: ReadonlyArray<unknown>): Promise<void> =>
    new Promise((resolve) => {
      flush = () => {
        flush = undefined
        resolve()
      }
      memory.replace(objects)
      if (isCurrent()) flush()
    })
  return { gate, replace }
}

testContract(
  test,
  'kubernetesSource',
  async (t, initial) => {
    const { memory, url } = await serveRegistry(t, initial)
    const { gate, replace } = gated(apiServer(url), memory)
    return { source: kubernetesSource(gate), replace }
  },
  { isApi: true },
)

const condition = (type: string, message = ''): Condition => ({
  type,
  status: 'True',
  lastTransitionTime: '2026-01-01T00:00:00Z',
  reason: 'Tested',
  message,
})

test('writes its own conditions into a real registry, and leaves those of others', async (t) => {
  const { memory, url } = await serveRegistry(t, [{ ...manifest('a'), status: { conditions: [condition('Theirs')] } }])
  const source = kubernetesSource(apiServer(url), { statusWriter: 'always' })
  const recorder = record(source)
  t.teardown(recorder.unsubscribe)
  await recorder.snapshotAt(0)
  const write = (conditions: ReadonlyArray<Condition>) =>
    source.updateStatus?.('a', ({ conditions: before = [] }) => ({
      conditions: [...before.filter(({ type }) => type === 'Theirs'), ...conditions],
    }))()
  const typesIn = () => memory.objects.get('a')?.status?.conditions?.map(({ type }) => type)
  t.deepEqual(await write([condition('Accepted'), condition('Available')]), { _tag: 'Right', right: undefined })
  t.deepEqual(typesIn(), ['Theirs', 'Accepted', 'Available'])
  await write([condition('Accepted')])
  t.deepEqual(typesIn(), ['Theirs', 'Accepted'])
  memory.apply(manifest('b'))
  await recorder.snapshot(serves('a', 'b'))
  t.is(recorder.snapshots.length, 2)
})

const objectOf = (name: string, version = 'v1', metadata: object = {}): KubernetesObject => ({
  ...manifest(name, version),
  metadata: { name, uid: `uid-of-${name}`, resourceVersion: '1', ...metadata },
})

/** A source over a scripted apiserver. */
const start = (t: ExecutionContext, options: Parameters<typeof kubernetesSource>[1] = {}) => {
  const scripted = scriptedApi()
  const { clock, advance } = createManualClock()
  const source: DataPlaneServiceSource = createKubernetesSource(scripted.api, options, { clock })
  const recorder = record(source)
  t.teardown(recorder.unsubscribe)
  return { ...scripted, source, recorder, advance, clock }
}

test('makes no snapshot of a change of status and bookkeeping only', async (t) => {
  const { recorder, tell } = start(t)
  tell(objectOf('a'))
  const { services } = await recorder.snapshotAt(0)
  tell({
    ...objectOf('a', 'v1', { resourceVersion: '2', managedFields: [] }),
    status: { conditions: [condition('X')] },
  })
  tell(objectOf('b'))
  const later = await recorder.snapshotAt(1)
  t.deepEqual(namesOf(later), ['a', 'b'])
  t.is(later.services[0], services[0])
})

test('serves nothing of an object in the place of another one of its name', async (t) => {
  const { recorder, tell, gone } = start(t)
  tell(objectOf('a'), objectOf('b'))
  await recorder.snapshotAt(0)
  gone('a')
  const bad = (name: string, uid: string): KubernetesObject => ({ ...badManifest(name), metadata: { name, uid } })
  tell(bad('a', 'other'), bad('b', 'other'))
  const { services, rejected } = await recorder.snapshotAt(1)
  t.deepEqual(services, [])
  t.deepEqual(
    rejected.map(({ name }) => name),
    ['a', 'b'],
  )
})

test('goes on serving the last good state of the same object, until it is mended or gone', async (t) => {
  const { recorder, tell, gone } = start(t)
  tell(objectOf('a'))
  const [service] = (await recorder.snapshotAt(0)).services
  const bad: KubernetesObject = { ...badManifest('a'), metadata: { name: 'a', uid: 'uid-of-a', resourceVersion: '2' } }
  tell(bad)
  const broken = await recorder.snapshotAt(1)
  t.is(broken.services[0], service)
  t.is(broken.rejected.length, 1)
  tell({ ...bad, metadata: { ...bad.metadata, resourceVersion: '3' } })
  tell(objectOf('a', 'v1', { resourceVersion: '4' }))
  const mended = await recorder.snapshotAt(2)
  t.is(mended.services[0], service)
  t.deepEqual(mended.rejected, [])
  gone('a')
  t.deepEqual(await recorder.snapshotAt(3), { services: [], rejected: [] })
})

test('takes an object that says neither kind nor apiVersion, as items of a list need not', async (t) => {
  const { recorder, tell } = start(t)
  const { metadata, spec } = objectOf('a', 'v7')
  tell({ metadata, spec })
  t.is(versionOf(await recorder.snapshotAt(0), 'a'), 'v7')
})

test('tells that contact is lost as an error and in the snapshot, and of its return by one without', async (t) => {
  const { recorder, last, tell, source } = start(t)
  const refused = { _tag: 'Refused', code: 404, reason: 'NotFound', message: 'not here' } as const
  last().follower.failed(refused)
  const message = 'the apiserver answered 404: not here (is the CustomResourceDefinition of DataPlaneService applied?)'
  t.deepEqual(recorder.errors, [{ message, origin: 'https://10.0.0.1:6443', cause: refused }])
  tell(objectOf('a'))
  last().follower.recovered()
  const first = await recorder.snapshotAt(0)
  t.is(first.errors, undefined)
  last().follower.failed({ _tag: 'Unreachable', message: 'refused' })
  const lost = await recorder.snapshotAt(1)
  t.is(lost.services, first.services)
  t.deepEqual(
    lost.errors?.map((error) => error.message),
    ['refused'],
  )
  const late = record(source)
  await late.snapshotAt(0)
  t.is(late.errors.length, 1)
  await late.unsubscribe()
  last().follower.recovered()
  const whole = await recorder.snapshotAt(2)
  t.deepEqual([whole.services, whole.errors], [first.services, undefined])
})

test('tells how old its state is, and calls it stale once that is too old', async (t) => {
  const { source, hear, advance, clock, recorder } = start(t, { maxStalenessMs: 1000 })
  t.deepEqual(source.staleness?.(), { ageMs: undefined, isStale: false })
  await advance(1001)
  t.deepEqual(source.staleness?.(), { ageMs: undefined, isStale: true })
  hear(clock.now())
  await advance(1000)
  t.deepEqual(source.staleness?.(), { ageMs: 1000, isStale: false })
  await advance(1)
  t.deepEqual(source.staleness?.(), { ageMs: 1001, isStale: true })
  await recorder.unsubscribe()
  t.deepEqual(source.staleness?.(), { ageMs: undefined, isStale: true })
  const patient = start(t, { maxStalenessMs: Infinity })
  await patient.advance(1e9)
  t.deepEqual(patient.source.staleness?.(), { ageMs: undefined, isStale: false })
})

test('connects for the first subscriber, closes with the last one, and begins anew for the next', async (t) => {
  const { api, made, last, tell } = scriptedApi()
  const source = kubernetesSource(api, { labelSelector: 'team=a' })
  t.is(made.length, 0)
  const [one, two] = [record(source), record(source)]
  t.is(made.length, 1)
  t.is(last().collection.labelSelector, 'team=a')
  t.is(last().collection.path, '/apis/aggregation.grafana.app/v0alpha1/dataplaneservices')
  tell(objectOf('a'))
  await two.snapshotAt(0)
  await source.updateStatus?.('a', (status) => status)()
  await one.unsubscribe()
  t.deepEqual(last().closed, [])
  await two.unsubscribe()
  t.deepEqual(last().closed, ['election', 'following', 'connection'])
  const three = record(source)
  t.is(made.length, 2)
  tell(objectOf('b'))
  t.deepEqual(namesOf(await three.snapshotAt(0)), ['b'])
  await three.unsubscribe()
  t.deepEqual(last().closed, ['following', 'connection'])
})

test.serial('keeps the process running while it waits for an apiserver that is away', async (t) => {
  const timers = (): number => process.getActiveResourcesInfo().filter((name) => name === 'Timeout').length
  const before = timers()
  const { unsubscribe } = record(kubernetesSource(scriptedApi().api))
  t.is(timers(), before + 1)
  await unsubscribe()
  t.is(timers(), before)
})

test('refuses what is no way to an apiserver', (t) => {
  const message = 'expected a KubernetesApi such as kubeconfig(), inCluster() or apiServer(url), got string'
  t.throws((): unknown => Reflect.apply(kubernetesSource, undefined, ['./config']), { instanceOf: TypeError, message })
})

for (const [options, message] of [
  [{ selector: 'a' }, /^unknown option selector, known: labelSelector, /],
  [{ lease: { nme: 'a' } }, /^unknown option lease.nme, known: name, namespace, identity$/],
  [{ labelSelector: '' }, /^expected option labelSelector to be a text, got ""$/],
  [{ maxStalenessMs: NaN }, /^expected option maxStalenessMs to be ms or Infinity, got NaN$/],
  [{ statusWriter: 'all' }, /^expected option statusWriter to be "lease", "always" or "never", got "all"$/],
  [{ lease: { name: 'A B' } }, /^expected option lease.name to be a DNS subdomain, got "A B"$/],
  [{ lease: { namespace: 'a.b' } }, /^expected option lease.namespace to be a DNS label, got "a.b"$/],
  [{ lease: 'x' }, /^expected option lease to be an object, got "x"$/],
  [{ logger: {} }, /^expected option logger to be a logger, got object$/],
] as const) {
  test(`refuses ${JSON.stringify(options)} as options`, (t) => {
    t.throws(() => kubernetesSource(scriptedApi().api, options as object), { instanceOf: TypeError, message })
  })
}

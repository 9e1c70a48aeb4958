import test, { type ExecutionContext } from 'ava'

import { E } from '../../src/fp.ts'
import { memorySource } from '../../src/sources/index.ts'
import { testContract } from './contract.ts'
import { testObjects } from './objects-contract.ts'
import { badManifest, manifest, namesOf, record } from './recorder.ts'

const create = (_t: ExecutionContext, initial: ReadonlyArray<unknown>) => {
  const source = memorySource(initial)
  return Promise.resolve({
    source,
    replace: (objects: ReadonlyArray<unknown>) => {
      source.replace(objects)
      return Promise.resolve()
    },
  })
}

testContract(test, 'memorySource', create)
testObjects(test, 'memorySource', create)

const rightOf = <A>(either: E.Either<unknown, A>): A => {
  if (E.isLeft(either)) throw new Error(`expected a right, got ${JSON.stringify(either.left)}`)
  return either.right
}

const withMetadata = (name: string, metadata: object) => ({ ...manifest(name), metadata: { name, ...metadata } })

test('sets what the API server would set at creation', (t) => {
  const source = memorySource([], { now: () => Date.UTC(2026, 0, 2, 3, 4, 5, 678) })
  const { metadata } = rightOf(source.apply(manifest('a')))
  t.regex(metadata.uid ?? '', /^[0-9a-f-]{36}$/)
  t.like(metadata, { name: 'a', creationTimestamp: '2026-01-02T03:04:05Z', generation: 1 })
  t.is(metadata.resourceVersion, String(source.objects.revision()))
})

test('keeps a given uid and creationTimestamp, but counts generation and resourceVersion itself', (t) => {
  const source = memorySource()
  const given = { uid: 'u', creationTimestamp: '2020-01-01T00:00:00Z', generation: 7, resourceVersion: '900' }
  const { metadata } = rightOf(source.apply(withMetadata('a', given)))
  t.deepEqual(metadata, { name: 'a', ...given, generation: 1, resourceVersion: String(source.objects.revision()) })
})

test('takes a null creationTimestamp, as kubectl writes it, for none', (t) => {
  const source = memorySource([], { now: () => 0 })
  const { metadata } = rightOf(source.apply(withMetadata('a', { creationTimestamp: null })))
  t.is(metadata.creationTimestamp, '1970-01-01T00:00:00Z')
})

test('raises generation with the spec, resourceVersion with anything, and never uid or creationTimestamp', (t) => {
  const source = memorySource()
  const created = rightOf(source.apply(manifest('a'))).metadata
  const labelled = rightOf(source.apply(withMetadata('a', { labels: { x: 'y' } }))).metadata
  const changed = rightOf(source.apply({ ...manifest('a', 'v2') })).metadata
  t.like(labelled, { uid: created.uid, creationTimestamp: created.creationTimestamp, generation: 1 })
  t.like(changed, { uid: created.uid, creationTimestamp: created.creationTimestamp, generation: 2 })
  const versions = [created, labelled, changed].map((m) => Number(m.resourceVersion))
  t.deepEqual(
    versions.map((version) => version - (versions[0] ?? 0)),
    [0, 1, 2],
  )
  t.is(changed.labels, undefined)
})

test('stores nothing and says nothing when an apply changes nothing', async (t) => {
  const source = memorySource([manifest('a')])
  const recorder = record(source)
  const { services } = await recorder.snapshotAt(0)
  t.is(services.indexOf(rightOf(source.apply(manifest('a')))), 0)
  const witness = record(source)
  await witness.snapshotAt(0)
  t.is(recorder.snapshots.length, 1)
})

test('gives changes made in one go as one snapshot', async (t) => {
  const source = memorySource()
  const recorder = record(source)
  await recorder.snapshotAt(0)
  for (const name of ['a', 'b', 'c']) source.apply(manifest(name))
  source.delete('b')
  t.deepEqual(namesOf(await recorder.snapshotAt(1)), ['a', 'c'])
})

test('tells whether a name was there to delete', (t) => {
  const source = memorySource([manifest('a')])
  t.true(source.delete('a'))
  t.false(source.delete('a'))
})

test('gives the causes of a refused apply and leaves the stored object alone', async (t) => {
  const source = memorySource([manifest('a')])
  const refused = source.apply(badManifest('a'))
  t.is(E.isLeft(refused) && refused.left[0]?.field, 'spec.pluginType')
  const { services, rejected } = await record(source).snapshotAt(0)
  t.is(services[0]?.spec.pluginType, 'datasource')
  t.deepEqual(rejected, [])
})

test('forgets that a name was rejected once it is applied or deleted', async (t) => {
  const source = memorySource([badManifest('a'), badManifest('b')])
  const recorder = record(source)
  t.is((await recorder.snapshotAt(0)).rejected.length, 2)
  source.apply(manifest('a'))
  source.delete('b')
  t.deepEqual((await recorder.snapshotAt(1)).rejected, [])
})

test('holds a copy, so that its maker cannot change an object behind its back', async (t) => {
  const object = manifest('a')
  const source = memorySource([object])
  object.spec.version = 'v2'
  t.is((await record(source).snapshotAt(0)).services[0]?.spec.version, 'v1')
})

test('refuses an object that contains itself', async (t) => {
  const object: Record<string, unknown> = { ...manifest('a') }
  object['self'] = object
  const refused = memorySource().apply(object)
  t.is(E.isLeft(refused) && refused.left[0]?.message, 'expected an object that can be written as JSON')
  const { rejected } = await record(memorySource([object])).snapshotAt(0)
  t.is(rejected[0]?.origin, 'a')
})

test('keeps what others wrote into an object when it is applied again, unless it says so itself', (t) => {
  const managedFields = [{ manager: 'kubectl', operation: 'Apply' }]
  const books = { finalizers: ['example.com/hold'], managedFields, deletionTimestamp: '2026-01-01T00:00:00Z' }
  const status = { conditions: [] }
  const source = memorySource([{ ...withMetadata('a', { ...books, labels: { x: 'y' } }), status }])
  source.apply(manifest('a', 'v2'))
  t.like(source.objects.get('a'), { metadata: { ...books, generation: 2 }, status })
  t.is(source.objects.get('a')?.metadata.labels, undefined)
  source.apply(withMetadata('a', { finalizers: [] }))
  t.deepEqual(source.objects.get('a')?.metadata.finalizers, [])
})

test('shows a commit at once, in the very step that runs it', (t) => {
  const { objects } = memorySource()
  const commit = objects.commit('a', undefined, manifest('a'))
  t.is(objects.get('a'), undefined)
  void commit()
  t.is(objects.get('a')?.metadata.name, 'a')
})

import type { ExecutionContext, TestFn } from 'ava'

import type { StoredObject } from '../../src/api/object.ts'
import { unexpected, type AggregatorError, type Result } from '../../src/errors.ts'
import { E, TE } from '../../src/fp.ts'
import type { StoreEvent } from '../../src/object-store.ts'
import type { WritableSource } from '../../src/source.ts'
import type { SourceUnderTest } from './contract.ts'
import { badManifest, manifest, record, serves, versionOf, type Recorder } from './recorder.ts'

/** What a result gives; its error is thrown. */
export const done = async <A>(result: Result<A>): Promise<A> => {
  const either = await result()
  if (E.isLeft(either)) throw new Error(JSON.stringify(either.left))
  return either.right
}

/** How a result fails; fails itself when it does not. */
export const failed = async (result: Result<unknown>): Promise<AggregatorError> => {
  const either = await result()
  if (E.isRight(either)) throw new Error(`expected a failure, got ${JSON.stringify(either.right)}`)
  return either.left
}

export const live = ({ objects }: WritableSource, name: string): StoredObject => {
  const object = objects.get(name)
  if (object === undefined) throw new Error(`expected an object "${name}", got ${JSON.stringify(objects.list())}`)
  return object
}

/** The object with another version in its spec, as a client would write it. */
export const withVersion = (object: StoredObject, version: string): StoredObject => ({
  ...object,
  spec: { ...Object(object.spec), version },
})

export const createdAs = (name: string, version = 'v1'): StoredObject => ({
  ...manifest(name, version),
  metadata: { name, uid: `uid-of-${name}`, creationTimestamp: '2026-01-01T00:00:00Z', generation: 1 },
})

export const writeStatus = (
  source: WritableSource,
  ...change: Parameters<NonNullable<WritableSource['updateStatus']>>
): Result<void> => source.updateStatus?.(...change) ?? TE.left(unexpected('expected a source that keeps a status'))

export const eventsOf = ({ objects }: WritableSource): ReadonlyArray<StoreEvent> => {
  const events: StoreEvent[] = []
  objects.subscribe((event) => events.push(event))
  return events
}

const summaryOf = (events: ReadonlyArray<StoreEvent>): ReadonlyArray<string> =>
  events.map(({ type, object }) => `${type} ${object.metadata.name}`)

/** The laws of src/object-store.ts, and of `updateStatus`. Every source that can be written runs them. */
export const testObjects = (
  test: TestFn,
  name: string,
  create: (t: ExecutionContext, initial: ReadonlyArray<unknown>) => Promise<SourceUnderTest>,
): void => {
  const begin = async (
    t: ExecutionContext,
    initial: ReadonlyArray<unknown>,
  ): Promise<SourceUnderTest & { recorder: Recorder }> => {
    const underTest = await create(t, initial)
    const recorder = record(underTest.source)
    t.teardown(recorder.unsubscribe)
    await recorder.snapshotAt(0)
    await underTest.source.objects.ready
    return { ...underTest, recorder }
  }

  test(`${name}: creates, changes and deletes objects, tells of each, and serves them`, async (t) => {
    const { source, recorder } = await begin(t, [manifest('b')])
    const { objects } = source
    const events = eventsOf(source)
    const start = objects.revision()
    const created = await done(objects.commit('a', undefined, createdAs('a')))
    t.is(objects.get('a'), created)
    await recorder.snapshot(serves('a', 'b'))
    const changed = await done(objects.commit('a', created, withVersion(created, 'v2')))
    await recorder.snapshot((snapshot) => versionOf(snapshot, 'a') === 'v2')
    t.deepEqual(
      objects.list().map(({ metadata }) => metadata.name),
      ['a', 'b'],
    )
    t.is(objects.list(), objects.list())
    const deleted = await done(objects.commit('a', changed, undefined))
    await recorder.snapshot(serves('b'))
    t.deepEqual(
      events.map(({ type, object, previous, revision }) => [type, object, previous, revision]),
      [
        ['ADDED', created, undefined, start + 1],
        ['MODIFIED', changed, created, start + 2],
        ['DELETED', deleted, changed, start + 3],
      ],
    )
    t.true(events.every(({ object, revision }) => object.metadata.resourceVersion === String(revision)))
    t.deepEqual(objects.since(start), events)
    t.deepEqual(objects.since(start + 2), events.slice(2))
    t.deepEqual(recorder.errors, [])
  })

  test(`${name}: lets one of a hundred commits of one name win`, async (t) => {
    const { source } = await begin(t, [manifest('a')])
    const events = eventsOf(source)
    const old = live(source, 'a')
    const results = await Promise.all(
      Array.from({ length: 100 }, (_, index) =>
        source.objects.commit('a', old, withVersion(old, `v${String(index + 2)}`))(),
      ),
    )
    const won = results.filter(E.isRight)
    t.deepEqual(
      won.map(({ right }) => right),
      [live(source, 'a')],
    )
    t.true(results.filter(E.isLeft).every(({ left }) => left._tag === 'Conflict'))
    t.is(events.length, 1)
  })

  test(`${name}: refuses to create what is there, and to change or delete what is not`, async (t) => {
    const { source } = await begin(t, [manifest('a')])
    const events = eventsOf(source)
    const { objects } = source
    const gone = createdAs('gone')
    for (const refused of [
      objects.commit('a', undefined, createdAs('a')),
      objects.commit('gone', gone, withVersion(gone, 'v2')),
      objects.commit('gone', gone, undefined),
    ]) {
      t.is((await failed(refused))._tag, 'Conflict')
    }
    t.is((await failed(objects.commit('b', undefined, createdAs('a'))))._tag, 'Unexpected')
    t.deepEqual(events, [])
  })

  test(`${name}: writes a status, nothing else with it, and gives no snapshot for it`, async (t) => {
    const { source, recorder } = await begin(t, [manifest('a'), manifest('b')])
    const before = live(source, 'a')
    const conditions = [
      { type: 'Accepted', status: 'True', lastTransitionTime: '2026-01-01T00:00:00Z', reason: 'Routed', message: '' },
    ] as const
    const write = (message: string): Promise<unknown> =>
      done(
        writeStatus(source, 'a', ({ conditions: old = [] }) => ({
          conditions: [...old, { ...conditions[0], message }],
        })),
      )
    await Promise.all(['x', 'y', 'z'].map(write))
    const { metadata, status, ...rest } = live(source, 'a')
    const { metadata: oldMetadata, status: _status, ...oldRest } = before
    t.deepEqual(status?.conditions?.map(({ message }) => message).sort(), ['x', 'y', 'z'])
    t.deepEqual(rest, oldRest)
    t.deepEqual({ ...metadata, resourceVersion: oldMetadata.resourceVersion }, oldMetadata)
    t.true(Number(metadata.resourceVersion) > Number(oldMetadata.resourceVersion))
    await done(source.objects.commit('c', undefined, createdAs('c')))
    const next = await recorder.snapshotAt(1)
    t.true(serves('a', 'b', 'c')(next))
    t.true(recorder.snapshots[0]?.services.every((service) => next.services.includes(service)))
  })

  test(`${name}: writes no status that is the same, and none of an object that is gone`, async (t) => {
    const { source } = await begin(t, [manifest('a')])
    const events = eventsOf(source)
    for (const object of ['a', 'gone']) {
      t.deepEqual(await writeStatus(source, object, (current) => current)(), E.right(undefined))
    }
    t.deepEqual(events, [])
  })

  test(`${name}: keeps an object that turned wrong, to be shown and mended, while its last good state serves`, async (t) => {
    const { source, recorder, replace } = await begin(t, [manifest('a'), badManifest('b')])
    t.like(live(source, 'b'), { spec: { pluginType: 'panel' } })
    const before = live(source, 'a')
    await replace([badManifest('a'), badManifest('b')])
    const { services, rejected } = await recorder.snapshot((snapshot) => snapshot.rejected.length === 2)
    t.is(services[0], recorder.snapshots[0]?.services[0])
    t.deepEqual(
      rejected.map((object) => object.name),
      ['a', 'b'],
    )
    const wrong = live(source, 'a')
    t.like(wrong, { metadata: { uid: before.metadata.uid, generation: 2 }, spec: { pluginType: 'panel' } })
    await done(source.objects.commit('a', wrong, { ...wrong, spec: manifest('a', 'v3').spec }))
    const mended = await recorder.snapshot((snapshot) => versionOf(snapshot, 'a') === 'v3')
    t.deepEqual(
      mended.rejected.map((object) => object.name),
      ['b'],
    )
  })

  test(`${name}: shows no object that an API could not make sense of`, async (t) => {
    const strange = [
      { ...manifest('a'), apiVersion: 'v1' },
      { ...manifest('Upper'), kind: 'DataPlaneService' },
      { ...manifest('b'), metadata: { name: 'b', finalizers: 'x' } },
      { ...manifest('c'), kind: 'ConfigMap' },
      { ...manifest('d'), metadata: { name: '../d' } },
      'nonsense',
      null,
    ]
    const { source, recorder } = await begin(t, strange)
    t.deepEqual(source.objects.list(), [])
    t.deepEqual(recorder.snapshots[0]?.services, [])
    const fields = recorder.snapshots[0]?.rejected.map(({ causes }) => causes[0]?.field)
    t.deepEqual(fields?.slice(0, 5), ['apiVersion', 'metadata.name', 'metadata.finalizers', 'kind', 'metadata.name'])
  })

  test(`${name}: tells what somebody else changes as events, and nothing twice`, async (t) => {
    const { source, recorder, replace } = await begin(t, [manifest('a'), manifest('b')])
    const events = eventsOf(source)
    const [a, b] = [live(source, 'a'), live(source, 'b')]
    await replace([manifest('a', 'v2'), manifest('b'), manifest('c')])
    await recorder.snapshot(serves('a', 'b', 'c'))
    await replace([manifest('b'), manifest('c')])
    await recorder.snapshot(serves('b', 'c'))
    t.deepEqual(summaryOf(events).toSorted(), ['ADDED c', 'DELETED a', 'MODIFIED a'])
    t.is(live(source, 'b'), b)
    const modified = events.find(({ type }) => type === 'MODIFIED')
    t.is(modified?.previous, a)
    t.like(modified?.object.metadata, { uid: a.metadata.uid, generation: 2 })
  })
}

import type { ExecutionContext, TestFn } from 'ava'

import type { DataPlaneServiceSource, WritableSource } from '../../src/source.ts'
import { badManifest, manifest, namesOf, record, serves, versionOf, type Recorder } from './recorder.ts'

export interface SourceUnderTest<Source extends DataPlaneServiceSource = WritableSource> {
  readonly source: Source
  /** Makes these objects all that the source has. */
  readonly replace: (objects: ReadonlyArray<unknown>) => Promise<void>
}

export interface ContractOptions {
  /** An API holds one object of a name, and none of another kind. Default: no such thing stands between the source and its maker. */
  readonly isApi?: boolean
}

/** The laws of src/source.ts. Every source runs them. */
export const testContract = (
  test: TestFn,
  name: string,
  create: (t: ExecutionContext, initial: ReadonlyArray<unknown>) => Promise<SourceUnderTest<DataPlaneServiceSource>>,
  { isApi = false }: ContractOptions = {},
): void => {
  const begin = async (
    t: ExecutionContext,
    initial: ReadonlyArray<unknown>,
  ): Promise<SourceUnderTest<DataPlaneServiceSource> & { recorder: Recorder }> => {
    const underTest = await create(t, initial)
    const recorder = record(underTest.source)
    t.teardown(recorder.unsubscribe)
    return { ...underTest, recorder }
  }

  test(`${name}: gives the first snapshot without being asked, and not inside subscribe`, async (t) => {
    const { source } = await create(t, [manifest('a'), manifest('b')])
    const recorder = record(source)
    t.teardown(recorder.unsubscribe)
    t.is(recorder.snapshots.length, 0)
    t.deepEqual(namesOf(await recorder.snapshotAt(0)), ['a', 'b'])
    t.is(recorder.errors.length, 0)
  })

  test(`${name}: gives an empty first snapshot when there is no object`, async (t) => {
    const { recorder } = await begin(t, [])
    t.deepEqual(await recorder.snapshotAt(0), { services: [], rejected: [] })
  })

  test(`${name}: gives the whole state after each change`, async (t) => {
    const { recorder, replace } = await begin(t, [manifest('a'), manifest('b')])
    await recorder.snapshotAt(0)
    await replace([manifest('a'), manifest('c')])
    t.deepEqual(namesOf(await recorder.snapshotAt(1)), ['a', 'c'])
    await replace([])
    t.deepEqual(namesOf(await recorder.snapshotAt(2)), [])
  })

  test(`${name}: keeps an unchanged object the same object, and only that`, async (t) => {
    const { recorder, replace } = await begin(t, [manifest('a'), manifest('b')])
    const first = await recorder.snapshotAt(0)
    await replace([manifest('a'), manifest('b', 'v2')])
    const second = await recorder.snapshotAt(1)
    const find = (name: string) => [first, second].map((s) => s.services.find((o) => o.metadata.name === name))
    const [a1, a2] = find('a')
    const [b1, b2] = find('b')
    t.truthy(a1)
    t.is(a1, a2)
    t.not(b1, b2)
    t.is(b2?.spec.version, 'v2')
  })

  test(`${name}: says nothing when nothing changed`, async (t) => {
    const { recorder, replace, source } = await begin(t, [manifest('a')])
    await recorder.snapshotAt(0)
    await replace([manifest('a')])
    const later = record(source)
    t.teardown(later.unsubscribe)
    await later.snapshotAt(0)
    await replace([manifest('b')])
    t.deepEqual(namesOf(await recorder.snapshotAt(1)), ['b'])
  })

  const nonsense = isApi ? [] : ['nonsense']

  test(`${name}: rejects a bad object by name while the others serve`, async (t) => {
    const { recorder } = await begin(t, [manifest('a'), badManifest('b'), ...nonsense])
    const { services, rejected } = await recorder.snapshotAt(0)
    t.deepEqual(
      services.map(({ metadata }) => metadata.name),
      ['a'],
    )
    t.deepEqual(
      rejected.map((object) => [object.name, object.causes[0]?.field]),
      [['b', 'spec.pluginType'], ...nonsense.map(() => [undefined, ''])],
    )
  })

  test(`${name}: serves the last good version of an object that turned bad, and rejects the bad one`, async (t) => {
    const { recorder, replace } = await begin(t, [manifest('a'), manifest('b')])
    const first = await recorder.snapshotAt(0)
    await replace([badManifest('a'), manifest('b')])
    const { services, rejected } = await recorder.snapshotAt(1)
    t.is(services.length, 2)
    t.true(first.services.every((service) => services.includes(service)))
    t.deepEqual(
      rejected.map((object) => object.name),
      ['a'],
    )
    await replace([manifest('a', 'v2'), manifest('b')])
    const last = await recorder.snapshotAt(2)
    t.is(versionOf(last, 'a'), 'v2')
    t.deepEqual(last.rejected, [])
  })

  test(`${name}: gives several subscribers the same state, and leaves one undisturbed when another goes`, async (t) => {
    const { recorder, replace, source } = await begin(t, [manifest('a')])
    const other = record(source)
    await recorder.snapshotAt(0)
    t.deepEqual(await other.snapshotAt(0), await recorder.snapshotAt(0))
    await other.unsubscribe()
    await replace([manifest('b')])
    await recorder.snapshot(serves('b'))
    t.is(other.snapshots.length, 1)
  })

  test(`${name}: says nothing to one who left before the first snapshot, however often he leaves`, async (t) => {
    const { recorder, source } = await begin(t, [manifest('a')])
    const hasty = record(source)
    await Promise.all([hasty.unsubscribe(), hasty.unsubscribe()])
    await recorder.snapshotAt(0)
    t.is(hasty.snapshots.length + hasty.errors.length, 0)
  })

  if (isApi) return

  test(`${name}: serves the first of two objects with one name and rejects the second`, async (t) => {
    const { recorder } = await begin(t, [manifest('a', 'v1'), manifest('a', 'v2')])
    const snapshot = await recorder.snapshotAt(0)
    t.is(snapshot.services.length, 1)
    t.is(versionOf(snapshot, 'a'), 'v1')
    t.deepEqual(
      snapshot.rejected.map(({ causes }) => causes.map(({ reason, field }) => [reason, field])),
      [[['FieldValueDuplicate', 'metadata.name']]],
    )
  })

  test(`${name}: rejects an object of another kind with one cause, and takes its name for none of ours`, async (t) => {
    const { recorder } = await begin(t, [{ apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'other' } }])
    const { rejected } = await recorder.snapshotAt(0)
    t.deepEqual(rejected[0]?.causes, [
      {
        reason: 'FieldValueNotSupported',
        field: 'kind',
        message: 'expected kind "DataPlaneService", got "ConfigMap"',
      },
    ])
    t.is(rejected[0]?.name, undefined)
  })
}

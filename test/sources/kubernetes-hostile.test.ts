import test, { type ExecutionContext } from 'ava'

import type { DataPlaneServiceStatus } from '../../src/api/object.ts'
import { createConditions } from '../../src/conditions/index.ts'
import { encodeFrame, encodeQueryData } from '../../src/frames/index.ts'
import { E } from '../../src/fp.ts'
import { inProcess } from '../../src/index.ts'
import type { KubernetesApi, KubernetesObject } from '../../src/kubernetes.ts'
import { liveTable } from '../../src/routing/live-table.ts'
import { serviceDefinitions } from '../../src/services/index.ts'
import { createKubernetesSource } from '../../src/sources/kubernetes.ts'
import { scriptedApi, type Answer } from '../kubernetes/_connection.ts'
import { createManualClock, recordingLogger, settle } from '../plugins/_setup.ts'
import { badManifest, manifest, record } from './recorder.ts'

const objectOf = (name: string, metadata: object = {}): KubernetesObject => ({
  ...manifest(name),
  metadata: { name, uid: `uid-of-${name}`, resourceVersion: '1', ...metadata },
})

const statusOf = (message: string): DataPlaneServiceStatus => ({
  conditions: [{ type: 'Accepted', status: 'True', lastTransitionTime: '2026-01-01T00:00:00Z', reason: 'X', message }],
})

const saying =
  (message: string) =>
  (current: DataPlaneServiceStatus): DataPlaneServiceStatus =>
    current.conditions?.[0]?.message === message ? current : statusOf(message)

const refused = (code: number): Answer => E.left({ _tag: 'Refused', code, reason: '', message: `says ${String(code)}` })

const start = (t: ExecutionContext, wrap: (api: KubernetesApi) => KubernetesApi = (api) => api) => {
  const scripted = scriptedApi()
  const { clock, advance } = createManualClock()
  const logger = recordingLogger()
  const source = createKubernetesSource(wrap(scripted.api), { logger }, { clock })
  const recorder = record(source)
  t.teardown(recorder.unsubscribe)
  const update = async (name: string, change: (current: DataPlaneServiceStatus) => DataPlaneServiceStatus) =>
    await source.updateStatus?.(name, change)()
  return { ...scripted, source, recorder, logger, clock, advance, update }
}

const drain = async (turns = 10): Promise<void> => {
  for (let turn = 0; turn < turns; turn++) await settle()
}

for (const code of [403, 404, 409]) {
  test(`asks little of an apiserver that answers ${String(code)} to each of two thousand writes`, async (t) => {
    const { tell, lead, answer, update, advance, calls } = start(t)
    const names = Array.from({ length: 2000 }, (_, index) => `o${String(index)}`)
    tell(...names.map((name) => objectOf(name)))
    answer(({ method, path }) => (method === 'GET' ? E.right(objectOf(path.split('/').at(-1) ?? '')) : refused(code)))
    for (const name of names) await update(name, saying('x'))
    lead(true)
    await drain(200)
    for (let half = 0; half < 120; half++) {
      await advance(30_000)
      await drain(100)
    }
    // each try takes eight of an apiserver that says 409 for ever
    t.true(calls.length < 60 * 60, `${String(calls.length)} requests in an hour`)
    answer(({ path }) => E.right({ ...objectOf(path.split('/').at(-2) ?? ''), status: statusOf('x') }))
    for (let minute = 0; minute < 10; minute++) {
      await advance(60_000)
      await drain(1000)
    }
    const written = new Set(calls.filter(({ method }) => method === 'PATCH').map(({ path }) => path))
    t.is(written.size, names.length)
  })
}

test('gives way, in the end, to somebody who overwrites for ever', async (t) => {
  const { tell, lead, answer, update, advance, calls } = start(t)
  let version = 1
  const told = (message: string): KubernetesObject => ({
    ...objectOf('a', { resourceVersion: String(++version) }),
    status: statusOf(message),
  })
  tell(objectOf('a'))
  answer(() => E.right(told('ours')))
  await update('a', saying('ours'))
  lead(true)
  await drain()
  for (let second = 0; second < 3600; second++) {
    tell(told('theirs'))
    await advance(1000)
  }
  t.true(calls.length >= 10 && calls.length < 30, `${String(calls.length)} requests in an hour`)
})

test('writes what it was told while a clock that was set made it doubt its turn', async (t) => {
  const { tell, lead, setLeader, answer, update, advance, calls } = start(t)
  tell(objectOf('a'))
  answer(() => E.right({ ...objectOf('a', { resourceVersion: '2' }), status: statusOf('x') }))
  await update('a', saying('x'))
  lead(true)
  await drain()
  setLeader(false)
  await update('a', saying('y'))
  setLeader(true)
  await advance(60_000)
  await drain()
  t.like(calls.at(-1)?.body, { status: statusOf('y') })
})

test('serves nothing of an object in a namespace, and writes nothing of it', async (t) => {
  const { last, recorder, calls, update } = start(t)
  const object = objectOf('a', { namespace: 'default' })
  last().follower.changed([{ key: 'default/a', object }])
  const { services, rejected } = await recorder.snapshotAt(0)
  t.deepEqual(services, [])
  t.like(rejected[0], { origin: 'default/a', name: undefined })
  await update('default/a', saying('x'))
  t.deepEqual(calls, [])
  last().follower.changed([{ key: 'default/a', object: undefined }])
  t.deepEqual((await recorder.snapshotAt(1)).rejected, [])
})

test('tells that the apiserver keeps no status of an object', async (t) => {
  const { tell, lead, answer, update, logger } = start(t)
  tell(objectOf('a'))
  answer(({ method }) => (method === 'GET' ? E.right(objectOf('a')) : refused(404)))
  await update('a', saying('x'))
  lead(true)
  t.regex((await logger.find(({ level }) => level === 'warn')).message, /no status of it/)
})

test('robs others of their conditions once at most, where applying replaces all of them', async (t) => {
  const { tell, lead, answer, update, calls } = start(t)
  const theirs = { ...statusOf('x').conditions?.[0], type: 'Theirs' }
  const names = ['a', 'b']
  for (const name of names) tell({ ...objectOf(name), status: { conditions: [theirs] } })
  answer(({ path, body }) =>
    E.right({
      ...objectOf(path.split('/').at(-2) ?? '', { resourceVersion: '2' }),
      status: (body as KubernetesObject)['status'],
    }),
  )
  const withOurs = (current: DataPlaneServiceStatus): DataPlaneServiceStatus => ({
    conditions: [...(current.conditions ?? []), ...(statusOf('x').conditions ?? [])],
  })
  await update('a', withOurs)
  lead(true)
  await drain()
  await update('b', withOurs)
  t.like(calls[1], {
    contentType: 'application/merge-patch+json',
    body: { status: { conditions: [{ type: 'Theirs' }, { type: 'Accepted' }] } },
  })
})

test('asks once for an object that was deleted, before the watch has told', async (t) => {
  const { tell, lead, answer, update, calls } = start(t)
  tell(objectOf('a'))
  answer(({ method }) => refused(method === 'GET' ? 404 : 409))
  await update('a', saying('x'))
  lead(true)
  await drain()
  t.is(calls.length, 2)
})

test('writes where somebody has left a status that is none', async (t) => {
  const { tell, lead, answer, update, calls } = start(t)
  tell({ ...objectOf('a'), status: { conditions: [null] } })
  answer(() => E.right({ ...objectOf('a', { resourceVersion: '2' }), status: statusOf('x') }))
  await update('a', ({ conditions = [] }) => saying('x')({ conditions: conditions.filter(({ type }) => type !== 'x') }))
  lead(true)
  await drain()
  t.is(calls.length, 1)
})

test('serves whoever leaves and comes back within the snapshot that he is given', async (t) => {
  const { source, tell, last, recorder, made } = start(t)
  const seen: number[] = []
  const come = (left: number): void => {
    const leave = source.subscribe({
      next: ({ services }) => {
        seen.push(services.length)
        void leave()
        if (left > 0) come(left - 1)
        throw new Error('next')
      },
      error: () => undefined,
    })
  }
  come(3)
  await recorder.unsubscribe()
  tell(objectOf('a'))
  await drain()
  // each time he was the only one: the last leaves nothing open
  for (let life = 1; life < 4; life++) {
    tell(objectOf('a'))
    await drain()
  }
  t.deepEqual(seen, [1, 1, 1, 1])
  t.is(made.length, 4)
  t.deepEqual(last().closed, ['following', 'connection'])
})

test('survives a connection that cannot stand for election', async (t) => {
  const { tell, update, logger } = start(t, (api) => ({
    connect: (options) => ({
      ...api.connect(options),
      elect: () => {
        throw new Error('elect')
      },
    }),
  }))
  tell(objectOf('a'))
  t.deepEqual(await update('a', saying('x')), { _tag: 'Right', right: undefined })
  await logger.find(({ level }) => level === 'error')
})

test('tells another invalid object of a name what became of it', async (t) => {
  const { tell, lead, answer, source, clock, advance, calls, last } = start(t)
  const plugins = inProcess({})
  const conditions = createConditions({
    registry: () => table.registry(),
    updateStatus: (...args) => source.updateStatus?.(...args) ?? (() => Promise.resolve(E.right(undefined))),
    plugins,
    logger: recordingLogger(),
    clock,
  })
  const table = liveTable(source, {
    definitions: serviceDefinitions({ encodeFrame, encodeQueryData }),
    onChange: conditions.changed,
    logger: recordingLogger(),
  })
  t.teardown(async () => {
    await conditions.close()
    await table.close()
    await plugins.close()
  })
  const broken = (uid: string): KubernetesObject => ({ ...badManifest('a'), metadata: { name: 'a', uid } })
  answer(({ body }) => E.right({ ...broken('first'), status: (body as KubernetesObject)['status'] }))
  tell(broken('first'))
  await table.ready
  await advance(1000)
  await drain()
  lead(true)
  await drain()
  t.is(calls.length, 1)
  // kubectl replace --force
  last().follower.changed([
    { key: 'a', object: undefined },
    { key: 'a', object: broken('second') },
  ])
  await drain()
  await advance(1000)
  await drain()
  t.like(calls[1]?.body, { metadata: { uid: 'second' } })
})

import test from 'ava'

import type { LogFields, Logger } from '../../src/logger.ts'
import { liveTable } from '../../src/routing/live-table.ts'
import type { DataPlaneServiceSource, RejectedObject, Snapshot, SourceError, SourceObserver } from '../../src/source.ts'
import type { DataPlaneService } from '../../src/api/dataplane-service.ts'
import { ask, definitions, routed } from './tables.ts'

type Line = readonly [level: string, message: string, name: unknown]

const recordingLogger = (): Logger & { readonly lines: Line[] } => {
  const lines: Line[] = []
  const log =
    (level: string) =>
    (message: string, fields: LogFields = {}): void => {
      lines.push([level, message, fields['name'] ?? fields['origin'] ?? fields['cause']])
    }
  return { lines, debug: log('debug'), info: log('info'), warn: log('warn'), error: log('error') }
}

const start = (logger = recordingLogger(), onChange = (): unknown => undefined) => {
  let observer: SourceObserver | undefined
  let unsubscribed = 0
  const source: DataPlaneServiceSource = {
    subscribe: (given) => {
      observer = given
      return () => {
        unsubscribed++
        return Promise.resolve()
      }
    },
  }
  const live = liveTable(source, { definitions, logger, onChange })
  return {
    live,
    lines: logger.lines,
    unsubscribed: () => unsubscribed,
    next: (services: ReadonlyArray<DataPlaneService>, rejected: ReadonlyArray<RejectedObject> = []) => {
      observer?.next({ services, rejected })
    },
    error: (message: string, origin: string) => observer?.error({ message, origin }),
    /** Whatever a source of the host's own may hand over. */
    say: (snapshot: unknown) => observer?.next(snapshot as Snapshot),
    fail: (error: unknown) => observer?.error(error as SourceError),
    get: () => ask(live.current(), 'GET', '/namespaces/default/x'),
  }
}

const isSettled = (promise: Promise<unknown>): Promise<boolean> =>
  Promise.race([promise.then(() => true), new Promise<boolean>((resolve) => setImmediate(resolve, false))])

const a = routed(['GET /x'], { name: 'a' })
const b = routed(['GET /x', 'GET /y'], { name: 'b' })

test('claims nothing and is not ready before the first snapshot', async (t) => {
  const { live, get } = start()
  t.is(get(), 'next')
  t.deepEqual(live.registry(), { verdicts: [], rejected: [] })
  t.false(await isSettled(live.ready))
})

test('is ready with the first snapshot, also with an empty one', async (t) => {
  const { live, next } = start()
  next([])
  t.true(await isSettled(live.ready))
})

test('swaps the whole table; who began with the old one keeps it', (t) => {
  const { live, next, get } = start()
  next([a])
  const before = live.current()
  t.is(get(), 'GET /x')
  next([])
  t.is(get(), 'next')
  t.is(ask(before, 'GET', '/namespaces/default/x'), 'GET /x')
})

test('tells what became of every object', (t) => {
  const { live, next } = start()
  const rejected = [{ origin: 'c.yml', name: 'c', causes: [] }]
  next([a, b], rejected)
  const { verdicts, rejected: kept } = live.registry()
  t.deepEqual(kept, rejected)
  t.deepEqual(
    verdicts.map(({ service, conflicts }) => [service.metadata.name, conflicts.length]),
    [
      ['a', 0],
      ['b', 1],
    ],
  )
})

test('logs what is new, lost and gone, each once', (t) => {
  const { lines, next } = start()
  const rejected = { origin: 'c.yml', name: undefined, causes: [] }
  next([a, b], [rejected])
  next([a, b], [rejected])
  next([b])
  t.deepEqual(lines, [
    ['info', 'data plane service is routed', 'a'],
    ['warn', 'data plane service has conflicts', 'b'],
    ['warn', 'object is rejected', 'c.yml'],
    ['info', 'data plane service is routed', 'b'],
    ['info', 'data plane service is gone', 'a'],
  ])
})

test('serves the last good state while its source is lost', async (t) => {
  const { live, lines, next, error, get } = start()
  error('cannot read the directory', 'services')
  t.false(await isSettled(live.ready))
  next([a])
  lines.length = 0
  error('cannot read the directory', 'services')
  t.is(get(), 'GET /x')
  next([a])
  next([a])
  t.deepEqual(lines, [
    ['error', 'source of data plane services has an error: cannot read the directory', 'services'],
    ['info', 'source of data plane services is whole again', 'services'],
  ])
})

test('tells of an error of its source until the next snapshot, and to whoever follows', (t) => {
  let changes = 0
  const { live, next, error } = start(recordingLogger(), () => changes++)
  next([a])
  error('expected YAML', 'a.yml')
  const { sourceError, verdicts } = live.registry()
  t.like(sourceError, { message: 'expected YAML', origin: 'a.yml' })
  t.is(verdicts.length, 1)
  next([a])
  t.false('sourceError' in live.registry())
  error('expected YAML', 'a.yml')
  t.is(live.registry().sourceError?.origin, 'a.yml')
  t.is(changes, 4)
})

for (const snapshot of [undefined, null, 5, {}, { services: [b], rejected: 5 }, { services: { length: 1 } }]) {
  test(`serves the last good state when its source says ${JSON.stringify(snapshot)}, and throws nothing into it`, (t) => {
    const { live, lines, next, say, get } = start()
    next([a])
    lines.length = 0
    const { current, registry } = { current: live.current(), registry: live.registry() }
    say(snapshot)
    t.is(live.current(), current)
    t.is(live.registry(), registry)
    t.like(lines, [['error', 'snapshot of data plane services cannot be compiled']])
    next([b])
    t.is(get(), 'GET /x')
  })
}

test('takes a snapshot that tells of nothing rejected', (t) => {
  const { live, say, get } = start()
  say({ services: [a] })
  t.is(get(), 'GET /x')
  t.deepEqual(live.registry().rejected, [])
})

test('throws nothing into a source that has an error and does not say which', (t) => {
  const { lines, fail } = start()
  for (const error of [undefined, null, 'broken']) fail(error)
  t.is(lines.length, 3)
})

test('serves the good objects of a snapshot, and rejects the others by name, once', (t) => {
  const { live, lines, say, get } = start()
  const trap = {
    get metadata(): never {
      throw new Error('no')
    },
  }
  const strange = { ...b, spec: { ...b.spec, services: [{ type: 'nonsense' }] } }
  const services = [{ ...b, spec: null }, a, null, 'a', { metadata: { name: 5 } }, trap, strange]
  say({ services, rejected: [] })
  const { rejected, verdicts } = live.registry()
  t.is(get(), 'GET /x')
  t.is(verdicts.length, 1)
  t.deepEqual(
    rejected.map(({ origin, name }) => [origin, name]),
    [
      ['b', 'b'],
      ['#3', undefined],
      ['#4', undefined],
      ['#5', undefined],
      ['#6', undefined],
      ['b', 'b'],
    ],
  )
  t.like(rejected[5]?.causes, [{ field: 'spec.services[0].type' }])
  const said = lines.length
  say({ services, rejected: [] })
  t.is(lines.length, said)
  t.is(live.registry().verdicts[0], verdicts[0])
})

test('unsubscribes when it is closed, and waits no longer to be ready', async (t) => {
  const { live, unsubscribed } = start()
  await live.close()
  await live.ready
  t.is(unsubscribed(), 1)
})

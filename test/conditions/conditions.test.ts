import test from 'ava'
import fc from 'fast-check'

import { createConditions } from '../../src/conditions/index.ts'
import { judge } from '../../src/conditions/accepted.ts'
import { lookAt } from '../../src/conditions/availability.ts'
import type { AggregatorError } from '../../src/errors.ts'
import type { PluginState } from '../../src/plugin-status.ts'
import { inProcess } from '../../src/plugins/index.ts'
import type { Registry } from '../../src/verdict.ts'
import { createManualClock, recordingLogger, settle } from '../plugins/_setup.ts'
import { quiet, registryOf, scriptedHost, start, verdictOf } from './_setup.ts'

const forbidden: AggregatorError = { _tag: 'Forbidden', message: 'the file is read-only' }

test('writes both conditions of an object, once', async (t) => {
  const { put, told, conditionsOf, counts, pass } = start(scriptedHost({ p: 'ready' }).host)
  await put(registryOf(verdictOf({ name: 'a', generation: 3 })))
  t.is(told('a'), 'Accepted True Accepted, Available True Passed')
  t.deepEqual(
    conditionsOf('a').map(({ observedGeneration }) => observedGeneration),
    [3, 3],
  )
  await put(registryOf(verdictOf({ name: 'a', generation: 3 })))
  t.is(counts().asked, 2)
  await put(registryOf())
  await pass(10_000)
  t.is(counts().asked, 2)
})

test('writes a new generation, and times only where a status flips', async (t) => {
  const { put, told, conditionsOf, pass } = start(scriptedHost({ p: 'ready' }).host)
  await put(registryOf(verdictOf({ name: 'a' })))
  const [accepted, available] = conditionsOf('a')
  await pass(60_000)
  await put(registryOf(verdictOf({ name: 'a', generation: 2 }, ['GET /x is taken'])))
  t.is(told('a'), 'Accepted False Conflict, Available True Passed')
  t.not(conditionsOf('a')[0]?.lastTransitionTime, accepted?.lastTransitionTime)
  t.is(conditionsOf('a')[1]?.lastTransitionTime, available?.lastTransitionTime)
  t.is(conditionsOf('a')[1]?.observedGeneration, 2)
})

test('tells of a plugin that fell when it has been down for a while, and of its return at once', async (t) => {
  const { host, go } = scriptedHost({ p: 'ready', q: 'ready' })
  const { put, told, pass, counts } = start(host)
  await put(registryOf(verdictOf({ name: 'a' }), verdictOf({ name: 'b', pluginID: 'q' })))
  await pass(10_000)
  go('p', 'crashed')
  await pass(100)
  go('p', 'starting', 'crashed')
  await pass(1800)
  t.is(told('a'), 'Accepted True Accepted, Available True Passed')
  await pass(200)
  t.is(told('a'), 'Accepted True Accepted, Available False PluginNotRunning')
  go('p', 'starting')
  await pass(100)
  t.is(counts().asked, 3)
  go('p', 'ready')
  await pass(100)
  t.is(told('a'), 'Accepted True Accepted, Available True Passed')
  t.is(counts().asked, 4)
  t.is(told('b'), 'Accepted True Accepted, Available True Passed')
})

test('tells at once of a plugin that crashes in a loop, and of one that is not installed', async (t) => {
  const { host, go } = scriptedHost({ p: 'ready' })
  const { put, told, pass } = start(host)
  await put(registryOf(verdictOf({ name: 'a' }), verdictOf({ name: 'b', pluginID: 'q' })))
  t.is(told('b'), 'Accepted True Accepted, Available False PluginNotInstalled')
  await pass(10_000)
  go('p', 'crash-looping')
  await pass(100)
  t.is(told('a'), 'Accepted True Accepted, Available False PluginNotRunning')
})

test('says nothing of a plugin that starts in time, also when it is asked for the first time', async (t) => {
  const { host, go } = scriptedHost({ p: 'idle', q: 'starting' })
  const { put, told, pass, counts } = start(host)
  await put(registryOf(verdictOf({ name: 'a' }), verdictOf({ name: 'b', pluginID: 'q' })))
  t.is(told('a'), 'Accepted True Accepted, Available True Idle')
  t.is(told('b'), 'Accepted True Accepted')
  go('p', 'starting')
  await pass(500)
  go('p', 'ready')
  go('q', 'ready')
  await pass(100)
  t.is(told('a'), 'Accepted True Accepted, Available True Passed')
  t.is(told('b'), 'Accepted True Accepted, Available True Passed')
  t.is(counts().asked, 4)
})

test('flips no more often than the bound, however often a plugin does', async (t) => {
  for (const down of ['crashed', 'crash-looping'] as const) {
    const { host, go } = scriptedHost({ p: 'ready' })
    const { put, pass, written } = start(host)
    await put(registryOf(verdictOf({ name: 'a' })))
    await pass(10_000)
    for (let second = 0; second < 30; second++) {
      go('p', down)
      await pass(500)
      go('p', 'starting', 'ready')
      await pass(500)
    }
    t.true(written.length <= 2 * 15 + 2, `${down}: ${String(written.length)}`)
  }
})

test('keeps a plugin that nobody asks about out of it, and looks once for all objects of one', async (t) => {
  const { host, go, looks } = scriptedHost({ p: 'ready', q: 'ready' })
  const { put, pass, counts } = start(host)
  await put(registryOf(...Array.from({ length: 100 }, (_, index) => verdictOf({ name: `o${String(index)}` }))))
  t.is(looks(), 1)
  go('q', 'crashed', 'starting', 'ready')
  await pass(100)
  t.is(looks(), 2)
  t.is(counts().asked, 100)
})

test('writes ten thousand objects a few at a time, each once, and lets others have their turns', async (t) => {
  const { set, advance, statuses, counts, hold } = start(scriptedHost({ p: 'ready' }).host)
  const verdicts = Array.from({ length: 10_000 }, (_, index) => verdictOf({ name: `o${String(index)}` }))
  const release = hold()
  set(registryOf(...verdicts))
  await advance(100)
  await quiet()
  t.deepEqual(counts(), { asked: 4, maxRunning: 4, running: 4 })
  release()
  let turns = 0
  for (; statuses.size < 10_000 && turns < 20_000; turns++) {
    await settle()
    if (turns % 100 === 0) set(registryOf(...verdicts))
  }
  await advance(100)
  await quiet()
  t.deepEqual(counts(), { asked: 10_000, maxRunning: 4, running: 0 })
  t.true(turns > 1000)
})

test('writes the newest state when one write waits for another', async (t) => {
  const { host } = scriptedHost({ p: 'ready' })
  const { set, put, advance, hold, told, counts, written } = start(host)
  const release = hold()
  await put(registryOf(verdictOf({ name: 'a' })))
  for (const lost of ['x', 'y', 'z']) await put(registryOf(verdictOf({ name: 'a' }, [lost])))
  t.like(counts(), { asked: 1, running: 1 })
  set(registryOf(verdictOf({ name: 'a' }, ['newest'])))
  await advance(100)
  release()
  await quiet()
  t.is(told('a'), 'Accepted False Conflict, Available True Passed')
  t.like(counts(), { asked: 2, running: 0, maxRunning: 1 })
  t.is(written.length, 1)
  t.regex(written[0]?.after.conditions?.[0]?.message ?? '', /newest/)
})

test('goes on with the others while one write hangs', async (t) => {
  const { host } = scriptedHost({ p: 'ready' })
  const { put, hold, told } = start(host)
  const release = hold()
  await put(registryOf(verdictOf({ name: 'a' })))
  hold()()
  await put(registryOf(verdictOf({ name: 'a' }), verdictOf({ name: 'b' })))
  t.is(told('b'), 'Accepted True Accepted, Available True Passed')
  t.is(told('a'), '')
  release()
  await quiet()
  t.is(told('a'), 'Accepted True Accepted, Available True Passed')
})

test('leaves alone what is there already, whoever wrote it', async (t) => {
  const first = start(scriptedHost({ p: 'ready' }).host)
  const replica = start(scriptedHost({ p: 'ready' }).host)
  const registry = registryOf(verdictOf({ name: 'a' }), verdictOf({ name: 'b' }, ['GET /x is taken']))
  await first.put(registry)
  for (const [name, status] of first.statuses) replica.statuses.set(name, status)
  await replica.pass(60_000)
  await replica.put(registry)
  t.is(replica.counts().asked, 2)
  t.deepEqual(replica.written, [])
})

test('logs what cannot be written once, and tries again ever less often', async (t) => {
  const { put, fail, pass, counts, told, logger } = start(scriptedHost({ p: 'ready' }).host)
  fail(forbidden)
  await put(registryOf(...Array.from({ length: 50 }, (_, index) => verdictOf({ name: `o${String(index)}` }))))
  t.is(logger.lines.length, 10)
  t.like(logger.lines[0], { level: 'warn', fields: { name: 'o0', error: forbidden } })
  const rounds: number[] = []
  for (let second = 0; second < 31; second++) {
    const before = counts().asked
    await pass(1000)
    if (counts().asked > before) rounds.push(second)
  }
  t.deepEqual(rounds, [0, 2, 6, 14, 30])
  t.is(logger.lines.length, 10)
  fail(undefined)
  await put(registryOf(verdictOf({ name: 'o0' }, ['GET /x is taken'])))
  t.is(told('o0'), 'Accepted False Conflict, Available True Passed')
  await pass(64_000)
  t.like(logger.lines.at(-1), { level: 'info', message: 'conditions are written again' })
  const { asked } = counts()
  await pass(1_000_000)
  t.is(counts().asked, asked)

  fail(forbidden)
  await put(registryOf(verdictOf({ name: 'o0' })))
  t.is(logger.lines.length, 12)
  fail(undefined)
  await pass(1000)
  t.is(told('o0'), 'Accepted True Accepted, Available True Passed')
})

test('asks little of a store that takes nothing, and writes everything once it does', async (t) => {
  const { put, fail, pass, counts, written } = start(scriptedHost({ p: 'ready' }).host)
  fail(forbidden)
  await put(registryOf(...Array.from({ length: 500 }, (_, index) => verdictOf({ name: `o${String(index)}` }))))
  for (let minute = 0; minute < 60; minute++) await pass(60_000)
  const { asked } = counts()
  t.true(asked > 700 && asked < 500 + 20 * 50, `${String(asked)} in an hour`)
  fail(undefined)
  for (let minute = 0; minute < 60; minute++) await pass(60_000)
  t.is(written.length, 500)
})

test('survives a source that throws, rejects, or gives nothing back, and a host and a registry that throw', async (t) => {
  const { clock, advance } = createManualClock()
  const logger = recordingLogger()
  const answers: Array<() => unknown> = [
    () => {
      throw new Error('thrown')
    },
    () => () => Promise.reject(new Error('rejected')),
    () => () => Promise.resolve(undefined),
    () => undefined,
  ]
  let asked = 0
  let isBroken = false
  const conditions = createConditions({
    registry: () => {
      if (isBroken) throw new Error('broken')
      return registryOf(verdictOf({ name: 'a' }))
    },
    updateStatus: () => answers[asked++]?.() as never,
    plugins: inProcess({ p: {} }),
    logger,
    clock,
  })
  conditions.changed()
  await advance(100)
  await quiet()
  for (let retry = 0; retry < 10; retry++) {
    await advance(400_000)
    await quiet()
  }
  t.true(asked >= answers.length)
  isBroken = true
  conditions.changed()
  await advance(100)
  t.like(logger.lines.at(-1), { level: 'error', message: 'conditions of objects cannot be told' })
  await conditions.close()
})

test('waits for the write under way when it is closed, and writes nothing any more', async (t) => {
  const { host, go, watchers } = scriptedHost({ p: 'ready' })
  const { conditions, put, pass, hold, written, counts, timers } = start(host)
  await put(registryOf(verdictOf({ name: 'a' })))
  const release = hold()
  await put(registryOf(verdictOf({ name: 'a' }, ['x']), ...[...'bcdefgh'].map((name) => verdictOf({ name }))))
  go('p', 'stopping')
  let isClosed = false
  const closed = conditions.close().then(() => (isClosed = true))
  go('p', 'stopped')
  conditions.changed()
  await pass(10_000)
  t.false(isClosed)
  release()
  await closed
  await pass(10_000)
  t.is(written.length, 1)
  t.like(counts(), { running: 0, asked: 5 })
  t.is(timers.size, 0)
  t.is(watchers.size, 0)
})

test('leaves no timer behind after a failed write', async (t) => {
  const { conditions, put, fail, timers } = start(scriptedHost({ p: 'crashed' }).host)
  fail(forbidden)
  await put(registryOf(verdictOf({ name: 'a' })))
  t.is(timers.size, 2)
  await conditions.close()
  t.is(timers.size, 0)
})

type Step =
  | { readonly _tag: 'registry'; readonly registry: Registry }
  | { readonly _tag: 'plugin'; readonly id: string; readonly state: PluginState }
  | { readonly _tag: 'wait'; readonly ms: number }
  | { readonly _tag: 'fail'; readonly isFailing: boolean }

const verdict = fc
  .record({
    name: fc.constantFrom('a', 'b', 'c'),
    pluginID: fc.constantFrom('p', 'q', 'none'),
    generation: fc.integer({ min: 1, max: 3 }),
    lost: fc.subarray(['x', 'y']),
  })
  .map(({ lost, ...described }) => verdictOf(described, lost))
const rejected = fc.constantFrom('a', 'b', 'd').map((name) => ({
  origin: name,
  name,
  causes: [{ reason: 'FieldValueInvalid' as const, field: 'spec.group', message: 'wrong' }],
}))
const anyRegistry: fc.Arbitrary<Registry> = fc.record({
  verdicts: fc.uniqueArray(verdict, { selector: ({ service }) => service.metadata.name, maxLength: 3 }),
  rejected: fc.array(rejected, { maxLength: 2 }),
})
const state = fc.constantFrom<PluginState>(
  'idle',
  'starting',
  'ready',
  'unhealthy',
  'crashed',
  'crash-looping',
  'stopped',
)
const step: fc.Arbitrary<Step> = fc.oneof(
  fc.record({ _tag: fc.constant('registry' as const), registry: anyRegistry }),
  fc.record({ _tag: fc.constant('plugin' as const), id: fc.constantFrom('p', 'q'), state }),
  fc.record({ _tag: fc.constant('wait' as const), ms: fc.integer({ min: 1, max: 3000 }) }),
  fc.record({ _tag: fc.constant('fail' as const), isFailing: fc.boolean() }),
)

test('comes to what the state says, by whatever way, and then writes nothing', async (t) => {
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 12 }), anyRegistry, async (steps, last) => {
      const { host, go } = scriptedHost({ p: 'idle', q: 'ready' })
      const world = start(host)
      for (const one of steps) {
        if (one._tag === 'registry') world.set(one.registry)
        if (one._tag === 'plugin') go(one.id, one.state)
        if (one._tag === 'wait') await world.advance(one.ms)
        if (one._tag === 'fail') world.fail(one.isFailing ? { _tag: 'StoreFailed', message: 'full' } : undefined)
      }
      world.fail(undefined)
      await world.put(last)
      await world.pass(3000)
      await world.pass(1_000_000)

      const looks = lookAt(host, ['p', 'q', 'none'])
      for (const [name, { accepted, available, pluginId = '' }] of judge(last)) {
        const finding = available ?? looks.get(pluginId)?.finding
        const told = world
          .conditionsOf(name)
          .map(({ type, status, reason, message }) => [type, status, reason, message])
        const expected = [
          ['Accepted', accepted.status, accepted.reason, accepted.message],
          ['Available', finding?.status, finding?.reason, finding?.message],
        ]
        t.deepEqual(told, expected)
      }
      for (const { before, after } of world.written) {
        for (const condition of after.conditions ?? []) {
          const old = before.conditions?.find(({ type }) => type === condition.type)
          if (old?.status === condition.status) t.is(condition.lastTransitionTime, old.lastTransitionTime)
        }
      }
      const { asked } = world.counts()
      world.conditions.changed()
      await world.pass(3000)
      t.is(world.counts().asked, asked)
      await world.conditions.close()
    }),
    { numRuns: 60 },
  )
})

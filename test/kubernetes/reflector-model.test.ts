import { deepStrictEqual, ok } from 'node:assert'

import test from 'ava'
import fc from 'fast-check'

import { createCall } from '../../src/kubernetes/call.ts'
import { createReflector } from '../../src/kubernetes/reflector.ts'
import { createManualClock, recordingLogger, settle } from '../plugins/_setup.ts'
import { collection, recorder } from './_following.ts'
import { createModelApiserver, type Nature } from './_model-apiserver.ts'

type Model = ReturnType<typeof createModelApiserver>
type Step = readonly ['pass', number] | readonly ['agree'] | readonly ['do', string, (model: Model) => void]

const names = fc.constantFrom('a', 'b', 'c', 'd', 'e', 'ü')
const act = (title: string, run: (model: Model) => void): Step => ['do', title, run]

const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 8, arbitrary: names.map((name) => act(`put ${name}`, (model) => (model.put(name), model.flush()))) },
  { weight: 4, arbitrary: names.map((name) => act(`remove ${name}`, (model) => (model.remove(name), model.flush()))) },
  {
    weight: 3,
    arbitrary: names.map((name) =>
      act(`recreate ${name}`, (model) => (model.remove(name), model.put(name), model.flush())),
    ),
  },
  { weight: 2, arbitrary: names.map((name) => act(`put ${name} unseen`, (model) => model.put(name))) },
  {
    weight: 3,
    arbitrary: fc
      .tuple(names, fc.nat(400))
      .map(([name, at]) => act(`cut ${name} at ${String(at)}`, (model) => model.cutWithin(name, at))),
  },
  {
    weight: 8,
    arbitrary: fc.constantFrom(
      act('end', (model) => model.end()),
      act('reset', (model) => model.reset()),
      act('bookmark', (model) => model.bookmark()),
      act('compact', (model) => model.compact()),
      act('garble', (model) => model.garble()),
      act('noise', (model) => model.noise()),
      act('stall', (model) => model.stall()),
      act('stop', (model) => model.stop()),
      act('start', (model) => model.start()),
      act('save', (model) => model.save()),
    ),
  },
  {
    weight: 2,
    arbitrary: fc
      .constantFrom(410, 429, 500, 400)
      .map((code) => act(`fail ${String(code)}`, (model) => model.fail(code))),
  },
  {
    weight: 3,
    arbitrary: fc
      .constantFrom(401, 403, 404, 410, 422, 429, 500, 503, 504)
      .map((code) => act(`refuse ${String(code)}`, (model) => model.refuse(code))),
  },
  { weight: 6, arbitrary: fc.constantFrom(1, 500, 1500, 20_000, 130_000).map((ms): Step => ['pass', ms]) },
  { weight: 2, arbitrary: fc.constant<Step>(['agree']) },
)

const nature: fc.Arbitrary<Nature> = fc.record({
  watchList: fc.constantFrom('does', 'refuses', 'ignores'),
  hasBookmarks: fc.boolean(),
  pageSize: fc.constantFrom(1, 2, 500),
  chunkBytes: fc.constantFrom(1, 7, 64, 100_000),
})

const settleAll = async (): Promise<void> => {
  for (let turn = 0; turn < 6; turn++) await settle()
}

/** The longest that a silent connection without bookmarks can hide what is: twice `watchMs` and slack, then the longest backoff. */
const convergeMs = 15 * 60_000

const walk = async (kind: Nature, steps: ReadonlyArray<Step>, isRestored: boolean, seed: number): Promise<void> => {
  const { clock, advance, timers } = createManualClock()
  const model = createModelApiserver(clock, kind)
  const logger = recordingLogger()
  const { told, follower } = recorder()
  let random = seed
  const follow = createReflector({
    transport: model.transport,
    call: createCall({ ...model.transport, origin: '', namespace: '', close: () => Promise.resolve() }, clock),
    clock,
    random: () => (random = (random * 16807) % 2147483647) / 2147483647,
    logger,
  })
  const following = follow(collection, follower)
  const pass = async (ms: number): Promise<void> => {
    await advance(ms)
    await settleAll()
  }
  const agree = async (): Promise<void> => {
    model.heal()
    model.flush()
    await settleAll()
    for (let passedMs = 0; passedMs < convergeMs; passedMs += 5000) {
      const isRight = JSON.stringify([...told.view].sort()) === JSON.stringify([...model.state()].sort())
      const lost = told.all.findLast((line) => line.startsWith('failed') || line === 'recovered')
      if (isRight && told.all.length > 0 && !lost?.startsWith('failed')) return
      if (passedMs % 60_000 === 0) model.bookmark()
      await pass(5000)
    }
    deepStrictEqual([...told.view].sort(), [...model.state()].sort())
    ok(false, `never recovered: ${told.all.join('; ')}`)
  }
  for (const [kindOfStep, what, run] of steps) {
    if (kindOfStep === 'pass') await pass(what)
    else if (kindOfStep === 'agree') await agree()
    else run(model)
    await settle()
  }
  await agree()
  if (isRestored) {
    // new changes have the versions of those that are lost
    model.stop()
    await pass(1)
    model.restore()
    model.start()
    for (const ms of [2000, 60_000, 60_000]) await pass(ms)
    for (let change = 0; change < 60; change++) model.put('a')
    model.flush()
    model.bookmark()
    await agree()
  }
  await following.close()
  await settleAll()
  ok(model.mostInFlight() <= 1, `${String(model.mostInFlight())} requests at one time`)
  deepStrictEqual([model.inFlight(), timers.size], [0, 0])
  deepStrictEqual(
    logger.lines.filter(({ level }) => level === 'error'),
    [],
  )
}

test('tells what the apiserver has, whatever becomes of it, by one request at a time', async (t) => {
  await fc.assert(
    fc.asyncProperty(nature, fc.array(step, { maxLength: 40 }), fc.boolean(), fc.integer({ min: 1, max: 1e6 }), walk),
    { numRuns: 150 },
  )
  t.pass()
})

import test from 'ava'

import { createLogBudget } from '../../../src/plugins/process/log-budget.ts'
import { createManualClock, recordingLogger } from '../_setup.ts'

const setUp = () => {
  const logger = recordingLogger()
  const { clock, advance, timers } = createManualClock()
  const budget = createLogBudget(logger, 'testds', 1000, clock)
  const take = (count: number): number =>
    Array.from({ length: count }, () => budget.take('line')).filter(Boolean).length
  const dropped = () => logger.lines.map(({ level, fields }) => [level, fields])
  return { budget, advance, timers, take, dropped }
}
const lines = (dropped: number) => ['warn', { plugin: 'testds', dropped }]

test('lets so many lines a second through, and tells once a second how many it did not', async (t) => {
  const { advance, take, dropped } = setUp()
  t.is(take(1500), 1000)
  await advance(999)
  t.is(take(1), 0)
  t.deepEqual(dropped(), [])
  await advance(1)
  t.deepEqual(dropped(), [lines(501)])
  t.is(take(1001), 1000)
  await advance(1000)
  t.deepEqual(dropped(), [lines(501), lines(1)])
})

test('lets a long line take the place of several', async (t) => {
  const { budget, advance, take, dropped } = setUp()
  const long = 'x'.repeat(64 * 1024)
  const takeLong = () => Array.from({ length: 20 }, () => budget.take(long)).filter(Boolean).length
  t.is(takeLong(), 16)
  t.is(take(1), 0)
  await advance(1000)
  t.deepEqual(dropped(), [lines(5)])
  t.is(take(999), 999)
  t.true(budget.take(long))
  t.is(take(1), 0)
  await advance(1000)
  t.is(take(1000), 1000)
})

test('says nothing and holds no timer while little is logged', async (t) => {
  const { advance, take, timers, dropped } = setUp()
  t.is(timers.size, 0)
  t.is(take(1000), 1000)
  await advance(1000)
  t.is(timers.size, 0)
  t.deepEqual(dropped(), [])
})

test('tells the rest at the end, and leaves no timer', (t) => {
  const { budget, take, timers, dropped } = setUp()
  take(1002)
  budget.end()
  t.deepEqual(dropped(), [lines(2)])
  t.is(timers.size, 0)
})

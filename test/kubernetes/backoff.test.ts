import test from 'ava'

import { createBackoff, sleep } from '../../src/kubernetes/backoff.ts'
import { createManualClock } from '../plugins/_setup.ts'

test('doubles from 800 ms to 30 s, each time between one and two of these', (t) => {
  const { clock } = createManualClock()
  const [least, most] = [createBackoff(clock, () => 0), createBackoff(clock, () => 0.9999999)]
  const expected = [800, 1600, 3200, 6400, 12_800, 25_600, 30_000, 30_000]
  t.deepEqual(
    expected.map(() => least.next()),
    expected,
  )
  t.deepEqual(
    expected.map(() => most.next()),
    expected.map((ms) => 2 * ms),
  )
})

test('begins anew after two minutes of health, counted from the end of the last wait', async (t) => {
  const { clock, advance } = createManualClock()
  const backoff = createBackoff(clock, () => 0)
  t.is(backoff.next(), 800)
  t.is(backoff.next(), 1600)
  await advance(1600 + 120_000)
  t.is(backoff.next(), 3200)
  await advance(3200 + 120_001)
  t.is(backoff.next(), 800)
})

test('waits as long as it was asked to, within reason', (t) => {
  const backoff = createBackoff(createManualClock().clock, () => 0)
  t.is(backoff.next(5000), 5000)
  t.is(backoff.next(1), 1600)
  t.is(backoff.next(86_400_000), 120_000)
})

test('sleeps until it is time or the signal is aborted', async (t) => {
  const { clock, advance, timers } = createManualClock()
  const abort = new AbortController()
  const slept = sleep(clock, 100, abort.signal)
  await advance(100)
  await slept
  const woken = sleep(clock, 100, abort.signal)
  t.is(timers.size, 1)
  abort.abort()
  await woken
  await sleep(clock, 100, abort.signal)
  t.is(timers.size, 0)
})

import test from 'ava'

import type { Logger } from '../../src/logger.ts'
import { observeAll, type Observer } from '../../src/telemetry.ts'
import { recordingLogger } from './recording-logger.ts'
import { broken, recordingObserver } from './observers.ts'
import { envOf, requestOf, served } from './requests.ts'

const withinOf = (before: () => void, after: () => void): Observer => {
  return () => ({
    within: (start) => {
      before()
      start()
      after()
    },
    ended: () => undefined,
  })
}

const throwing: ReadonlyArray<readonly [string, Observer]> = [
  ['begins', broken],
  ['ends', () => ({ ended: broken })],
  ['runs the request', () => ({ within: broken, ended: () => undefined })],
]

for (const [when, observer] of throwing) {
  test(`tells the others and the log when one throws as it ${when}`, (t) => {
    const logger = recordingLogger()
    const [first, last] = [recordingObserver(), recordingObserver()]
    const { within, ended } = observeAll([first, observer, last], logger)(requestOf(), envOf())
    t.notThrows(() => within?.(() => undefined))
    t.notThrows(() => ended(served))
    t.deepEqual([first.outcomes, last.outcomes], [[served], [served]])
    t.is(logger.lines.length, 1)
    t.like(logger.lines[0], { level: 'error', fields: { error: { message: 'broken' } } })
  })
}

test('survives a logger that throws too', (t) => {
  const logger: Logger = { debug: broken, info: broken, warn: broken, error: broken }
  const last = recordingObserver()
  const observe = observeAll([broken, last], logger)
  t.notThrows(() => observe(requestOf(), envOf()).ended(served))
  t.deepEqual(last.outcomes, [served])
})

test('runs a request within every observer, the first outermost', (t) => {
  const order: string[] = []
  const named = (name: string): Observer =>
    withinOf(
      () => order.push(`${name} in`),
      () => order.push(`${name} out`),
    )
  const { within } = observeAll([named('a'), recordingObserver(), named('b')])(requestOf(), envOf())
  within?.(() => order.push('request'))
  t.deepEqual(order, ['a in', 'b in', 'request', 'b out', 'a out'])
})

test('observes with nobody', (t) => {
  const { within, ended } = observeAll([])(requestOf(), envOf())
  let calls = 0
  within?.(() => {
    calls++
  })
  ended(served)
  t.is(calls, 1)
})

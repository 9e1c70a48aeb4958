import { readFile } from 'node:fs/promises'

import test from 'ava'
import fc from 'fast-check'

import { parseTime } from '../../src/api/date-math.ts'

interface Pair {
  readonly text: string
  readonly now: string
  readonly lower: string | null
  readonly upper: string | null
}

const pairs = JSON.parse(
  await readFile(new URL('../../fixtures/date-math.json', import.meta.url), 'utf8'),
) as ReadonlyArray<Pair>

const toIso = (ms: number | undefined): string | null => (ms === undefined ? null : new Date(ms).toISOString())

for (const { text, now, lower, upper } of pairs) {
  test(`reads ${JSON.stringify(text)} at ${now} as Grafana's Go code does`, (t) => {
    t.is(toIso(parseTime(text, Date.parse(now), 'lower')), lower)
    t.is(toIso(parseTime(text, Date.parse(now), 'upper')), upper)
  })
}

const nowMs = Date.parse('2026-03-31T12:34:56.789Z')

const otherwise: ReadonlyArray<readonly [why: string, text: string, expected: string | null]> = [
  ['knows no business days', 'now-1b', null],
  ['knows no business days to round to, where Go panics', 'now/b', null],
  ['takes no time without a date', '10:00', null],
  ['takes no time without a date', '10:00:00.123', null],
  ['takes no month 0, where Go goes back to December', '2026-00-01', null],
  ['takes no day 0, where Go goes back a month', '2026-01-00', null],
  ['takes no moment that Date cannot hold', '8640000000000001', null],
  ['takes no moment that Date cannot hold', 'now-999999y', null],
  [
    'takes fractions of any length, where Go stops at three digits',
    '2026-01-01T10:00:00.1239Z',
    '2026-01-01T10:00:00.123Z',
  ],
  ['does not wrap around after 292 years', '300y', '1726-03-29T12:34:56.789Z'],
]

for (const [why, text, expected] of otherwise) {
  test(`${why}: ${text}`, (t) => {
    t.is(toIso(parseTime(text, nowMs, 'lower')), expected)
  })
}

test('refuses a text over 128 characters', (t) => {
  t.is(parseTime(`now${'-1d'.repeat(41)}`, nowMs, 'lower'), nowMs - 41 * 86_400_000)
  t.is(parseTime(`now${'-1d'.repeat(42)}`, nowMs, 'lower'), undefined)
})

test('gives whole milliseconds within the range of Date, or nothing, for any text', (t) => {
  const piece = fc.constantFrom(
    ...['now', '+', '-', '/', '||', '|', '.', ':', 'T', 'Z', '0', '9', '31', '2026', '2026-02-29', '999999'],
    ...['y', 'fy', 'Q', 'fQ', 'M', 'w', 'd', 'h', 'H', 'm', 's', 'ms', 'us', 'ns', 'b', ' ', '\u0000', 'é'],
  )
  const text = fc.oneof(
    fc.string(),
    fc.array(piece, { maxLength: 12 }).map((pieces) => pieces.join('')),
  )
  fc.assert(
    fc.property(text, fc.constantFrom('lower', 'upper'), (given, bound) => {
      const ms = parseTime(given, nowMs, bound)
      return ms === undefined || (Number.isInteger(ms) && Math.abs(ms) <= 8.64e15)
    }),
    { numRuns: 2000 },
  )
  t.pass()
})

test('never puts the lower bound behind the upper one', (t) => {
  const step = fc.constantFrom('-1d', '/d', '/w', '+1M', '/M', '/Q', '-1y', '/y', '/h', '+90m')
  fc.assert(
    fc.property(fc.array(step, { maxLength: 6 }), fc.integer({ min: 0, max: 4e12 }), (steps, now) => {
      const text = `now${steps.join('')}`
      return (parseTime(text, now, 'lower') ?? Infinity) <= (parseTime(text, now, 'upper') ?? -Infinity)
    }),
  )
  t.pass()
})

import test from 'ava'

import { toPluginSettings, toSettings, type PluginOptions } from '../../src/plugins/options.ts'

test('fills in the defaults', (t) => {
  const { logger: _logger, ...settings } = toSettings({})
  t.deepEqual(settings, {
    answerBytes: 536_870_912,
    autoMTLS: false,
    backoff: { initialMs: 1_000, maxMs: 60_000, resetAfterMs: 300_000 },
    crashLoopAfter: 3,
    dieWithHost: true,
    drainMs: 5_000,
    env: {},
    frameFormat: {},
    inFlight: 50,
    logLinesPerSecond: 1_000,
    maxFrames: 10_000,
    prewarm: true,
    probe: { failures: 3, intervalMs: 10_000, restartAfter: 6, successes: 1, timeoutMs: 5_000 },
    queue: 100,
    receiveLimitBytes: 67_108_864,
    sendLimitBytes: 67_108_864,
    settings: {},
    sha256: {},
    startTimeoutMs: 60_000,
    startWaitMs: 5_000,
    startsAtOnce: 4,
    stderrBytes: 65_536,
    stopGraceMs: 2_000,
  })
})

test('takes none of the options of processes for plugins that others run', (t) => {
  t.throws(() => toPluginSettings(JSON.parse('{"stopGraceMs":1}') as PluginOptions), {
    instanceOf: TypeError,
    message: 'unknown option plugins.stopGraceMs',
  })
  t.like(toPluginSettings({ probe: { failures: 1 } }), { probe: { failures: 1, successes: 1 }, inFlight: 50 })
})

test('keeps what is given', (t) => {
  t.like(toSettings({ prewarm: false, backoff: { initialMs: 5 } }), {
    prewarm: false,
    backoff: { initialMs: 5, maxMs: 60_000 },
  })
})

const wrong: ReadonlyArray<readonly [object, string]> = [
  [{ prewarn: true }, 'unknown option plugins.prewarn'],
  [{ toString: 1 }, 'unknown option plugins.toString'],
  [{ prewarm: 'yes' }, 'option plugins.prewarm: expected true or false, got string'],
  [{ startWaitMs: '5' }, 'option plugins.startWaitMs: expected a whole number from 1 to 2147483647, got string'],
  [{ startWaitMs: 0 }, 'option plugins.startWaitMs: expected a whole number from 1 to 2147483647, got 0'],
  [{ drainMs: 1.5 }, 'option plugins.drainMs: expected a whole number from 1 to 2147483647, got 1.5'],
  [{ stopGraceMs: Infinity }, 'option plugins.stopGraceMs: expected a whole number from 1 to 2147483647, got Infinity'],
  [
    { startTimeoutMs: 2 ** 31 },
    'option plugins.startTimeoutMs: expected a whole number from 1 to 2147483647, got 2147483648',
  ],
  [
    { receiveLimitBytes: NaN },
    'option plugins.receiveLimitBytes: expected a whole number from 1 to 2147483647, got NaN',
  ],
  [{ maxFrames: 0 }, 'option plugins.maxFrames: expected a whole number from 1 to 2147483647, got 0'],
  [{ queue: -1 }, 'option plugins.queue: expected a whole number from 0 to 2147483647, got -1'],
  [
    { probe: { intervalMs: 0 } },
    'option plugins.probe.intervalMs: expected a whole number from 1 to 2147483647, got 0',
  ],
  [{ probe: { interval: 1 } }, 'unknown option plugins.probe.interval'],
  [
    { frameFormat: { testds: 'csv' } },
    'option plugins.frameFormat: expected an object of "arrow" or "json", got object',
  ],
  [{ sha256: { x: 'abc' } }, 'option plugins.sha256: expected an object of SHA-256 sums in hexadecimal, got object'],
  [{ backoff: 5 }, 'option plugins.backoff: expected an object, got 5'],
  [{ answerBytes: 1.5 }, 'option plugins.answerBytes: expected a whole number above 0, got 1.5'],
  [{ logger: { debug: 1, info: 1, warn: 1, error: 1 } }, 'option plugins.logger: expected a logger, got object'],
  [
    { backoff: { initialMs: -1 } },
    'option plugins.backoff.initialMs: expected a whole number from 1 to 2147483647, got -1',
  ],
  [{ backoff: { max: 1 } }, 'unknown option plugins.backoff.max'],
  [{ env: { A: 1 } }, 'option plugins.env: expected an object of strings, got object'],
  [{ env: { A: 'a\0b' } }, 'option plugins.env: expected an object of strings, got object'],
  [{ settings: { a: 'b' } }, 'option plugins.settings: expected an object of objects of strings, got object'],
  [{ logger: {} }, 'option plugins.logger: expected a logger, got object'],
]

for (const [given, message] of wrong) {
  test(`throws a TypeError: ${message} (${JSON.stringify(given)})`, (t) => {
    t.throws(() => toSettings(given), { instanceOf: TypeError, message })
  })
}

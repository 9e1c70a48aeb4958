import test from 'ava'
import { Registry } from 'prom-client'

import { inProcess, memorySource, staticContexts, type AggregatorOptions } from '../src/index.ts'
import { defaults, toSettings } from '../src/options.ts'

const given: AggregatorOptions = {
  source: memorySource(),
  plugins: inProcess({}),
  contexts: staticContexts({}),
}

const notObjects = [null, 'text', 5, true, () => undefined]
const notNumbers = ['5', NaN, 1.5, -1, Infinity, 2 ** 31, true, {}]
const incomplete: ReadonlyArray<unknown> = [{}, [], Object.create(null)]

const wrong: Readonly<Record<string, ReadonlyArray<unknown>>> = {
  source: [undefined, ...notObjects, ...incomplete, { subscribe: 1 }],
  plugins: [undefined, ...notObjects, ...incomplete, { plugin: () => undefined }],
  contexts: [undefined, ...notObjects, ...incomplete, { close: () => undefined }],
  logger: [...notObjects, ...incomplete, { ...console, warn: undefined }],
  authorize: [null, 'text', 5, {}],
  metrics: [...notObjects, ...incomplete, { getSingleMetric: () => undefined }],
  tracer: [...notObjects, ...incomplete],
  userAgent: [null, 5, {}, Symbol('agent')],
  limits: notObjects,
  'limits.inFlight': notObjects,
  'limits.bodyBytes': [...notNumbers, 0],
  'limits.requestTimeoutMs': [...notNumbers, 0],
  'limits.drainMs': notNumbers,
  'limits.stallMs': [...notNumbers, 0],
  'limits.inFlight.reads': [...notNumbers, 0],
  'limits.inFlight.writes': [...notNumbers, 0],
}

/** Options with one wrong value, at a path such as `limits.inFlight.reads`. */
const withValue = (option: string, value: unknown): AggregatorOptions => {
  const nested = option.split('.').reduceRight((inner, key) => ({ [key]: inner }), value)
  return Object.assign({}, given, nested)
}

for (const [option, values] of Object.entries(wrong)) {
  test(`refuses a wrong ${option} by its name, whatever is wrong with it`, (t) => {
    for (const value of values) {
      const error = t.throws(() => toSettings(withValue(option, value)), { instanceOf: TypeError })
      t.true(error.message.startsWith(`expected option ${option} to be `), error.message)
    }
  })
}

test('refuses what is no object at all', (t) => {
  for (const options of [undefined, ...notObjects]) {
    t.throws(() => toSettings(options as unknown as AggregatorOptions), {
      instanceOf: TypeError,
      message: /^expected option options to be an object, got \w+$/,
    })
  }
})

test('quotes no value: it may be a secret', (t) => {
  const error = t.throws(() => toSettings(withValue('contexts', 'hunter2')), { instanceOf: TypeError })
  t.false(error.message.includes('hunter2'))
})

test('fills in the defaults of Kubernetes, and takes an undefined option for one left out', (t) => {
  const settings = toSettings(given)
  t.like(settings, {
    ...given,
    authorize: undefined,
    metrics: undefined,
    tracer: undefined,
    bodyBytes: 3 * 1024 * 1024,
    requestTimeoutMs: 60_000,
    inFlight: { reads: 400, writes: 200, longRunning: 200 },
    drainMs: 25_000,
    stallMs: 30_000,
    userAgent: defaults.userAgent,
  })
  const undefinedOptions = Object.fromEntries(
    ['logger', 'authorize', 'metrics', 'tracer', 'userAgent', 'limits'].map((name) => [name, undefined]),
  )
  const { logger: first, ...same } = toSettings(Object.assign({}, given, undefinedOptions))
  const { logger: second, ...others } = settings
  t.deepEqual(same, others)
  t.deepEqual(Object.keys(first), Object.keys(second))
})

test('takes what it is given, and writes to none of it', (t) => {
  const lines: unknown[] = []
  const log = (...line: unknown[]): void => {
    lines.push(line)
  }
  const options: AggregatorOptions = Object.freeze({
    ...given,
    logger: Object.freeze({ debug: log, info: log, warn: log, error: log }),
    authorize: () => ({ allowed: true }),
    metrics: new Registry(),
    userAgent: 'Grafana/13.0.0 (linux; arm64)',
    limits: Object.freeze({
      bodyBytes: 1,
      requestTimeoutMs: 2,
      inFlight: Object.freeze({ reads: 3 }),
      drainMs: 0,
      stallMs: 4,
    }),
  })
  const settings = toSettings(options)
  t.like(settings, {
    metrics: options.metrics,
    userAgent: options.userAgent,
    bodyBytes: 1,
    requestTimeoutMs: 2,
    inFlight: { reads: 3, writes: 200, longRunning: 200 },
    drainMs: 0,
    stallMs: 4,
  })
  t.is(settings.authorize, options.authorize)
  settings.logger.info('a')
  t.deepEqual(lines, [['a']])
})

test('makes a logger harmless that throws', (t) => {
  const broken = (): never => {
    throw new Error('disk full')
  }
  const { logger } = toSettings({ ...given, logger: { debug: broken, info: broken, warn: broken, error: broken } })
  t.notThrows(() => logger.warn('a'))
})

const misspelt: Readonly<Record<string, object>> = {
  authorise: { authorise: () => false },
  'limits.bodybytes': { limits: { bodybytes: 1 } },
  'limits.inFlight.read': { limits: { inFlight: { read: 1 } } },
}
for (const [name, options] of Object.entries(misspelt)) {
  test(`refuses the unknown option ${name}`, (t) => {
    const { message } = t.throws(() => toSettings({ ...given, ...options }), { instanceOf: TypeError })
    t.true(message.startsWith(`unknown option ${name}, known: `))
  })
}

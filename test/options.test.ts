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
  authenticate: [null, 'text', 5, {}],
  authorize: [null, 'text', 5, {}],
  headers: notObjects,
  'headers.request': [...notObjects, {}, [5], [''], ['a b'], ['a:b'], ['x-é'], ['x\r\ny'], [undefined]],
  'headers.response': [...notObjects, {}, [5], [''], ['a b'], ['a:b'], ['x-é'], ['x\r\ny'], [undefined]],
  metrics: [...notObjects, ...incomplete, { getSingleMetric: () => undefined }],
  tracer: [...notObjects, ...incomplete],
  userAgent: [null, 5, {}, Symbol('agent')],
  limits: notObjects,
  'limits.inFlight': notObjects,
  'limits.bodyBytes': [...notNumbers, 0],
  'limits.requestTimeoutMs': [...notNumbers, 0],
  'limits.longRunningTimeoutMs': [...notNumbers, 0],
  'limits.drainMs': notNumbers,
  'limits.stallMs': [...notNumbers, 0],
  'limits.inFlight.reads': [...notNumbers, 0],
  'limits.inFlight.writes': [...notNumbers, 0],
  'limits.inFlight.longRunning': [...notNumbers, 0],
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
    authenticate: undefined,
    authorize: undefined,
    headers: { request: [], response: [] },
    metrics: undefined,
    tracer: undefined,
    bodyBytes: 3 * 1024 * 1024,
    deadlines: { requestTimeoutMs: 60_000, longRunningTimeoutMs: 1_800_000 },
    inFlight: { reads: 400, writes: 200, longRunning: 1000 },
    drainMs: 25_000,
    stallMs: 30_000,
    userAgent: defaults.userAgent,
  })
  const undefinedOptions = Object.fromEntries(
    ['logger', 'authenticate', 'authorize', 'headers', 'metrics', 'tracer', 'userAgent', 'limits'].map((name) => [
      name,
      undefined,
    ]),
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
    authenticate: () => ({ name: 'jane' }),
    authorize: () => ({ allowed: true }),
    headers: Object.freeze({ request: Object.freeze(['X-Tenant', '__proto__']) }),
    metrics: new Registry(),
    userAgent: 'Grafana/13.0.0 (linux; arm64)',
    limits: Object.freeze({
      bodyBytes: 1,
      requestTimeoutMs: 2,
      longRunningTimeoutMs: 5,
      inFlight: Object.freeze({ reads: 3, longRunning: 6 }),
      drainMs: 0,
      stallMs: 4,
    }),
  })
  const settings = toSettings(options)
  t.like(settings, {
    metrics: options.metrics,
    userAgent: options.userAgent,
    bodyBytes: 1,
    deadlines: { requestTimeoutMs: 2, longRunningTimeoutMs: 5 },
    headers: { request: ['x-tenant', '__proto__'], response: [] },
    inFlight: { reads: 3, writes: 200, longRunning: 6 },
    drainMs: 0,
    stallMs: 4,
  })
  t.is(settings.authenticate, options.authenticate)
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

const neverCrossing = [
  ...['Authorization', 'Proxy-Authenticate', 'COOKIE', 'set-cookie', 'X-Remote-User', 'X-REMOTE-EXTRA-a', 'Host'],
  ...[
    'Impersonate-User',
    'X-Grafana-Id',
    'X-ID-Token',
    'Forwarded',
    'X-Forwarded-For',
    'Connection',
    'Keep-Alive',
    'TE',
  ],
  ...['Trailer', 'Transfer-Encoding', 'Upgrade', 'Content-Length', 'Expect'],
]
test('lets no header cross that logs in, tells who asks, or belongs to the connection, whoever asks for it', (t) => {
  for (const name of neverCrossing) {
    for (const list of ['request', 'response']) {
      t.throws(() => toSettings({ ...given, headers: { [list]: ['x-fine', name] } }), {
        instanceOf: TypeError,
        message: `option headers.${list}: "${name}" never crosses`,
      })
    }
  }
})

const misspelt: Readonly<Record<string, object>> = {
  authorise: { authorise: () => false },
  authentication: { authentication: () => undefined },
  'headers.requests': { headers: { requests: ['x-tenant'] } },
  'limits.bodybytes': { limits: { bodybytes: 1 } },
  'limits.inFlight.read': { limits: { inFlight: { read: 1 } } },
}
for (const [name, options] of Object.entries(misspelt)) {
  test(`refuses the unknown option ${name}`, (t) => {
    const { message } = t.throws(() => toSettings({ ...given, ...options }), { instanceOf: TypeError })
    t.true(message.startsWith(`unknown option ${name}, known: `))
  })
}

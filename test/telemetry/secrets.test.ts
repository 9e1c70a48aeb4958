import { propagation } from '@opentelemetry/api'
import test from 'ava'
import fc from 'fast-check'
import { Registry } from 'prom-client'
import { inspect } from 'node:util'

import { toStatus, type AggregatorError } from '../../src/errors.ts'
import { observeAll } from '../../src/telemetry.ts'
import { logRequests, requestMetrics, requestSpans } from '../../src/telemetry/index.ts'
import { recordingLogger } from './recording-logger.ts'
import { recordingTracer, traceparent } from './recording-tracer.ts'
import { envOf, requestOf } from './requests.ts'

test.before(() => {
  propagation.setGlobalPropagator(traceparent)
})

/** All of it: JSON would leave out what an Error says. */
const textOf = (value: unknown): string => inspect(value, { depth: null, showHidden: true })

const secret = fc.uuid().map((uuid) => `secret-${uuid}`)

const errorWith = (text: string): fc.Arbitrary<AggregatorError | undefined> =>
  fc.constantFrom<AggregatorError | undefined>(
    undefined,
    { _tag: 'BadRequest', message: text },
    { _tag: 'PluginFailed', message: text, source: 'downstream', cause: new Error(text) },
    { _tag: 'BadPlugin', message: text, cause: text },
    { _tag: 'PluginUnavailable', message: text, retryAfterSeconds: 1, cause: text },
    { _tag: 'Unexpected', cause: new Error(text) },
    { _tag: 'Cancelled' },
  )

const sent = secret.chain((text) =>
  fc.record({
    text: fc.constant(text),
    query: fc.constantFrom(`auth_token=${text}`, `${text}`, `a=b&access_token=${text}&c=d`),
    headers: fc
      .constantFrom('authorization', 'cookie', 'x-id-token', 'traceparent', 'user-agent', 'x-anything')
      .map((name) => ({ [name]: text })),
    error: errorWith(text),
  }),
)

test('puts no query string, header, user, error text or cause into any label or attribute', async (t) => {
  await fc.assert(
    fc.asyncProperty(sent, async ({ text, query, headers, error }) => {
      const registry = new Registry()
      const tracer = recordingTracer()
      const observe = observeAll([requestMetrics(registry), requestSpans(tracer)])
      const user = { name: text, groups: [text], email: text, extra: { [text]: [text] } }
      const code = error === undefined ? 200 : toStatus(error).code
      observe(requestOf({ query, headers, user }), envOf()).ended({ code, durationMs: 1, error })
      t.is(tracer.spans.length, 1)
      t.false(textOf(tracer.spans).includes(text))
      t.false((await registry.metrics()).includes(text))
    }),
  )
})

test('puts no query string, header or user into any log line', (t) => {
  fc.assert(
    fc.property(sent, ({ text, query, headers }) => {
      const logger = recordingLogger()
      const { ended } = logRequests(logger)(requestOf({ query, headers, user: { name: text } }), envOf())
      ended({ code: 502, durationMs: 1, error: { _tag: 'BadPlugin', message: 'garbage' } })
      t.is(logger.lines.length, 1)
      t.false(textOf(logger.lines).includes(text))
    }),
  )
})

import { context, propagation, ROOT_CONTEXT, SpanKind, SpanStatusCode, trace } from '@opentelemetry/api'
import test from 'ava'

import { ownService } from '../../src/api/dataplane-service.ts'
import type { ServiceRoute } from '../../src/service.ts'
import { requestSpans } from '../../src/telemetry/tracing.ts'
import { contextManager, recordingTracer, traceparent, type RecordedSpan } from './recording-tracer.ts'
import { cancelled, envOf, requestOf, served } from './requests.ts'

test.before(() => {
  context.setGlobalContextManager(contextManager())
  propagation.setGlobalPropagator(traceparent)
})

const route = '/apis/prometheus.grafana.app/v0alpha1/namespaces/{namespace}/connections/{uid}/query'

const spanOf = (
  ...[request, env, outcome]: [...Parameters<ReturnType<typeof requestSpans>>, typeof served]
): RecordedSpan => {
  const tracer = recordingTracer()
  requestSpans(tracer)(request, env).ended(outcome)
  const [span, ...more] = tracer.spans
  if (span === undefined || more.length > 0) throw new Error(`expected one span, got ${String(tracer.spans.length)}`)
  return span
}

test('names a span by method and route template and describes it by stable names', (t) => {
  const span = spanOf(requestOf(), envOf(), served)
  t.is(span.name, `POST ${route}`)
  t.is(span.kind, SpanKind.SERVER)
  t.is(span.ends, 1)
  t.is(span.status, SpanStatusCode.UNSET)
  t.deepEqual(span.attributes, {
    'http.request.method': 'POST',
    'http.route': route,
    'url.path': '/apis/prometheus.grafana.app/v0alpha1/namespaces/default/connections/p1/query',
    'k8s.dataplaneservice.name': 'prometheus',
    'k8s.namespace.name': 'default',
    'grafana.plugin.id': 'prometheus-plugin',
    'grafana.dataplaneservice.type': 'query',
    'grafana.datasource.uid': 'p1',
    'http.response.status_code': 200,
  })
})

test('leaves out what a request does not have', (t) => {
  const path = '/apis/prometheus.grafana.app/v0alpha1/admission/mutate'
  const admission: ServiceRoute = { ...envOf().route, path: '/admission/mutate' }
  const span = spanOf(requestOf({ path, params: {} }), envOf({ type: 'admission', route: admission }), served)
  t.false('k8s.namespace.name' in span.attributes)
  t.false('grafana.datasource.uid' in span.attributes)
})

test('names the whole path of a document, which no plugin answers', (t) => {
  const document: ServiceRoute = { ...envOf().route, method: 'GET', path: '/apis/{group}' }
  const env = { ...envOf({ type: 'discovery', route: document }), service: ownService }
  const { name, attributes } = spanOf(requestOf({ method: 'GET', path: '/apis/x', params: {} }), env, served)
  t.is(name, 'GET /apis/{group}')
  t.is(attributes['http.route'], '/apis/{group}')
  t.false('grafana.plugin.id' in attributes)
})

test('keeps an unknown method out of the name', (t) => {
  const { name, attributes } = spanOf(requestOf({ method: 'PROPFIND' }), envOf(), served)
  t.is(name, `HTTP ${route}`)
  t.is(attributes['http.request.method'], '_OTHER')
  t.is(attributes['http.request.method_original'], 'PROPFIND')
})

test('marks a 5xx as an error by its tag', (t) => {
  const error = { _tag: 'PluginTimeout', message: 'late' } as const
  const span = spanOf(requestOf(), envOf(), { code: 504, durationMs: 1, error })
  t.is(span.status, SpanStatusCode.ERROR)
  t.is(span.attributes['error.type'], 'PluginTimeout')
  t.is(span.attributes['http.response.status_code'], 504)
})

test('marks an answered 5xx as an error by its code', (t) => {
  const span = spanOf(requestOf(), envOf(), { code: 500, durationMs: 1, error: undefined })
  t.is(span.status, SpanStatusCode.ERROR)
  t.is(span.attributes['error.type'], '500')
})

test('marks no error when the client erred', (t) => {
  const error = { _tag: 'BadRequest', message: 'no' } as const
  const span = spanOf(requestOf(), envOf(), { code: 400, durationMs: 1, error })
  t.is(span.status, SpanStatusCode.UNSET)
  t.false('error.type' in span.attributes)
})

test('gives no status code to a client that left', (t) => {
  const span = spanOf(requestOf(), envOf(), cancelled)
  t.is(span.status, SpanStatusCode.UNSET)
  t.is(span.attributes['error.type'], 'Cancelled')
  t.false('http.response.status_code' in span.attributes)
})

test('continues the trace of the traceparent header', (t) => {
  const [traceId, spanId] = ['0af7651916cd43dd8448eb211c80319c', 'b7ad6b7169203331']
  const span = spanOf(requestOf({ headers: { traceparent: `00-${traceId}-${spanId}-01` } }), envOf(), served)
  t.is(span.kind, SpanKind.SERVER)
  t.like(span.parent, { traceId, spanId, isRemote: true })
  t.is(span.context.traceId, traceId)
})

test('begins a trace when the traceparent header is garbage', (t) => {
  for (const garbage of ['', '00-x-y-01', ['a', 'b']]) {
    t.is(spanOf(requestOf({ headers: { traceparent: garbage } }), envOf(), served).parent, undefined)
  }
})

test('stands below an active span of the host, whatever the header says', (t) => {
  const host = recordingTracer().startSpan('host')
  const headers = { traceparent: '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01' }
  const span = context.with(trace.setSpan(ROOT_CONTEXT, host), () => spanOf(requestOf({ headers }), envOf(), served))
  t.is(span.kind, SpanKind.INTERNAL)
  t.is(span.parent?.spanId, host.spanContext().spanId)
})

test('makes its span the active one within, also after an await, and not without', async (t) => {
  const tracer = recordingTracer()
  const { within } = requestSpans(tracer)(requestOf(), envOf())
  const seen = await new Promise<ReadonlyArray<string | undefined>>((resolve) => {
    const idOf = (): string | undefined => trace.getActiveSpan()?.spanContext().spanId
    within?.(() => {
      const early = idOf()
      void Promise.resolve().then(() => resolve([early, idOf()]))
    })
  })
  const spanId = tracer.spans[0]?.context.spanId
  t.deepEqual(seen, [spanId, spanId])
  t.is(trace.getActiveSpan(), undefined)
})

test('does nothing and calls on when the host has no SDK', (t) => {
  const { within, ended } = requestSpans()(requestOf(), envOf())
  let calls = 0
  within?.(() => {
    calls++
  })
  ended(served)
  t.is(calls, 1)
})

test("gives plugins the context of the request's own span", (t) => {
  const tracer = recordingTracer()
  const { trace: given } = requestSpans(tracer)(requestOf(), envOf())
  const [span] = tracer.spans
  t.deepEqual(given, { traceparent: `00-${String(span?.context.traceId)}-${String(span?.context.spanId)}-01` })
})

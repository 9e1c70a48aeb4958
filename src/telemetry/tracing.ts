import { context, propagation, SpanKind, SpanStatusCode, trace, type Attributes, type Tracer } from '@opentelemetry/api'

import type { HttpRequest } from '../http.ts'
import type { CallEnv } from '../service.ts'
import type { Observer, Outcome } from '../telemetry.ts'
import { isKnownMethod } from './http-method.ts'

export type { Tracer }

/** The paths of documents are whole; those of all else are below a group and version. */
const routeTemplate = ({ service, route, type }: CallEnv): string =>
  type === 'discovery' ? route.path : `/apis/${service.spec.group}/${service.spec.version}${route.path}`

/** Names of OpenTelemetry's stable HTTP conventions, and upstream's extras. No query string, no header: both carry secrets. */
const attributesOf = ({ method, path, params }: HttpRequest, env: CallEnv): Attributes => {
  const { metadata, spec } = env.service
  const { namespace, uid } = params
  return {
    'http.request.method': isKnownMethod(method) ? method : '_OTHER',
    ...(isKnownMethod(method) ? {} : { 'http.request.method_original': method }),
    'http.route': routeTemplate(env),
    'url.path': path,
    'k8s.dataplaneservice.name': metadata.name,
    ...(namespace === undefined ? {} : { 'k8s.namespace.name': namespace }),
    ...(spec.pluginID === '' ? {} : { 'grafana.plugin.id': spec.pluginID }),
    'grafana.dataplaneservice.type': env.type,
    ...(uid === undefined || spec.pluginType !== 'datasource' ? {} : { 'grafana.datasource.uid': uid }),
  }
}

/** A client that left was sent no code, so its span has none. It is no ERROR: dashboards cancel their queries all day. */
const endingOf = ({ code, error }: Outcome): Attributes => {
  if (error?._tag === 'Cancelled') return { 'error.type': error._tag }
  return {
    'http.response.status_code': code,
    ...(code < 500 ? {} : { 'error.type': error?._tag ?? String(code) }),
  }
}

const isEmpty = (carrier: object): boolean => {
  for (const _name in carrier) return false
  return true
}

/**
 * One span for each claimed request, named by method and route template, in whose context the request is answered. Below a span
 * of the host it is INTERNAL, so a request is not served twice in the statistics; else it is the SERVER span, and its parent is
 * read from the request's headers by the host's propagator (`traceparent`). ERROR on 5xx. Plugins get its context, as
 * the host's propagator writes it. Without an SDK of the host it does nothing.
 */
export const requestSpans =
  (tracer: Tracer = trace.getTracer('dataplane-aggregator')): Observer =>
  (request, env) => {
    const active = context.active()
    const isNested = trace.getSpan(active) !== undefined
    const parent = isNested ? active : propagation.extract(active, request.headers)
    const span = tracer.startSpan(
      `${isKnownMethod(request.method) ? request.method : 'HTTP'} ${routeTemplate(env)}`,
      { kind: isNested ? SpanKind.INTERNAL : SpanKind.SERVER, attributes: attributesOf(request, env) },
      parent,
    )
    const within = trace.setSpan(parent, span)
    const carrier: Record<string, string> = {}
    propagation.inject(within, carrier)
    return {
      within: (start) => {
        context.with(within, start)
      },
      ...(isEmpty(carrier) ? {} : { trace: carrier }),
      ended: (outcome) => {
        span.setAttributes(endingOf(outcome))
        if (outcome.code >= 500) span.setStatus({ code: SpanStatusCode.ERROR })
        span.end()
      },
    }
  }

import {
  ROOT_CONTEXT,
  SpanStatusCode,
  trace,
  TraceFlags,
  type Attributes,
  type Context,
  type ContextManager,
  type Span,
  type SpanContext,
  type SpanKind,
  type TextMapPropagator,
  type Tracer,
} from '@opentelemetry/api'
import { AsyncLocalStorage } from 'node:async_hooks'

export interface RecordedSpan {
  readonly name: string
  readonly kind: SpanKind | undefined
  readonly parent: SpanContext | undefined
  readonly context: SpanContext
  readonly attributes: Attributes
  status: SpanStatusCode
  ends: number
  /** Anything else that was put on the span: events, links, exceptions, descriptions. */
  readonly extras: unknown[]
}

const hex = (length: number, n: number): string => n.toString(16).padStart(length, '0')

let lastId = 0

/** A tracer in place of an SDK: it keeps every span and what is done to it. */
export const recordingTracer = (): Tracer & { readonly spans: ReadonlyArray<RecordedSpan> } => {
  const spans: RecordedSpan[] = []
  const startSpan: Tracer['startSpan'] = (name, options = {}, parentContext = ROOT_CONTEXT): Span => {
    const parent = trace.getSpanContext(parentContext)
    lastId++
    const recorded: RecordedSpan = {
      name,
      kind: options.kind,
      parent,
      context: { traceId: parent?.traceId ?? hex(32, lastId), spanId: hex(16, lastId), traceFlags: TraceFlags.SAMPLED },
      attributes: { ...options.attributes },
      status: SpanStatusCode.UNSET,
      ends: 0,
      extras: [],
    }
    spans.push(recorded)
    const span: Span = {
      spanContext: () => recorded.context,
      setAttribute: (key, value) => {
        recorded.attributes[key] = value
        return span
      },
      setAttributes: (attributes) => {
        Object.assign(recorded.attributes, attributes)
        return span
      },
      addEvent: (...event) => {
        recorded.extras.push(event)
        return span
      },
      addLink: (link) => {
        recorded.extras.push(link)
        return span
      },
      addLinks: (links) => {
        recorded.extras.push(links)
        return span
      },
      setStatus: ({ code, message }) => {
        recorded.status = code
        if (message !== undefined) recorded.extras.push(message)
        return span
      },
      updateName: (renamed) => {
        recorded.extras.push(renamed)
        return span
      },
      end: () => {
        recorded.ends++
      },
      isRecording: () => recorded.ends === 0,
      recordException: (exception) => {
        recorded.extras.push(exception)
      },
    }
    return span
  }
  return {
    spans,
    startSpan,
    startActiveSpan: () => {
      throw new Error('expected startSpan, got startActiveSpan')
    },
  }
}

/** Carries the active context over awaits, as an SDK's manager does. */
export const contextManager = (): ContextManager => {
  const storage = new AsyncLocalStorage<Context>()
  const manager: ContextManager = {
    active: () => storage.getStore() ?? ROOT_CONTEXT,
    with: (context, fn, thisArg, ...args) => storage.run(context, () => Reflect.apply(fn, thisArg, args)),
    bind: (_context, target) => target,
    enable: () => manager,
    disable: () => manager,
  }
  return manager
}

const shape = /^00-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})$/

/** Reads and writes `traceparent` of W3C Trace Context. */
export const traceparent: TextMapPropagator<unknown> = {
  inject: (context, carrier, setter) => {
    const span = trace.getSpanContext(context)
    if (span === undefined) return
    const { traceId, spanId, traceFlags } = span
    setter.set(carrier, 'traceparent', `00-${traceId}-${spanId}-0${traceFlags.toString(16)}`)
  },
  extract: (context, carrier, getter) => {
    const value = getter.get(carrier, 'traceparent')
    const [, traceId, spanId, flags] = (typeof value === 'string' && shape.exec(value)) || []
    return traceId === undefined || spanId === undefined || flags === undefined
      ? context
      : trace.setSpanContext(context, { traceId, spanId, traceFlags: Number.parseInt(flags, 16), isRemote: true })
  },
  fields: () => ['traceparent'],
}

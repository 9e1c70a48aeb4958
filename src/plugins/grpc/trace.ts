import { Metadata } from '@grpc/grpc-js'

const keys = ['traceparent', 'tracestate', 'baggage']
/** Printable ASCII without blanks around it: anything else is an exception of grpc-js, or a protocol error of the plugin. */
const sendable = /^[!-~](?:[ -~]*[!-~])?$/
/** Go plugins are about to take 8 KiB of metadata; beyond that the connection goes down with every call on it. */
const maxValueLength = 1024

const none = new Metadata()

/** Trace context as gRPC metadata, the only thing that goes there: what cannot be sent is left out. */
export const toMetadata = (trace: Readonly<Record<string, string>> | undefined): Metadata => {
  // a call clones what it is given
  if (trace === undefined) return none
  const metadata = new Metadata()
  for (const key of keys) {
    const value = trace[key]
    if (typeof value === 'string' && value.length <= maxValueLength && sendable.test(value)) metadata.set(key, value)
  }
  return metadata
}

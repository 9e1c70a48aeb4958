import { status } from '@grpc/grpc-js'

import type { AggregatorError, ErrorSource } from '../../errors.ts'
import type { CallFailure } from './call.ts'
import { protocol } from './proto.ts'

const maxDetailLength = 1024

/** The plugin's words on one line of bounded length. */
const oneLine = (text: string): string => {
  const line = text.replace(/[\s\p{Cc}]+/gu, ' ').trim()
  return line.length > maxDetailLength ? `${line.slice(0, maxDetailLength - 1)}…` : line
}

/** Whose error it is, by the ErrorInfo that the plugin SDK attaches; `plugin` when nothing readable says otherwise. */
const errorSourceOf = (statusDetails: Buffer | undefined): ErrorSource => {
  if (statusDetails === undefined) return 'plugin'
  try {
    const { rpcStatus, errorInfo } = protocol()
    const info = rpcStatus(statusDetails).details.find(({ type_url }) => type_url?.endsWith('/google.rpc.ErrorInfo'))
    const source = info?.value && errorInfo(info.value).metadata['errorSource']
    return source === 'downstream' ? 'downstream' : 'plugin'
  } catch {
    // details are an extra: unreadable ones do not change what failed
    return 'plugin'
  }
}

export interface FailedCall {
  readonly pluginId: string
  /** Name of the call, as the port spells it. */
  readonly call: string
  readonly receiveLimitBytes: number
}

/** Whether grpc-js heard HTTP where it expected gRPC. */
export const isPlainHttp = (details: string): boolean => details.startsWith('Received HTTP status code')

/** `grpc-js: Received message larger than max (n vs m)`, `grpc-go: … (n vs. m)`; both sides word it alike, the sizes tell whose limit it was. */
const sizesOf = (details: string): { size: number; limit: number } | undefined => {
  const match = /larger than max \((\d+) vs\.? (\d+)\)/.exec(details)
  return match === null ? undefined : { size: Number(match[1]), limit: Number(match[2]) }
}

/** In the words of grpc-js, which stops inflating there. */
const isInflated = (details: string): boolean => details.startsWith('Received message that decompresses to')

/** In the words of grpc-js, when a connection broke that it has not let go of yet. */
const isNotSent = (details: string): boolean => details.startsWith('Failed to start HTTP/2 stream')

/** What a failed gRPC call is to the rest of the house. No gRPC code leaves this function. */
export const toAggregatorError = (failure: CallFailure, failed: FailedCall): AggregatorError => {
  const { code, details } = failure
  const plugin = `plugin "${failed.pluginId}"`
  const said = oneLine(details)
  const timedOut: AggregatorError = {
    _tag: 'PluginTimeout',
    message: `${plugin} did not answer ${failed.call} in time`,
  }
  const pluginFailed: AggregatorError = {
    _tag: 'PluginFailed',
    message: `${plugin} failed in ${failed.call}`,
    source: errorSourceOf(failure.statusDetails),
    // may hold a stack, a path, a secret: for the log only
    cause: `${status[code] ?? 'status'} (${String(code)}): ${said}`,
  }
  const badAnswer = (what: string): AggregatorError => ({
    _tag: 'BadPlugin',
    message: `${plugin} ${what}`,
    cause: said,
  })

  // the details name the socket: for the log only
  const unavailable: AggregatorError = {
    _tag: 'PluginUnavailable',
    message: `${plugin} is unavailable`,
    retryAfterSeconds: 1,
    cause: details,
  }

  if (isPlainHttp(details)) return badAnswer('answered with plain HTTP instead of gRPC')
  switch (code) {
    case status.CANCELLED:
      if (failure.isLate) return timedOut
      return failure.isAborted ? { _tag: 'Cancelled' } : pluginFailed
    case status.DEADLINE_EXCEEDED:
      return timedOut
    case status.UNIMPLEMENTED:
      return { _tag: 'NotImplemented', message: `${plugin} does not implement ${failed.call}` }
    case status.UNAVAILABLE:
      return unavailable
    case status.INVALID_ARGUMENT:
      // the one code whose words are meant for the caller
      return { _tag: 'BadRequest', message: `${plugin} refused the request: ${said}` }
    case status.RESOURCE_EXHAUSTED: {
      const limit = String(failed.receiveLimitBytes)
      if (isInflated(details))
        return badAnswer(`answered more than ${limit} bytes, compressed (option plugins.receiveLimitBytes)`)
      const sizes = sizesOf(details)
      if (sizes?.size === failure.requestBytes)
        return {
          _tag: 'BodyTooLarge',
          limitBytes: sizes.limit,
          option: `GRPCSettings.MaxReceiveMsgSize of ${plugin}`,
        }
      // of another size: what stands behind the plugin was too much for the plugin
      if (sizes?.limit !== failed.receiveLimitBytes) return pluginFailed
      return badAnswer(`answered ${String(sizes.size)} bytes, the limit is ${limit} (option plugins.receiveLimitBytes)`)
    }
    case status.INTERNAL:
    case status.DATA_LOSS:
      if (isNotSent(details)) return unavailable
      return badAnswer(`answered what is no ${failed.call} response`)
    default:
      return pluginFailed
  }
}

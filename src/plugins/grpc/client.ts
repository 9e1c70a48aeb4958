import { type ChannelInterface } from '@grpc/grpc-js'

import { unexpected, type AggregatorError, type Result } from '../../errors.ts'
import { E } from '../../fp.ts'
import type { CallOptions, MessageStream, PluginClient } from '../../plugin.ts'
import type { AnswerBudget } from '../answer-budget.ts'
import { startCall, type CallFailure, type OpenCalls } from './call.ts'
import { createRpcs, type Rpc, type RpcOptions } from './rpcs.ts'
import { toAggregatorError } from './status.ts'
import { createMessageStream } from './stream-call.ts'
import { callUnary } from './unary.ts'

export interface ClientOptions extends RpcOptions {
  readonly pluginId: string
  /** Of one answer, or one message of a stream. */
  readonly receiveLimitBytes: number
  /** Of one request. */
  readonly sendLimitBytes: number
  /** For the answers of all plugins. */
  readonly budget: AnswerBudget
  /** Hears of each call that found nobody to answer it. */
  readonly onUnavailable: () => void
  /** Strikes secrets out of what the plugin says of a call that failed. */
  readonly strike?: (text: string) => string
}

const asItIs = (text: string): string => text

const full: AggregatorError = {
  _tag: 'TooManyRequests',
  message: 'the answers of plugins in flight take all the memory they may have (option plugins.answerBytes)',
  retryAfterSeconds: 1,
}

/** `queryChunkedData` of a plugin that has none is one message that says so, and nothing else. Source: backend of the plugin SDK. */
const isNotImplemented = (chunk: { status: number; error: string; frame: Uint8Array }): boolean =>
  chunk.status === 501 && chunk.error === '' && chunk.frame.length === 0

/** The calls of pluginv2 on one channel. Each is made once: never again. */
export const createPluginClient = (
  channel: ChannelInterface,
  openCalls: OpenCalls,
  options: ClientOptions,
): PluginClient => {
  const { pluginId, receiveLimitBytes, sendLimitBytes, budget, onUnavailable, strike = asItIs } = options
  const rpcs = createRpcs(options)
  const plugin = `plugin "${pluginId}"`
  const tooLarge: AggregatorError = {
    _tag: 'BodyTooLarge',
    limitBytes: sendLimitBytes,
    option: 'plugins.sendLimitBytes',
  }

  /** What must hold before a call begins. */
  const encode = <Request>(rpc: Rpc<Request, unknown>, request: Request): E.Either<AggregatorError, Buffer> => {
    if (!budget.hasRoom()) return E.left(full)
    try {
      const bytes = rpc.encode(request)
      return bytes.length > sendLimitBytes ? E.left(tooLarge) : E.right(bytes)
    } catch (cause) {
      return E.left(unexpected(cause))
    }
  }
  const decode = <Request, Response>(
    rpc: Rpc<Request, Response>,
    response: Buffer,
    request: Request,
  ): E.Either<AggregatorError, Response> => {
    try {
      const decoded = rpc.decode(response, request)
      return E.isRight(decoded) ? decoded : E.left({ _tag: 'BadPlugin', message: `${plugin} ${decoded.left}` })
    } catch (cause) {
      return E.left({ _tag: 'BadPlugin', message: `${plugin} answered what is no ${rpc.name} response`, cause })
    }
  }
  const toError = (failure: CallFailure, call: string): AggregatorError => {
    const error = toAggregatorError(
      { ...failure, details: strike(failure.details) },
      { pluginId, call, receiveLimitBytes },
    )
    if (error._tag === 'PluginUnavailable') onUnavailable()
    return error
  }
  const hold = (bytes: number, over: Promise<unknown> | undefined): E.Either<AggregatorError, void> =>
    over === undefined || budget.hold(bytes, over) ? E.right(undefined) : E.left(full)

  const unary =
    <Request, Response>(rpc: Rpc<Request, Response>) =>
    (request: Request, options: CallOptions): Result<Response> =>
    async () => {
      const sent = encode(rpc, request)
      if (E.isLeft(sent)) return sent
      const answer = await callUnary(channel, rpc.path, sent.right, options, openCalls)
      if (E.isLeft(answer)) return E.left(toError(answer.left, rpc.name))
      // an answer that nobody needs after the call is gone with it
      const held = hold(answer.right.length, options.over)
      return E.isLeft(held) ? held : decode(rpc, answer.right, request)
    }

  const stream =
    <Request, Response>(
      rpc: Rpc<Request, Response>,
      refusal: (message: Response) => AggregatorError | undefined = () => undefined,
    ) =>
    (request: Request, options: CallOptions): MessageStream<Response> =>
      createMessageStream<Response>({
        begin: ({ onMessage, onEnd }) => {
          const sent = encode(rpc, request)
          if (E.isLeft(sent)) return sent
          const call = startCall(channel, rpc.path, sent.right, options, openCalls, {
            onMessage,
            onEnd: (failure) => {
              onEnd(failure === undefined ? undefined : toError(failure, rpc.name))
            },
          })
          return E.right(call)
        },
        decode: (message) => decode(rpc, message, request),
        hold,
        refusal,
        over: options.over,
      })

  const noChunks: AggregatorError = {
    _tag: 'NotImplemented',
    message: `${plugin} does not implement ${rpcs.queryChunkedData.name}`,
  }
  return {
    queryData: unary(rpcs.queryData),
    queryChunkedData: stream(rpcs.queryChunkedData, (chunk) => (isNotImplemented(chunk) ? noChunks : undefined)),
    callResource: stream(rpcs.callResource),
    checkHealth: unary(rpcs.checkHealth),
    collectMetrics: unary(rpcs.collectMetrics),
    subscribeStream: unary(rpcs.subscribeStream),
    runStream: stream(rpcs.runStream),
    publishStream: unary(rpcs.publishStream),
    validateAdmission: unary(rpcs.validateAdmission),
    mutateAdmission: unary(rpcs.mutateAdmission),
    convertObjects: unary(rpcs.convertObjects),
  }
}

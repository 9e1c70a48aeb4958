import { status, type ChannelInterface } from '@grpc/grpc-js'

import { E } from '../../fp.ts'
import { startCall, type CallFailure, type OpenCalls, type RawCallOptions } from './call.ts'

/** One request, one answer. Never rejects. */
export const callUnary = (
  channel: ChannelInterface,
  path: string,
  request: Buffer,
  options: RawCallOptions,
  openCalls: OpenCalls,
): Promise<E.Either<CallFailure, Buffer>> =>
  new Promise((resolve) => {
    let answer: Buffer | undefined
    const broken = (details: string): void => {
      const { length: requestBytes } = request
      const none = { statusDetails: undefined, isLate: false, isAborted: false }
      resolve(E.left({ code: status.INTERNAL, details, requestBytes, ...none }))
    }
    const call = startCall(channel, path, request, options, openCalls, {
      onMessage: (message) => {
        if (answer !== undefined) {
          call.cancel()
          broken('more than one message in the answer')
          return
        }
        answer = message
        // a plugin that sends another one would leave the call hanging
        call.read()
      },
      onEnd: (failure) => {
        if (failure !== undefined) resolve(E.left(failure))
        else if (answer === undefined) broken('no message in the answer')
        else resolve(E.right(answer))
      },
    })
    call.read()
  })

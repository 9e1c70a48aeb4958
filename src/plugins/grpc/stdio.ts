import { status, type ChannelInterface } from '@grpc/grpc-js'

import { createTurns } from '../turns.ts'
import { startCall, type OpenCalls, type RunningCall } from './call.ts'
import { protocol } from './proto.ts'

const stderr = 2
/** For as long as the process lives. */
const timeoutMs = Infinity

/**
 * Takes what the plugin prints once it serves; unread, it blocks whoever prints. `onLost` hears when the stream broke; not when
 * the plugin ended it, or does not have it.
 */
export const readStdio = (
  channel: ChannelInterface,
  openCalls: OpenCalls,
  onData: (channel: 'stdout' | 'stderr', data: Buffer) => void,
  onLost: () => void,
): void => {
  const { path, serialize, deserialize } = protocol().streamStdio
  const lose = (): void => {
    call.cancel()
    onLost()
  }
  let isStderr = false
  // a call is paused until it is read from
  const flow = {
    pause: () => undefined,
    resume: () => {
      call.read()
    },
  }
  const takeData = createTurns(flow, (piece) => {
    onData(isStderr ? 'stderr' : 'stdout', piece)
  })
  const take = (message: Buffer): void => {
    const { channel, data = Buffer.alloc(0) } = deserialize(message)
    isStderr = channel === stderr
    takeData(data)
  }
  const call: RunningCall = startCall(channel, path, serialize({}), { timeoutMs }, openCalls, {
    onMessage: (message) => {
      try {
        take(message)
      } catch {
        // garbage: no better than a broken stream
        lose()
      }
    },
    onEnd: (failure) => {
      if (failure !== undefined && failure.code !== status.UNIMPLEMENTED) onLost()
    },
  })
  call.read()
}

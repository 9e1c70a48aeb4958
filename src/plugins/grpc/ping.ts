import { status, type ChannelInterface } from '@grpc/grpc-js'

import { E } from '../../fp.ts'
import type { PingFailure } from '../process/peer.ts'
import type { CallFailure, OpenCalls } from './call.ts'
import { protocol } from './proto.ts'
import { isPlainHttp } from './status.ts'
import { callUnary } from './unary.ts'

const serving = 1

/** Without what grpc-js puts around the error of a socket. */
const plain = (details: string): string =>
  details.replace(/^No connection established\. Last error: (?:Error: )?/, '').replace(/\.? Resolution note:\s*$/, '')

const toPingFailure = ({ code, details, isLate, isAborted }: CallFailure): PingFailure | undefined => {
  // a plugin that runs elsewhere for debugging serves pluginv2 alone
  if (code === status.UNIMPLEMENTED && !isPlainHttp(details)) return undefined
  if (code === status.UNAVAILABLE && !isPlainHttp(details)) return { kind: 'unreachable', message: plain(details) }
  if (code === status.DEADLINE_EXCEEDED || isLate) return { kind: 'silent', message: 'it did not answer in time' }
  if (isAborted) return { kind: 'silent', message: 'it had not answered when the check was given up' }
  return { kind: 'not-serving', message: `it answers with ${status[code] ?? String(code)}: ${details}` }
}

const toVerdict = (answer: Buffer): PingFailure | undefined => {
  try {
    if (protocol().serving.deserialize(answer).status === serving) return undefined
    return { kind: 'not-serving', message: 'it answers but says that it does not serve' }
  } catch (error) {
    return { kind: 'not-serving', message: `it answers what is no health: ${String(error)}` }
  }
}

/** go-plugin's own check, of the service `plugin`. Undefined: it serves. Never rejects. */
export const ping = async (
  channel: ChannelInterface,
  openCalls: OpenCalls,
  timeoutMs: number,
  signal: AbortSignal | undefined,
): Promise<PingFailure | undefined> => {
  const { path, serialize } = protocol().serving
  const answer = await callUnary(channel, path, serialize({ service: 'plugin' }), { timeoutMs, signal }, openCalls)
  return E.isLeft(answer) ? toPingFailure(answer.left) : toVerdict(answer.right)
}

import type { AggregatorError } from '../../../src/errors.ts'
import { E } from '../../../src/fp.ts'
import type { CallOptions, MessageStream, PluginClient, QueryDataResponse, StreamPacket } from '../../../src/plugin.ts'
import { toPluginSettings, type PluginOptions, type PluginSettings } from '../../../src/plugins/options.ts'
import type { Peer, PeerExit, PingFailure } from '../../../src/plugins/process/peer.ts'
import type { Secrets } from '../../../src/plugins/process/secrets.ts'
import { settle } from '../_setup.ts'

export const response: QueryDataResponse = { responses: new Map() }
export const packet: StreamPacket = { data: Buffer.from('{}') }

export const silent: PingFailure = { kind: 'silent', message: 'no answer within 5000 ms' }
export const unreachable: PingFailure = { kind: 'unreachable', message: 'connect ENOENT /run/plugin1' }

/** Strikes out the word `hunter2`. */
export const recordingSecrets = () => {
  const learned: Array<string> = []
  const secrets: Secrets = {
    learn: ({ namespace }) => learned.push(namespace),
    strike: (text) => text.replaceAll('hunter2', '[redacted]'),
  }
  return { secrets, learned }
}

export const settingsOf = (options: PluginOptions = {}): PluginSettings =>
  toPluginSettings({ prewarm: false, ...options })

type Lost = Extract<AggregatorError, { _tag: 'PluginUnavailable' }>
type Answer = E.Either<AggregatorError, QueryDataResponse>

/** A peer as the test wants it: calls wait for `answer` unless `answersAtOnce`, pings for `pong` while `holdsPings`. */
export const createFakePeer = (pid: number | undefined, answersAtOnce = true) => {
  const calls: Array<CallOptions> = []
  const names: Array<string> = []
  const waiting = new Set<(answer: Answer) => void>()
  const pings: Array<(failure: PingFailure | undefined) => void> = []
  let resolveEnded = (_exit: PeerExit): void => undefined
  const ended = new Promise<PeerExit>((resolve) => (resolveEnded = resolve))
  const lost: Lost = { _tag: 'PluginUnavailable', message: 'the process is gone', retryAfterSeconds: 1 }
  const count = { stops: 0, kills: 0, pings: 0, left: 0 }

  const end = (exit: Partial<PeerExit>): void => {
    for (const resolve of [...waiting]) resolve(E.left(lost))
    for (const pong of pings.splice(0)) pong({ kind: 'unreachable', message: 'connect ENOENT' })
    resolveEnded({ code: 2, signal: null, stderr: 'panic: hunter2', ...exit })
  }

  const answerTo = (options: CallOptions): Promise<Answer> => {
    calls.push(options)
    if (options.signal.aborted) return Promise.resolve(E.left({ _tag: 'Cancelled' }))
    if (answersAtOnce) return Promise.resolve(E.right(response))
    return new Promise((resolve) => {
      const settled = (answer: Answer): void => {
        waiting.delete(settled)
        resolve(answer)
      }
      waiting.add(settled)
      options.signal.addEventListener('abort', () => {
        settled(E.left({ _tag: 'Cancelled' }))
      })
    })
  }
  const unary = (name: string) => (_request: unknown, options: CallOptions) => async () => {
    names.push(name)
    const answer = await answerTo(options)
    // what it answers does not matter, except to `queryData`
    return E.isLeft(answer) ? answer : E.left({ _tag: 'NotImplemented' as const, message: name })
  }
  /** Three messages, each when an answer comes. */
  const stream = (name: string) =>
    async function* (_request: unknown, options: CallOptions): MessageStream<never> & AsyncGenerator<never> {
      names.push(name)
      try {
        for (let i = 0; i < 3; i++) {
          const answer = await answerTo(options)
          if (E.isLeft(answer)) {
            yield answer as never
            return
          }
          yield E.right(packet) as never
        }
      } finally {
        count.left += 1
      }
    }
  const client: PluginClient = {
    queryData: (_request, options) => () => {
      names.push('queryData')
      return answerTo(options)
    },
    queryChunkedData: stream('queryChunkedData'),
    callResource: stream('callResource'),
    checkHealth: unary('checkHealth'),
    collectMetrics: unary('collectMetrics'),
    subscribeStream: unary('subscribeStream'),
    runStream: stream('runStream'),
    publishStream: unary('publishStream'),
    validateAdmission: unary('validateAdmission'),
    mutateAdmission: unary('mutateAdmission'),
    convertObjects: unary('convertObjects'),
  }

  const fake = {
    pid,
    client,
    ended,
    calls,
    names,
    count,
    pingFailure: undefined as PingFailure | undefined,
    holdsPings: false,
    ping: (timeoutMs: number): Promise<PingFailure | undefined> => {
      count.pings += 1
      fake.pingTimeoutMs = timeoutMs
      if (!fake.holdsPings) return Promise.resolve(fake.pingFailure)
      return new Promise((resolve) => pings.push(resolve))
    },
    pingTimeoutMs: 0,
    /** Answers the pings that wait. */
    pong: async (failure?: PingFailure): Promise<void> => {
      for (const resolve of pings.splice(0)) resolve(failure)
      await settle()
    },
    stop: async (): Promise<void> => {
      count.stops += 1
      end({ code: 0 })
      await ended
    },
    kill: (): void => {
      count.kills += 1
      end({ code: null, signal: 'SIGKILL' })
    },
    crash: async (exit: Partial<PeerExit> = {}): Promise<void> => {
      end(exit)
      await settle()
    },
    /** Answers the calls that wait, or the first `most` of them. */
    answer: async (answer: Answer = E.right(response), most = Infinity): Promise<void> => {
      for (const resolve of [...waiting].slice(0, most)) resolve(answer)
      await settle()
    },
  }
  const peer: Peer = fake
  void peer
  return fake
}

export type FakePeer = ReturnType<typeof createFakePeer>

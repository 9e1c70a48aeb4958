import { setImmediate as turn } from 'node:timers/promises'

import type { AggregatorError, Result } from '../../src/errors.ts'
import { E, TE } from '../../src/fp.ts'
import type { MessageStream, PluginContext, StreamPacket, StreamRequest } from '../../src/plugin.ts'
import type { SharedPacket, StreamSource, StreamSubject } from '../../src/shared-streams.ts'
import { createSharedStreams, type SharedStreamsOptions } from '../../src/streams/index.ts'
import { createManualClock, pluginContext, recordingLogger } from '../plugins/_setup.ts'

/** One call of RunStream, as the plugin sees it. */
export interface Call {
  readonly request: StreamRequest
  readonly isOver: () => boolean
  readonly send: (...texts: ReadonlyArray<string>) => Promise<void>
  readonly fail: (error?: AggregatorError) => Promise<void>
  readonly finish: () => Promise<void>
}

export const unavailable: AggregatorError = { _tag: 'PluginUnavailable', message: 'gone', retryAfterSeconds: 1 }

/** Lets all that is under way come to its end. */
export const settle = async (): Promise<void> => {
  for (let i = 0; i < 5; i++) await turn()
}

const createCall = (request: StreamRequest, signal: AbortSignal) => {
  type Step = IteratorResult<E.Either<AggregatorError, StreamPacket>, undefined>
  const steps: Step[] = []
  let isOver = false
  let wake = (): void => undefined
  const push = async (...more: ReadonlyArray<Step>): Promise<void> => {
    steps.push(...more)
    wake()
    await settle()
  }
  const end = (): void => {
    isOver = true
    wake()
  }
  signal.addEventListener('abort', end)
  const stream: MessageStream<StreamPacket> = {
    [Symbol.asyncIterator]: () => ({
      next: async () => {
        while (steps.length === 0 && !isOver) await new Promise<void>((resolve) => (wake = resolve))
        const step: Step = (isOver ? undefined : steps.shift()) ?? { done: true, value: undefined }
        if (step.done === true || E.isLeft(step.value)) isOver = true
        return step
      },
      return: () => {
        end()
        return Promise.resolve({ done: true, value: undefined })
      },
    }),
  }
  const call: Call = {
    request,
    isOver: () => isOver,
    send: (...texts) =>
      push(...texts.map((text): Step => ({ done: false, value: E.right({ data: Buffer.from(text) }) }))),
    fail: (error = unavailable) => push({ done: false, value: E.left(error) }),
    finish: () => push({ done: true, value: undefined }),
  }
  return { call, stream }
}

/** Shared streams over a plugin that is the test's, in a time that is the test's. */
export const createRig = (options: Partial<SharedStreamsOptions> = {}) => {
  const { clock, advance, timers } = createManualClock()
  const logger = recordingLogger()
  const calls: Call[] = []
  let context: Result<PluginContext> = TE.right(pluginContext)
  let asked = 0
  const client: StreamSource['client'] = {
    runStream: (request, { signal }) => {
      const { call, stream } = createCall(request, signal)
      calls.push(call)
      return stream
    },
  }
  const streams = createSharedStreams({ logger, clock, random: () => 0, ...options })
  const find = (_signal: AbortSignal): Result<StreamSource> => {
    asked += 1
    return TE.map((found: PluginContext) => ({ client, context: found }))(context)
  }
  const subjectOf = (changed: Partial<StreamSubject> = {}): StreamSubject => ({
    namespace: 'default',
    pluginId: 'testds',
    uid: 'u1',
    path: 'some/path',
    apiVersion: 'v1',
    data: new Uint8Array(),
    user: undefined,
    ...changed,
  })
  return {
    streams,
    calls,
    timers,
    advance: async (ms: number): Promise<void> => {
      await advance(ms)
      await settle()
    },
    logger,
    client,
    subjectOf,
    asked: () => asked,
    /** What the plugin is told from now on. */
    tell: (told: Partial<PluginContext> | AggregatorError) => {
      context = '_tag' in told ? TE.left(told) : TE.right({ ...pluginContext, ...told })
    },
    callAt: (index: number): Call => {
      const call = calls[index]
      if (call === undefined) throw new Error(`there was no call ${String(index)}`)
      return call
    },
    join: (changed: Partial<StreamSubject> = {}, finding = find) =>
      streams.join(subjectOf(changed), finding)[Symbol.asyncIterator](),
  }
}

type Item = E.Either<AggregatorError, SharedPacket>

/** One who takes everything, and keeps it. */
export const createReading = (iterator: AsyncIterator<Item>) => {
  const texts: string[] = []
  let end: AggregatorError | 'end' | undefined
  const read = async (): Promise<void> => {
    for (;;) {
      const step: IteratorResult<Item> = await iterator.next()
      if (step.done === true) {
        end ??= 'end'
        return
      }
      if (E.isLeft(step.value)) end = step.value.left
      else texts.push(Buffer.from(step.value.right.data).toString())
    }
  }
  void read()
  return { texts, end: () => end, leave: () => iterator.return?.() }
}

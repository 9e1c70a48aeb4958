import { unexpected, type AggregatorError } from '../../errors.ts'
import { E } from '../../fp.ts'
import type { CallOptions, MessageStream, PluginClient, PluginContext } from '../../plugin.ts'
import type { Clock } from '../../clock.ts'
import type { Places } from './places.ts'
import type { Secrets } from './secrets.ts'
import type { Target } from './target.ts'

type Entry<Message> = E.Either<AggregatorError, Message>

interface Opened<Message> {
  readonly target: Target
  readonly messages: AsyncIterator<Entry<Message>>
  /** Its first message is there. */
  readonly begun: () => void
  /** Ends its count. */
  readonly leave: () => void
}

export interface StreamCallsOptions {
  readonly places: Places
  readonly secrets: Pick<Secrets, 'learn'>
  readonly clock: Clock
}

const done = { done: true, value: undefined } as const

/** Counts a stream until somebody says that it ended, or its signal does: its reader may stop anywhere, and never come back. */
const hold = (target: Target, signal: AbortSignal, leavePlaces: () => void): (() => void) => {
  const leave = (): void => {
    if (!target.streams.delete(leave)) return
    signal.removeEventListener('abort', leave)
    leavePlaces()
  }
  target.streams.add(leave)
  signal.addEventListener('abort', leave)
  return leave
}

/**
 * The streamed calls of one plugin: each is made once, when its first message is asked for and there is a place. One that goes on and on
 * gives that back with its first message: some dozens of readers who stay would leave none to anybody else.
 */
export const createStreamCalls =
  ({ places, secrets, clock }: StreamCallsOptions) =>
  <Request extends { readonly pluginContext: PluginContext }, Message>(
    call: (client: PluginClient, request: Request, options: CallOptions) => MessageStream<Message>,
    needsPlace: boolean,
  ): ((request: Request, options: CallOptions) => MessageStream<Message>) =>
  (request, options) => {
    let isOver = false
    let opening: Promise<Entry<Opened<Message>>> | undefined
    let opened: Opened<Message> | undefined
    let giveUp = (): void => undefined

    const open = async (): Promise<Entry<Opened<Message>>> => {
      const beganAtMs = clock.now()
      const entrance = await places.enter(request.pluginContext.namespace, options, needsPlace, (endWait) => {
        giveUp = endWait
      })
      if (E.isLeft(entrance)) return entrance
      const target = entrance.right
      let hasPlace = needsPlace
      const begun = (): void => {
        if (!hasPlace || options.isLongRunning !== true) return
        hasPlace = false
        places.giveBack()
      }
      const leave = hold(target, options.signal, () => {
        const hadPlace = hasPlace
        hasPlace = false
        places.leave(target, hadPlace)
      })
      if (isOver) {
        leave()
        return E.left({ _tag: 'Cancelled' })
      }
      try {
        secrets.learn(request.pluginContext)
        const timeoutMs = options.timeoutMs - (clock.now() - beganAtMs)
        const messages = call(target.client, request, { ...options, timeoutMs })[Symbol.asyncIterator]()
        opened = { target, messages, begun, leave }
        return E.right(opened)
      } catch (cause) {
        leave()
        return E.left(unexpected(cause))
      }
    }

    const end = (): void => {
      isOver = true
      giveUp()
      opened?.leave()
    }
    const last = (error: AggregatorError): IteratorResult<Entry<Message>> => {
      end()
      return { done: false, value: E.left(error) }
    }

    const iterator: AsyncIterator<Entry<Message>> = {
      next: async () => {
        if (isOver) return done
        opening ??= open()
        const stream = await opening
        if (isOver) return done
        if (E.isLeft(stream)) return last(stream.left)
        const { target, messages, begun } = stream.right
        try {
          const result = await messages.next()
          if (result.done !== true) target.hear(result.value)
          if (result.done === true || E.isLeft(result.value)) end()
          else begun()
          return result
        } catch (cause) {
          return last(unexpected(cause))
        }
      },
      return: async () => {
        end()
        try {
          await opened?.messages.return?.()
        } catch {
          // it was left: whatever is wrong with it is nobody's business
        }
        return done
      },
    }
    return { [Symbol.asyncIterator]: () => iterator }
  }

import type { AggregatorError, Result } from '../../errors.ts'
import { E } from '../../fp.ts'
import type { CallOptions, PluginClient } from '../../plugin.ts'
import type { Clock } from './clock.ts'

/** Finds out whom to call, which may take some of the call's time. */
export type Acquire = (options: CallOptions) => Promise<E.Either<AggregatorError, PluginClient>>

/** The calls to one plugin, whichever process answers them. */
export interface Calls {
  readonly client: PluginClient
  /** Resolves when none runs any more, or after `drainMs`. */
  drain(): Promise<void>
}

/** Makes each call on the client that `acquire` finds, with what is left of its time. A call is made once: never again. */
export const createCalls = (acquire: Acquire, drainMs: number, clock: Clock): Calls => {
  let running = 0
  let notifyIdle = (): void => undefined

  const through =
    <Request, Response>(
      call: (client: PluginClient, request: Request, options: CallOptions) => Result<Response>,
    ): ((request: Request, options: CallOptions) => Result<Response>) =>
    (request, { signal, timeoutMs }) =>
    async () => {
      const beganAtMs = clock.now()
      const client = await acquire({ signal, timeoutMs })
      if (E.isLeft(client)) return client
      running += 1
      const leftMs = timeoutMs - (clock.now() - beganAtMs)
      const result = await call(client.right, request, { signal, timeoutMs: leftMs })()
      running -= 1
      if (running === 0) notifyIdle()
      return result
    }

  return {
    client: {
      queryData: through((client, request, options) => client.queryData(request, options)),
      validateAdmission: through((client, request, options) => client.validateAdmission(request, options)),
      mutateAdmission: through((client, request, options) => client.mutateAdmission(request, options)),
    },
    drain: () =>
      new Promise((resolve) => {
        if (running === 0) {
          resolve()
          return
        }
        const cancel = clock.setTimeout(resolve, drainMs)
        notifyIdle = () => {
          cancel()
          resolve()
        }
      }),
  }
}

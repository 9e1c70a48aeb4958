import type { Forwarder } from '../forward.ts'
import { TE } from '../fp.ts'

export interface ForwarderOptions {
  readonly maxPools?: number
}

export const createForwarder = (_options: ForwarderOptions): Forwarder => ({
  forward: () => TE.left({ _tag: 'NotImplemented', message: 'proxied paths are not served by this version' }),
  close: () => Promise.resolve(),
})

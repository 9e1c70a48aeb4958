import { E } from '../fp.ts'
import type { Logger } from '../logger.ts'
import type { SharedStreams } from '../shared-streams.ts'

export interface SharedStreamsOptions {
  readonly logger: Logger
}

export const createSharedStreams = (_options: SharedStreamsOptions): SharedStreams => ({
  join: async function* () {
    yield await Promise.resolve(E.left({ _tag: 'NotImplemented', message: 'streams are not served by this version' }))
  },
  close: () => Promise.resolve(),
})

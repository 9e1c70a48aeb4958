import type { RawObject, StatusResult } from '../plugin.ts'

/** Some plugins say nothing of the result when all is well. */
export const isFailure = ({ status, message, code }: StatusResult): boolean =>
  status !== 'Success' && (status !== '' || message !== '' || code >= 400)

/** Converted objects between two texts, not encoded anew: a number in them must not pass through float64. */
export const joinRaw = (before: string, objects: ReadonlyArray<RawObject>, behind: string): Buffer =>
  Buffer.concat([
    Buffer.from(before),
    ...objects.flatMap(({ raw }, index) => (index === 0 ? [raw] : [Buffer.from(','), raw])),
    Buffer.from(behind),
  ])

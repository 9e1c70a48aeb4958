import type { RawObject, StatusResult } from '../plugin.ts'

/** Some plugins say nothing of the result when all is well. */
export const isFailure = ({ status, message, code }: StatusResult): boolean =>
  status !== 'Success' && (status !== '' || message !== '' || code >= 400)

/** What a plugin of the SDK takes: more than that no plugin would convert back, and reading it would keep other requests waiting. */
const maxBytes = 16 * 1024 * 1024

/** Says what is wrong with so much, as the end of a sentence. */
export const excessOf = (objects: ReadonlyArray<RawObject>): string | undefined => {
  const bytes = objects.reduce((sum, { raw }) => sum + raw.length, 0)
  return bytes > maxBytes ? `expected at most ${String(maxBytes)} bytes, got ${String(bytes)}` : undefined
}

/** Converted objects between two texts, not encoded anew: a number in them must not pass through float64. */
export const joinRaw = (before: string, objects: ReadonlyArray<RawObject>, behind: string): Buffer =>
  Buffer.concat([
    Buffer.from(before),
    ...objects.flatMap(({ raw }, index) => (index === 0 ? [raw] : [Buffer.from(','), raw])),
    Buffer.from(behind),
  ])

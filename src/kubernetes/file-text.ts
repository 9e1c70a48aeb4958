import { basename } from 'node:path'

import type { Clock } from '../clock.ts'
import { E } from '../fp.ts'
import type { Logger } from '../logger.ts'
import { readTextFile } from '../text-files.ts'
import type { TextSource } from './access.ts'

/** Far more than tokens and certificates need. */
export const secretLimitBytes = 1024 * 1024

/** Source: cachingTokenSource and the certificate callbacks of client-go. */
const rereadMs = 60_000

/** A text that may change while it is used. */
export interface CurrentText {
  /** Left: one sentence that names the file, without its directory. */
  readonly read: () => Promise<E.Either<string, string>>
  /** What was read counts no more: the next read looks again. */
  readonly forget: () => void
}

/**
 * Reads a file when asked, at most once a minute. The last good text serves while there is none: a file that is being replaced is no
 * reason to stop. `isGood` tells what is wrong about a text, or nothing.
 */
export const createFileText = (
  path: string,
  clock: Clock,
  logger: Logger,
  faultOf: (text: string) => string | undefined = () => undefined,
): CurrentText => {
  let last: E.Either<string, string> = E.left('')
  let lastProblem: string | undefined
  let readAtMs = -Infinity
  let flight: Promise<E.Either<string, string>> | undefined

  const check = (text: string): E.Either<string, string> => {
    const fault = faultOf(text)
    return fault === undefined ? E.right(text) : E.left(fault)
  }
  const read = async (): Promise<E.Either<string, string>> => {
    const found = E.flatMap(check)(await readTextFile(path, secretLimitBytes))
    flight = undefined
    if (E.isRight(found) || E.isRight(last)) readAtMs = clock.now()
    const problem = E.isLeft(found) ? `file "${basename(path)}": ${found.left}` : undefined
    if (problem !== undefined && problem !== lastProblem && E.isRight(last))
      logger.warn(`credentials of the apiserver cannot be read again, the last ones serve: ${problem}`)
    lastProblem = problem
    if (problem === undefined) last = found
    return problem === undefined || E.isRight(last) ? last : E.left(problem)
  }
  return {
    read: () => {
      const ageMs = clock.now() - readAtMs
      // a clock that was set back makes nothing younger
      if (E.isRight(last) && ageMs >= 0 && ageMs < rereadMs) return Promise.resolve(last)
      return (flight ??= read())
    },
    forget: () => {
      readAtMs = -Infinity
    },
  }
}

export const createText = (source: TextSource, clock: Clock, logger: Logger): CurrentText =>
  'path' in source
    ? createFileText(source.path, clock, logger)
    : { read: () => Promise.resolve(E.right(source.text)), forget: () => undefined }

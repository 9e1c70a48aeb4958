import { once } from 'node:events'

import test from 'ava'

import { safeLogger, type Logger } from '../src/logger.ts'

const levels = ['debug', 'info', 'warn', 'error'] as const

const loggerOf = (log: (this: unknown, ...line: ReadonlyArray<unknown>) => unknown): Logger => ({
  debug: log,
  info: log,
  warn: log,
  error: log,
})

test('hands on what it is given, no argument more, to the method as it is now', (t) => {
  const lines: unknown[] = []
  const logger: Logger = loggerOf(() => t.fail())
  const safe = safeLogger(logger)
  for (const level of levels) {
    logger[level] = function (this: unknown, ...line: unknown[]) {
      lines.push([level, this === logger, ...line])
    }
    safe[level]('a')
    safe[level]('b', { c: 1 })
  }
  t.deepEqual(
    lines,
    levels.flatMap((level) => [
      [level, true, 'a'],
      [level, true, 'b', { c: 1 }],
    ]),
  )
})

test('keeps to itself what a logger throws', (t) => {
  const safe = safeLogger(
    loggerOf(() => {
      throw new Error('disk full')
    }),
  )
  for (const level of levels) t.notThrows(() => safe[level]('a'))
})

test('keeps to itself what the promise of an asynchronous logger rejects with', async (t) => {
  const safe = safeLogger(loggerOf(() => Promise.reject(new Error('disk full'))))
  const rejection = once(process, 'unhandledRejection').then(() => 'unhandled')
  for (const level of levels) safe[level]('a')
  // Node tells of unhandled rejections before it turns to immediates.
  t.is(await Promise.race([rejection, new Promise((resolve) => setImmediate(resolve, 'handled'))]), 'handled')
})

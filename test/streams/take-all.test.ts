import test from 'ava'

import { E } from '../../src/fp.ts'
import { takeAll } from '../../src/streams/take-all.ts'
import { settle } from './_rig.ts'

test('takes nothing more once it is told to end, from whoever does not listen', async (t) => {
  const controller = new AbortController()
  const taken: number[] = []
  let given = 0
  let isLeft = false
  const ended = takeAll(
    () => ({
      [Symbol.asyncIterator]: () => ({
        next: async () => {
          await new Promise(setImmediate)
          return { done: false, value: E.right(given++) }
        },
        return: () => {
          isLeft = true
          return Promise.reject(new Error('it goes on'))
        },
      }),
    }),
    controller.signal,
    (message) => {
      taken.push(message)
      if (message === 3) controller.abort()
      return false
    },
  )
  t.is(await ended, undefined)
  await settle()
  t.true(isLeft)
  t.deepEqual(taken, [0, 1, 2, 3])
})

test('leaves turns to others while a plugin always has more', async (t) => {
  const controller = new AbortController()
  const message = { done: false, value: E.right(undefined) } as const
  let count = 0
  const ended = takeAll(
    () => ({ [Symbol.asyncIterator]: () => ({ next: () => Promise.resolve(message) }) }),
    controller.signal,
    () => {
      count += 1
      return false
    },
  )
  await settle()
  controller.abort()
  await ended
  t.true(count > 0 && count < 1000, String(count))
})

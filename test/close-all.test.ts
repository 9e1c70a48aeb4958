import test from 'ava'

import { closeAll } from '../src/close-all.ts'

const never = new Promise<void>(() => undefined)
const timers = (): number => process.getActiveResourcesInfo().filter((name) => name === 'Timeout').length

test.serial('closes all, what has nothing to close among them, and leaves no timer', async (t) => {
  const before = timers()
  const closed: string[] = []
  const close = (name: string) => () => {
    closed.push(name)
    return Promise.resolve()
  }
  await closeAll({ a: close('a'), b: () => undefined, c: close('c') }, 60_000)
  t.deepEqual(closed, ['a', 'c'])
  t.is(timers(), before)
})

test.serial('closes the others when one throws, one rejects and one hangs, and tells of each', async (t) => {
  const closed: string[] = []
  const closing = closeAll(
    {
      throwing: () => {
        throw new Error('thrown')
      },
      rejecting: () => Promise.reject(new Error('rejected')),
      hanging: () => never,
      good: () => {
        closed.push('good')
        return Promise.resolve()
      },
    },
    20,
  )
  t.deepEqual(closed, ['good'])
  const error = await t.throwsAsync(closing, { instanceOf: AggregateError })
  t.deepEqual(
    error.errors.map((one: unknown) => (one instanceof Error ? one.message : one)),
    ['thrown', 'rejected', 'expected hanging to close within 20 ms'],
  )
})

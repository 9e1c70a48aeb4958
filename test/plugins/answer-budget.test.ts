import test from 'ava'

import { createAnswerBudget } from '../../src/plugins/answer-budget.ts'

const held = () => {
  let end = (): void => undefined
  const over = new Promise<void>((resolve) => (end = resolve))
  return {
    over,
    end: async () => {
      end()
      await over
    },
  }
}

test('holds answers until they are over, and no more than the limit', async (t) => {
  const budget = createAnswerBudget(10)
  const first = held()
  const second = held()
  t.true(budget.hold(4, first.over))
  t.true(budget.hold(6, second.over))
  t.false(budget.hasRoom())
  t.false(budget.hold(1, Promise.resolve()))
  await first.end()
  t.true(budget.hasRoom())
  t.false(budget.hold(5, Promise.resolve()))
  t.true(budget.hold(4, held().over))
})

test('counts nothing of what it refuses', async (t) => {
  const budget = createAnswerBudget(10)
  const first = held()
  budget.hold(1, first.over)
  for (let i = 0; i < 100; i++) t.false(budget.hold(10, held().over))
  await first.end()
  t.true(budget.hold(10, held().over))
})

test('takes one answer above the limit while nothing else is held', async (t) => {
  const budget = createAnswerBudget(10)
  const large = held()
  t.true(budget.hold(11, large.over))
  t.false(budget.hasRoom())
  t.false(budget.hold(0, held().over))
  await large.end()
  t.true(budget.hasRoom())
})

test('lets an answer go whose end fails', async (t) => {
  const budget = createAnswerBudget(1)
  t.true(budget.hold(1, Promise.reject(new Error('the client left'))))
  await Promise.resolve()
  t.true(budget.hasRoom())
})

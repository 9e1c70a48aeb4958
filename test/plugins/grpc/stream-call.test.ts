import test from 'ava'
import fc from 'fast-check'

import type { AggregatorError } from '../../../src/errors.ts'
import { E } from '../../../src/fp.ts'
import { createAnswerBudget } from '../../../src/plugins/answer-budget.ts'
import { createMessageStream, type StreamHandler } from '../../../src/plugins/grpc/stream-call.ts'
import { settle } from '../_setup.ts'

const error: AggregatorError = { _tag: 'BadPlugin', message: 'garbage' }
const limitBytes = 12

/** A stream whose plugin is the test, its budget, and what may happen to it; messages are texts of five bytes. */
const createStream = () => {
  const budget = createAnswerBudget(limitBytes)
  let handler: StreamHandler | undefined
  let asked = 0
  let finish = (): void => undefined
  const over = new Promise<void>((resolve) => (finish = resolve))
  const stream = createMessageStream<string>({
    begin: (given) => {
      handler = given
      return E.right({ read: () => (asked += 1), cancel: () => (handler = undefined) })
    },
    decode: (bytes) => (bytes.toString() === 'wrong' ? E.left(error) : E.right(bytes.toString())),
    hold: (bytes, until) => (budget.hold(bytes, until) ? E.right(undefined) : E.left(error)),
    refusal: (message) => (message === 'noway' ? error : undefined),
    over,
  })[Symbol.asyncIterator]()
  const send = (text: string) => () => {
    if (asked === 0) return
    asked -= 1
    handler?.onMessage(Buffer.from(text))
  }
  const end = (reason: AggregatorError | undefined) => () => {
    const told = handler
    handler = undefined
    told?.onEnd(reason)
  }
  const events = {
    next: () => void stream.next(),
    leave: () => void stream.return?.(),
    good: send('right'),
    bad: send('wrong'),
    refusal: send('noway'),
    end: end(undefined),
    fail: end(error),
    finish: () => {
      finish()
    },
    turn: settle,
  }
  return { budget, events }
}

test('gives others a turn while messages come that are there already', async (t) => {
  const stream = createMessageStream<Buffer>({
    begin: ({ onMessage }) => {
      const read = (): void => {
        process.nextTick(onMessage, Buffer.alloc(0))
      }
      return E.right({ read, cancel: () => undefined })
    },
    decode: E.right,
    hold: () => E.right(undefined),
    refusal: () => undefined,
    over: undefined,
  })
  let hadTurn = false
  setImmediate(() => (hadTurn = true))
  let taken = 0
  for await (const item of stream) {
    t.true(E.isRight(item))
    taken += 1
    if (hadTurn || taken === 10_000) break
  }
  t.true(hadTurn)
})

const names = ['next', 'good', 'bad', 'refusal', 'end', 'fail', 'leave', 'finish', 'turn'] as const

for (const last of ['leave', 'finish'] as const) {
  test(`holds nothing after "${last}", whatever came before and comes then`, async (t) => {
    const some = fc.array(fc.constantFrom(...names), { maxLength: 20 })
    const property = fc.asyncProperty(some, fc.boolean(), async (before, comesMore) => {
      const { budget, events } = createStream()
      for (const name of before) await events[name]()
      events[last]()
      await settle()
      if (comesMore) events.good()
      await settle()
      t.true(budget.hold(limitBytes, Promise.resolve()))
    })
    await fc.assert(property, { numRuns: 500 })
  })
}

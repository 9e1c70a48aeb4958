import test from 'ava'
import fc from 'fast-check'

import { createFairQueue } from '../../../src/plugins/process/queue.ts'

interface Item {
  readonly name: string
  readonly number: number
}

const drained = (queue: { shift(): Item | undefined }): ReadonlyArray<string> => {
  const order: Array<string> = []
  for (let item = queue.shift(); item !== undefined; item = queue.shift())
    order.push(`${item.name}${String(item.number)}`)
  return order
}

test('gives each name its turn, and of one name the first first', (t) => {
  const queue = createFairQueue<Item>()
  for (let number = 0; number < 4; number++) queue.push('a', { name: 'a', number })
  for (let number = 0; number < 2; number++) queue.push('b', { name: 'b', number })
  queue.push('c', { name: 'c', number: 0 })
  t.deepEqual(drained(queue), ['a0', 'b0', 'c0', 'a1', 'b1', 'a2', 'a3'])
  t.is(queue.size, 0)
})

test('lets a name that comes late wait for one turn of the others', (t) => {
  const queue = createFairQueue<Item>()
  for (let number = 0; number < 3; number++) queue.push('a', { name: 'a', number })
  t.is(queue.shift()?.number, 0)
  queue.push('b', { name: 'b', number: 0 })
  t.deepEqual(drained(queue), ['a1', 'b0', 'a2'])
})

test('forgets what was removed, once', (t) => {
  const queue = createFairQueue<Item>()
  const item = { name: 'a', number: 0 }
  queue.push('a', item)
  queue.remove('b', item)
  t.is(queue.size, 1)
  queue.remove('a', item)
  queue.remove('a', item)
  t.is(queue.size, 0)
  t.is(queue.shift(), undefined)
})

test('keeps nobody waiting longer than one turn of each other name', (t) => {
  const step = fc.oneof(
    { weight: 3, arbitrary: fc.record({ push: fc.constantFrom('a', 'b', 'c', '__proto__', '') }) },
    { weight: 2, arbitrary: fc.constant('shift' as const) },
    { weight: 1, arbitrary: fc.record({ remove: fc.nat() }) },
  )
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
      const queue = createFairQueue<Item>()
      const model = new Map<string, Array<Item>>()
      /** How often others had their turn since this one waits. */
      const passed = new Map<string, Map<string, number>>()
      let number = 0
      for (const step of steps) {
        if (step === 'shift') {
          const item = queue.shift()
          if (item === undefined) {
            t.is(model.size, 0)
            continue
          }
          const items = model.get(item.name) ?? []
          t.is(items.shift(), item)
          if (items.length === 0) model.delete(item.name)
          passed.delete(item.name)
          for (const name of model.keys()) {
            if (name === item.name) continue
            const counts = passed.get(name) ?? new Map<string, number>()
            counts.set(item.name, (counts.get(item.name) ?? 0) + 1)
            passed.set(name, counts)
            t.true((counts.get(item.name) ?? 0) <= 1)
          }
        } else if ('push' in step) {
          const item = { name: step.push, number: number++ }
          queue.push(item.name, item)
          model.set(item.name, [...(model.get(item.name) ?? []), item])
        } else {
          const all = [...model.values()].flat()
          const item = all[step.remove % Math.max(1, all.length)]
          if (item === undefined) continue
          queue.remove(item.name, item)
          const rest = (model.get(item.name) ?? []).filter((other) => other !== item)
          if (rest.length === 0) {
            model.delete(item.name)
            passed.delete(item.name)
          } else model.set(item.name, rest)
        }
        t.is(queue.size, [...model.values()].flat().length)
      }
    }),
  )
})

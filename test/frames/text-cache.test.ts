import test from 'ava'

import { cached } from '../../src/frames/text-cache.ts'

test('computes each text once', (t) => {
  const computed = new Array<string>()
  const twice = cached((source) => {
    computed.push(source)
    return source + source
  })
  t.deepEqual(['a', 'b', 'a', '', ''].map(twice), ['aa', 'bb', 'aa', '', ''])
  t.deepEqual(computed, ['a', 'b', ''])
})

test('forgets what was not used for longest when its bytes are full', (t) => {
  const computed = new Array<string>()
  const same = cached((source) => {
    computed.push(source)
    return source
  }, 12)
  for (const source of ['aa', 'bb', 'cc', 'aa', 'dd', 'aa', 'bb']) same(source)
  t.deepEqual(computed, ['aa', 'bb', 'cc', 'dd', 'bb'])
})

test('does not keep a long text', (t) => {
  let computed = 0
  const same = cached(
    (source) => {
      computed++
      return source
    },
    100,
    5,
  )
  for (const source of ['abc', 'abc', 'ab', 'ab']) same(source)
  t.is(computed, 3)
})

test('does not remember a failure', (t) => {
  let calls = 0
  const fail = cached(() => {
    calls++
    throw new Error('no')
  })
  t.throws(() => fail('a'))
  t.throws(() => fail('a'))
  t.is(calls, 2)
})

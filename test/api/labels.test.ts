import test from 'ava'

import { areAnnotations, areLabels } from '../../src/api/labels.ts'

// What Kubernetes itself takes is asked in test/interop/conversion.test.ts.

const x = (length: number): string => 'x'.repeat(length)

const keys: ReadonlyArray<readonly [key: string, isRight: boolean]> = [
  ['a', true],
  ['A_b.C-1', true],
  ['example.com/a', true],
  [`${'a.'.repeat(126)}a/${x(63)}`, true],
  ['', false],
  ['-a', false],
  ['a.', false],
  ['a b', false],
  ['ä', false],
  ['/a', false],
  ['a/', false],
  ['a/b/c', false],
  ['-a.b/c', false],
  [x(64), false],
  [`${'a.'.repeat(127)}a/b`, false],
]

test('takes the keys of labels and annotations that Kubernetes takes', (t) => {
  for (const [key, isRight] of keys) {
    t.is(areLabels({ [key]: 'v' }), isRight, key)
    t.is(areAnnotations({ [key]: 'any text at all' }), isRight, key)
  }
  t.false(areLabels({ 'Example.com/a': '' }))
  t.true(areAnnotations({ 'Example.com/a': '' }))
})

test('takes short names for values of labels, and 256 KiB of annotations', (t) => {
  for (const value of ['', 'a', 'A_b.1', x(63)]) t.true(areLabels({ a: value }), value)
  for (const value of ['-', 'a b', 'a/b', 'ü', x(64)]) t.false(areLabels({ good: 'a', a: value }), value)
  t.true(areAnnotations({ a: x(128 * 1024 - 1), b: x(128 * 1024 - 1) }))
  t.false(areAnnotations({ a: x(128 * 1024 - 1), b: x(128 * 1024) }))
  t.false(areAnnotations({ a: 'ü'.repeat(128 * 1024) }))
})

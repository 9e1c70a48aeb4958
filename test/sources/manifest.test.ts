import test from 'ava'

import { E } from '../../src/fp.ts'
import { readManifest, toSnapshot } from '../../src/sources/manifest.ts'
import { manifest } from './recorder.ts'

const read = (name: string, items: string) =>
  readManifest({ name, text: E.right(`{"kind":"List","items":[${items}]}`) })

const repeat = (count: number, item: (index: number) => string): string =>
  Array.from({ length: count }, (_, index) => item(index)).join()

test('reports some of more wrong objects than a call has arguments, the same from snapshot to snapshot', (t) => {
  const broken = read(
    'broken.json',
    repeat(130_000, () => '1'),
  )
  const good = read('good.json', JSON.stringify(manifest('a')))
  const { services, rejected } = toSnapshot([broken, good])
  t.is(services.length, 1)
  t.is(rejected.length, 101)
  t.is(rejected[99]?.origin, 'broken.json#100')
  t.deepEqual(rejected[100], {
    origin: 'broken.json',
    name: undefined,
    causes: [{ reason: 'FieldValueInvalid', field: '', message: 'and 129900 more objects' }],
  })
  t.true(toSnapshot([broken]).rejected.every((object, index) => object === rejected[index]))
})

test('reports some of the many names that another file has defined', (t) => {
  const items = repeat(150, (index) => JSON.stringify(manifest(`n${String(index)}`)))
  const { services, rejected } = toSnapshot([read('a.json', items), read('b.json', items)])
  t.is(services.length, 150)
  t.is(rejected.length, 101)
  t.is(rejected[0]?.name, 'n0')
  t.like(rejected[100], { origin: 'b.json', causes: { 0: { message: 'and 50 more objects' } } })
})

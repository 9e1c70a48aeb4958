import test from 'ava'

import type { StoredObject } from '../../src/api/object.ts'
import { E } from '../../src/fp.ts'
import type { StoreEvent } from '../../src/object-store.ts'
import { createStore, type Store } from '../../src/sources/store.ts'
import { createdAs } from './objects-contract.ts'

const put = (store: Store, name: string): StoredObject => {
  const result = store.swap(name, store.get(name), createdAs(name))
  if (E.isLeft(result)) throw new Error(result.left._tag)
  return result.right
}

test('begins where no process before it can have been, and never goes back', (t) => {
  let nowMs = Date.UTC(2026, 0, 1)
  const first = createStore({ now: () => nowMs })
  for (let i = 0; i < 999; i++) put(first, 'a')
  nowMs += 1
  const second = createStore({ now: () => nowMs })
  t.true(second.revision() > first.revision())
  t.is(Number(put(second, 'a').metadata.resourceVersion), second.revision())
  t.true(Number.isSafeInteger(createStore({ now: () => Date.UTC(2250, 0, 1) }).revision()))
  t.true(Number.isSafeInteger(createStore({ now: () => nowMs + 0.25 }).revision()))
})

test('remembers so many changes, and says when it does not know all of them', (t) => {
  const store = createStore({ historyLimit: 3 })
  const start = store.revision()
  t.deepEqual(store.since(start), [])
  t.is(store.since(start - 1), undefined)
  t.is(store.since(start + 1), undefined)
  for (const name of ['a', 'b', 'c', 'd', 'e']) put(store, name)
  const namesSince = (revision: number) => store.since(revision)?.map(({ object }) => object.metadata.name)
  t.is(namesSince(start + 1), undefined)
  t.deepEqual(namesSince(start + 2), ['c', 'd', 'e'])
  t.deepEqual(namesSince(start + 4), ['e'])
  t.deepEqual(namesSince(start + 5), [])
  t.is(namesSince(start + 6), undefined)
})

test('remembers of large objects no more than so many characters, and the last change in any case', (t) => {
  const store = createStore({ historyChars: 25_000 })
  const start = store.revision()
  const swap = (name: string, next: StoredObject | undefined): void => {
    t.true(E.isRight(store.swap(name, store.get(name), next)))
  }
  const isKnown = (count: number): boolean => store.since(start + count)?.length === store.revision() - start - count
  const large = (version: string): StoredObject => ({
    ...createdAs('a'),
    spec: { pluginID: 'x'.repeat(10_000), version },
  })
  for (const version of ['1', '2', '3']) swap('a', large(version))
  t.true(isKnown(0))
  const live = store.get('a')
  if (live === undefined) throw new Error('expected an object')
  // a status is small, whatever it is the status of
  for (let i = 0; i < 5; i++) swap('a', { ...live, status: { conditions: [] } })
  t.true(isKnown(0))
  swap('a', undefined)
  t.deepEqual([isKnown(1), store.since(start + 1), isKnown(2)], [false, undefined, true])
  for (const size of [1, 100_000]) swap('b', { ...createdAs('b'), spec: 'x'.repeat(size) })
  t.true(isKnown(3))
  swap('b', undefined)
  t.deepEqual([store.since(store.revision() - 1)?.length, store.since(store.revision() - 2)], [1, undefined])
})

test('gives each listener every change in order, whatever the others do', (t) => {
  const store = createStore()
  const seen: string[] = []
  const note =
    (who: string) =>
    ({ object }: StoreEvent): void => {
      seen.push(`${who} ${object.metadata.name}`)
    }
  store.subscribe(() => {
    throw new Error('not listening')
  })
  store.subscribe(({ object }) => {
    if (object.metadata.name !== 'a') return
    put(store, 'b')
    store.subscribe(note('late'))
  })
  const end = store.subscribe(note('steady'))
  put(store, 'a')
  t.deepEqual(seen, ['steady a', 'steady b'])
  end()
  put(store, 'c')
  t.deepEqual(seen, ['steady a', 'steady b', 'late c'])
})

test('lists by code units, in an array that never changes under whoever holds it', (t) => {
  const store = createStore()
  for (const name of ['b', 'a-b', 'a.b', 'a', 'a0']) put(store, name)
  const before = store.list()
  const names = (list: ReadonlyArray<StoredObject>) => list.map(({ metadata }) => metadata.name)
  t.deepEqual(names(before), ['a', 'a-b', 'a.b', 'a0', 'b'])
  store.swap('a.b', store.get('a.b'), undefined)
  const changed = put(store, 'b')
  t.deepEqual(names(before), ['a', 'a-b', 'a.b', 'a0', 'b'])
  t.deepEqual(names(store.list()), ['a', 'a-b', 'a0', 'b'])
  t.is(store.list().at(-1), changed)
  t.not(before.at(-1), changed)
})

test('makes nothing of a change that is none', (t) => {
  const store = createStore()
  const object = put(store, 'a')
  const revision = store.revision()
  t.deepEqual(store.swap('a', object, object), E.right(object))
  t.true(E.isLeft(store.swap('b', undefined, undefined)))
  t.is(store.revision(), revision)
})

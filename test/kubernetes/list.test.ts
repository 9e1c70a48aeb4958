import test from 'ava'

import { E } from '../../src/fp.ts'
import type { KubernetesFailure } from '../../src/kubernetes.ts'
import { listCollection } from '../../src/kubernetes/list.ts'
import { collection } from './_following.ts'
import { dps, listOf } from './_scripted-apiserver.ts'

const refused = (code: number): E.Either<KubernetesFailure, never> =>
  E.left({ _tag: 'Refused', code, reason: '', message: '' })

/** Lists over calls that are answered in turn, the last answer for ever; gives the queries, too. */
const list = async (resourceVersion: string, ...answers: ReadonlyArray<E.Either<KubernetesFailure, unknown>>) => {
  const queries: Array<unknown> = []
  const call = ({ query }: { readonly query?: object }) => {
    queries.push(query)
    return () => Promise.resolve(answers[Math.min(queries.length, answers.length) - 1] ?? refused(500))
  }
  const options = { call, timeoutMs: 1000 }
  const listed = await listCollection(options, collection, resourceVersion, new AbortController().signal)
  const told = E.isLeft(listed) ? listed.left._tag : listed.right.objects.map(({ metadata: { name } }) => name).join()
  return { listed, told, queries }
}

const page = (resourceVersion: number, name: string, token = '') =>
  E.right(listOf(resourceVersion, [dps(name, 1)], token))

test('asks for pages, but for a whole list at a concrete version', async (t) => {
  const paged = await list('', page(5, 'a', 'x'), page(6, 'b', 'y'), page(7, 'c'))
  t.is(paged.told, 'a,b,c')
  t.deepEqual(paged.queries, [{ limit: '500' }, { limit: '500', continue: 'x' }, { limit: '500', continue: 'y' }])
  t.is(E.isRight(paged.listed) && paged.listed.right.resourceVersion, '5')
  t.deepEqual((await list('7', page(9, 'a'))).queries, [{ resourceVersion: '7' }])
})

test('lists without pages where a page expired, or pages have no end', async (t) => {
  const expired = await list('0', page(5, 'a', 'x'), refused(410), page(8, 'z'))
  t.is(expired.told, 'z')
  t.deepEqual(expired.queries.at(-1), { resourceVersion: '0' })
  const endless = await list('', page(5, 'a', 'x'), page(5, 'a', 'x'), page(8, 'z'))
  t.is(endless.told, 'z')
  const forever = await list('', page(5, 'a', 'x'))
  t.is(forever.told, 'Garbled')
  t.is(forever.queries.length, 4)
})

test('gives a failure on as it is', async (t) => {
  t.deepEqual((await list('0', refused(410))).listed, refused(410))
  t.deepEqual((await list('0', page(5, 'a', 'x'), refused(503))).listed, refused(503))
})

test('takes nothing for an empty list that is none', async (t) => {
  const metadata = { resourceVersion: '1' }
  for (const answer of [
    null,
    [],
    'x',
    { metadata },
    { metadata, items: {} },
    { items: [] },
    { kind: 'Table', metadata },
  ]) {
    t.is((await list('0', E.right(answer))).told, 'Garbled', JSON.stringify(answer))
  }
  t.is((await list('0', E.right({ metadata, items: null }))).told, '')
})

test('says of what kind the items are, and leaves out what is of another', async (t) => {
  const items = [{ metadata: { name: 'a', managedFields: [] } }, { kind: 'Other', metadata: { name: 'b' } }, {}, null]
  const { listed } = await list(
    '0',
    E.right({ kind: 'SecretList', apiVersion: 'v1', metadata: { resourceVersion: '1' }, items }),
  )
  t.deepEqual(
    listed,
    E.right({
      objects: [{ apiVersion: 'v1', kind: 'Secret', metadata: { name: 'a' } }],
      resourceVersion: '1',
      kind: 'Secret',
      foreignCount: 3,
    }),
  )
})

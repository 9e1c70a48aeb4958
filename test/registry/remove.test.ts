import test from 'ava'

import { createObjects } from './_reads.ts'
import { createWorld, fieldsOf, nowText, object, sender, slowly, type Fields, type World } from './_writes.ts'

const withObjects = async (...all: ReadonlyArray<Fields>): Promise<World> => {
  const world = createWorld()
  for (const metadata of all) await world.send('POST', '', object(metadata))
  return world
}

const named = (...names: ReadonlyArray<string>): ReadonlyArray<Fields> => names.map((name) => ({ name }))
const options = (given: Fields): Fields => ({ kind: 'DeleteOptions', apiVersion: 'v1', ...given })

test('deletes an object, and tells which one it was', async (t) => {
  const { send, objects, events } = await withObjects({ name: 'a' })
  const uid = objects.get('a')?.metadata.uid
  const told = await send('DELETE', '/a', { propagationPolicy: 'Background' })
  t.is(told.status, 200)
  t.deepEqual<unknown, unknown>(told.body, {
    kind: 'Status',
    apiVersion: 'v1',
    metadata: {},
    status: 'Success',
    details: { name: 'a', group: 'aggregation.grafana.app', kind: 'dataplaneservices', uid },
  })
  t.deepEqual(events(), ['ADDED a', 'DELETED a'])
  const again = await send('DELETE', '/a')
  t.is(again.status, 404)
  t.is(again.body.message, 'dataplaneservices.aggregation.grafana.app "a" not found')
})

test('begins to delete what has finalizers, once', async (t) => {
  const { send, events } = await withObjects({ name: 'a', finalizers: ['x.io/f'] })
  const dry = await send('DELETE', '/a?dryRun=All')
  t.like(dry.body.metadata, { generation: 2, resourceVersion: '1', deletionTimestamp: nowText })
  t.deepEqual(events(), ['ADDED a'])
  for (const _ of [1, 2]) {
    const told = await send('DELETE', '/a')
    t.is(told.status, 200)
    t.is(told.body.kind, 'DataPlaneService')
    t.like(told.body.metadata, {
      deletionTimestamp: nowText,
      deletionGracePeriodSeconds: 0,
      generation: 2,
      resourceVersion: '2',
    })
  }
  t.deepEqual(events(), ['ADDED a', 'MODIFIED a'])
})

test('never leaves a finalizer that only a garbage collector would clear', async (t) => {
  for (const given of [
    options({ propagationPolicy: 'Foreground' }),
    options({ propagationPolicy: 'Orphan' }),
    options({ orphanDependents: true }),
    options({ orphanDependents: false, gracePeriodSeconds: -3 }),
    { kind: 'DeleteOptions', apiVersion: 'meta.k8s.io/v1', gracePeriodSeconds: 5, foo: 1 },
  ]) {
    const { send, objects } = await withObjects({ name: 'a' })
    t.is((await send('DELETE', '/a', given)).body.kind, 'Status')
    t.is(objects.get('a'), undefined)
  }
})

test('deletes nothing for a dry run, wherever that is asked for', async (t) => {
  const { send, events } = await withObjects({ name: 'a' })
  t.is((await send('DELETE', '/a?dryRun=All')).status, 200)
  t.is((await send('DELETE', '/a', options({ dryRun: ['All'] }))).status, 200)
  t.is((await send('DELETE', '/a?dryRun=All', options({}))).status, 200)
  t.deepEqual(events(), ['ADDED a'])
})

const refusals: ReadonlyArray<readonly [what: string, query: string, body: unknown, code: number, says: string]> = [
  ['a wrong policy', '', options({ propagationPolicy: 'x' }), 422, 'FieldValueNotSupported propagationPolicy'],
  ['a wrong policy in the query', '?propagationPolicy=x', undefined, 422, 'FieldValueNotSupported propagationPolicy'],
  [
    'two policies',
    '',
    options({ propagationPolicy: 'Orphan', orphanDependents: true }),
    422,
    'FieldValueInvalid propagationPolicy',
  ],
  ['a wrong dry run', '', options({ dryRun: ['x'] }), 422, 'FieldValueNotSupported dryRun'],
  ['another uid', '', options({ preconditions: { uid: 'x' } }), 409, 'the UID in the precondition (x) does not match'],
  [
    'another version',
    '',
    options({ preconditions: { resourceVersion: '7' } }),
    409,
    'the ResourceVersion in the precondition (7) does not match the ResourceVersion in record (1)',
  ],
  ['a grace that is none', '?gracePeriodSeconds=x', undefined, 400, 'gracePeriodSeconds'],
  ['a grace that is a text', '', options({ gracePeriodSeconds: 'x' }), 400, 'gracePeriodSeconds'],
  ['options of another kind', '', { kind: 'Thing', apiVersion: 'v1' }, 400, 'DeleteOptions'],
  ['half of the options', '', '{', 400, 'DeleteOptions'],
  ['a list of options', '', '[]', 400, 'DeleteOptions'],
  ['preconditions that are none', '', options({ preconditions: 5 }), 400, 'preconditions'],
  ['a wrong timeout', '?timeout=x', undefined, 400, 'timeout'],
]

for (const [what, query, body, code, says] of refusals) {
  test(`refuses a delete with ${what}`, async (t) => {
    const { send, events } = await withObjects({ name: 'a' })
    for (const path of code === 409 ? ['/a'] : ['/a', '']) {
      const told = await send('DELETE', path + query, body)
      t.is(told.status, code, told.body.message)
      if (code === 422) t.is(fieldsOf(told).join(', '), says)
      else t.true(told.body.message?.includes(says), told.body.message)
    }
    t.deepEqual(events(), ['ADDED a'])
  })
}

test('wants options in a form that it knows, where there are any', async (t) => {
  const { send } = await withObjects({ name: 'a' })
  t.is((await send('DELETE', '/a', options({}), { type: 'text/plain' })).status, 415)
  const told = await send('DELETE', '/a', 'preconditions: {uid: x}', { type: 'application/yaml' })
  t.is(told.status, 409)
  t.is((await send('DELETE', '/a', undefined, { type: '' })).status, 200)
})

test('deletes what selectors choose, and answers the list as it was found', async (t) => {
  const { send, objects } = await withObjects(
    { name: 'a' },
    { name: 'b', labels: { team: 'blue' } },
    { name: 'c', labels: { team: 'red' }, finalizers: ['x.io/f'] },
    { name: 'd', labels: { team: 'red' } },
  )
  const dry = await send('DELETE', '?labelSelector=team&dryRun=All')
  t.deepEqual(
    dry.body.items?.map(({ metadata }) => metadata.name),
    ['b', 'c', 'd'],
  )
  t.is(objects.revision(), 4)
  const page = await send('DELETE', '?labelSelector=team&limit=2')
  t.is(page.body.kind, 'DataPlaneServiceList')
  t.is(page.body.metadata.resourceVersion, '4')
  t.deepEqual(
    page.body.items?.map(({ metadata }) => `${metadata.name} ${String(metadata.deletionTimestamp)}`),
    ['b undefined', 'c undefined'],
  )
  t.deepEqual(
    objects.list().map(({ metadata }) => `${metadata.name} ${String(metadata.deletionTimestamp)}`),
    ['a undefined', `c ${nowText}`, 'd undefined'],
  )
  t.is((await send('DELETE', '?fieldSelector=metadata.name=d')).body.items?.length, 1)
  t.is((await send('DELETE', '?labelSelector=a=b=c')).status, 400)
  t.is((await send('DELETE', '')).body.items?.length, 2)
  t.is((await send('DELETE', '?labelSelector=nobody')).body.items?.length, 0)
})

test('spares what became another object while many are deleted', async (t) => {
  const inner = createObjects()
  for (const name of ['a', 'b', 'c'])
    inner.put(name, { team: 'red' }, { metadata: { name, uid: name, labels: { team: 'red' } } })
  const changed = { ...inner.get('c'), metadata: { name: 'c', uid: 'other', labels: { team: 'red' } } }
  let isLate = false
  // All were found and decided on when this happens.
  const change = (): void => {
    if (isLate) return
    isLate = true
    inner.put('b', undefined, { metadata: { name: 'b', uid: 'b', labels: { team: 'blue' } } })
    inner.remove('c')
    inner.put('c', undefined, changed)
  }
  const slow = slowly({
    ...inner,
    commit: (...args) => {
      change()
      return inner.commit(...args)
    },
  })
  t.is((await sender(slow)('DELETE', '?labelSelector=team%3Dred')).body.items?.length, 3)
  t.deepEqual(
    inner.list().map(({ metadata }) => metadata.name),
    ['b', 'c'],
  )
  t.is(inner.get('c')?.metadata.uid, 'other')
})

test('deletes thousands, batch by batch', async (t) => {
  const objects = createObjects()
  for (let index = 0; index < 2500; index++) objects.put(`o${String(index)}`)
  const { status, body } = await sender(objects)('DELETE', '')
  t.is(status, 200)
  t.is(body.items?.length, 2500)
  t.deepEqual(objects.list(), [])
})

test('stops deleting when nobody waits any more', async (t) => {
  const objects = createObjects()
  for (const name of named('a', 'b')) objects.put(String(name['name']))
  const { status } = await sender(objects)('DELETE', '', undefined, { signal: AbortSignal.abort() })
  t.is(status, 499)
  t.is(objects.list().length, 2)
})

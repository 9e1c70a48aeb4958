import test from 'ava'

import type { StoredObject } from '../../src/api/object.ts'
import { createObjects } from './_reads.ts'
import {
  apply,
  createWorld,
  fieldsOf,
  header,
  merge,
  nowText,
  object,
  spec,
  storedSpec,
  type Fields,
  type World,
} from './_writes.ts'

/** A world with `a` in it. */
const withA = async (metadata: Fields = {}): Promise<World & { readonly a: StoredObject['metadata'] }> => {
  const world = createWorld()
  const { body } = await world.send('POST', '', object({ name: 'a', ...metadata }))
  return { ...world, a: body.metadata }
}

const otherSpec = { ...spec, pluginID: 'other' }
const condition = {
  type: 'Checked',
  status: 'True',
  lastTransitionTime: '2026-01-02T03:04:05Z',
  reason: 'Passed',
  message: 'all is well',
}
const status = { conditions: [condition] }

test('replaces what its author saw last, and keeps what is the server’s', async (t) => {
  const { send, events, a } = await withA({ labels: { old: 'x' } })
  const given = {
    ...a,
    labels: { x: 'y' },
    creationTimestamp: '2001-01-01T00:00:00Z',
    deletionTimestamp: '2001-01-01T00:00:00Z',
    generation: 9,
    namespace: 'other',
  }
  const told = await send('PUT', '/a?fieldManager=me', object(given, { spec: otherSpec, status }))
  t.is(told.status, 200)
  const { managedFields, ...metadata } = told.body.metadata
  t.deepEqual(metadata, {
    name: 'a',
    uid: a.uid ?? '',
    labels: { x: 'y' },
    creationTimestamp: nowText,
    generation: 2,
    resourceVersion: '2',
  })
  t.deepEqual(
    managedFields?.map(({ manager }) => manager),
    ['kubectl', 'me'],
  )
  t.is(told.body.status, undefined)
  t.deepEqual(events(), ['ADDED a', 'MODIFIED a'])
})

test('counts a generation for a change of the spec, and for no other', async (t) => {
  const { send } = await withA()
  const labelled = await send('PATCH', '/a', { metadata: { labels: { x: 'y' } } }, merge)
  t.like(labelled.body.metadata, { generation: 1, resourceVersion: '2' })
  const changed = await send('PATCH', '/a', { spec: { pluginID: 'other' } }, merge)
  t.like(changed.body.metadata, { generation: 2, resourceVersion: '3' })
})

test('does nothing where nothing changes', async (t) => {
  const { send, events, objects, a } = await withA()
  const before = objects.get('a')
  t.is((await send('PUT', '/a', object({ name: 'a', resourceVersion: a.resourceVersion }))).status, 200)
  for (const patch of [{}, { status }, { metadata: { labels: {} } }, { spec: { pluginID: 'testdata' } }]) {
    const told = await send('PATCH', '/a?fieldManager=other', patch, merge)
    t.is(told.body.metadata.resourceVersion, a.resourceVersion)
  }
  t.is((await send('PATCH', '/a/status', { spec: otherSpec, metadata: { labels: { x: 'y' } } }, merge)).status, 200)
  t.is(objects.get('a'), before)
  t.deepEqual(events(), ['ADDED a'])
})

test('writes nothing of an object from a file that lacks only what is filled in', async (t) => {
  const objects = createObjects()
  const stored = objects.put('a', undefined, { spec: { ...spec, bogus: 1 } })
  const { send, events } = createWorld(objects)
  const told = await send('PATCH', '/a?fieldValidation=Strict', {}, merge)
  t.is(told.status, 200)
  t.is(objects.get('a'), stored)
  t.deepEqual(events(), [])
  const changed = await send('PATCH', '/a', { metadata: { labels: { x: 'y' } } }, merge)
  t.deepEqual(changed.warnings, [])
  t.deepEqual(changed.body.spec, storedSpec)
})

/** A request for `a`, the code, and the causes or the message that it comes to. `$`: its resourceVersion. */
const refusals: ReadonlyArray<readonly [string, string, string, unknown, number, string, string?]> = [
  ['a PUT without a resourceVersion', 'PUT', '/a', object(), 422, 'FieldValueInvalid metadata.resourceVersion'],
  [
    'a PUT with an old one',
    'PUT',
    '/a',
    object({ name: 'a', resourceVersion: '99' }),
    409,
    'the object has been modified',
  ],
  ['a PUT with a word for one', 'PUT', '/a', object({ name: 'a', resourceVersion: 'x' }), 400, 'decimal integer'],
  ['a PUT of nothing', 'PUT', '/b', object({ name: 'b', resourceVersion: '1' }), 404, '"b" not found'],
  ['a PUT of nothing without any', 'PUT', '/b', object({ name: 'b' }), 404, '"b" not found'],
  [
    'a PUT of another uid',
    'PUT',
    '/a',
    object({ name: 'a', resourceVersion: '$', uid: 'x' }),
    409,
    'Precondition failed',
  ],
  [
    'a PUT under another name',
    'PUT',
    '/b',
    object(),
    400,
    'the name of the object (a) does not match the name on the URL (b)',
  ],
  ['a PUT without a name', 'PUT', '/a', object({ resourceVersion: '$' }), 400, 'name must be provided'],
  [
    'a PUT of another kind',
    'PUT',
    '/a',
    { ...object({ name: 'a', resourceVersion: '$' }), kind: 'X' },
    422,
    'FieldValueInvalid kind',
  ],
  [
    'a PUT with unknown fields',
    'PUT',
    '/a?fieldValidation=Strict',
    object({ name: 'a', resourceVersion: '$' }, { more: 1 }),
    400,
    'unknown field "more"',
  ],
  ['a PUT for a wrong dry run', 'PUT', '/a?dryRun=x', object(), 422, 'FieldValueNotSupported dryRun'],
  [
    'a status without a resourceVersion',
    'PUT',
    '/a/status',
    object(),
    422,
    'FieldValueInvalid metadata.resourceVersion',
  ],
  ['a patch of nothing', 'PATCH', '/b', {}, 404, '"b" not found'],
  ['a patch of the status of nothing', 'PATCH', '/b/status', { status }, 404, '"b" not found'],
  ['a patch to another name', 'PATCH', '/a', { metadata: { name: 'b' } }, 400, 'does not match the name on the URL'],
  ['a patch to no name', 'PATCH', '/a', { metadata: null }, 400, 'name must be provided'],
  ['a patch to another uid', 'PATCH', '/a', { metadata: { uid: 'x' } }, 422, 'FieldValueInvalid metadata.uid'],
  ['a patch to another kind', 'PATCH', '/a', { kind: 'X' }, 422, 'FieldValueInvalid kind'],
  ['a patch to no kind', 'PATCH', '/a', { kind: null }, 422, 'FieldValueTypeInvalid kind'],
  [
    'a patch to wrong metadata',
    'PATCH',
    '/a',
    { metadata: { labels: 'x' } },
    422,
    'FieldValueTypeInvalid metadata.labels',
  ],
  [
    'a patch to wrong words',
    'PATCH',
    '/a',
    { spec: { pluginType: 'z' } },
    422,
    'FieldValueNotSupported spec.pluginType',
  ],
  ['a patch to no spec', 'PATCH', '/a', { spec: null }, 422, 'FieldValueRequired spec'],
  [
    'a patch to an old state',
    'PATCH',
    '/a',
    { metadata: { resourceVersion: '99' } },
    409,
    'the object has been modified',
  ],
  [
    'a patch with unknown fields',
    'PATCH',
    '/a?fieldValidation=Strict',
    { spec: { x: 1 } },
    422,
    'FieldValueInvalid patch',
  ],
  ['a patch by force', 'PATCH', '/a?force=true', {}, 422, 'FieldValueForbidden force'],
  ['a patch of no known type', 'PATCH', '/a', {}, 415, 'accepted media types include', 'application/json'],
  ['a patch that is none', 'PATCH', '/a', '{', 400, 'error decoding patch'],
  [
    'a wrong status',
    'PATCH',
    '/a/status',
    { status: { conditions: [{ ...condition, status: 'Maybe', lastTransitionTime: 'soon', observedGeneration: -1 }] } },
    422,
    'FieldValueNotSupported status.conditions[0].status, FieldValueInvalid status.conditions[0].observedGeneration, ' +
      'FieldValueTypeInvalid status.conditions[0].lastTransitionTime',
  ],
  ['a status that is a text', 'PATCH', '/a/status', { status: 'x' }, 422, 'FieldValueTypeInvalid status'],
  [
    'a condition twice',
    'PATCH',
    '/a/status',
    { status: { conditions: [condition, condition] } },
    422,
    'FieldValueDuplicate status.conditions[1]',
  ],
  ['an apply of nobody', 'PATCH', '/a', header, 422, 'FieldValueRequired fieldManager', apply.type],
  ['an apply of no kind', 'PATCH', '/a?fieldManager=m', { spec }, 400, 'invalid object type', apply.type],
  [
    'an apply to the status of nothing',
    'PATCH',
    '/b/status?fieldManager=m',
    { ...header, status },
    404,
    'not found',
    apply.type,
  ],
  [
    'an apply of a uid to nothing',
    'PATCH',
    '/b?fieldManager=m',
    object({ name: 'b', uid: 'x' }),
    409,
    'uid mismatch',
    apply.type,
  ],
  [
    'an apply under another name',
    'PATCH',
    '/b?fieldManager=m',
    object(),
    400,
    'does not match the name on the URL',
    apply.type,
  ],
]

for (const [
  what,
  method,
  path,
  body,
  code,
  says,
  type = method === 'PUT' ? 'application/json' : merge.type,
] of refusals) {
  test(`refuses ${what}`, async (t) => {
    const { send, events, a } = await withA()
    const text = (typeof body === 'string' ? body : JSON.stringify(body)).replace('"$"', `"${a.resourceVersion ?? ''}"`)
    const told = await send(method, path, text, { type })
    t.is(told.status, code, told.body.message)
    if (code === 422) t.is(fieldsOf(told).join(', '), says)
    else t.true(told.body.message?.includes(says), told.body.message)
    t.deepEqual(events(), ['ADDED a'])
  })
}

test('names the resource where a version is missing, and the kind where a rule is broken', async (t) => {
  const { send } = await withA()
  const { body } = await send('PUT', '/a', object())
  t.is(
    body.message,
    'dataplaneservices.aggregation.grafana.app "a" is invalid: metadata.resourceVersion: Invalid value: 0: must be specified for an update',
  )
  t.like(body.details, { name: 'a', group: 'aggregation.grafana.app', kind: 'dataplaneservices' })
  const stale = await send('PUT', '/a', object({ name: 'a', resourceVersion: '7' }))
  t.is(
    stale.body.message,
    'Operation cannot be fulfilled on dataplaneservices.aggregation.grafana.app "a": ' +
      'the object has been modified; please apply your changes to the latest version and try again',
  )
  t.deepEqual(stale.body.details, { name: 'a', group: 'aggregation.grafana.app', kind: 'dataplaneservices' })
})

test('writes a status through its subresource, and nothing else', async (t) => {
  const { send, a } = await withA()
  const metadata = { name: 'a', resourceVersion: a.resourceVersion, labels: { x: 'y' }, finalizers: ['x.io/f'] }
  const put = await send('PUT', '/a/status', object(metadata, { spec: otherSpec, status }))
  t.is(put.status, 200)
  t.deepEqual(put.body.status, status)
  t.deepEqual(put.body.spec, storedSpec)
  t.like(put.body.metadata, { labels: undefined, finalizers: undefined, generation: 1, resourceVersion: '2' })
  t.is(put.body.metadata.managedFields?.[1]?.subresource, 'status')
  const replaced = await send('PUT', '/a', object({ name: 'a', resourceVersion: '2' }, { spec: otherSpec }))
  t.deepEqual(replaced.body.status, status)
  const gone = await send('PATCH', '/a/status', { status: null }, merge)
  t.is(gone.body.status, undefined)
})

test('changes nothing for a dry run, and tells what would come of it', async (t) => {
  const { send, events, objects, a } = await withA()
  const told = await send('PATCH', '/a?dryRun=All', { spec: { pluginID: 'x' } }, merge)
  t.like(told.body, { spec: { pluginID: 'x' }, metadata: { generation: 2, resourceVersion: a.resourceVersion } })
  t.like(objects.get('a')?.spec, { pluginID: 'testdata' })
  t.deepEqual(events(), ['ADDED a'])
})

test('deletes an object that is on its way out with its last finalizer, and takes no new ones', async (t) => {
  const finalizers = ['x.io/a', 'x.io/b']
  const { send, events, objects } = await withA({ finalizers })
  await send('DELETE', '/a')
  const more = await send('PATCH', '/a', { metadata: { finalizers: [...finalizers, 'x.io/c'] } }, merge)
  t.deepEqual(fieldsOf(more), ['FieldValueForbidden metadata.finalizers'])
  t.regex(more.body.message ?? '', /no new finalizers can be added if the object is being deleted.*"x\.io\/c"/)
  const back = await send('PATCH', '/a', { metadata: { deletionTimestamp: null } }, merge)
  t.is(back.body.metadata.deletionTimestamp, nowText)
  const fewer = await send('PATCH', '/a', { metadata: { finalizers: ['x.io/b'] } }, merge)
  t.deepEqual(fewer.body.metadata.finalizers, ['x.io/b'])
  const dry = await send('PATCH', '/a?dryRun=All', { metadata: { finalizers: null } }, merge)
  t.is(dry.status, 200)
  t.truthy(objects.get('a'))
  const last = await send('PATCH', '/a', { metadata: { finalizers: null } }, merge)
  t.is(last.status, 200)
  t.like(last.body.metadata, { finalizers: undefined, deletionTimestamp: nowText })
  t.is(objects.get('a'), undefined)
  t.deepEqual(events(), ['ADDED a', 'MODIFIED a', 'MODIFIED a', 'DELETED a'])
})

test('applies an object into being, and to one that is there', async (t) => {
  const { send, events } = createWorld()
  const first = await send('PATCH', '/a?fieldManager=me', object(), apply)
  t.is(first.status, 201)
  t.like(first.body.metadata, { generation: 1, resourceVersion: '1', creationTimestamp: nowText })
  const again = await send('PATCH', '/a?fieldManager=me', object(), apply)
  t.is(again.status, 200)
  t.is(again.body.metadata.resourceVersion, '1')
  const other = await send('PATCH', '/a?fieldManager=you', object(undefined, { spec: otherSpec }), apply)
  t.is(other.status, 409)
  t.is(other.body.message, 'Apply failed with 1 conflict: conflict with "me": .spec.pluginID')
  t.deepEqual(fieldsOf(other), ['FieldManagerConflict .spec.pluginID'])
  const forced = await send('PATCH', '/a?fieldManager=you&force=true', object(undefined, { spec: otherSpec }), apply)
  t.like(forced.body, { spec: { pluginID: 'other' }, metadata: { generation: 2 } })
  t.deepEqual(events(), ['ADDED a', 'MODIFIED a'])
})

import test from 'ava'

import { createObjects } from './_reads.ts'
import { createWorld, fieldsOf, header, nowText, object, spec, storedSpec, type Fields } from './_writes.ts'

test('creates an object with the metadata that only the server knows', async (t) => {
  const { send, events, objects } = createWorld()
  const { status, body } = await send('POST', '', {
    ...object({
      name: 'a',
      namespace: 'other',
      uid: 'mine',
      generation: 7,
      creationTimestamp: '2001-01-01T00:00:00Z',
      deletionTimestamp: '2001-01-01T00:00:00Z',
      deletionGracePeriodSeconds: 5,
      selfLink: '/x',
      labels: { team: 'blue' },
      annotations: {},
    }),
    status: { conditions: [] },
  })
  t.is(status, 201)
  const { uid, managedFields, ...metadata } = body.metadata
  t.regex(uid ?? '', /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12}$/)
  t.like(managedFields, { 0: { manager: 'kubectl', operation: 'Update', time: nowText }, length: 1 })
  t.deepEqual(metadata, {
    name: 'a',
    labels: { team: 'blue' },
    generation: 1,
    creationTimestamp: nowText,
    resourceVersion: '1',
  })
  t.deepEqual(body.spec, storedSpec)
  t.is(body.status, undefined)
  t.is(JSON.stringify(objects.get('a')), JSON.stringify(body))
  t.deepEqual(events(), ['ADDED a'])
})

test('tells that a name is taken, and by an object that is on its way out', async (t) => {
  const { send } = createWorld()
  await send('POST', '', object({ name: 'a', finalizers: ['example.com/f'] }))
  const again = await send('POST', '', object())
  t.is(again.status, 409)
  t.like(again.body, {
    reason: 'AlreadyExists',
    message: 'dataplaneservices.aggregation.grafana.app "a" already exists',
    details: { name: 'a', group: 'aggregation.grafana.app', kind: 'dataplaneservices' },
  })
  await send('DELETE', '/a')
  const waiting = await send('POST', '', object())
  t.true(waiting.body.message?.startsWith('object is being deleted: '))
})

test('makes a name out of half of one, and tries again while it is taken', async (t) => {
  const objects = createObjects()
  let asked = 0
  // Whatever comes first is taken.
  const { send } = createWorld({
    ...objects,
    get: (name) => (++asked <= 3 ? objects.put(name) : objects.get(name)),
  })
  const made = await send('POST', '', object({ generateName: `${'x'.repeat(70)}-` }))
  t.is(made.status, 201)
  t.regex(made.body.metadata.name, /^x{58}[bcdfghjklmnpqrstvwxz2456789]{5}$/)
  t.is(made.body.metadata.generateName, `${'x'.repeat(70)}-`)

  const full = createWorld({ ...objects, get: (name) => objects.put(name) })
  const refused = await full.send('POST', '', object({ generateName: 'a-' }))
  t.is(refused.status, 409)
  t.like(refused.body, { reason: 'AlreadyExists', details: { retryAfterSeconds: 1 } })
})

test('validates for a dry run, and stores nothing', async (t) => {
  const { send, objects, events } = createWorld()
  const { status, body } = await send('POST', '?dryRun=All', object())
  t.is(status, 201)
  t.truthy(body.metadata.uid)
  t.is(body.metadata.resourceVersion, undefined)
  t.is(objects.get('a'), undefined)
  t.is((await send('POST', '?dryRun=All', object({ name: 'A_b' }))).status, 422)
  t.deepEqual(events(), [])
})

/** A body or a query, the code, and the causes or the message that it comes to. */
const refusals: ReadonlyArray<readonly [what: string, body: unknown, code: number, says: string, query?: string]> = [
  ['an object without a name', object({}), 422, 'FieldValueRequired metadata.name'],
  ['an object without metadata', { ...header, spec }, 422, 'FieldValueRequired metadata.name'],
  ['a name that is none', object({ name: 'A_b' }), 422, 'FieldValueInvalid metadata.name'],
  ['a name that is a path', object({ name: 'a/b' }), 422, 'FieldValueInvalid metadata.name'],
  ['a name that is too long', object({ name: 'a'.repeat(254) }), 422, 'FieldValueInvalid metadata.name'],
  [
    'half a name that is none',
    object({ generateName: 'Half_' }),
    422,
    'FieldValueInvalid metadata.generateName, FieldValueInvalid metadata.name',
  ],
  ['a resourceVersion', object({ name: 'a', resourceVersion: '5' }), 400, 'should not be set on objects to be created'],
  ['another version', { ...object(), apiVersion: 'aggregation.grafana.app/v1' }, 400, 'does not match the expected'],
  ['no version', { ...object(), apiVersion: undefined }, 400, 'the API version in the data ()'],
  ['another kind', { ...object(), kind: 'Thing' }, 422, 'FieldValueInvalid kind'],
  ['no kind', { ...object(), kind: undefined }, 400, "Object 'Kind' is missing"],
  ['a list', '[]', 400, 'the object provided is unrecognized'],
  ['half of an object', '{"a":', 400, 'the object provided is unrecognized'],
  ['nothing', '', 400, 'the object provided is unrecognized'],
  ['other bytes', Buffer.from([0xff, 0xfe]), 400, 'expected UTF-8'],
  ['no spec', { ...header, metadata: { name: 'a' } }, 422, 'FieldValueRequired spec'],
  ['a spec of null', { ...object(), spec: null }, 422, 'FieldValueRequired spec'],
  ['a spec that is a text', { ...object(), spec: 'x' }, 422, 'FieldValueTypeInvalid spec'],
  [
    'a text too few, and a number too many',
    { ...object(), spec: { ...spec, pluginID: 5, group: undefined } },
    422,
    'FieldValueRequired spec.group, FieldValueTypeInvalid spec.pluginID',
  ],
  [
    'words that nobody knows',
    { ...object(), spec: { ...spec, pluginType: 'zz', services: [{ type: 'query' }, { type: 'zz' }] } },
    422,
    'FieldValueNotSupported spec.pluginType, FieldValueNotSupported spec.services[1].type',
  ],
  [
    'one service twice',
    { ...object(), spec: { ...spec, services: [{ type: 'query' }, { type: 'query', method: '' }] } },
    422,
    'FieldValueDuplicate spec.services[1]',
  ],
  ['a reserved group', { ...object(), spec: { ...spec, group: 'apps' } }, 422, 'FieldValueForbidden spec.group'],
  ['metadata that is a text', { ...object(), metadata: 'x' }, 400, 'metadata: expected an object, got a string'],
  ['a name that is a number', object({ name: 5 }), 400, 'metadata.name: expected string, got a number'],
  ['a label that is a number', object({ name: 'a', labels: { a: 5 } }), 400, 'metadata.labels'],
  [
    'wrong labels',
    object({ name: 'a', labels: { 'a b': 'x', ok: 'no way!', ['__proto__x']: 'y' } }),
    422,
    'FieldValueInvalid metadata.labels, FieldValueInvalid metadata.labels, FieldValueInvalid metadata.labels',
  ],
  [
    'wrong annotations',
    object({ name: 'a', annotations: { 'a b': 'x', 'UPPER.case/A': 'y' } }),
    422,
    'FieldValueInvalid metadata.annotations',
  ],
  [
    'huge annotations',
    object({ name: 'a', annotations: { a: 'é'.repeat(131_072) } }),
    422,
    'FieldValueTooLong metadata.annotations',
  ],
  ['a wrong finalizer', object({ name: 'a', finalizers: ['a b'] }), 422, 'FieldValueInvalid metadata.finalizers'],
  [
    'wrong owners',
    object({
      name: 'a',
      ownerReferences: [
        { apiVersion: 'v1', kind: 'Pod', name: 'p', uid: '', controller: true },
        { apiVersion: 'v1', kind: 'Pod', name: 'q', uid: 'u', controller: true },
      ],
    }),
    422,
    'FieldValueRequired metadata.ownerReferences[0].uid, FieldValueInvalid metadata.ownerReferences',
  ],
  [
    'an owner without a uid',
    object({ name: 'a', ownerReferences: [{ apiVersion: 'v1', kind: 'Pod', name: 'p' }] }),
    422,
    'FieldValueRequired metadata.ownerReferences[0].uid',
  ],
  ['a wrong dryRun', object(), 422, 'FieldValueNotSupported dryRun', 'dryRun=All&dryRun=x'],
  ['a wrong fieldValidation', object(), 422, 'FieldValueNotSupported fieldValidation', 'fieldValidation=x'],
  ['a long field manager', object(), 422, 'FieldValueTooLong fieldManager', `fieldManager=${'m'.repeat(129)}`],
  ['an unprintable field manager', object(), 422, 'FieldValueInvalid fieldManager', 'fieldManager=a%0Ab'],
  ['a wrong timeout', object(), 400, 'invalid timeout', 'timeout=soon'],
]

for (const [what, body, code, says, query] of refusals) {
  test(`refuses to create from ${what}`, async (t) => {
    const { send, events } = createWorld()
    const told = await send('POST', query === undefined ? '' : `?${query}`, body)
    t.is(told.status, code)
    t.is(told.body.code, code)
    t.is(told.body.reason, code === 422 ? 'Invalid' : 'BadRequest')
    if (code === 422) t.is(fieldsOf(told).join(', '), says)
    else t.true(told.body.message?.includes(says), told.body.message)
    if (code === 422) {
      t.is(told.body.details?.kind, query === undefined ? 'DataPlaneService' : 'CreateOptions')
      for (const { field, message } of told.body.details?.causes ?? [])
        t.true(told.body.message?.includes(`${field}: ${message}`))
    }
    t.deepEqual(events(), [])
  })
}

test('words a refusal as Kubernetes does', async (t) => {
  const { send } = createWorld()
  const { body } = await send('POST', '', { ...object(), spec: { ...spec, pluginType: 'zz', pluginID: '' } })
  t.is(
    body.message,
    'DataPlaneService.aggregation.grafana.app "a" is invalid: [' +
      'spec.pluginID: Invalid value: "": spec.pluginID in body should be at least 1 chars long, ' +
      'spec.pluginType: Unsupported value: "zz": supported values: "app", "datasource"]',
  )
  const options = await send('POST', '?dryRun=x', object())
  t.is(
    options.body.message,
    'CreateOptions.meta.k8s.io "" is invalid: dryRun: Unsupported value: ["x"]: supported values: "All"',
  )
  t.deepEqual(options.body.details, {
    group: 'meta.k8s.io',
    kind: 'CreateOptions',
    causes: [
      {
        reason: 'FieldValueNotSupported',
        field: 'dryRun',
        message: 'Unsupported value: ["x"]: supported values: "All"',
      },
    ],
  })
})

const withUnknown: Fields = { ...object({ name: 'a', foo: 'x' }, { more: true }), spec: { ...spec, bogus: 1 } }
const twice = JSON.stringify(object()).replace('"pluginID":', '"pluginID":"other","pluginID":')

test('warns of fields that nobody knows, and of those that are there twice', async (t) => {
  for (const query of ['', '?fieldValidation=Warn']) {
    const { send } = createWorld()
    const told = await send('POST', query, withUnknown)
    t.is(told.status, 201)
    t.deepEqual(told.warnings, [
      '299 - "unknown field \\"metadata.foo\\""',
      '299 - "unknown field \\"more\\""',
      '299 - "unknown field \\"spec.bogus\\""',
    ])
    t.deepEqual(told.body.spec, storedSpec)
    t.false('more' in told.body)
  }
  const { send } = createWorld()
  const told = await send('POST', '', twice)
  t.deepEqual(told.warnings, ['299 - "duplicate field \\"spec.pluginID\\""'])
  t.is(told.body.spec?.['pluginID'], 'testdata')
})

test('prunes without a word, or refuses, as is asked for', async (t) => {
  const ignoring = await createWorld().send('POST', '?fieldValidation=Ignore', withUnknown)
  t.is(ignoring.status, 201)
  t.deepEqual(ignoring.warnings, [])
  t.deepEqual(ignoring.body.spec, storedSpec)
  const strict = createWorld()
  const refused = await strict.send('POST', '?fieldValidation=Strict', withUnknown)
  t.is(refused.status, 400)
  t.is(
    refused.body.message,
    'DataPlaneService in version "v0alpha1" cannot be handled as a DataPlaneService: strict decoding error: ' +
      'unknown field "metadata.foo", unknown field "more", unknown field "spec.bogus"',
  )
  const both = await strict.send('POST', '?fieldValidation=Strict', twice)
  t.true(both.body.message?.endsWith('strict decoding error: duplicate field "spec.pluginID"'))
  t.deepEqual(strict.events(), [])
})

test('warns of what is legal and will be regretted', async (t) => {
  const owner = { apiVersion: 'v1', kind: 'Pod', name: 'p', uid: 'u' }
  const { send } = createWorld()
  const told = await send(
    'POST',
    '',
    object({ name: 'a', finalizers: ['x.io/a', 'plain'], ownerReferences: [owner, owner] }),
  )
  t.is(told.status, 201)
  t.regex(told.warnings[0] ?? '', /metadata\.finalizers: \\"plain\\": prefer a domain-qualified finalizer name/)
  t.regex(told.warnings[1] ?? '', /ownerReferences contains duplicate entries/)
  t.deepEqual(told.body.metadata.ownerReferences, [owner])
})

test('takes JSON and YAML by their Content-Type, and nothing else', async (t) => {
  const yaml = `apiVersion: ${header.apiVersion}\nkind: DataPlaneService\nmetadata: {name: a}\nspec:\n  pluginID: testdata
  pluginType: datasource\n  group: testdata.example.com\n  version: v1\n  services:\n  - type: query\n`
  const fromYaml = await createWorld().send('POST', '', yaml, { type: 'application/yaml' })
  t.is(fromYaml.status, 201)
  t.deepEqual(fromYaml.body.spec, storedSpec)
  for (const type of ['', 'application/json; charset=utf-8', 'Application/JSON']) {
    t.is((await createWorld().send('POST', '', object(), { type })).status, 201)
  }
  for (const type of ['text/plain', 'application/x-www-form-urlencoded', 'application/vnd.kubernetes.protobuf']) {
    const told = await createWorld().send('POST', '', object(), { type })
    t.is(told.status, 415)
    t.is(told.body.reason, 'UnsupportedMediaType')
  }
  for (const bad of ['{a: [', 'a: 1\na: 2', 'a: 1\n---\nb: 2', '&a [*a]']) {
    t.is((await createWorld().send('POST', '', bad, { type: 'application/yaml' })).status, 400)
  }
})

test('names the manager by the query, else by the User-Agent up to its first slash', async (t) => {
  const managerBy = async (query: string, agent: string): Promise<string | undefined> => {
    const told = await createWorld().send('POST', query, object(), { headers: { 'user-agent': agent } })
    return told.body.metadata.managedFields?.[0]?.manager
  }
  t.is(await managerBy('?fieldManager=me', 'kubectl/1'), 'me')
  t.is(await managerBy('?fieldManager=', 'kubectl/1 (x/y)'), 'kubectl')
  t.is(await managerBy('', `a\tb${'c'.repeat(200)}`), `ab${'c'.repeat(126)}`)
})

test('creates on the path of a name, by the name in the body', async (t) => {
  const { send, objects } = createWorld()
  t.is((await send('POST', '/b', object())).status, 201)
  t.truthy(objects.get('a'))
  t.is((await send('POST', '/a', object())).status, 409)
})

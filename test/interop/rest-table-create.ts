import {
  a,
  apply,
  call,
  del,
  get,
  header,
  jsonPatch,
  merge,
  object,
  post,
  put,
  scene,
  spec,
  status,
  withMetadata,
  withSpec,
  type Scene,
} from './rest-table-words.ts'

export const creates: ReadonlyArray<Scene> = [
  scene('creates, and tells it again', a, get('/a'), a),
  scene(
    'creates with metadata that the server decides on',
    post(
      withMetadata('a', {
        uid: 'mine',
        creationTimestamp: '2001-01-01T00:00:00Z',
        deletionTimestamp: '2001-01-01T00:00:00Z',
        generation: 7,
        selfLink: '/x',
      }),
    ),
  ),
  scene('creates in a namespace that it does not have', post(withMetadata('a', { namespace: 'other' }))),
  scene('creates with a resourceVersion', post(withMetadata('a', { resourceVersion: '5' }))),
  scene('creates with a status', post(object('a', { status }))),
  scene('creates without a name', post(object(undefined))),
  scene('creates with an empty name', post(object(''))),
  scene('creates with half a name', post(object(undefined, {}, { generateName: 'half-' })), get('')),
  scene('creates with half a name that is wrong', post(object(undefined, {}, { generateName: 'Half_' }))),
  scene('creates with a wrong name', post(object('A_b'))),
  scene('creates with a name that is a path', post(object('a/b'))),
  scene('creates with a name of 254 characters', post(object('a'.repeat(254)))),
  scene('creates with another apiVersion', post({ ...object('a'), apiVersion: 'aggregation.grafana.app/v1' })),
  scene('creates with another group', post({ ...object('a'), apiVersion: 'x.example.com/v0alpha1' })),
  scene('creates with another kind', post({ ...object('a'), kind: 'Thing' })),
  scene('creates without a kind', post({ ...object('a'), kind: undefined })),
  scene('creates without an apiVersion', post({ ...object('a'), apiVersion: undefined })),
  scene('creates without a spec', post({ ...header, metadata: { name: 'a' } })),
  scene('creates with a spec of null', post({ ...header, metadata: { name: 'a' }, spec: null })),
  scene('creates without metadata', post({ ...header, spec })),
  scene('creates with metadata that is a text', post({ ...header, metadata: 'a', spec })),
  scene('creates without a required field', post(withSpec('a', { pluginID: undefined }))),
  scene('creates without two required fields', post(withSpec('a', { pluginID: undefined, group: undefined }))),
  scene('creates with a number for a text', post(withSpec('a', { pluginID: 5 }))),
  scene('creates with an unknown word', post(withSpec('a', { pluginType: 'zz' }))),
  scene('creates with an unknown service', post(withSpec('a', { services: [{ type: 'query' }, { type: 'zz' }] }))),
  scene('creates with two wrong fields', post(withSpec('a', { pluginType: 'zz', services: [{ type: 'zz' }] }))),
  scene('creates with one service twice', post(withSpec('a', { services: [{ type: 'query' }, { type: 'query' }] }))),
  scene('creates without services', post(withSpec('a', { services: [] }))),
  scene('creates with a text for a list', post(withSpec('a', { services: 'query' }))),
  scene('creates with a name that is a number', post(object(undefined, {}, { name: 5 }))),
  scene('creates with a text that is too long', post(withSpec('a', { pluginID: 'p'.repeat(129) }))),
  scene('creates with an empty text', post(withSpec('a', { pluginID: '' }))),
  scene('creates with wrong labels', post(withMetadata('a', { labels: { 'a b': 'x', ok: 'no way!' } }))),
  scene('creates with a label that is a number', post(withMetadata('a', { labels: { a: 5 } }))),
  scene('creates with wrong annotations', post(withMetadata('a', { annotations: { 'a b': 'x', 'UPPER/case': 'y' } }))),
  scene('creates with huge annotations', post(withMetadata('a', { annotations: { a: 'x'.repeat(262_145) } }))),
  scene(
    'creates with nothing in it',
    post(withSpec('a', { backend: null }, { labels: null, annotations: null, finalizers: null, managedFields: null })),
  ),
  scene('creates with an annotation of null', post(withMetadata('a', { annotations: { x: null } }))),
  scene('creates with empty labels', post(withMetadata('a', { labels: {}, annotations: {}, finalizers: [] }))),
  scene('creates with a finalizer', post(withMetadata('a', { finalizers: ['example.com/a', 'plain'] }))),
  scene('creates with a wrong finalizer', post(withMetadata('a', { finalizers: ['a b'] }))),
  scene(
    'creates with owners',
    post(withMetadata('a', { ownerReferences: [{ apiVersion: 'v1', kind: 'Pod', name: 'p', uid: 'u' }] })),
  ),
  scene(
    'creates with wrong owners',
    post(
      withMetadata('a', {
        ownerReferences: [
          { apiVersion: 'v1', kind: 'Pod', name: 'p', uid: '', controller: true },
          { apiVersion: 'v1', kind: '', name: '', uid: 'u', controller: true },
        ],
      }),
    ),
  ),
  scene('creates from something that is no JSON', post('{"a":')),
  scene('creates from nothing', post('')),
  scene('creates from a list', post('[]')),
  scene('creates from null', post('null')),
  scene('creates from a list of objects', post({ ...header, kind: 'DataPlaneServiceList', items: [] })),
  scene(
    'creates from YAML',
    post(
      `apiVersion: aggregation.grafana.app/v0alpha1
kind: DataPlaneService
metadata: {name: a}
spec:
  pluginID: testdata
  pluginType: datasource
  group: testdata.example.com
  version: v1
  services:
  - type: query
`,
      { type: 'application/yaml' },
    ),
  ),
  scene('creates from something that is no YAML', post('{a: [', { type: 'application/yaml' })),
  scene('creates from a form', post(object('a'), { type: 'application/x-www-form-urlencoded' })),
  scene('creates from text', post(object('a'), { type: 'text/plain' })),
  scene('creates with a charset', post(object('a'), { type: 'application/json; charset=utf-8' })),
  scene('creates with an empty Content-Type', post(object('a'), { headers: { 'content-type': '' } })),
  scene('creates for show', post(object('a'), { query: 'dryRun=All' }), get('/a')),
  scene('creates what is there for show', a, post(object('a'), { query: 'dryRun=All' })),
  scene('creates with a wrong dryRun', post(object('a'), { query: 'dryRun=Some' })),
  scene('creates with a wrong field manager', post(object('a'), { query: `fieldManager=${'m'.repeat(129)}` })),
  scene('creates with an unprintable field manager', post(object('a'), { query: 'fieldManager=a%0ab' })),
  scene('creates as a field manager', post(object('a'), { query: 'fieldManager=me' })),
  scene('creates on the path of a name', call('POST', '/a', object('a')), call('POST', '/a', object('a'))),
  scene('creates on the path of another name', call('POST', '/b', object('a'))),
  scene('creates with a wrong timeout', post(object('a'), { query: 'timeout=soon' })),
  scene('creates with managedFields of its own', post(withMetadata('a', { managedFields: [{ manager: 'x' }] }))),
  scene('creates after a delete that waits', post(withMetadata('a', { finalizers: ['example.com/a'] })), del('/a'), a),
]

const unknownFields = { ...withSpec('a', { bogus: 1 }, { foo: 'x' }), more: true }
const duplicate = JSON.stringify(object('a')).replace('"pluginID":', '"pluginID":"other","pluginID":')
export const fieldValidations: ReadonlyArray<Scene> = [
  ...['', '?fieldValidation=Warn', '?fieldValidation=Ignore', '?fieldValidation=Strict', '?fieldValidation=x'].map(
    (query) =>
      scene(
        `creates with unknown fields${query === '' ? '' : ' and '}${query.slice(1)}`,
        post(unknownFields, { query: query.slice(1) }),
      ),
  ),
  scene('creates with a field twice', post(duplicate)),
  scene('creates with a field twice and Strict', post(duplicate, { query: 'fieldValidation=Strict' })),
  scene(
    'creates from YAML with a field twice',
    post(
      'apiVersion: aggregation.grafana.app/v0alpha1\nkind: DataPlaneService\nkind: DataPlaneService\nmetadata: {name: a}\n',
      {
        type: 'application/yaml',
        query: 'fieldValidation=Strict',
      },
    ),
  ),
  scene(
    'replaces with unknown fields',
    a,
    put('/a', withSpec('a', { bogus: 1 }, { resourceVersion: '<rv 1>' }), { query: 'fieldValidation=Strict' }),
    put('/a', withSpec('a', { bogus: 1 }, { resourceVersion: '<rv 1>' })),
  ),
  scene(
    'merges unknown fields',
    a,
    merge('/a', { spec: { bogus: 1 } }),
    merge('/a', { spec: { bogus: 1 } }, 'fieldValidation=Strict'),
    merge('/a', { metadata: { foo: 1 } }, 'fieldValidation=Strict'),
    merge('/a', { spec: { bogus: 1 } }, 'fieldValidation=Ignore'),
  ),
  scene(
    'patches unknown fields in',
    a,
    jsonPatch('/a', [{ op: 'add', path: '/spec/bogus', value: 1 }]),
    jsonPatch('/a', [{ op: 'add', path: '/spec/bogus', value: 1 }], 'fieldValidation=Strict'),
  ),
  scene(
    'applies unknown fields',
    apply('/a', unknownFields, 'fieldManager=me'),
    apply('/a', withSpec('a', { bogus: 1 }), 'fieldManager=me&fieldValidation=Strict'),
    apply('/a', withSpec('a', { bogus: 1 }), 'fieldManager=me&fieldValidation=Ignore'),
  ),
]

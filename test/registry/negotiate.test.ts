import test from 'ava'
import fc from 'fast-check'

import { E } from '../../src/fp.ts'
import { negotiate } from '../../src/registry/negotiate.ts'
import { requestOf } from '../telemetry/requests.ts'
import { ask, createObjects, read, runner } from './_reads.ts'

const objects = createObjects()
objects.put('a', { app: 'x' })
objects.put('b')
const run = runner(objects)

const table = (v = 'v1', type = 'application/json') => `${type};as=Table;v=${v};g=meta.k8s.io`
const partial = (v = 'v1') => `application/json;as=PartialObjectMetadata;v=${v};g=meta.k8s.io`
const partials = (v = 'v1') => `application/json;as=PartialObjectMetadataList;v=${v};g=meta.k8s.io`

/** What is answered, in short: `Table meta.k8s.io/v1`, `yaml DataPlaneService`, `406`. */
const answered = async (path: string, accept: string | undefined): Promise<string> => {
  const answer = await run(path, { headers: accept === undefined ? {} : { accept } })
  if (answer._tag === 'Stream') return String(answer.headers['content-type'])
  const { status, contentType, text } = read(answer)
  if (status !== 200) return String(status)
  if (contentType === 'application/yaml') return `yaml ${/^kind: "(\w+)"$/m.exec(text)?.[1] ?? ''}`
  const { kind = '', apiVersion = '' } = JSON.parse(text) as { kind?: string; apiVersion?: string }
  return contentType === 'application/json' ? `${kind} ${apiVersion}` : String(contentType)
}

const own = 'aggregation.grafana.app/v0alpha1'
const protobuf = 'application/vnd.kubernetes.protobuf'

const cases: ReadonlyArray<readonly [path: string, accept: string | undefined, expected: string]> = [
  ['', undefined, `DataPlaneServiceList ${own}`],
  ['', '', `DataPlaneServiceList ${own}`],
  ['', '*/*', `DataPlaneServiceList ${own}`],
  ['', 'application/*', `DataPlaneServiceList ${own}`],
  ['', 'application/yaml', 'yaml DataPlaneServiceList'],
  ['', 'application/yaml;q=0.5, application/json', `DataPlaneServiceList ${own}`],
  ['', '*/*, application/yaml', 'yaml DataPlaneServiceList'],
  ['', `${table()},${table('v1beta1')},application/json`, 'Table meta.k8s.io/v1'],
  ['', `${table('v1beta1')},application/json`, 'Table meta.k8s.io/v1beta1'],
  ['', 'application/json;g=meta.k8s.io;v=v1;as=Table', 'Table meta.k8s.io/v1'],
  ['', table('v1', 'application/yaml'), 'yaml Table'],
  ['', `${table('v2')},application/json`, `DataPlaneServiceList ${own}`],
  ['', `${table('v2')},application/yaml`, 'yaml DataPlaneServiceList'],
  ['', 'application/json;as=Table;v=v1;g=apidiscovery.k8s.io', '406'],
  ['', 'application/json;as=Table', '406'],
  ['', 'application/json;g=meta.k8s.io;v=v1', '406'],
  ['', partials(), 'PartialObjectMetadataList meta.k8s.io/v1'],
  ['', `${partial()},${partials('v1beta1')}`, 'PartialObjectMetadataList meta.k8s.io/v1beta1'],
  ['', partial(), '406'],
  ['', `${protobuf};as=Table;v=v1;g=meta.k8s.io,${protobuf},application/json`, `DataPlaneServiceList ${own}`],
  ['', protobuf, '406'],
  ['', 'text/html', '406'],
  ['', 'application/json;q=0', '406'],
  ['', 'application/json;stream=watch', `DataPlaneServiceList ${own}`],
  ['', 'application/json;stream=other', '406'],
  ['', 'application/json;charset=utf-8;foo=bar', `DataPlaneServiceList ${own}`],
  ['/a', undefined, `DataPlaneService ${own}`],
  ['/a/status', undefined, `DataPlaneService ${own}`],
  ['/a', 'application/yaml', 'yaml DataPlaneService'],
  ['/a', table(), 'Table meta.k8s.io/v1'],
  ['/a', partial(), 'PartialObjectMetadata meta.k8s.io/v1'],
  ['/a', partials(), '406'],
  ['?watch=1', 'application/json', 'application/json'],
  ['?watch=1', 'application/yaml,application/json;stream=watch', 'application/json'],
  ['?watch=1', partial(), 'application/json'],
  ['?watch=1', 'application/yaml', '406'],
  ['?watch=1', partials(), '406'],
]
for (const [path, accept, expected] of cases) {
  test(`answers "${expected}" to ${accept ?? 'no Accept'} at "${path}"`, async (t) => {
    t.is(await answered(path, accept), expected)
  })
}

test('lists what it has to whom it has nothing for', async (t) => {
  const { body } = await ask(objects, '', { headers: { accept: 'text/html' } })
  t.is(body.reason, 'NotAcceptable')
  t.regex(body.message ?? '', /^only the following media types are accepted: application\/json, application\/yaml,/)
})

test('includes in rows what is asked for, metadata otherwise', async (t) => {
  const includes = async (query: string) => {
    const { body } = await ask(objects, `/a${query}`, { headers: { accept: table('v1beta1') } })
    return body.rows?.[0]?.object
  }
  const metadata = objects.get('a')?.metadata
  t.deepEqual(await includes(''), {
    kind: 'PartialObjectMetadata',
    apiVersion: 'meta.k8s.io/v1beta1',
    metadata,
  } as object)
  t.deepEqual(await includes('?includeObject=Metadata'), await includes(''))
  t.deepEqual(await includes('?includeObject=Object'), { ...objects.get('a') })
  t.is(await includes('?includeObject=None'), null)
})

test('refuses what no row can include, where rows are asked for', async (t) => {
  t.is((await ask(objects, '?includeObject=all', { headers: { accept: table() } })).status, 400)
  t.is((await ask(objects, '?includeObject=all')).status, 200)
})

test('writes for people who read it as it comes', async (t) => {
  const text = async (path: string, headers: Record<string, string>) => read(await run(path, { headers })).text
  const list = JSON.parse(await text('', {})) as unknown
  const one = JSON.parse(await text('/a', {})) as unknown
  const agent = { 'user-agent': 'curl/8.5.0' }
  t.is(await text('', agent), `${JSON.stringify(list, null, 2)}\n`)
  t.is(await text('?labelSelector=none', agent), `${JSON.stringify({ ...(list as object), items: [] }, null, 2)}\n`)
  t.is(await text('/a', agent), `${JSON.stringify(one, null, 2)}\n`)
  t.is(await text('/a?pretty=true', {}), await text('/a', agent))
  t.is(await text('/a', { accept: 'application/json;pretty=1' }), await text('/a', agent))
  t.is(await text('/a?pretty=0', agent), await text('/a', {}))
  t.is(await text('/a', { ...agent, accept: 'application/yaml' }), await text('/a', { accept: 'application/yaml' }))
})

test('finds a representation or refuses, whatever is asked for', (t) => {
  const word = fc.constantFrom(
    '*',
    'application',
    'json',
    'yaml',
    'as',
    'g',
    'v',
    'q',
    'Table',
    'meta.k8s.io',
    'v1',
    '0',
  )
  const sign = fc.constantFrom('/', ';', ',', '=', '"', '\\', ' ', '.')
  fc.assert(
    fc.property(fc.array(fc.oneof(word, sign, fc.string()), { maxLength: 40 }), fc.boolean(), (parts, isOne) => {
      const outcome = negotiate(
        requestOf({ method: 'GET', headers: { accept: parts.join('') }, params: isOne ? { name: 'a' } : {} }),
      )
      return E.isRight(outcome) || ['NotAcceptable', 'BadRequest'].includes(outcome.left._tag)
    }),
  )
  t.pass()
})

test('reads the longest header there is at once', (t) => {
  for (const piece of ['a', ',', ';', '"', '\\', ' ', '*/*;q=', 'application/json;as=Table,']) {
    const accept = piece.repeat(16_384 / piece.length)
    t.true(['Left', 'Right'].includes(negotiate(requestOf({ method: 'GET', params: {}, headers: { accept } }))._tag))
  }
})

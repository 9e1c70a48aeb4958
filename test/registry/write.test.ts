import { createServer } from 'node:http'

import test from 'ava'
import fc from 'fast-check'

import { memorySource } from '../../src/index.ts'
import type { ObjectStore } from '../../src/object-store.ts'
import { E } from '../../src/fp.ts'
import { listen, makeAggregator } from '../_setup/aggregator.ts'
import { base, createObjects } from './_reads.ts'
import { apply, createWorld, header, merge, object, sender, slowly, spec, type Answer } from './_writes.ts'

test('lets one of many win who saw the same object', async (t) => {
  const { send, objects, events } = createWorld(slowly(createObjects()))
  await send('POST', '', object())
  const wins: number[] = []
  for (let round = 0; round < 3; round++) {
    const seen = objects.get('a')?.metadata.resourceVersion
    const all = await Promise.all(
      Array.from({ length: 20 }, (_, index) =>
        send(
          'PUT',
          '/a',
          object({ name: 'a', resourceVersion: seen, labels: { round: String(round), by: String(index) } }),
        ),
      ),
    )
    wins.push(all.filter(({ status }) => status === 200).length)
    t.is(all.filter(({ status, body }) => status === 409 && body.reason === 'Conflict').length, 19)
  }
  t.deepEqual(wins, [1, 1, 1])
  t.is(events().length, 4)
})

test('loses none of many patches that go on at once', async (t) => {
  const { send, objects, events } = createWorld(slowly(createObjects()))
  await send('POST', '', object())
  const all = await Promise.all(
    Array.from({ length: 100 }, (_, index) =>
      send('PATCH', '/a', { metadata: { annotations: { [`k${String(index)}`]: 'x' } } }, merge),
    ),
  )
  t.true(all.every(({ status }) => status === 200))
  t.is(Object.keys(objects.get('a')?.metadata.annotations ?? {}).length, 100)
  t.is(new Set(all.map(({ body }) => body.metadata.resourceVersion)).size, 100)
  t.is(events().length, 101)
})

test('creates one object where many want the same', async (t) => {
  const { send, events } = createWorld(slowly(createObjects()))
  const all = await Promise.all(Array.from({ length: 20 }, () => send('POST', '', object())))
  t.is(all.filter(({ status }) => status === 201).length, 1)
  t.is(all.filter(({ body }) => body.reason === 'AlreadyExists').length, 19)
  t.deepEqual(events(), ['ADDED a'])
})

/** Somebody who does not wait for his turn changes `a` before the first commit. */
const disturbed = (): { readonly objects: ObjectStore; readonly commits: () => number } => {
  const inner = createObjects()
  inner.put('a', undefined, { spec })
  let commits = 0
  const commit: ObjectStore['commit'] = (...args) => {
    if (++commits === 1) inner.put('a', undefined, { spec: { ...spec, version: 'v2' } })
    return inner.commit(...args)
  }
  return { objects: { ...inner, commit }, commits: () => commits }
}

test('patches what somebody else changed meanwhile, unless it is told which state is meant', async (t) => {
  const { objects, commits } = disturbed()
  const told = await sender(objects)('PATCH', '/a', { spec: { pluginID: 'other' } }, merge)
  t.is(told.status, 200)
  t.like(told.body, { spec: { pluginID: 'other', version: 'v2' }, metadata: { resourceVersion: '3' } })
  t.is(commits(), 2)

  for (const [method, body] of [
    ['PATCH', { metadata: { resourceVersion: '1' }, spec: { pluginID: 'other' } }],
    ['PUT', object({ name: 'a', resourceVersion: '1', labels: { x: 'y' } })],
    ['DELETE', { preconditions: { resourceVersion: '1' } }],
  ] as const) {
    const world = disturbed()
    const type = method === 'PATCH' ? merge : {}
    const refused = await sender(world.objects)(method, '/a', body, type)
    t.is(refused.status, 409, method)
    t.is(world.objects.get('a')?.metadata.resourceVersion, '2')
  }
})

test('gives up where somebody is always faster, and tells what the store tells', async (t) => {
  const objects = createObjects()
  objects.put('a', undefined, { spec })
  let rounds = 0
  const failing = (tag: 'Conflict' | 'StoreFailed'): ObjectStore => ({
    ...objects,
    commit: () => () => {
      rounds += 1
      return Promise.resolve(E.left({ _tag: tag, message: 'no' }))
    },
  })
  t.is((await sender(failing('Conflict'))('DELETE', '/a')).status, 409)
  t.true(rounds > 10)
  rounds = 0
  t.is((await sender(failing('StoreFailed'))('DELETE', '/a')).status, 500)
  t.is(rounds, 1)
})

test('waits for the first state, and writes nothing once nobody waits', async (t) => {
  let isReady = (): void => undefined
  const ready = new Promise<void>((resolve) => (isReady = resolve))
  const objects = { ...createObjects(), ready }
  const leaving = new AbortController()
  const patient = sender(objects)('POST', '', object())
  const gone = sender(objects)('POST', '', object({ name: 'b' }), { signal: leaving.signal })
  leaving.abort()
  t.deepEqual(objects.list(), [])
  isReady()
  t.is((await patient).status, 201)
  t.is((await gone).status, 499)
  t.is(objects.list().length, 1)
})

test('refuses every change of objects that are read-only, and says by which option', async (t) => {
  const objects = createObjects()
  objects.put('a', undefined, { spec })
  const send = sender(objects, true)
  const writes = ['POST ', 'DELETE ', 'PUT /a', 'PATCH /a', 'DELETE /a', 'PUT /a/status', 'PATCH /a/status']
  for (const write of writes) {
    const [method = '', path = ''] = write.split(' ')
    const { status, body } = await send(method, path, object(), merge)
    t.is(status, 403, write)
    t.is(body.reason, 'Forbidden')
    t.regex(body.message ?? '', /option registry: 'read-only'/)
  }
  t.is(objects.revision(), 1)
  t.is((await send('GET', '/a')).status, 200)
})

const keys = ['apiVersion', 'kind', 'metadata', 'name', 'spec', 'status', 'services', 'type', 'labels', 'finalizers']
const moreKeys = ['ownerReferences', 'managedFields', 'fieldsV1', 'conditions', '__proto__', 'constructor', '$patch']
const { tree } = fc.letrec((tie) => ({
  tree: fc.oneof(
    { maxDepth: 5 },
    fc.constantFrom<unknown>(null, 'a', '', 'query', -1, 1e308, true),
    fc.array(tie('tree'), { maxLength: 3 }),
    fc.dictionary(fc.constantFrom(...keys, ...moreKeys), tie('tree'), { maxKeys: 4 }),
  ),
}))

/** Almost an object: something of it is another thing. */
const broken = fc
  .tuple(tree, fc.constantFrom('metadata', 'spec', 'status', 'kind', 'x'), fc.boolean())
  .map(([value, key, isDeep]) =>
    JSON.stringify(isDeep ? { ...object(), metadata: { name: 'a', [key]: value } } : { ...object(), [key]: value }),
  )
const operations = fc.array(
  fc.record({
    op: fc.constantFrom('add', 'remove', 'replace', 'move', 'copy', 'test'),
    path: fc.constantFrom(
      '',
      '/metadata',
      '/metadata/labels/x',
      '/spec/services/-',
      '/__proto__/x',
      '/spec/services/0',
    ),
    from: fc.constantFrom('', '/spec', '/metadata'),
    value: tree,
  }),
)
const bodies = fc.oneof(
  broken,
  tree.map((value) => JSON.stringify(value)),
  operations.map((value) => JSON.stringify(value)),
  fc.string(),
  fc.constantFrom(
    '{"spec":1e999}',
    '['.repeat(50_000),
    '{"a":'.repeat(50_000),
    '{"metadata":{"generation":123456789012345678901}}',
  ),
)
const types = ['application/json', 'application/yaml', 'application/json-patch+json', merge.type, apply.type]
const targets = ['POST ', 'PUT /a', 'PUT /a/status', 'PATCH /a', 'PATCH /a/status', 'DELETE /a', 'PATCH /b']
const queries = [
  '',
  '?fieldManager=m',
  '?fieldManager=m&force=1&fieldValidation=Strict',
  '?dryRun=All',
  '?dryRun=x&timeout=1',
]

test('answers whatever is sent with what a client can put right, and keeps only what is valid', async (t) => {
  const { send, objects } = createWorld()
  await fc.assert(
    fc.asyncProperty(
      bodies,
      fc.constantFrom(...targets),
      fc.constantFrom(...queries),
      fc.constantFrom(...types, 'application/strategic-merge-patch+json'),
      async (body, target, query, type) => {
        const [method = '', path = ''] = target.split(' ')
        const { status, body: answer } = await send(method, path + query, body, { type })
        t.true(
          status < 500 && status >= 400 === (answer.status === 'Failure'),
          `${String(status)} ${String(answer.message)}`,
        )
        for (const { metadata } of objects.list()) t.regex(metadata.name, /^[ab]$/)
        if (objects.get('a') === undefined) await send('POST', '', object())
      },
    ),
    { numRuns: 1500 },
  )
})

test('serves the whole life of an object over the wire', async (t) => {
  const source = memorySource()
  const aggregator = await makeAggregator(t, { source })
  const url =
    (await listen(
      t,
      createServer((request, response) => {
        aggregator(request, response, () => response.writeHead(404).end())
      }),
    )) + base
  const send = async (method: string, path: string, body: unknown, type: string): Promise<Response> =>
    fetch(url + path, { method, body: JSON.stringify(body), headers: { 'content-type': type } })
  const created = await send(
    'POST',
    '?fieldManager=me',
    object({ name: 'a', finalizers: ['é☃', 'plain'] }),
    'application/json',
  )
  t.is(created.status, 422)
  const again = await send('POST', '', object({ name: 'a', ['☃"x']: 1, finalizers: ['plain'] }), 'application/json')
  t.is(again.status, 201)
  const warning = Buffer.from(again.headers.get('warning') ?? '', 'latin1').toString()
  t.true(warning.startsWith('299 - "unknown field \\"metadata.☃'), warning)
  t.true(warning.includes('299 - "metadata.finalizers: \\"plain\\": prefer'))
  const applied = await send(
    'PATCH',
    '/a?fieldManager=me',
    { ...header, metadata: { name: 'a', labels: { x: 'y' } } },
    apply.type,
  )
  t.like(await applied.json(), { metadata: { labels: { x: 'y' } } })
  const wrong = await fetch(`${url}/a/status`, { method: 'DELETE' })
  t.is(wrong.status, 405)
  t.is(((await wrong.json()) as Answer).reason, 'MethodNotAllowed')
  const large = await send(
    'PUT',
    '/a',
    object({ name: 'a', annotations: { a: 'x'.repeat(4_000_000) } }),
    'application/json',
  )
  t.is(large.status, 413)
  t.is((await fetch(`${url}/a`, { method: 'DELETE' })).status, 200)
  t.is((await send('PATCH', '/a', { metadata: { finalizers: null } }, merge.type)).status, 200)
  t.is((await fetch(`${url}/a`)).status, 404)
})

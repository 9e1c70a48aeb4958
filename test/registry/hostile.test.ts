import { createServer } from 'node:http'

import test from 'ava'

import type { RequestAttributes } from '../../src/authorization.ts'
import { TE } from '../../src/fp.ts'
import { memorySource } from '../../src/index.ts'
import type { ObjectStore } from '../../src/object-store.ts'
import { listen, makeAggregator } from '../_setup/aggregator.ts'
import { base, createObjects } from './_reads.ts'
import { apply, createWorld, header, merge, object, sender, spec } from './_writes.ts'

const strategic = { type: 'application/strategic-merge-patch+json' }
const jsonPatch = { type: 'application/json-patch+json' }

/** Each of them took a second or more of one turn, in which nobody else was served. */
const floods: Readonly<Record<string, string>> = {
  'an object of very many fields': `{${Array.from({ length: 60_000 }, (_, i) => `"k${String(i)}":1`).join()}}`,
  'very many empty items': `{"spec":{"services":[${'{},'.repeat(60_000)}{}]}}`,
  'very many numbers': `{"x":[${'1,'.repeat(100_000)}1]}`,
}

for (const [what, flood] of Object.entries(floods)) {
  test(`reads nothing of ${what}`, async (t) => {
    const { send, events } = createWorld()
    await send('POST', '', object())
    const body = `{"apiVersion":"${header.apiVersion}","kind":"${header.kind}",${flood.slice(1)}`
    const all = [
      await send('POST', '', body),
      await send('PUT', '/a', body),
      await send('PUT', '/a/status', body),
      await send('PATCH', '/a', body, merge),
      await send('PATCH', '/a', body, strategic),
      await send('PATCH', '/a', body, jsonPatch),
      await send('PATCH', '/a?fieldManager=m', body, apply),
      await send('POST', '', body, { type: 'application/yaml' }),
      await send('DELETE', '/a', body),
    ]
    for (const { status, body: told } of all)
      t.like({ status, reason: told.reason }, { status: 400, reason: 'BadRequest' })
    t.deepEqual(events(), ['ADDED a'])
  })
}

test('counts no commas and brackets in texts', async (t) => {
  const { send } = createWorld()
  const text = ',[{"\\'.repeat(30_000)
  t.is((await send('POST', '', object({ name: 'a', annotations: { text } }))).body.metadata.annotations?.['text'], text)
})

test('repeats no long names in what it says of them', async (t) => {
  const { send } = createWorld()
  await send('POST', '', object())
  const long = 'x'.repeat(500_000)
  const twice = `{"${long}":{${Array.from({ length: 100 }, (_, i) => `"k${String(i)}":1,"k${String(i)}":2`).join()}}`
  const all = [
    await send('POST', '?fieldValidation=Strict', `${twice},${JSON.stringify(object()).slice(1)}`),
    await send('POST', '?fieldValidation=Strict', object({ name: 'b', [long]: 1 })),
    await send('POST', '', object({ name: `${long}-` })),
    await send('POST', '', object({ name: '', generateName: `${long}_` })),
    await send('PATCH', '/a?fieldValidation=Strict', { metadata: { [long]: 1 } }, merge),
    await send('PATCH', '/a?fieldManager=m', { ...object(), [long]: 1 }, apply),
    await send('PATCH', '/a?fieldManager=m', object({ name: 'a', finalizers: [long, long] }), apply),
  ]
  for (const { status, body } of all) {
    t.true(status === 400 || status === 422, String(status))
    t.true(JSON.stringify(body).length < 32_000, String(JSON.stringify(body).length))
  }
})

test('lets no object grow by patches beyond what the store of an apiserver takes', async (t) => {
  const { send, objects, events } = createWorld()
  await send('POST', '', object())
  const owner = (uid: string): object => ({ uid, apiVersion: 'v1', kind: 'K', name: 'x'.repeat(1_000_000) })
  const add = (uid: string, dryRun = '') =>
    send('PATCH', `/a${dryRun}`, { metadata: { ownerReferences: [owner(uid)] } }, strategic)
  t.is((await add('1')).status, 200)
  t.like(await add('2', '?dryRun=All'), { status: 413, body: { reason: 'RequestEntityTooLarge' } })
  t.like(await add('2'), { status: 413, body: { reason: 'RequestEntityTooLarge' } })
  t.is(objects.get('a')?.metadata.ownerReferences?.length, 1)
  t.deepEqual(events(), ['ADDED a', 'MODIFIED a'])
})

test('asks for leave to create where an apply creates, and for no name where the body has it', async (t) => {
  const asked: string[] = []
  let refused = ''
  const source = memorySource()
  const authorize = ({ verb, resource, name, subresource }: RequestAttributes): boolean => {
    asked.push(`${verb} ${resource} ${name} ${subresource}`.trim())
    return verb !== refused
  }
  const aggregator = await makeAggregator(t, { source, authorize })
  const url =
    (await listen(
      t,
      createServer((request, response) => {
        aggregator(request, response, () => response.writeHead(404).end())
      }),
    )) + base
  const send = async (method: string, path: string, body: unknown, type: string): Promise<number> => {
    asked.length = 0
    return (await fetch(url + path, { method, body: JSON.stringify(body), headers: { 'content-type': type } })).status
  }
  const applied = (version: string): object => ({ ...object({ name: 'a' }), spec: { ...spec, version } })
  refused = 'create'
  t.is(await send('PATCH', '/a?fieldManager=m', applied('v1'), apply.type), 403)
  t.is(await send('PATCH', '/a?fieldManager=m&dryRun=All', applied('v1'), apply.type), 403)
  t.deepEqual(source.objects.list(), [])
  refused = ''
  t.is(await send('PATCH', '/a?fieldManager=m', applied('v1'), apply.type), 201)
  t.deepEqual(asked, ['patch dataplaneservices a', 'create dataplaneservices a'])
  refused = 'create'
  t.is(await send('PATCH', '/a?fieldManager=m', applied('v2'), apply.type), 200)
  t.deepEqual(asked, ['patch dataplaneservices a'])
  t.is(await send('POST', '/allowed', object({ name: 'other' }), 'application/json'), 403)
  t.deepEqual(asked, ['create dataplaneservices'])
})

/** Somebody deletes `a` just after it was looked for. */
const vanishing = (objects: ObjectStore): ObjectStore => {
  let isSeen = false
  return {
    ...objects,
    get: (name) => {
      const found = isSeen ? undefined : objects.get(name)
      isSeen = true
      return found
    },
  }
}

test('creates nothing anew for an apply whose user was not asked about', async (t) => {
  const inner = createObjects()
  await sender(inner)('POST', '', object())
  const never = TE.left({ _tag: 'Forbidden', message: 'no' } as const)
  const told = await sender(vanishing(inner))('PATCH', '/a?fieldManager=m', object(), { ...apply, mayCreate: never })
  t.like(told, { status: 409, body: { reason: 'Conflict' } })
})

import test from 'ava'

import type { ClaimedApis } from '../../src/discovery.ts'
import { E } from '../../src/fp.ts'
import { recordingLogger } from '../plugins/_setup.ts'
import { envOf, requestOf } from '../telemetry/requests.ts'
import { ask, claimed, documentsOf, kubectl, nextAnswer, v2, v2beta1, type Asked } from './_documents.ts'

const apps = { name: 'apps', versions: [{ groupVersion: 'apps/v1', version: 'v1' }] }
const legacy = nextAnswer({ kind: 'APIGroupList', groups: [apps] })
const aggregated = nextAnswer({ kind: 'APIGroupDiscoveryList', items: [{ metadata: { name: 'apps' }, versions: [] }] })

interface Discovery {
  readonly kind: string
  readonly apiVersion: string
  readonly groups?: ReadonlyArray<{ readonly name: string }>
  readonly items?: ReadonlyArray<{ readonly metadata: { readonly name: string } }>
}

/** Shape: `APIGroupList v1: apps, p.example.com`. */
const tell = (value: unknown): string => {
  const { kind, apiVersion, groups, items = [] } = value as Discovery
  const names = groups?.map(({ name }) => name) ?? items.map(({ metadata }) => metadata.name)
  return `${kind} ${apiVersion}: ${names.join(', ')}`
}

const forms: ReadonlyArray<readonly [accept: string | undefined, next: Asked['next'], told: string, type: string]> = [
  [undefined, legacy, 'APIGroupList v1: apps, p.example.com', 'application/json'],
  ['application/json, */*', legacy, 'APIGroupList v1: apps, p.example.com', 'application/json'],
  [
    'application/json;as=Table;g=meta.k8s.io;v=v1,*/*',
    legacy,
    'APIGroupList v1: apps, p.example.com',
    'application/json',
  ],
  [kubectl, aggregated, 'APIGroupDiscoveryList apidiscovery.k8s.io/v2: apps, p.example.com', v2],
  [
    `${v2};profile=nopeer,application/json`,
    aggregated,
    'APIGroupDiscoveryList apidiscovery.k8s.io/v2: apps, p.example.com',
    v2,
  ],
  [
    `${v2beta1},application/json`,
    aggregated,
    'APIGroupDiscoveryList apidiscovery.k8s.io/v2beta1: apps, p.example.com',
    v2beta1,
  ],
  [`${v2};q=0.5,application/json`, legacy, 'APIGroupList v1: apps, p.example.com', 'application/json'],
  // they would be taken for gone
  [kubectl, legacy, 'APIGroupList v1: apps, p.example.com', 'application/json'],
  [
    kubectl,
    nextAnswer({ kind: 'APIGroupList', groups: [] }),
    'APIGroupDiscoveryList apidiscovery.k8s.io/v2: p.example.com',
    v2,
  ],
  ...(
    [
      undefined,
      'nothing',
      nextAnswer('<html>', 404),
      nextAnswer('{', 200),
      nextAnswer({ next: '/apis' }),
      nextAnswer(legacy.body, 500),
      nextAnswer(legacy.body, 401),
      nextAnswer(legacy.body, 200, { 'content-encoding': 'gzip' }),
      nextAnswer(
        `{"kind":"APIGroupDiscoveryList","items":[{"metadata":{"name":"a"},"x":${'['.repeat(20_000)}${']'.repeat(20_000)}}]}`,
      ),
    ] as const
  ).map((next) => [kubectl, next, 'APIGroupDiscoveryList apidiscovery.k8s.io/v2: p.example.com', v2] as const),
]
for (const [index, [accept, next, told, type]] of forms.entries()) {
  const what =
    typeof next === 'object' ? `${String(next.status)} ${Buffer.from(next.body).toString().slice(0, 30)}` : next
  test(`answers ${accept?.slice(-40) ?? 'anybody'} as ${told} where the next handler says ${what ?? 'no word'} (${String(index)})`, async (t) => {
    const { answer, value, asked } = await ask(documentsOf(), '/apis', { headers: { accept }, ...(next && { next }) })
    t.is(tell(value), told)
    t.is(answer.status, 200)
    t.is(answer.headers['content-type'], type)
    t.is(answer.headers['vary'], 'Accept')
    t.is(asked.length, next === undefined ? 0 : 1)
    for (const headers of asked) {
      t.is(
        headers['accept'],
        accept?.startsWith('application/json;g') === true && !accept.includes('q=') ? kubectl : 'application/json',
      )
      t.true('accept-encoding' in headers && headers['accept-encoding'] === undefined)
    }
  })
}

test('lets caches keep one document of all, but not one that lacks what a broken handler has', async (t) => {
  const cacheControl = async (next: Asked['next']) =>
    (await ask(documentsOf(), '/apis', { headers: { accept: v2 }, ...(next && { next }) })).answer.headers[
      'cache-control'
    ]
  t.is(await cacheControl(aggregated), 'public')
  t.is(await cacheControl(undefined), 'public')
  t.is(await cacheControl(nextAnswer('', 503)), undefined)
})

test('tags what it says, and says nothing to those who have it', async (t) => {
  let apis: ClaimedApis = claimed
  const documents = documentsOf({ apis: () => apis })
  const tagOf = async (given: Asked = {}) => String((await ask(documents, '/apis', given)).answer.headers['etag'])
  const tag = await tagOf({ next: legacy })
  t.regex(tag, /^"[0-9A-F]{128}"$/)
  t.is(await tagOf({ next: legacy }), tag)
  for (const known of [tag, `W/${tag}`, `"x", ${tag}`, '*']) {
    const { answer, body } = await ask(documents, '/apis', { next: legacy, headers: { 'if-none-match': known } })
    t.is(answer.status, 304)
    t.is(answer.headers['etag'], tag)
    t.is(body.length, 0)
  }
  t.is((await ask(documents, '/apis', { next: legacy, headers: { 'if-none-match': '"x"' } })).answer.status, 200)
  t.not(await tagOf({ next: nextAnswer('', 404) }), tag)
  apis = claimed.slice(1)
  t.not(await tagOf({ next: legacy }), tag)
})

test('asks for no plugin, and says in the log what keeps the next handler from its part', async (t) => {
  const logger = recordingLogger()
  const documents = documentsOf({ logger })
  for (const next of ['nothing', nextAnswer('', 503), nextAnswer('', 404), legacy] as const) {
    await ask(documents, '/apis', { next })
  }
  t.deepEqual(
    logger.lines.map(({ level, fields }) => [level, fields]),
    [
      ['warn', { path: '/apis', code: undefined }],
      ['warn', { path: '/apis', code: 503 }],
    ],
  )
})

test('leaves to the next handler, unasked, what is wanted in no form of ours', async (t) => {
  for (const target of [
    '/apis',
    '/apis/p.example.com',
    '/apis/p.example.com/v1',
    '/openapi/v3',
    '/openapi/v3/apis/p.example.com/v1',
  ]) {
    const found = documentsOf().find('GET', target)
    if (found === undefined) throw new Error(target)
    const request = requestOf({
      path: found.path,
      headers: { accept: 'application/vnd.kubernetes.protobuf' },
      askNext: () => Promise.reject(new Error('asked')),
    })
    const outcome = await found.route.handle(request, envOf())()
    t.is(E.isLeft(outcome) && outcome.left._tag, 'NotAcceptable')
  }
})

test('answers kubectl at /api where the next handler has nothing to say, for else it would look no further', async (t) => {
  const empty = { kind: 'APIGroupDiscoveryList', apiVersion: 'apidiscovery.k8s.io/v2', metadata: {}, items: [] }
  // as Kubernetes writes it: the group has no name
  const core = { metadata: {}, versions: [{ version: 'v1', freshness: 'Current', resources: [] }] }
  const named = { ...core, metadata: { name: '' } }
  const versions = { kind: 'APIVersions', versions: ['v1'], serverAddressByClientCIDRs: [] }
  const cases: ReadonlyArray<readonly [Asked['next'], unknown, string]> = [
    [nextAnswer('', 503), empty, v2],
    ['nothing', empty, v2],
    [nextAnswer({ next: '/api' }), empty, v2],
    [nextAnswer({ ...empty, items: [core, { metadata: { name: 'x' } }] }), { ...empty, items: [core] }, v2],
    [nextAnswer({ ...empty, items: [named] }), { ...empty, items: [named] }, v2],
    [nextAnswer(versions), versions, 'application/json'],
    [nextAnswer({ ...versions, versions: 3 }), empty, v2],
  ]
  for (const [next, said, type] of cases) {
    const { answer, value } = await ask(documentsOf(), '/api', { headers: { accept: kubectl }, ...(next && { next }) })
    t.deepEqual(value, said)
    t.is(answer.headers['content-type'], type)
  }
  for (const accept of [undefined, 'application/json, */*', 'text/html']) {
    await t.throwsAsync(ask(documentsOf(), '/api', { headers: { accept }, next: nextAnswer({}) }), { message: /^Not/ })
  }
})

test('calls stale what the next handler told at /api before it failed', async (t) => {
  const documents = documentsOf()
  const get = async (next: Asked['next']): Promise<unknown> =>
    (await ask(documents, '/api', { headers: { accept: kubectl }, ...(next && { next }) })).value
  const core = (freshness: string) => ({ metadata: {}, versions: [{ version: 'v1', freshness, resources: [] }] })
  const list = (freshness: string) => ({
    kind: 'APIGroupDiscoveryList',
    apiVersion: 'apidiscovery.k8s.io/v2',
    metadata: {},
    items: [core(freshness)],
  })
  t.deepEqual(await get(nextAnswer(list('Current'))), list('Current'))
  for (const next of [nextAnswer('', 503), 'nothing'] as const) t.deepEqual(await get(next), list('Stale'))
  t.like(await get(nextAnswer('', 404)), { items: { length: 0 } })
})

test('gives the next handler half of the time that there is', async (t) => {
  const found = documentsOf().find('GET', '/apis')
  const times: number[] = []
  const askNext = (_headers: unknown, timeoutMs: number) => Promise.resolve(void times.push(timeoutMs))
  for (const timeoutMs of [60_000, 1000])
    await found?.route.handle(requestOf({ path: '/apis', askNext }), envOf({ timeoutMs }))()
  t.deepEqual(times, [5000, 500])
})

const protobuf = 'application/com.github.proto-openapi.spec.v2@v1.0+protobuf'

test('puts the next handler’s OpenAPI v2 behind ours, and names its type so that Go can read it', async (t) => {
  const documents = documentsOf({ registry: 'read-only' })
  const get = (next?: Asked['next']) =>
    ask(documents, '/openapi/v2', { headers: { accept: protobuf }, ...(next && { next }) })
  const { body: ours, answer } = await get()
  t.is(answer.headers['content-type'], 'application/com.github.proto-openapi.spec.v2.v1.0+protobuf')
  t.is(ours[0], 0x0a)
  const theirs = Buffer.from([0x0a, 3, 50, 46, 48])
  const both = await get(nextAnswer(theirs))
  t.deepEqual(both.body, Buffer.concat([ours, theirs]))
  t.is(both.asked[0]?.['accept'], protobuf)
  for (const other of [nextAnswer({ swagger: '2.0' }), nextAnswer('<html>'), nextAnswer(theirs, 500)]) {
    t.deepEqual((await get(other)).body, ours)
  }
  const { value } = await ask(documents, '/openapi/v2', { next: nextAnswer({ swagger: '2.0', paths: { '/x': {} } }) })
  t.true(Object.hasOwn((value as { paths: object }).paths, '/x'))
})

test('names in the index of OpenAPI a document for each version, by another hash when its claims change', async (t) => {
  const urlsOf = async (apis: ClaimedApis) =>
    (await ask(documentsOf({ apis: () => apis }), '/openapi/v3')).value as {
      paths: Record<string, { serverRelativeURL: string }>
    }
  const { paths } = await urlsOf(claimed)
  t.deepEqual(Object.keys(paths), ['apis/p.example.com/v2', 'apis/p.example.com/v1'])
  const { serverRelativeURL = '' } = paths['apis/p.example.com/v1'] ?? {}
  t.regex(serverRelativeURL, /^\/openapi\/v3\/apis\/p\.example\.com\/v1\?hash=[0-9A-F]{128}$/)
  const { value } = await ask(documentsOf(), serverRelativeURL)
  t.is((value as { openapi: string }).openapi, '3.0.0')
  const changed = await urlsOf(claimed.map((one) => ({ ...one, resources: [] })))
  t.not(changed.paths['apis/p.example.com/v1']?.serverRelativeURL, serverRelativeURL)
})

test('sends on to the present whoever asks for a state that the next handler no longer has', async (t) => {
  const moved = nextAnswer('', 301, { location: '/openapi/v3/apis/p.example.com/v1?hash=B' })
  const path = '/openapi/v3/apis/p.example.com/v1'
  const { answer } = await ask(documentsOf(), `${path}?hash=A`, { next: moved })
  t.is(answer.status, 302)
  t.is(new URL(String(answer.headers['location']), `http://host/k8s${path}?hash=A`).href, `http://host/k8s${path}`)
  // never in a circle
  t.is((await ask(documentsOf(), path, { next: moved })).answer.status, 200)
})

test('keeps the groups of a next handler that fails, marked as stale, until it answers again', async (t) => {
  const documents = documentsOf()
  const versions = [{ version: 'v1', freshness: 'Current', resources: [] }]
  const whole = nextAnswer({ kind: 'APIGroupDiscoveryList', items: [{ metadata: { name: 'apps' }, versions }] })
  const told = async (next: Asked['next'], accept: string = kubectl): Promise<unknown> => {
    const { value } = await ask(documents, '/apis', { headers: { accept }, ...(next && { next }) })
    const { items, groups } = value as {
      readonly items?: ReadonlyArray<{ metadata: { name: string }; versions: ReadonlyArray<{ freshness: string }> }>
      readonly groups?: ReadonlyArray<{ readonly name: string }>
    }
    return (
      items?.map(({ metadata, versions }) => `${metadata.name} ${versions[0]?.freshness ?? ''}`) ??
      groups?.map(({ name }) => name)
    )
  }
  t.deepEqual(await told('nothing'), ['p.example.com Current'])
  t.deepEqual(await told(whole), ['apps Current', 'p.example.com Current'])
  for (const failing of ['nothing', nextAnswer('', 503)] as const) {
    t.deepEqual(await told(failing), ['apps Stale', 'p.example.com Current'])
  }
  t.deepEqual(await told(whole), ['apps Current', 'p.example.com Current'])
  t.deepEqual(await told(nextAnswer('<html>', 404)), ['p.example.com Current'])
  t.deepEqual(await told('nothing'), ['p.example.com Current'])
  t.deepEqual(await told(legacy, 'application/json'), ['apps', 'p.example.com'])
  t.deepEqual(await told(nextAnswer('', 503), 'application/json'), ['apps', 'p.example.com'])
})

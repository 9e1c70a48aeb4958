import type { EventEmitter } from 'node:events'
import { setImmediate as turn } from 'node:timers/promises'
import { inspect } from 'node:util'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'

import test from 'ava'
import fc from 'fast-check'

import { cachedContexts, type InProcessPlugin, type PluginContext, type PluginContextRequest } from '../src/index.ts'
import { asking, closeIdle, headerOf } from './_setup/asking.ts'
import { asks, isStreamed, type Ask } from './_setup/every-route.ts'
import { createWorld, type Call, type World, type WorldOptions } from './_setup/world.ts'

// What went wrong in other servers of this kind, tried on every service type over sockets. What holds for one type alone is beside
// that type; what holds for all requests anyway is in every-route.test.ts.

const firstBy = (keyOf: (ask: Ask) => string): ReadonlyArray<Ask> => [
  ...new Map(asks.toReversed().map((ask) => [keyOf(ask), ask])).values(),
]

/** One of each way in which requests differ on their way to a plugin, a datasource, a backend; for that one they are all alike. */
const kinds = firstBy(({ object, type, form, method, accept = '' }) =>
  [object, object === 'backend' || type, form, method, accept].join(),
)

/** One for each route. */
const routes = firstBy(({ object, method, template }) => [object, method, template].join())

const jane = { who: 'jane' }

type Json = Readonly<Record<string, unknown>>

/** Which instance a call was for, by what it was told. */
const subjectOf = ({ told }: Call): string => {
  const { pluginContext } = told as { readonly pluginContext?: PluginContext }
  return `${pluginContext?.namespace ?? ''}/${pluginContext?.dataSourceInstanceSettings?.uid ?? ''}`
}

const decoded = (path: string): string => decodeURIComponent(path)

/** What of the authorized path must have been sent on with a call; and what was. */
const sentWith = (call: Call, path: string): readonly [authorized: string, sent: string] => {
  const told = call.told as Json
  const below = (mark: string): string => decoded(path.slice(path.indexOf(mark) + mark.length).replace(/^\//, ''))
  const [, , , , , namespace = '', resource = '', name = ''] = path.split('/')
  if (call.reached === 'upstream') {
    const url = decoded(String(told['url']))
    if (url.startsWith('/backend')) return [decoded(path), url.slice('/backend'.length)]
    const tail = below('/proxy')
    return tail.startsWith('guarded') ? [tail, url.slice(1)] : [tail, url.slice('/open'.length).replace(/^\//, '')]
  }
  if (call.reached === 'callResource') {
    const isBelow = path.includes('/resources')
    return [isBelow ? below('/resources') : below('/namespaces/default'), decoded(String(told['url']))]
  }
  if (call.reached.endsWith('Stream')) return [below('/stream'), String(told['path'])]
  const isInstance = resource === 'datasources' || resource === 'connections'
  if (call.reached === 'collectMetrics' || !path.includes('/namespaces/')) return ['', '']
  return [`${decoded(namespace)}/${isInstance ? decoded(name) : ''}`, subjectOf(call)]
}

/** What may stand at a slash of a path, or be done to what follows it. */
const bends: ReadonlyArray<(before: string, after: string) => string> = [
  (before, after) => `${before}//${after}`,
  (before, after) => `${before}/./${after}`,
  (before, after) => `${before}/x/../${after}`,
  (before, after) => `${before}/%2e%2e/${after}`,
  (before, after) => `${before}/x/..;/${after}`,
  (before, after) => `${before}%2F${after}`,
  (before, after) => `${before}%2f..%2f${after}`,
  (before, after) => `${before}%5c${after}`,
  (before, after) => `${before}\\${after}`,
  (before, after) => `${before};x=1/${after}`,
  (before, after) => `${before}/${after}/`,
  (before, after) => `${before}/${after.slice(0, 1).toUpperCase()}${after.slice(1)}`,
  (before, after) => `${before}/%${after.charCodeAt(0).toString(16)}${after.slice(1)}`,
  (before, after) => `${before}/%25${after.charCodeAt(0).toString(16)}${after.slice(1)}`,
  (before, after) => `${before}/%00${after}`,
  (before, after) => `${before}/${after}%`,
]

test('sends no other path on than the one that was authorized, for every route, however it is spelled (S1)', async (t) => {
  const world = await createWorld(t)
  const codes = new Set<number>()
  for (const [number, ask] of routes.entries()) {
    const slashes = [...ask.path.matchAll(/\//g)].map(({ index }) => index)
    for (const [bend, make] of bends.entries()) {
      // half of them each, in turns
      if (bend % 2 !== number % 2) continue
      const slash = slashes[(number + bend) % slashes.length] ?? 0
      const path = make(ask.path.slice(0, slash), ask.path.slice(slash + 1))
      const { status } = await asking(world.url, ask, { ...jane, target: path }).told
      const { authorized, calls } = world.take()
      codes.add(status)
      if (status !== 200) t.deepEqual(calls, [], `${ask.title}: ${path}`)
      for (const call of calls) {
        const [wanted, sent] = sentWith(call, authorized[0]?.path ?? '')
        t.is(sent, wanted, `${ask.title}: ${path}`)
      }
    }
  }
  t.deepEqual([...codes].toSorted(), [200, 400, 404])
})

const hosts: ReadonlyArray<ReadonlyArray<readonly [string, string]>> = [
  [['Host', 'backend.example.com']],
  [
    ['Host', 'x'],
    ['X-Forwarded-Host', 'datasource.example.com'],
    ['X-Forwarded-Prefix', '/apis/app.example.com/v1'],
    ['X-Forwarded-Proto', 'https'],
    ['Forwarded', 'host=app.example.com;proto=https'],
  ],
  [
    ['Host', '127.0.0.1:1/apis/app.example.com/v1@x'],
    ['X-Original-URL', '/apis/app.example.com/v1/namespaces/default/settings'],
    ['X-Rewrite-URL', '/admin'],
    ['X-Original-Host', 'app.example.com'],
    ['X-Host', 'app.example.com'],
    ['X-HTTP-Method-Override', 'DELETE'],
  ],
]

test('routes by nothing but method and path, whatever Host and its kin say (S3)', async (t) => {
  const world = await createWorld(t)
  const shown = async (
    ask: Ask,
    more: ReadonlyArray<readonly [string, string]>,
    target = ask.path,
  ): Promise<unknown> => {
    const { status, text } = await asking(world.url, ask, { ...jane, more, target }).told
    const { authorized, calls } = world.take()
    return { status, text, authorized, calls: calls.map(({ reached, told }) => [reached, withoutTime(told)]) }
  }
  for (const ask of kinds) {
    const usual = await shown(ask, [])
    for (const more of hosts) t.deepEqual(await shown(ask, more), usual, ask.title)
    if (!ask.upgrades) t.deepEqual(await shown(ask, [], `http://app.example.com${ask.path}`), usual, ask.title)
  }
})

/** Queries are told what time it is. */
const withoutTime = (told: unknown): unknown =>
  JSON.parse(JSON.stringify(told), (key: string, value: unknown) => (key === 'timeRange' ? undefined : value))

const instances = routes.filter(({ path }) => path.includes('/d1/'))
const apps = routes.filter(({ object, path }) => object === 'app' && path.includes('/namespaces/default/'))

/** The same for another instance, which is there too. */
const ofOther = (ask: Ask, from: string, to: string): Ask => ({ ...ask, path: ask.path.replace(from, to) })

test('answers 403 for an instance or a namespace that one has no rights on, of every type (S5)', async (t) => {
  const world = await createWorld(t, {
    // as of a role that names one resource
    decide: ({ namespace, resource, name }) =>
      namespace === 'default' && (resource === 'datasources' || resource === 'connections' ? name === 'd1' : true),
  })
  const others = [
    ...instances.map((ask) => ofOther(ask, '/d1/', '/d2/')),
    ...instances.map((ask) => ofOther(ask, '/default/', '/other/')),
    ...apps.map((ask) => ofOther(ask, '/default/', '/other/')),
  ]
  for (const ask of instances) t.true((await asking(world.url, ask, jane).told).status < 300, ask.title)
  world.take()
  for (const ask of others) t.is((await asking(world.url, ask, jane).told).status, 403, ask.title)
  t.deepEqual(world.take().calls, [])
  t.true(others.length > 80)
})

test('gives a plugin the instance that the path names, and no other that the body or the query speaks of (S5)', async (t) => {
  const world = await createWorld(t)
  const talking = instances.filter(({ body = '' }) => body.includes('"d1"'))
  for (const ask of talking) {
    const { body = '' } = ask
    const { status } = await asking(world.url, { ...ask, body: body.replace('"d1"', '"d2"') }, jane).told
    const { calls } = world.take()
    // a backend reads its own bodies
    t.deepEqual([status, calls.length], ask.object === 'backend' ? [200, 1] : [400, 0], ask.title)
  }
  const target = (path: string): string => `${path}?uid=d2&namespace=other&datasource=d2`
  for (const ask of instances) {
    await asking(world.url, ask, { ...jane, target: target(ask.path) }).told
    for (const call of world.take().calls)
      if (call.reached !== 'upstream') t.is(subjectOf(call), 'default/d1', ask.title)
  }
  t.true(talking.length >= 4)
})

/** All that an operator or a client may read, but for the answers. */
const diagnosticsOf = async ({ aggregator, logger, tracer, metrics }: World): Promise<string> => {
  const { lines } = logger
  const all = [lines, tracer.spans, await metrics.metrics(), aggregator.registry(), aggregator.plugins()]
  return inspect(all, { depth: null, showHidden: true, maxStringLength: null, maxArrayLength: null })
}

const boom = (): never => {
  throw new Error('boom')
}

/** A plugin all of whose calls fail. */
const broken: InProcessPlugin = {
  queryData: boom,
  queryChunkedData: boom,
  callResource: boom,
  checkHealth: boom,
  collectMetrics: boom,
  subscribeStream: boom,
  runStream: boom,
  publishStream: boom,
  validateAdmission: boom,
  mutateAdmission: boom,
  convertObjects: boom,
}

test('tells nobody of a token in the query: no plugin, datasource or backend, no log, span, metric or answer (S8)', async (t) => {
  const spellings = ['auth_token=geheim-1', 'ACCESS_TOKEN=geheim-2', '%61uth_tok%65n=geheim-3', 'auth_token[]=geheim-4']
  const tokens = `a=1&${spellings.join('&')}&b=2`
  for (const [way, given] of Object.entries<WorldOptions>({
    served: {},
    refused: { decide: () => false },
    failed: { plugin: broken, behind: (_, response) => response.destroy() },
  })) {
    const world = await createWorld(t, given)
    for (const ask of kinds) {
      const targets = [ask.path, `${ask.path}//x`, ask.path.replace('/d1/', '/none/')]
      const others = way === 'served' ? targets : targets.slice(0, 1)
      for (const target of others) {
        const { status, text, rawHeaders } = await asking(world.url, ask, { ...jane, target: `${target}?${tokens}` })
          .told
        t.true(status >= 101, ask.title)
        t.notRegex(`${text}${rawHeaders.join()}`, /geheim/, ask.title)
      }
    }
    t.notRegex(inspect(world.take().calls, { depth: null }), /geheim/)
    await world.aggregator.close()
    t.notRegex(await diagnosticsOf(world), /geheim/)
    t.true(world.tracer.spans.length >= kinds.length)
  }
})

/** What a call was told of who asks: his name, a header of his, his cookie, his token. */
const identityOf = (told: unknown): string => {
  const { pluginContext, headers = {} } = told as { pluginContext?: { user?: { login?: string } }; headers?: object }
  const kept = Object.entries(headers).filter(([name]) => /panel-id|cookie|authorization/i.test(name))
  return [pluginContext?.user?.login ?? '', ...kept.map(([, value]) => String(value))].join(' ')
}

let calls = 0
const echo =
  <Answer>(make: (identity: string) => Answer) =>
  async (told: unknown): Promise<Answer> => {
    // some overtake others
    for (let turns = ++calls % 7; turns > 0; turns--) await turn()
    return make(identityOf(told))
  }
const one = <Message>(make: (identity: string) => Message) =>
  async function* (told: unknown): AsyncGenerator<Message> {
    yield await echo(make)(told)
  }
const echoing: InProcessPlugin = {
  queryData: echo((error) => ({ responses: { A: { error } } })),
  queryChunkedData: one((error) => ({ refId: 'A', error })),
  callResource: one((text) => ({ body: Buffer.from(text) })),
  checkHealth: echo((message) => ({ status: 'OK' as const, message })),
  subscribeStream: echo((text) => ({ status: 'OK' as const, data: Buffer.from(JSON.stringify(text)) })),
  runStream: one((text) => ({ data: Buffer.from(JSON.stringify(text)) })),
  validateAdmission: echo((text) => ({ allowed: true, warnings: [text] })),
  mutateAdmission: echo((text) => ({ allowed: true, warnings: [text] })),
  convertObjects: echo((message) => ({ objects: [], result: { status: 'Failure', message, reason: '', code: 400 } })),
}

/** Of an instance that asks for tokens and cookies of the user. */
const hasToken = ({ object, type }: Ask): boolean =>
  object === 'datasource' && ['query', 'route', 'health', 'datasource-proxy'].includes(type)

test('never mixes two users, however a thousand of their requests interleave, whatever they go through (S9)', async (t) => {
  const world = await createWorld(t, {
    plugin: echoing,
    behind: ({ headers }, response) => {
      const { 'x-remote-user': user, 'x-panel-id': panel, cookie, authorization } = headers
      void echo(() => response.end([user, panel, cookie, authorization].join(' ')))({})
    },
    datasource: { jsonData: { oauthPassThru: true, keepCookies: ['sid'] } },
    limits: { inFlight: { reads: 1000, writes: 1000, longRunning: 1000 } },
  })
  // the others tell a plugin of nobody
  const telling = kinds.filter(({ type, form, method }) => {
    if (type === 'metrics' || type === 'settings') return false
    return type !== 'stream' || method === 'GET' || form === 'piecemeal'
  })
  const wrong: string[] = []
  const mentioned = new Set<string>()
  const run = async (index: number): Promise<void> => {
    const ask = telling[index % telling.length]
    if (ask === undefined) return
    const who = index % 2 === 0 ? 'jane' : 'joe'
    const id = `${who}-${String(index)}`
    const { text } = await asking(world.url, ask, {
      who,
      more: [
        ['X-Panel-Id', id],
        ['Cookie', `sid=${id}`],
      ],
    }).told
    const names = text.match(/(?:jane|joe)(?:-\d+)?/g) ?? []
    if (names.length > 0) mentioned.add(`${ask.object} ${ask.type} ${ask.form}`)
    const isWhole = !hasToken(ask) || (text.includes(`Bearer of-${who}`) && text.includes(`sid=${id}`))
    if (!isWhole || names.length === 0 || names.some((name) => name !== who && name !== id))
      wrong.push(`${ask.title}: ${id} ${text}`)
  }
  for (let from = 0; from < 1000; from += 250) await Promise.all(Array.from({ length: 250 }, (_, n) => run(from + n)))
  t.deepEqual(wrong, [])
  const expected = new Set(telling.map(({ object, type, form }) => `${object} ${type} ${form}`))
  t.deepEqual([...mentioned].toSorted(), [...expected].toSorted())
})

test('keeps nothing of a user in what it keeps for the next: settings, tokens, streams (S10)', async (t) => {
  const lookups: PluginContextRequest[] = []
  const tokenRequests: string[] = []
  const world = await createWorld(t, {
    contexts: (given) =>
      cachedContexts({
        getInstanceSettings: (request, signal) => {
          lookups.push(request)
          return given.getInstanceSettings(request, signal)
        },
      }),
    datasource: { jsonData: { keepCookies: ['[]'] }, secureJsonData: { secret: 'of-datasource' } },
    routes: (upstream) => [
      {
        path: '',
        url: upstream,
        tokenAuth: { url: `${upstream}/token`, params: { s: '{{ .SecureJsonData.secret }}' } },
      },
    ],
    behind: (request, response) => {
      const answer = async (): Promise<void> => {
        let body = ''
        for await (const chunk of request) body += String(chunk)
        const { url, headers, rawHeaders } = request
        if (url !== '/token') response.end(`${String(headers.authorization)} ${String(headers.cookie)}`)
        else {
          tokenRequests.push(`${rawHeaders.join()} ${body}`)
          response.setHeader('set-cookie', 'evil=1').end('{"access_token":"shared","expires_in":3600}')
        }
      }
      answer().catch(boom)
    },
  })
  const runs: unknown[] = []
  for (const who of ['jane', 'joe'])
    for (const ask of kinds) {
      const told = await asking(world.url, ask, {
        who,
        more: [
          ['Cookie', `sid=${who}`],
          ['X-Panel-Id', who],
        ],
      }).told
      t.is(headerOf(told, 'set-cookie'), undefined, ask.title)
      t.notRegex(told.text, who === 'joe' ? /jane/ : /joe/, ask.title)
      if (ask.type === 'datasource-proxy' && ask.object !== 'backend') t.regex(told.text, /^Bearer shared /)
      runs.push(
        ...world
          .take()
          .calls.filter(({ reached }) => reached === 'runStream')
          .map(({ told }) => told),
      )
    }
  const keys = new Set(lookups.map((request) => JSON.stringify(request)))
  t.is(lookups.length, keys.size)
  t.deepEqual(
    new Set(lookups.flatMap((request) => Object.keys(request))),
    new Set(['pluginId', 'pluginType', 'uid', 'namespace']),
  )
  t.is(tokenRequests.length, 2)
  t.regex(tokenRequests.join(), /s=of-datasource/)
  t.true(runs.length > 0)
  for (const kept of [lookups, tokenRequests, runs]) t.notRegex(JSON.stringify(kept), /jane|joe/)
})

test('connects to no refused address, whatever names it: settings, plugin.json, its token, a backend (S13)', async (t) => {
  let arrived = 0
  const world = await createWorld(t, {
    proxy: { blockedNetworks: ['127.0.0.0/8', '::1'] },
    behind: (_, response) => {
      arrived += 1
      response.end('{"access_token":"t","expires_in":3600}')
    },
    routes: (upstream) => [
      { path: 'own' },
      { path: 'url', url: upstream },
      { path: 'token', url: 'http://192.0.2.1', tokenAuth: { url: `${upstream}/token` } },
    ],
  })
  const proxied = kinds.filter(({ type, object }) => type === 'datasource-proxy' && object !== 'backend')
  const targets = proxied.flatMap((ask) =>
    ['own', 'url', 'token'].map((tail) => ({ ask, target: ask.path.replace(/\/proxy.*/, `/proxy/${tail}`) })),
  )
  const backends = kinds.filter(({ object }) => object === 'backend').map((ask) => ({ ask, target: ask.path }))
  for (const { ask, target } of [...targets, ...backends]) {
    const { status } = await asking(world.url, ask, { ...jane, target }).told
    // an app has no URL of its own
    t.is(status, ask.object === 'app' && target.endsWith('/own') ? 502 : 403, target)
  }
  t.is(arrived, 0)
  t.is(world.upstreamSockets.size, 0)
})

/** Ways to fail, for something that somebody waits for. */
const manners: Readonly<Record<string, () => Promise<never>>> = {
  'throws at once': boom,
  rejects: () => Promise.reject(new Error('boom')),
  'rejects in a turn to come': () => turn().then(boom),
}

/** Does what it should, unless it is told to fail. */
type Fail = <A>(instead: () => A) => A | Promise<never>

/** Numbers of a plugin concern no instance, and a backend answers without plugin and settings. */
const hasInstance = ({ object, type }: Ask): boolean => object !== 'backend' && type !== 'metrics'

interface Hook {
  readonly options: (fail: Fail) => WorldOptions
  readonly isAsked: (ask: Ask) => boolean
  /** Who gives what nobody waits for can only throw at once. */
  readonly isWaitedFor: boolean
}

const hooks: Readonly<Record<string, Hook>> = {
  'hook that authenticates': {
    options: (fail) => ({ authenticate: () => fail(() => ({ name: 'jane' })) }),
    isAsked: () => true,
    isWaitedFor: true,
  },
  'hook that authorizes': {
    options: (fail) => ({ decide: () => fail(() => true) }),
    isAsked: () => true,
    isWaitedFor: true,
  },
  'provider of settings, as it answers,': {
    options: (fail) => ({
      contexts: (given) => ({
        getInstanceSettings: (request, signal) => () => fail(given.getInstanceSettings(request, signal)),
      }),
    }),
    isAsked: hasInstance,
    isWaitedFor: true,
  },
  'provider of settings, as it is asked,': {
    options: (fail) => ({
      contexts: (given) => ({
        getInstanceSettings: (...asked) => {
          void fail(() => undefined)
          return given.getInstanceSettings(...asked)
        },
      }),
    }),
    isAsked: hasInstance,
    isWaitedFor: false,
  },
  'host of plugins': {
    options: (fail) => ({
      plugins: (given) => ({
        ...given,
        plugin: (id) => {
          void fail(() => undefined)
          return given.plugin(id)
        },
      }),
    }),
    isAsked: ({ object }) => object !== 'backend',
    isWaitedFor: false,
  },
}

for (const [hook, { options, isAsked, isWaitedFor }] of Object.entries(hooks)) {
  test(`answers 500 when a ${hook} fails, at once or later, and tells nobody why; then lives on (S18)`, async (t) => {
    const ways = Object.entries(manners).slice(0, isWaitedFor ? 3 : 1)
    for (const [number, [manner, fail]] of ways.entries()) {
      const some = kinds.filter((_, index) => index % ways.length === number)
      let fails = true
      const world = await createWorld(
        t,
        options((instead) => (fails ? fail() : instead())),
      )
      for (const ask of some) {
        const { status, text } = await asking(world.url, ask, jane).told
        if (isAsked(ask)) t.is(status, 500, `${manner}: ${ask.title}`)
        t.notRegex(text, /boom/, ask.title)
      }
      t.regex(await diagnosticsOf(world), /boom/)
      fails = false
      for (const ask of some) t.true((await asking(world.url, ask, jane).told).status < 300, ask.title)
    }
  })
}

test('survives a hook that fails when everybody has left long ago (S18)', async (t) => {
  const late: Array<(error: Error) => void> = []
  const never = (): Promise<never> => new Promise((_, reject) => late.push(reject))
  let hangs = true
  for (const { options } of Object.values(hooks).filter(({ isWaitedFor }) => isWaitedFor)) {
    hangs = true
    const world = await createWorld(
      t,
      options((instead) => (hangs ? never() : instead())),
    )
    const asked = kinds.filter(hasInstance).map((ask) => asking(world.url, ask, jane))
    while (late.length < asked.length) await turn()
    for (const { leave } of asked) leave()
    await Promise.all(asked.map(({ told }) => told))
    for (const reject of late.splice(0)) reject(new Error('boom'))
    await turn()
    hangs = false
    for (const ask of kinds) t.true((await asking(world.url, ask, jane).told).status < 300, ask.title)
  }
})

const tinyHeaders = Array.from({ length: 900 }, (_, index) => [String(index), ''] as const)

test('takes headers by the thousand, on every way through, and passes none of them on (S20)', async (t) => {
  const world = await createWorld(t)
  for (const ask of kinds) {
    const { status } = await asking(world.url, ask, { ...jane, more: tinyHeaders }).told
    t.true(status < 300, ask.title)
  }
  for (const { reached, told } of world.take().calls) {
    const { headers = {}, rawHeaders = [] } = told as { headers?: object; rawHeaders?: ReadonlyArray<string> }
    t.true(Object.keys(headers).length + rawHeaders.length / 2 < 12, reached)
  }
})

test('takes __proto__ in a body for a name like any other (S22)', async (t) => {
  const world = await createWorld(t)
  const evil = '"__proto__":{"polluted":1},"constructor":{"prototype":{"polluted":1}}'
  const talking = kinds.filter(({ body = '' }) => body.startsWith('{'))
  for (const ask of talking) {
    // at the outside, and in each object of it
    for (const body of [ask.body?.replace('{', `{${evil},`), ask.body?.replaceAll('{', `{${evil},`)]) {
      const given = { ...ask, body: body?.replaceAll(',}', '}') }
      const { status } = await asking(world.url, given, jane).told
      t.true(status < 300 || status === 400, `${ask.title} ${String(status)}`)
      for (const { told } of world.take().calls) t.is(Reflect.get(told as object, 'polluted'), undefined, ask.title)
      t.is(Reflect.get({}, 'polluted'), undefined, ask.title)
    }
  }
  t.true(talking.length > 15)
})

/** All that know settings; what happens on the way to a datasource happens to those alone that go there. */
const knowing = kinds.filter(({ object, method }) => object !== 'backend' && method !== 'PUT')
const goingThere = knowing.filter(({ type }) => type === 'datasource-proxy' || type === 'settings')

/** Where a secret stands in settings, and what may go wrong with it on its way. */
const secretive = (secret: string, url?: string): NonNullable<WorldOptions['datasource']> => ({
  basicAuth: true,
  basicAuthUser: 'joe',
  user: 'joe',
  jsonData: { httpHeaderName1: 'X-Key' },
  secureJsonData: {
    basicAuthPassword: secret,
    password: secret,
    token: secret,
    [`key-${String(secret.length)}`]: secret,
  },
  ...(url === undefined ? {} : { url }),
})

type Accident = (secret: string) => WorldOptions
const withSecrets = (more: object, secret: string): NonNullable<WorldOptions['datasource']> => {
  const { jsonData, secureJsonData, ...rest } = secretive(secret)
  return { ...rest, jsonData: { ...jsonData, ...more }, secureJsonData: { ...secureJsonData } }
}
const accidents: Readonly<Record<string, Accident>> = {
  'nothing happens': () => ({}),
  'the plugin fails': () => ({ plugin: broken }),
  'the datasource hangs up': () => ({ behind: (request) => request.destroy() }),
  'the datasource is refused': () => ({ behind: (_, response) => response.writeHead(401).end() }),
  'a header cannot be sent': (secret) => ({
    datasource: {
      ...withSecrets({}, secret),
      secureJsonData: { ...secretive(secret).secureJsonData, httpHeaderValue1: `${secret}\r\n` },
    },
    routes: () => [{ path: '' }],
  }),
  'a certificate is none': (secret) => ({
    datasource: {
      ...withSecrets({ tlsAuth: true, tlsAuthWithCACert: true }, secret),
      url: 'https://127.0.0.1:1',
      secureJsonData: { tlsCACert: secret, tlsClientCert: secret, tlsClientKey: secret },
    },
    routes: () => [{ path: '' }],
  }),
  'the URL is none': (secret) => ({
    datasource: secretive(secret, `http://joe:${secret}@`),
    routes: () => [{ path: '' }],
  }),
  'the URL holds it': (secret) => ({
    datasource: secretive(secret, `http://joe:${encodeURIComponent(secret)}@localhost/`),
    routes: () => [{ path: '' }],
  }),
  'a template makes no URL of it': () => ({ routes: () => [{ path: '', url: '{{ .SecureJsonData.token }}://x' }] }),
  'a template makes no header of it': () => ({
    routes: (url) => [{ path: '', url, headers: [{ name: 'x', content: '{{ .SecureJsonData.token }}\n' }] }],
  }),
  'a template asks it for more': () => ({
    routes: (url) => [{ path: '', url, urlParams: [{ name: 'a', content: '{{ .SecureJsonData.token.more }}' }] }],
  }),
  'a token endpoint repeats it': () => ({
    routes: (url) => [
      { path: '', url, tokenAuth: { url: `${url}/token`, params: { secret: '{{ .SecureJsonData.token }}' } } },
    ],
    behind: (request, response) => {
      request.on('data', (chunk: Buffer) => response.writeHead(400).end(chunk)).resume()
    },
  }),
  'a key cannot sign': () => ({
    routes: (url) => [
      {
        path: '',
        url,
        authType: 'jwt',
        jwtTokenAuth: { url, params: { private_key: '{{ .SecureJsonData.token }}', client_email: 'x' } },
      },
    ],
  }),
}

test('tells no secret of the settings to anybody, whatever happens to it: not in answers, logs, spans, metrics (S30)', async (t) => {
  const odd = fc.constantFrom('', '\n', '"', '{{', 'ö', '\u0000', '%', '\r\nx: y', '\\', "'")
  const core = fc.uuid().map((uuid) => `geheim-${uuid}`)
  for (const [accident, given] of Object.entries(accidents))
    await fc.assert(
      fc.asyncProperty(core, odd, odd, async (text, before, after) => {
        const secret = `${before}${text}${after}`
        const world = await createWorld(t, { datasource: secretive(secret), ...given(secret) })
        const said: string[] = []
        for (const ask of /nothing|plugin/.test(accident) ? knowing : goingThere) {
          const { status, text: body, rawHeaders } = await asking(world.url, ask, jane).told
          t.true(status >= 101, `${accident}: ${ask.title}`)
          said.push(body, ...rawHeaders)
        }
        await world.aggregator.close()
        said.push(await diagnosticsOf(world))
        const all = said.join('\n')
        t.false(all.includes(text), accident)
        t.false(all.includes(Buffer.from(`joe:${secret}`).toString('base64')), accident)
      }),
      { numRuns: 1 },
    )
})

test('keeps the number of series, whatever methods and paths clients think of (S25)', async (t) => {
  const world = await createWorld(t)
  const methods = ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS', 'PURGE', 'M-SEARCH', 'REPORT', 'SEARCH']
  const series = async (): Promise<ReadonlyArray<string>> => {
    const text = await world.metrics.metrics()
    return text.split('\n').map((line) => line.replace(/ [^ ]+$/, ''))
  }
  const send = async (ask: Ask, method: string, path: string): Promise<void> => {
    await asking(world.url, { ...ask, method, upgrades: false }, { ...jane, target: path }).told
  }
  const any = kinds.filter(({ method, reaches }) => method === 'PUT' && !reaches.includes('upstream'))
  const bend = (path: string, text: string): ReadonlyArray<string> => [
    path.replace('/default/', `/${text}/`),
    path.replace('/d1/', `/${text}/`),
    `${path}${text}`,
    `${path}//${text}`,
  ]
  const sendAll = async (text: string, of: ReadonlyArray<Ask>): Promise<void> => {
    for (const ask of of)
      for (const [index, path] of bend(ask.path, text).entries())
        for (const method of methods.filter((_, number) => number % 4 === index || text === 'x'))
          await send(ask, method, path)
  }
  await sendAll('x', any)
  const before = await series()
  for (let round = 0; round < 8; round++) await sendAll(`y${String(round)}`, any)
  t.deepEqual(await series(), before)
  t.notRegex(before.join(), /PURGE|M-SEARCH|y1/)
})

const countsOf = (names: ReadonlyArray<string>): Readonly<Record<string, number>> => {
  const counts: Record<string, number> = {}
  for (const name of names.toSorted()) counts[name] = (counts[name] ?? 0) + 1
  return counts
}

/** Whether anything is left of these, once nobody holds them. */
const areGone = async (refs: ReadonlyArray<WeakRef<object>>): Promise<boolean> => {
  setFlagsFromString('--expose-gc')
  const collectGarbage = runInNewContext('gc') as () => void
  await turn()
  collectGarbage()
  return refs.every((ref) => ref.deref() === undefined)
}

// Alone: what is counted belongs to the whole process.
test.serial('gives everything back of requests that are left at any time, on every way through (S24)', async (t) => {
  const world = await createWorld(t)
  const refs: WeakRef<object>[] = []
  const leaving = kinds.filter(({ reaches }) => !reaches.includes('settings'))
  const streamed = leaving.filter(isStreamed)

  let arrived = 0
  for (const event of ['request', 'upgrade']) world.server.on(event, () => (arrived += 1))
  const inFlight = async (): Promise<ReadonlyArray<number>> => {
    const gauge = await world.metrics.getSingleMetric('dataplane_aggregator_requests_in_flight')?.get()
    return gauge?.values.map(({ value }) => value) ?? []
  }

  const leave = async (when: 'arriving' | 'head' | 'body'): Promise<void> => {
    if (when !== 'arriving') world.holdAt(when)
    const of = when === 'body' ? streamed : leaving
    const expected = arrived + of.length
    const asked = of.map((ask) => asking(world.url, ask, jane))
    if (when === 'arriving') while (arrived < expected) await turn()
    if (when === 'head') await world.reached(asked.length)
    if (when === 'body') await Promise.all(asked.map(({ begun }) => begun))
    for (const { leave } of asked) leave()
    await Promise.all(asked.map(({ told }) => told))
    while ((await inFlight()).some((count) => count > 0)) await turn()
    const { calls } = world.take()
    // by the time that its answer has begun, a SubscribeStream is over; and a RunStream goes on for whoever comes next
    const cancelled = calls.filter(({ reached }) => when === 'head' || (when === 'body' && !reached.endsWith('Stream')))
    await Promise.all(cancelled.map(({ ended }) => ended))
    world.release()
    for (const { reached, told } of calls)
      if (reached !== 'runStream' && typeof told === 'object' && told !== null) refs.push(new WeakRef(told))
  }
  const settle = async (): Promise<Readonly<Record<string, number>>> => {
    closeIdle()
    const connections = (): Promise<number> =>
      new Promise((resolve) => {
        world.server.getConnections((_error: Error | null, count: number) => {
          resolve(count)
        })
      })
    while ((await connections()) > 0) await turn()
    world.take()
    const emitters: ReadonlyArray<EventEmitter> = [world.server, process]
    const listeners = emitters.flatMap((emitter) =>
      emitter.eventNames().flatMap((name) => emitter.listeners(name).map(() => `listener of ${String(name)}`)),
    )
    return countsOf([...process.getActiveResourcesInfo(), ...listeners])
  }
  const rounds = async (count: number): Promise<void> => {
    for (let round = 0; round < count; round++) {
      await leave('arriving')
      await leave('head')
      await leave('body')
    }
  }
  await rounds(1)
  const before = await settle()
  await rounds(5)
  t.deepEqual(await settle(), before)
  t.is(world.upstreamSockets.size, 0)
  t.true(refs.length > 200)
  t.true(await areGone(refs))
})

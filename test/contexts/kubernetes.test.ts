import { readFile } from 'node:fs/promises'

import test, { type ExecutionContext } from 'ava'
import fc from 'fast-check'
import { parse } from 'yaml'

import { kubernetesContexts, type KubernetesContextsOptions } from '../../src/contexts/index.ts'
import { TE, E } from '../../src/fp.ts'
import type {
  Collection,
  ConnectOptions,
  Follower,
  KubernetesApi,
  KubernetesFailure,
  KubernetesObject,
} from '../../src/kubernetes.ts'
import { createManualClock, settle } from '../plugins/_setup.ts'
import { ask, refusal, settingsOf } from './ask.ts'
import { recordingLogger } from './recording-logger.ts'

interface Followed {
  readonly collection: Collection
  readonly follower: Follower
}

/** A connection that says what the test says. */
const scriptedApi = () => {
  const followed: Followed[] = []
  const closed: string[] = []
  const connects: (ConnectOptions | undefined)[] = []
  const api: KubernetesApi = {
    connect: (options) => {
      connects.push(options)
      return {
        origin: 'https://cluster',
        namespace: 'default',
        call: () => TE.left({ _tag: 'Cancelled' }),
        follow: (collection, follower) => {
          followed.push({ collection, follower })
          const close = () => {
            closed.push(collection.path)
            return Promise.resolve()
          }
          return { lastHeardMs: () => undefined, close }
        },
        elect: () => ({ isLeader: () => false, close: () => Promise.resolve() }),
        close: () => {
          closed.push('connection')
          return Promise.resolve()
        },
      }
    },
  }
  const followerOf = (end: string): Follower => {
    const found = followed.find(({ collection }) => collection.path.endsWith(end))
    if (found === undefined) throw new Error(`expected somebody to follow ${end}`)
    return found.follower
  }
  return {
    api,
    closed,
    connects,
    followed,
    secrets: () => followerOf('/secrets'),
    objects: () => followerOf('sources'),
  }
}

const keyOf = ({ metadata: { namespace, name } }: KubernetesObject): string => `${namespace ?? ''}/${name}`
const set = (...objects: ReadonlyArray<KubernetesObject>) => objects.map((object) => ({ key: keyOf(object), object }))
const gone = (...keys: ReadonlyArray<string>) => keys.map((key) => ({ key, object: undefined }))

const datasource = (spec: object = {}, secure?: unknown, name = 'p1', namespace = 'default'): KubernetesObject => ({
  metadata: { name, namespace },
  spec: { type: 'testds', ...spec },
  ...(secure === undefined ? {} : { secure }),
})

const base64 = (value: string | Uint8Array): string => Buffer.from(value).toString('base64')

const secret = (data: Readonly<Record<string, string | Uint8Array>>, name = 's', namespace = 'default') => ({
  metadata: { name, namespace },
  data: Object.fromEntries(Object.entries(data).map(([key, value]) => [key, base64(value)])),
})

const setUp = (t: ExecutionContext, options: KubernetesContextsOptions = {}) => {
  const scripted = scriptedApi()
  const logger = recordingLogger()
  const { clock, advance, timers } = createManualClock()
  const provider = kubernetesContexts(scripted.api, { logger, clock, ...options })
  t.teardown(() => provider.close?.())
  /** The first lists, without which nobody gets an answer. */
  const list = (objects: ReadonlyArray<KubernetesObject>, secrets: ReadonlyArray<KubernetesObject> = []): void => {
    scripted.objects().changed(set(...objects))
    scripted.secrets().changed(set(...secrets))
  }
  const said = (): ReadonlyArray<string> => logger.lines.map(({ level, message }) => `${level}: ${message}`)
  const problems = (): ReadonlyArray<string> => said().filter((line) => !line.startsWith('info'))
  return { ...scripted, provider, list, said, problems, advance, timers, logger }
}

const password = { password: { name: 's' } }

const secretOf = async (provider: Parameters<typeof settingsOf>[0], name = 'password', uid = 'p1') =>
  (await settingsOf(provider, { uid })).dataSourceInstanceSettings?.decryptedSecureJsonData[name]

test('follows the objects, and of the Secrets those with a label', (t) => {
  const { followed } = setUp(t)
  t.deepEqual(
    followed.map(({ collection }) => collection),
    [
      { path: '/api/v1/secrets', labelSelector: 'aggregation.grafana.app/secret=datasource' },
      { path: '/apis/datasource.grafana.app/v0alpha1/datasources' },
    ],
  )
  const resource = { group: 'example.org', version: 'v1', resource: 'mysources' }
  const other = setUp(t, { namespace: 'team a', resource, secretLabelSelector: 'a in (b)' })
  t.deepEqual(
    other.followed.map(({ collection }) => collection),
    [
      { path: '/api/v1/namespaces/team%20a/secrets', labelSelector: 'a in (b)' },
      { path: '/apis/example.org/v1/namespaces/team%20a/mysources' },
    ],
  )
})

test('reads the collection that the example defines for clusters', async (t) => {
  const { followed } = setUp(t)
  const file = new URL('../../examples/kubernetes/datasource-crd.yml', import.meta.url)
  const { spec } = parse(await readFile(file, 'utf8')) as {
    spec: { group: string; scope: string; names: { plural: string }; versions: { name: string }[] }
  }
  const path = `/apis/${spec.group}/${spec.versions[0]?.name ?? ''}/${spec.names.plural}`
  t.is(followed[1]?.collection.path, path)
  t.is(spec.scope, 'Namespaced')
})

test('gives a datasource its settings and the values of its Secrets', async (t) => {
  const { provider, list } = setUp(t, { grafanaConfig: { GF_APP_URL: 'http://g' } })
  const spec = {
    title: 'Prod',
    url: 'http://u',
    user: 'me',
    basicAuth: true,
    basicAuthUser: 'b',
    jsonData: { b: 1, a: 2 },
  }
  const secure = { password: { name: 's' }, token: { name: 'other.secret', key: 'the_key' } }
  list([datasource(spec, secure)], [secret({ password: ' pä\n' }), secret({ the_key: '\ufefft' }, 'other.secret')])
  const { orgId, grafanaConfig, dataSourceInstanceSettings: found } = await settingsOf(provider)
  t.is(orgId, 1)
  t.is(grafanaConfig['GF_APP_URL'], 'http://g')
  t.like(found, { uid: 'p1', name: 'Prod', url: 'http://u', user: 'me', basicAuthEnabled: true, basicAuthUser: 'b' })
  t.is(Buffer.from(found?.jsonData ?? []).toString(), '{"a":2,"b":1}')
  t.deepEqual(found?.decryptedSecureJsonData, { password: ' pä\n', token: '\ufefft' })
})

test('gives the very same answer until its content changes', async (t) => {
  const { provider, list, objects, secrets } = setUp(t)
  list([datasource({ url: 'http://1' }, password)], [secret({ password: 'one', rest: 'x' })])
  const first = await settingsOf(provider)
  objects().changed(set({ ...datasource({ url: 'http://1' }, password), status: { seen: true } }))
  secrets().changed(set(secret({ password: 'one', rest: 'y' })))
  t.is(await settingsOf(provider), first)
  secrets().changed(set(secret({ password: 'two' })))
  const second = await settingsOf(provider)
  objects().changed(set(datasource({ url: 'http://2' }, password)))
  const third = await settingsOf(provider)
  const updates = [first, second, third].map((one) => one.dataSourceInstanceSettings?.lastUpdatedMS)
  t.is(new Set(updates).size, 3)
  const ids = [first, second, third].map((one) => one.dataSourceInstanceSettings?.id)
  t.is(new Set(ids).size, 1)
  t.deepEqual(await secretOf(provider), 'two')
})

test('keeps namespaces apart: names, ids, organisations and Secrets', async (t) => {
  const { provider, list, problems } = setUp(t)
  const objects = ['default', 'team', 'org-7'].map((namespace) => datasource({}, password, 'p1', namespace))
  list(objects, [secret({ password: 'of default' }), secret({ password: 'of team' }, 's', 'team')])
  const [one, two] = [await settingsOf(provider), await settingsOf(provider, { namespace: 'team' })]
  t.is(one.dataSourceInstanceSettings?.decryptedSecureJsonData['password'], 'of default')
  t.is(two.dataSourceInstanceSettings?.decryptedSecureJsonData['password'], 'of team')
  t.not(one.dataSourceInstanceSettings?.id, two.dataSourceInstanceSettings?.id)
  t.deepEqual([one.orgId, two.orgId], [1, 1])
  t.regex(await refusal(provider, { namespace: 'org-7' }), /^PluginUnavailable: .*Secret "s" is not there/)
  t.regex(problems().join(), /^error: datasources "org-7\/p1" cannot be used: Secret "s" is not there/)
  t.is(await refusal(provider, { namespace: 'default/p1', uid: '' }), 'NotFound: datasources "" not found')
  const appOf = (namespace: string) => settingsOf(provider, { pluginType: 'app', pluginId: 'my-app', namespace })
  t.is((await appOf('org-7')).orgId, 7)
  t.is((await appOf('org-0')).orgId, 1)
})

test('gives no plugin the settings of another, nor the other type of plugin', async (t) => {
  const { provider, list } = setUp(t)
  const app = datasource({ type: 'my-app', pluginType: 'app' }, { key: { name: 's' } }, 'my-app')
  const fake = datasource({ type: 'other-app' }, { key: { name: 's' } }, 'other-app')
  list([datasource({}, password), app, fake], [secret({ password: 'x', key: 'k' })])
  t.is(await refusal(provider, { pluginId: 'other' }), 'NotFound: datasources "p1" not found')
  t.is(await refusal(provider, { pluginId: 'my-app', uid: 'my-app' }), 'NotFound: datasources "my-app" not found')
  const keyOfApp = async (pluginId: string) =>
    (await settingsOf(provider, { pluginId, pluginType: 'app', uid: undefined })).appInstanceSettings
  t.deepEqual((await keyOfApp('my-app'))?.decryptedSecureJsonData, { key: 'k' })
  t.deepEqual((await keyOfApp('other-app'))?.decryptedSecureJsonData, {})
  t.deepEqual((await keyOfApp('unknown-app'))?.decryptedSecureJsonData, {})
  t.is((await settingsOf(provider, { uid: undefined })).dataSourceInstanceSettings, undefined)
})

test('stops serving with a Secret that is gone or lost its label, and serves again when it is back', async (t) => {
  const { provider, list, secrets, said } = setUp(t)
  list([datasource({}, password), datasource({}, undefined, 'p2')], [secret({ password: 'hunter2' })])
  const before = await settingsOf(provider)
  secrets().changed(gone('default/s'))
  secrets().changed(gone('default/unknown'))
  const absent = 'Secret "s" is not there, or has not the label aggregation.grafana.app/secret=datasource'
  t.is(await refusal(provider), `PluginUnavailable: datasources "p1" cannot be used at present: ${absent}`)
  t.is((await settingsOf(provider, { uid: 'p2' })).dataSourceInstanceSettings?.uid, 'p2')
  secrets().changed(set(secret({ other: 'x' })))
  t.regex(await refusal(provider), /Secret "s" has no key "password"$/)
  secrets().changed(set(secret({ password: 'hunter2' })))
  t.deepEqual(await settingsOf(provider), before)
  t.deepEqual(said().slice(2), [
    `error: datasources "default/p1" cannot be used: ${absent}`,
    'error: datasources "default/p1" cannot be used: Secret "s" has no key "password"',
    'info: datasources "default/p1" can be used again',
  ])
})

const hostileKeys = ['__proto__', 'constructor', 'hasOwnProperty', '.', '..', 'toString']

test('reads odd keys and huge values, and refuses binary ones by name alone', async (t) => {
  const { provider, list, secrets } = setUp(t)
  const odd = Object.fromEntries(hostileKeys.map((key) => [key, { name: 's' }]))
  const huge = 'x'.repeat(2 ** 20)
  const objects = [
    datasource({}, odd),
    datasource({}, { constructor: { name: 'empty' } }, 'p2'),
    datasource({}, { huge: { name: 's' } }, 'p3'),
    datasource({}, { binary: { name: 's' } }, 'p4'),
    datasource({}, { broken: { name: 'broken' } }, 'p5'),
  ]
  const values = Object.fromEntries(hostileKeys.map((key) => [key, `value of ${key}`]))
  const broken = { metadata: { name: 'broken', namespace: 'default' }, data: { broken: 'hunter2!' } }
  list(objects, [secret({ ...values, huge, binary: Uint8Array.of(0xff, 0xfe, 0x80) }), secret({}, 'empty'), broken])
  const found = (await settingsOf(provider)).dataSourceInstanceSettings?.decryptedSecureJsonData
  t.deepEqual(Object.entries(found ?? {}).sort(), Object.entries(values).sort())
  t.is(Object.getPrototypeOf(found), Object.prototype)
  t.regex(await refusal(provider, { uid: 'p2' }), /Secret "empty" has no key "constructor"$/)
  t.is(await secretOf(provider, 'huge', 'p3'), huge)
  t.regex(await refusal(provider, { uid: 'p4' }), /Secret "s", key "binary": expected UTF-8 text, got binary data$/)
  t.regex(await refusal(provider, { uid: 'p5' }), /Secret "broken", key "broken": expected base64$/)
  const before = await settingsOf(provider)
  secrets().changed(set(secret({ ...values, ['__proto__']: 'changed' })))
  t.not(
    (await settingsOf(provider)).dataSourceInstanceSettings?.lastUpdatedMS,
    before.dataSourceInstanceSettings?.lastUpdatedMS,
  )
})

const deep = (): unknown => JSON.parse(`${'['.repeat(20_000)}${']'.repeat(20_000)}`)
const wrong: ReadonlyArray<readonly [what: string, object: object, reason: string]> = [
  ['no type', { spec: {} }, 'spec.type: expected string, got nothing'],
  ['a url that is a list', { spec: { type: 'testds', url: ['hunter2'] } }, 'spec.url: expected string, got an array'],
  [
    'plain secrets',
    { spec: { type: 'testds', secureJsonData: { a: 'hunter2' } } },
    'spec.secureJsonData: expected no secrets here',
  ],
  [
    'a Secret elsewhere',
    { spec: { type: 'testds' }, secure: { a: { name: 'team/s' } } },
    'secure.a.name: expected the name of a Secret of the same',
  ],
  [
    'a value in the place of a name',
    { spec: { type: 'testds' }, secure: { a: { create: 'hunter2' } } },
    'secure.a.name: expected',
  ],
  [
    'an app under another name',
    { spec: { type: 'my-app', pluginType: 'app' } },
    'spec.type: expected the settings of an app to be named',
  ],
]
for (const [what, object, reason] of wrong) {
  test(`serves the last good of an object with ${what}, and refuses one that was never good`, async (t) => {
    const { provider, list, objects, problems } = setUp(t)
    const turned = { metadata: { name: 'p1', namespace: 'default' }, ...object }
    const never = { metadata: { name: 'p2', namespace: 'default' }, ...object }
    list([datasource({}, password), never], [secret({ password: 'one' })])
    const before = await settingsOf(provider)
    objects().changed(set(turned))
    objects().changed(set({ ...turned, status: {} }))
    t.is(await settingsOf(provider), before)
    t.is(
      await refusal(provider, { uid: 'p2' }),
      'PluginUnavailable: datasources "p2" cannot be used at present: it is wrong',
    )
    t.is(problems().length, 2)
    t.true(problems()[0]?.startsWith(`error: datasources "default/p2" is wrong: ${reason}`), problems()[0])
    t.true(problems()[1]?.startsWith(`error: datasources "default/p1" is wrong, what was good serves on: ${reason}`))
    objects().changed(gone('default/p1', 'default/p2'))
    t.is(await refusal(provider), 'NotFound: datasources "p1" not found')
    objects().changed(set(datasource({ url: 'http://new' })))
    t.is((await settingsOf(provider)).dataSourceInstanceSettings?.url, 'http://new')
    t.false(JSON.stringify(problems()).includes('hunter2'))
  })
}

test('keeps objects that exhaust the stack, or come in thousands, from spoiling the others or the log', async (t) => {
  const { provider, list, problems } = setUp(t)
  const many = Array.from({ length: 2000 }, (_, index) => datasource({}, password, `x${String(index)}`))
  list([datasource({ jsonData: { deep: deep() } }), ...many, datasource({}, undefined, 'p2')])
  t.regex(await refusal(provider), /^PluginUnavailable: .*its settings cannot be read \(RangeError\)$/)
  t.is((await settingsOf(provider, { uid: 'p2' })).dataSourceInstanceSettings?.uid, 'p2')
  t.true(problems().length < 110)
})

const marked = fc.jsonValue({ maxDepth: 3 }).map((value): unknown => JSON.parse(JSON.stringify(value)))
const parts = { spec: marked, secure: marked, data: marked, kind: marked }

test('survives objects and Secrets of any shape, and tells nobody a value', async (t) => {
  const { provider, list, objects, secrets, logger } = setUp(t)
  list([datasource({}, password, 'p2')], [secret({ password: 'hunter2' })])
  const before = await settingsOf(provider, { uid: 'p2' })
  await fc.assert(
    fc.asyncProperty(fc.record(parts), fc.string({ minLength: 8 }), async (part, value) => {
      const metadata = { name: 'p1', namespace: 'default' }
      const hidden = `<${value}>`
      objects().changed([{ key: 'default/p1', object: { ...part, metadata } }])
      objects().changed(set({ metadata, spec: part.spec, secure: { a: { create: hidden }, b: [hidden] } }))
      secrets().changed(set({ metadata: { ...metadata, name: 's1' }, data: part.data }, secret({ a: hidden }, 's2')))
      const told = JSON.stringify([await ask(provider), logger.lines])
      t.false(told.includes(JSON.stringify(hidden).slice(1, -1)))
      t.is(await settingsOf(provider, { uid: 'p2' }), before)
    }),
    { numRuns: 60 },
  )
})

const refused: KubernetesFailure = { _tag: 'Refused', code: 403, reason: 'Forbidden', message: 'not for you' }

test('waits for the first lists, for so long and no longer, and for callers that stay', async (t) => {
  const { provider, list, objects, advance, timers } = setUp(t, { startTimeoutMs: 100 })
  const leaver = new AbortController()
  const left = ask(provider, {}, leaver.signal)
  leaver.abort()
  t.deepEqual(await left, E.left({ _tag: 'Cancelled' }))
  const waiting = refusal(provider)
  await advance(100)
  t.is(await waiting, 'PluginUnavailable: instance settings cannot be read at present')
  t.is(await refusal(provider), 'PluginUnavailable: instance settings cannot be read at present')
  objects().changed(set(datasource({}, password), datasource({}, undefined, 'p2')))
  t.is(await refusal(provider), 'PluginUnavailable: instance settings cannot be read at present')
  t.is((await settingsOf(provider, { uid: 'p2' })).dataSourceInstanceSettings?.uid, 'p2')
  list([], [secret({ password: 'one' })])
  t.is(await secretOf(provider), 'one')
  t.is(timers.size, 0)
})

test('answers at once when both lists are there', async (t) => {
  const { provider, list, timers } = setUp(t)
  const waiting = secretOf(provider)
  list([datasource({}, password)], [secret({ password: 'one' })])
  t.is(await waiting, 'one')
  t.is(timers.size, 0)
})

test('serves on while the apiserver is away, and says so once', async (t) => {
  const { provider, list, objects, secrets, said } = setUp(t)
  secrets().failed(refused)
  list([datasource({}, password)], [secret({ password: 'one' })])
  objects().failed({ _tag: 'Unreachable', message: 'connection refused', cause: new Error('hunter2') })
  secrets().failed({ _tag: 'Cancelled' })
  t.is(await secretOf(provider), 'one')
  objects().recovered()
  t.deepEqual(
    said().filter((line) => !line.endsWith('are read')),
    [
      'warn: Secrets cannot be read, none is known: not for you',
      'warn: datasources cannot be read, the last known serve on: connection refused',
      'warn: Secrets cannot be read, the last known serve on: the connection is closed',
      'info: datasources can be read again',
    ],
  )
})

test('serves its one namespace only', async (t) => {
  const { provider, list } = setUp(t, { namespace: 'team' })
  list([datasource({}, undefined, 'p1', 'team')])
  t.is((await settingsOf(provider, { namespace: 'team' })).orgId, 1)
  t.is(await refusal(provider), 'NotFound: namespaces "default" not found')
  t.is(await refusal(provider, { pluginType: 'app', pluginId: 'my-app' }), 'NotFound: namespaces "default" not found')
  // admission of what lies in no namespace
  t.is((await settingsOf(provider, { pluginType: 'app', pluginId: 'my-app', namespace: '' })).orgId, 0)
})

test('closes what it opened, and lets nobody wait', async (t) => {
  const { provider, closed, timers } = setUp(t)
  const waiting = refusal(provider)
  await settle()
  await provider.close?.()
  t.is(await waiting, 'PluginUnavailable: instance settings cannot be read at present')
  t.deepEqual(closed, ['/api/v1/secrets', '/apis/datasource.grafana.app/v0alpha1/datasources', 'connection'])
  t.is(timers.size, 0)
})

test('refuses options that would read something else, or everything, before it connects', (t) => {
  const { api, connects } = scriptedApi()
  const misspelt: object = { namspace: 'team' }
  t.throws(() => kubernetesContexts(api, misspelt), {
    message: /^unknown option namspace, known: namespace, resource, /,
  })
  t.throws((): unknown => Reflect.apply(kubernetesContexts, undefined, ['./config']), {
    message: /^expected a KubernetesApi /,
  })
  const options: ReadonlyArray<KubernetesContextsOptions> = [
    { namespace: '' },
    { namespace: 'a/b' },
    { secretLabelSelector: ' ' },
    { resource: { group: '', version: 'v1', resource: 'secrets' } },
    { startTimeoutMs: -1 },
  ]
  for (const wrongOption of options) t.throws(() => kubernetesContexts(api, wrongOption), { instanceOf: TypeError })
  t.is(connects.length, 0)
})

import { mkdir, mkdtemp, rename, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import test, { type ExecutionContext } from 'ava'

import { provisionedContexts, type ProvisionedContextsOptions } from '../../src/contexts/index.ts'
import { E } from '../../src/fp.ts'
import type { PluginContextProvider } from '../../src/plugin.ts'
import { ask, refusal, settingsOf } from './ask.ts'
import { recordingLogger, type RecordingLogger } from './recording-logger.ts'

const makeDirectory = async (t: ExecutionContext): Promise<string> => {
  const dir = await mkdtemp(join(tmpdir(), 'provisioned-'))
  t.teardown(() => rm(dir, { recursive: true, force: true }))
  return dir
}

/** In one step: a read that falls between the truncation and the write of a plain `writeFile` sees an empty file. */
const place = async (path: string, text: string): Promise<void> => {
  await writeFile(`${path}.new`, text)
  await rename(`${path}.new`, path)
}

const open = (
  t: ExecutionContext,
  path: string,
  options: ProvisionedContextsOptions = {},
): { provider: PluginContextProvider; logger: RecordingLogger } => {
  const logger = recordingLogger()
  const provider = provisionedContexts(path, { env: {}, debounceMs: 10, logger, ...options })
  t.teardown(() => provider.close?.())
  return { provider, logger }
}

const begin = async (t: ExecutionContext, text: string, options?: ProvisionedContextsOptions) => {
  const path = join(await makeDirectory(t), 'datasources.yml')
  await writeFile(path, text)
  const opened = open(t, path, options)
  /** Resolves when the new text serves, or was found wrong: when the logger says so. */
  const change = async (next: string, says = 'instance settings are read'): Promise<void> => {
    const from = opened.logger.lines.length
    await place(path, next)
    await opened.logger.line(says, from)
  }
  return { ...opened, path, change }
}

const file = (...entries: ReadonlyArray<string>): string =>
  `apiVersion: 1\ndatasources:\n${entries.map((entry) => `  - { type: testds, ${entry} }\n`).join('')}`

const textOf = (bytes: Uint8Array | undefined): string => Buffer.from(bytes ?? []).toString()

test('gives everything that a plugin reads of a datasource', async (t) => {
  const { provider } = await begin(
    t,
    `
apiVersion: 1
prune: true
deleteDatasources: [{ name: Old, orgId: 1 }]
datasources:
  - name: Prod
    uid: p1
    type: testds
    typeName: Test
    access: proxy
    orgId: 1
    url: http://$HOST:\${PORT}/
    user: reader
    database: db
    basicAuth: true
    basicAuthUser: admin
    withCredentials: true
    isDefault: true
    editable: false
    version: 3
    jsonData: { tlsSkipVerify: true, httpHeaderName1: X-A, nested: { b: [1, $PORT], a: null } }
    secureJsonData: { password: $PASSWORD, pin: 0070, httpHeaderValue1: a$$b, none: }
`,
    { env: { HOST: 'db', PORT: '80', PASSWORD: 'pa$$word' } },
  )
  const { dataSourceInstanceSettings: found, ...rest } = await settingsOf(provider)
  const { id = 0, lastUpdatedMS = 0, jsonData, ...settings } = found ?? {}
  t.deepEqual(settings, {
    uid: 'p1',
    name: 'Prod',
    url: 'http://db:80/',
    user: 'reader',
    database: 'db',
    basicAuthEnabled: true,
    basicAuthUser: 'admin',
    decryptedSecureJsonData: { password: 'pa$$word', pin: '0070', httpHeaderValue1: 'a$b', none: '' },
  })
  t.is(textOf(jsonData), '{"httpHeaderName1":"X-A","nested":{"a":null,"b":[1,"80"]},"tlsSkipVerify":true}')
  t.true(Number.isSafeInteger(id) && id > 0)
  t.true(new Date(lastUpdatedMS).getUTCFullYear() >= 2004 && new Date(lastUpdatedMS).getUTCFullYear() < 2040)
  t.deepEqual(rest, {
    orgId: 1,
    grafanaConfig: {
      GF_CONCURRENT_QUERY_COUNT: '10',
      GF_SQL_MAX_CONN_LIFETIME_SECONDS_DEFAULT: '14400',
      GF_SQL_MAX_IDLE_CONNS_DEFAULT: '100',
      GF_SQL_MAX_OPEN_CONNS_DEFAULT: '100',
      GF_SQL_ROW_LIMIT: '1000000',
      GF_USER_FACING_DEFAULT_ERROR: 'please inspect the log of the server for details',
    },
  })
})

test('adds to the Grafana configuration, sorted, frozen and the same from call to call', async (t) => {
  const grafanaConfig = { GF_SQL_ROW_LIMIT: '5', GF_APP_URL: 'http://g/', GF_SQL_MAX_IDLE_CONNS_DEFAULT: '7' }
  const { provider, change } = await begin(t, file('name: n, uid: p1'), { grafanaConfig })
  const first = await settingsOf(provider)
  t.deepEqual(Object.keys(first.grafanaConfig), Object.keys(first.grafanaConfig).sort())
  t.like(first.grafanaConfig, { ...grafanaConfig, GF_SQL_MAX_OPEN_CONNS_DEFAULT: '100' })
  t.true(Object.isFrozen(first.grafanaConfig))
  t.is((await settingsOf(provider, { uid: undefined })).grafanaConfig, first.grafanaConfig)
  await change(file('name: n, uid: p1, url: u'))
  const next = await settingsOf(provider)
  t.is(next.dataSourceInstanceSettings?.url, 'u')
  t.is(next.grafanaConfig, first.grafanaConfig)
})

test('derives the uid from the name as Grafana does', async (t) => {
  const { provider } = await begin(t, file('name: Hello world'))
  const found = await settingsOf(provider, { uid: 'P64EC88CA00B268E5' })
  t.is(found.dataSourceInstanceSettings?.name, 'Hello world')
})

test('finds by organisation, uid and plugin, and nothing else', async (t) => {
  const { provider } = await begin(t, file('name: one, uid: p1', 'name: two, uid: p1, orgId: 2', 'name: x, uid: p2'))
  const nameIn = async (namespace: string) =>
    (await settingsOf(provider, { namespace })).dataSourceInstanceSettings?.name
  t.deepEqual(
    [await nameIn('default'), await nameIn('stacks-11'), await nameIn('org-1'), await nameIn('org-2')],
    ['one', 'one', 'one', 'two'],
  )
  t.is(await refusal(provider, { uid: 'p3' }), 'NotFound: datasources "p3" not found')
  t.is(await refusal(provider, { namespace: 'org-2', uid: 'p2' }), 'NotFound: datasources "p2" not found')
  t.is(await refusal(provider, { pluginId: 'other' }), 'NotFound: datasources "p1" not found')
  t.is(await refusal(provider, { namespace: '' }), 'NotFound: datasources "p1" not found')
  for (const namespace of ['org-0', 'org-02', 'org-x', 'stacks-', 'kube-system', 'constructor']) {
    t.is(await refusal(provider, { namespace }), `NotFound: namespaces "${namespace}" not found`)
  }
  const answer = await ask(provider, { uid: 'p3' })
  t.deepEqual(E.isLeft(answer) && 'details' in answer.left && answer.left.details, { name: 'p3', kind: 'datasources' })
})

test('maps namespaces to organisations as it is told', async (t) => {
  const orgOfNamespace = (namespace: string) => (namespace === 'team-a' ? 2 : undefined)
  const { provider } = await begin(t, file('name: two, uid: p1, orgId: 2'), { orgOfNamespace })
  t.is((await settingsOf(provider, { namespace: 'team-a' })).orgId, 2)
  t.is(await refusal(provider), 'NotFound: namespaces "default" not found')
})

test('gives no instance to a call that concerns none, inside and outside a namespace', async (t) => {
  const { provider } = await begin(t, file('name: n, uid: p1'))
  t.deepEqual(Object.keys(await settingsOf(provider, { uid: undefined })), ['orgId', 'grafanaConfig'])
  t.is((await settingsOf(provider, { uid: undefined, namespace: '' })).orgId, 0)
})

test('gives an app its settings, and empty ones when it has none', async (t) => {
  const { provider } = await begin(
    t,
    'apiVersion: 1\napps: [{ type: my-app, org_id: 2, jsonData: { a: 1 }, secureJsonData: { key: $KEY } }]',
    { env: { KEY: 'k' } },
  )
  const app = { pluginId: 'my-app', pluginType: 'app', uid: undefined } as const
  const found = (await settingsOf(provider, { ...app, namespace: 'org-2' })).appInstanceSettings
  t.is(textOf(found?.jsonData), '{"a":1}')
  t.deepEqual(found?.decryptedSecureJsonData, { key: 'k' })
  const none = (await settingsOf(provider, app)).appInstanceSettings
  t.is(textOf(none?.jsonData), '{}')
  t.deepEqual(none?.decryptedSecureJsonData, {})
  t.not(none?.lastUpdatedMS, found?.lastUpdatedMS)
})

test('changes lastUpdatedMS with a changed entry, a changed secret, and with nothing else', async (t) => {
  const two = (a: string, b: string) => file(`name: a, uid: p1, ${a}`, `name: b, uid: p2, ${b}`)
  const { provider, change, path } = await begin(t, two('url: u', 'url: u, secureJsonData: { key: s1 }'))
  const times = async (from = provider) =>
    Promise.all(
      ['p1', 'p2'].map(async (uid) => (await settingsOf(from, { uid })).dataSourceInstanceSettings?.lastUpdatedMS),
    )
  const first = await times()
  await change(two('url: u', 'secureJsonData: { key: s2 }, url: u'))
  const second = await times()
  t.deepEqual([second[0] === first[0], second[1] === first[1]], [true, false])
  await change(`# a comment\n${two('jsonData: {}, url: u', 'url: u, secureJsonData: { key: s1 }')}\n# and one more`, '')
  await change(two('url: v', 'url: u, secureJsonData: { key: s1 }'))
  const third = await times()
  t.deepEqual([third[0] === first[0], third[1] === first[1]], [false, true])
  const restarted = open(t, path).provider
  t.deepEqual(await times(restarted), third)
})

test('keeps ids apart and steady', async (t) => {
  const { provider, change } = await begin(
    t,
    file('name: a, uid: p1', 'name: b, uid: p1, orgId: 2', 'name: c, uid: p2'),
  )
  const idOf = async (uid: string, namespace = 'default') =>
    (await settingsOf(provider, { uid, namespace })).dataSourceInstanceSettings?.id
  const ids = [await idOf('p1'), await idOf('p1', 'org-2'), await idOf('p2')]
  t.is(new Set(ids).size, 3)
  await change(file('name: c, uid: p2, url: other'))
  t.is(await idOf('p2'), ids[2])
})

test('serves the last good file when the new one is broken, and takes the next good one', async (t) => {
  const { provider, change, logger } = await begin(t, file('name: n, uid: p1, url: v1'))
  const before = await settingsOf(provider)
  await change('datasources: [', 'provisioning file is wrong')
  t.is(await settingsOf(provider), before)
  t.regex(logger.lines.at(-1)?.message ?? '', /expected YAML, got "[a-z ]+" at 1:\d+$/)
  t.deepEqual(logger.lines.at(-1)?.fields, { file: 'datasources.yml' })
  await change('apiVersion: 2', 'apiVersion: expected the number 1')
  t.is(await settingsOf(provider), before)
  await change(file('name: n, uid: p1, url: v2'))
  t.is((await settingsOf(provider)).dataSourceInstanceSettings?.url, 'v2')
})

test('serves the others when one entry is wrong, and that one as it was', async (t) => {
  const { provider, change, logger } = await begin(t, file('name: a, uid: p1, url: v1', 'name: b, uid: p2, url: 5'))
  t.is((await settingsOf(provider)).dataSourceInstanceSettings?.url, 'v1')
  t.is(await refusal(provider, { uid: 'p2' }), 'NotFound: datasources "p2" not found')
  t.true(logger.lines.some(({ message }) => message.endsWith('datasources[1].url: expected string, got a number')))
  await change(file('name: a, uid: p1, url: [v2]', 'name: b, uid: p2, url: v2'))
  t.is((await settingsOf(provider)).dataSourceInstanceSettings?.url, 'v1')
  t.is((await settingsOf(provider, { uid: 'p2' })).dataSourceInstanceSettings?.url, 'v2')
})

test('cannot tell while its file is missing or was never good, and can when it is', async (t) => {
  const path = join(await makeDirectory(t), 'later.yml')
  const { provider, logger } = open(t, path)
  const sentence = 'PluginUnavailable: instance settings cannot be read at present'
  t.is(await refusal(provider), sentence)
  t.is(await refusal(provider, { pluginType: 'app', uid: undefined }), sentence)
  t.is((await settingsOf(provider, { uid: undefined })).orgId, 1)
  await place(path, 'a: [')
  await logger.line('expected YAML')
  t.is(await refusal(provider), sentence)
  const from = logger.lines.length
  await place(path, file('name: n, uid: p1'))
  await logger.line('instance settings are read', from)
  t.is((await settingsOf(provider)).dataSourceInstanceSettings?.name, 'n')
  t.is(await refusal(provider, { uid: 'p9' }), 'NotFound: datasources "p9" not found')
})

test('serves on when its file is deleted', async (t) => {
  const { provider, logger, path } = await begin(t, file('name: n, uid: p1'))
  const before = await settingsOf(provider)
  await rm(path)
  await logger.line('provisioning is not readable')
  t.is(await settingsOf(provider), before)
})

test('reads a directory, where the first file by name wins a uid, and a deleted file goes', async (t) => {
  const dir = await makeDirectory(t)
  await writeFile(join(dir, 'a.yaml'), file('name: a, uid: p1'))
  await writeFile(join(dir, 'b.yml'), file('name: b, uid: p1', 'name: b2, uid: p2'))
  await writeFile(join(dir, 'c.json'), 'not ours')
  const { provider, logger } = open(t, dir)
  t.is((await settingsOf(provider)).dataSourceInstanceSettings?.name, 'a')
  t.deepEqual(
    logger.lines.filter(({ level }) => level === 'warn').map(({ message }) => message),
    ['datasources "p1" is provisioned twice, the first serves'],
  )
  const from = logger.lines.length
  await rm(join(dir, 'a.yaml'))
  await logger.line('instance settings are read', from)
  t.is((await settingsOf(provider)).dataSourceInstanceSettings?.name, 'b')
})

test('follows a mounted ConfigMap, given by the path of its file', async (t) => {
  const dir = await makeDirectory(t)
  const swapTo = async (generation: string, text: string): Promise<void> => {
    await mkdir(join(dir, generation))
    await writeFile(join(dir, generation, 'ds.yml'), text)
    await symlink(generation, join(dir, '..data_tmp'))
    await rename(join(dir, '..data_tmp'), join(dir, '..data'))
  }
  await swapTo('..1', file('name: n, uid: p1, url: v1'))
  await symlink('..data/ds.yml', join(dir, 'ds.yml'))
  const { provider, logger } = open(t, join(dir, 'ds.yml'))
  t.is((await settingsOf(provider)).dataSourceInstanceSettings?.url, 'v1')
  for (const version of ['2', '3']) {
    const from = logger.lines.length
    await swapTo(`..${version}`, file(`name: n, uid: p1, url: v${version}`))
    await logger.line('instance settings are read', from)
    t.is((await settingsOf(provider)).dataSourceInstanceSettings?.url, `v${version}`)
  }
})

test('reads secret files, finds their change by rescan, and keeps the last good when one is gone', async (t) => {
  const secret = join(await makeDirectory(t), 'token')
  await place(secret, 'one\n')
  const text = file(`name: n, uid: p1, secureJsonData: { token: "$__file{${secret}}" }`)
  const { provider, logger } = await begin(t, text, { rescanMs: 30 })
  const token = async () => (await settingsOf(provider)).dataSourceInstanceSettings?.decryptedSecureJsonData['token']
  t.is(await token(), 'one')
  const from = logger.lines.length
  await place(secret, 'two\n')
  await logger.line('instance settings are read', from)
  t.is(await token(), 'two')
  await rm(secret)
  const { message } = await logger.line('expected a readable file')
  t.true(message.endsWith('datasources[0].secureJsonData.token: expected a readable file, got ENOENT'))
  t.is(await token(), 'two')
})

test('warns of variables that are not set, once, and not of what may be a piece of a secret', async (t) => {
  const entry =
    'name: n, uid: p1, url: $HOST, user: "${HOST}", secureJsonData: { a: "hun$ter2", b: "hun${ter2}", c: "hun$__env{ter2}" }'
  const hidden = 'a variable is not set (a "$" that is meant as such is written "$$")'
  const { logger, change } = await begin(t, file(entry))
  await change(`${file(entry)}  - { type: other, name: m, url: x }`)
  t.deepEqual(
    logger.lines.filter(({ level }) => level === 'warn').map(({ message }) => message),
    [
      'provisioning file: datasources[0].url: variable "HOST" is not set',
      'provisioning file: datasources[0].user: variable "HOST" is not set',
      ...['a', 'b', 'c'].map((key) => `provisioning file: datasources[0].secureJsonData.${key}: ${hidden}`),
    ],
  )
})

test('reports some of many duplicates', async (t) => {
  const entries = Array.from({ length: 150 }, () => 'name: n, uid: p1')
  const { logger } = await begin(t, file(...entries))
  await logger.line('instance settings are read')
  const warnings = logger.lines.filter(({ level }) => level === 'warn')
  t.is(warnings.length, 101)
  t.is(warnings[100]?.message, 'and 49 more are provisioned twice')
})

test('serves with a logger that throws', async (t) => {
  const broken = (): never => {
    throw new Error('disk full')
  }
  const logger = { debug: broken, info: broken, warn: broken, error: broken }
  const path = join(await makeDirectory(t), 'datasources.yml')
  await writeFile(path, file('name: n, uid: p1, url: $HOST', 'name: m, uid: p1', 'name: o, uid: p2, url: 5'))
  const { provider } = open(t, path, { logger })
  t.is((await settingsOf(provider)).dataSourceInstanceSettings?.name, 'n')
})

test('puts no secret and no path of the host into logs or refusals, whatever is wrong', async (t) => {
  const secret = 'hunter2secret'
  const secretFile = join(await makeDirectory(t), 'file')
  await writeFile(secretFile, secret)
  const good = file(`name: n, uid: p1, secureJsonData: { password: ${secret}, other: $SECRET }`)
  const wrong = [
    `${good}   ${secret}`,
    `${good}\n*${secret}`,
    `apiVersion: ${secret}`,
    `apiVersion: 1\ndatasources: ${secret}`,
    file(`name: n, uid: p1, url: [${secret}]`),
    file(`name: n, uid: p1, basicAuth: ${secret}`),
    file(`name: n, uid: p1, orgId: "$SECRET"`),
    file(`name: n, uid: p1, basicAuth: "$__file{${secretFile}}"`),
    file(`name: n, uid: p1, secureJsonData: [${secret}]`),
    file(`name: n, uid: p1, secureJsonData: { password: { deep: ${secret} } }`),
    file(`name: n, uid: p1, secureJsonData: { password: $${secret} }`),
    file(`name: n, uid: p1, secureJsonData: { password: "x\${${secret}}" }`),
    file(`name: n, uid: p1, secureJsonData: { password: "x$__env{${secret}}" }`),
    file(`name: n, uid: p1, secureJsonData: [{ password: "$${secret}" }]`),
    file(`name: n, uid: p1, secureJsonData: "$${secret}"`),
    file(`name: n, uid: p1, url: "$__file{/${secret}}"`),
  ]
  for (const text of [good, ...wrong]) {
    const early = await begin(t, text, { env: { SECRET: secret } })
    const refused = await refusal(early.provider, { uid: 'p9' })
    const late = await begin(t, file('name: n, uid: p1, url: before'), { env: { SECRET: secret } })
    await settingsOf(late.provider)
    await late.change(text, '')
    t.true(early.logger.lines.length > 0)
    const said = JSON.stringify([refused, early.logger.lines, late.logger.lines])
    t.false(said.includes(secret), text)
    t.false(said.includes(tmpdir()), text)
  }
})

test('lets a caller who left go at once', async (t) => {
  const { provider } = await begin(t, file('name: n, uid: p1'))
  t.deepEqual(await ask(provider, {}, AbortSignal.abort()), E.left({ _tag: 'Cancelled' }))
})

test('answers no less after it was closed, even before its first read', async (t) => {
  const { provider } = await begin(t, file('name: n, uid: p1'))
  await provider.close?.()
  t.is(await refusal(provider), 'PluginUnavailable: instance settings cannot be read at present')
})

import { mkdirSync, writeFileSync } from 'node:fs'
import { delimiter, join } from 'node:path'

import test, { type ExecutionContext } from 'ava'
import fc from 'fast-check'

import { readKubeconfig } from '../../src/kubernetes/kubeconfig.ts'
import { formatYaml } from '../../src/yaml.ts'
import { authority, clientCertificate, serverCertificate } from '../proxy/_certificates.ts'
import { temporaryDirectory } from '../plugins/_setup.ts'

const base64 = (text: string): string => Buffer.from(text).toString('base64')

const configOf = (cluster: object, user: object, context: object = {}): object => ({
  apiVersion: 'v1',
  kind: 'Config',
  preferences: {},
  'current-context': 'x',
  clusters: [{ name: 'c', cluster: { server: 'https://a:6443', ...cluster } }],
  contexts: [{ name: 'x', context: { cluster: 'c', user: 'u', ...context } }],
  users: [{ name: 'u', user }],
})

const write = (t: ExecutionContext, text: string): string => {
  const path = join(temporaryDirectory(t), 'config')
  writeFileSync(path, text)
  return path
}
const read = (t: ExecutionContext, cluster: object, user: object = {}, context: object = {}) =>
  readKubeconfig(write(t, formatYaml(configOf(cluster, user, context))))

test('reads data, names and a namespace; unknown and empty fields are none', (t) => {
  const access = read(
    t,
    {
      'certificate-authority-data': base64(authority),
      'tls-server-name': 'b',
      'proxy-url': 'http://u:p@proxy:3128',
      'disable-compression': true,
    },
    {
      'client-certificate-data': base64(clientCertificate.cert),
      'client-key-data': base64(clientCertificate.key),
      token: 'secret',
      username: '',
      exec: null,
    },
    { namespace: 'team-a' },
  )
  t.deepEqual(access, {
    server: new URL('https://a:6443'),
    namespace: 'team-a',
    headers: {},
    tls: {
      ca: { text: authority },
      cert: { text: clientCertificate.cert },
      key: { text: clientCertificate.key },
      serverName: 'b',
      isInsecure: false,
    },
    proxy: new URL('http://u:p@proxy:3128'),
    login: { _tag: 'Fixed', authorization: 'Bearer secret' },
  })
})

test('takes paths as relative to their file', (t) => {
  const directory = temporaryDirectory(t)
  mkdirSync(join(directory, 'pki'))
  writeFileSync(join(directory, 'pki/ca.crt'), authority)
  writeFileSync(join(directory, 'pki/me.crt'), clientCertificate.cert)
  writeFileSync(join(directory, 'pki/me.key'), clientCertificate.key)
  writeFileSync(join(directory, 'token'), 'x\n')
  const user = { 'client-certificate': 'pki/me.crt', 'client-key': './pki/me.key', tokenFile: 'token', token: 'y' }
  // JSON is YAML
  writeFileSync(join(directory, 'config'), JSON.stringify(configOf({ 'certificate-authority': 'pki/ca.crt' }, user)))
  const { tls, login } = readKubeconfig({ path: join(directory, 'config') })
  t.deepEqual(tls.ca, { path: join(directory, 'pki/ca.crt') })
  t.deepEqual(tls.cert, { path: join(directory, 'pki/me.crt') })
  t.deepEqual(tls.key, { path: join(directory, 'pki/me.key') })
  t.deepEqual(login, { _tag: 'TokenFile', path: join(directory, 'token'), fallback: 'y' })
})

test('reads passwords, impersonation and a user who is none', (t) => {
  t.deepEqual(read(t, {}, { username: 'me', password: 'pä:ss' }).login, {
    _tag: 'Fixed',
    authorization: `Basic ${base64('me:pä:ss')}`,
  })
  t.deepEqual(read(t, {}, {}, { user: '' }).login, { _tag: 'None' })
  const user = {
    as: 'jürgen',
    'as-uid': '7',
    'as-groups': ['a,b', 'c'],
    'as-user-extra': { 'acme.com/50%': ['1', '2'] },
  }
  t.deepEqual(read(t, {}, user).headers, {
    'Impersonate-User': Buffer.from('jürgen').toString('latin1'),
    'Impersonate-Uid': '7',
    'Impersonate-Group': ['a,b', 'c'],
    'Impersonate-Extra-acme.com%2F50%25': ['1', '2'],
  })
})

test('reads a command, and what it is to be told', (t) => {
  const exec = {
    apiVersion: 'client.authentication.k8s.io/v1',
    command: './bin/login',
    args: ['a'],
    env: [
      { name: 'A', value: '' },
      { name: 'B', value: 'b' },
    ],
    installHint: 'install it',
    interactiveMode: 'IfAvailable',
    provideClusterInfo: true,
  }
  const extensions = [{ name: 'client.authentication.k8s.io/exec', extension: { audience: 'x' } }]
  const path = write(t, formatYaml(configOf({ 'certificate-authority-data': base64(authority), extensions }, { exec })))
  const { login } = readKubeconfig(path)
  t.like(login, {
    _tag: 'Exec',
    plugin: { command: join(path, '../bin/login'), args: ['a'], env: { A: '', B: 'b' }, installHint: 'install it' },
  })
  t.like(login._tag === 'Exec' ? login.plugin.cluster : undefined, {
    server: 'https://a:6443',
    'certificate-authority-data': base64(authority),
    config: { audience: 'x' },
  })
  const bare = { apiVersion: 'client.authentication.k8s.io/v1beta1', command: 'login' }
  const { login: plain } = read(t, {}, { exec: bare })
  t.like(plain, { plugin: { command: 'login', cluster: undefined } })
})

test('sends no login by http, and says so', (t) => {
  const { login, warning, headers } = read(t, { server: 'http://a' }, { token: 'secret', as: 'jane' })
  t.deepEqual(login, { _tag: 'None' })
  t.deepEqual(headers, { 'Impersonate-User': 'jane' })
  t.is(warning, 'kubeconfig "config", user "u": its credentials are not sent by http')
})

test('merges what KUBECONFIG lists: the first has the last word', (t) => {
  const directory = temporaryDirectory(t)
  const at = (name: string, config: object): string => {
    mkdirSync(join(directory, name), { recursive: true })
    writeFileSync(join(directory, name, 'config'), formatYaml(config))
    return join(directory, name, 'config')
  }
  const first = at('1', { users: [{ name: 'u', user: { token: 'first' } }], contexts: null })
  const second = at('2', configOf({}, { token: 'second', as: 'jane' }))
  const surroundings = {
    env: { KUBECONFIG: [first, join(directory, 'none'), second].join(delimiter) },
    homeDirectory: directory,
  }
  t.like(readKubeconfig(undefined, surroundings), { login: { authorization: 'Bearer first' }, headers: {} })
  at('.kube', configOf({ server: 'https://home' }, {}))
  t.is(readKubeconfig(undefined, { env: {}, homeDirectory: directory }).server.host, 'home')
  t.is(readKubeconfig({ context: 'x' }, { env: { KUBECONFIG: '' }, homeDirectory: directory }).server.host, 'home')
  t.throws(
    () => readKubeconfig(undefined, { env: { KUBECONFIG: join(directory, 'none') }, homeDirectory: directory }),
    {
      instanceOf: TypeError,
      message: 'KUBECONFIG: expected a file that is there, got "none"',
    },
  )
})

test('names the culprit in one sentence, and no secret', (t) => {
  const say = (text: string, message: string, context?: string) =>
    t.throws(() => readKubeconfig({ path: write(t, text), ...(context === undefined ? {} : { context }) }), {
      instanceOf: TypeError,
      message: `kubeconfig "config"${message}`,
    })
  const wrong = (cluster: object, user: object, message: string, context: object = {}) =>
    say(formatYaml(configOf(cluster, user, context)), message)
  const exec = { apiVersion: 'client.authentication.k8s.io/v1', command: 'x', interactiveMode: 'Never' }

  say('a: [', ': expected YAML, got "bad indent" at 1:5')
  say('kind: Secret', ': kind: expected "Config", got a string')
  say('clusters: [{name: a}, {name: a}]', ': expected one cluster "a", got two')
  say('users: [{name: a, user: {token: 12345}}]', ': users[0].user.token: expected string, got a number')
  say('a: 1\n---\nb: 1', ': expected one document, got 2')
  say('', ', current-context: expected a context, got nothing')
  say('', ': expected a context "y", got none', 'y')
  say('contexts: [{name: y}]', ', context "y", cluster: expected the name of a cluster, got nothing', 'y')
  wrong({}, {}, ', context "x", cluster: expected a cluster "d", got none', { cluster: 'd' })
  wrong({}, {}, ', context "x", user: expected a user "v", got none', { user: 'v' })
  wrong({ server: '' }, {}, ', cluster "c", server: expected a URL, got nothing')
  wrong({ server: 'a:6443' }, {}, ', cluster "c", server: expected a URL such as "https://10.0.0.1:6443", got "a:"')
  wrong(
    { 'proxy-url': 'socks5://u:secret@p' },
    {},
    ', cluster "c", proxy-url: expected a proxy such as "http://10.0.0.1:3128", got "socks5:"',
  )
  wrong(
    { 'certificate-authority': 'none' },
    {},
    ', cluster "c", certificate-authority: expected a readable file, got ENOENT',
  )
  wrong(
    { 'certificate-authority-data': 'secret' },
    {},
    ', cluster "c", certificate-authority-data: expected certificates in PEM, got something else',
  )
  wrong(
    { 'certificate-authority-data': 'x', 'certificate-authority': 'y' },
    {},
    ', cluster "c", certificate-authority-data: expected no certificate-authority beside it, got both',
  )
  wrong(
    { 'certificate-authority-data': base64(authority), 'insecure-skip-tls-verify': true },
    {},
    ', cluster "c", certificate-authority-data: expected none beside insecure-skip-tls-verify, got one',
  )
  wrong(
    {},
    { 'client-certificate-data': base64(clientCertificate.cert) },
    ', user "u", client-key: expected the key of the certificate, got nothing',
  )
  wrong(
    {},
    { 'client-certificate-data': base64(clientCertificate.cert), 'client-key-data': base64(serverCertificate.key) },
    ', user "u", client-key-data: expected the key of the certificate, got something else',
  )
  wrong({}, { tokenFile: 'none' }, ', user "u", tokenFile: expected a readable file, got ENOENT')
  wrong({}, { token: 'sec ret' }, ', user "u", token: expected a token, got a text that no header can carry')
  wrong({}, { token: 'x', username: 'y' }, ', user "u": expected one way to log in, got token and username')
  wrong(
    {},
    { 'auth-provider': { name: 'gcp' } },
    ', user "u", auth-provider: expected exec, got a provider: those are gone from kubectl, too',
  )
  wrong({}, { 'as-groups': ['a'] }, ', user "u", as: expected a user beside its uid, groups or extra, got nothing')
  wrong({}, { as: 'a\nb' }, ', user "u", as: expected a text that a header can carry, got another one')
  wrong({}, { exec: { ...exec, command: '' } }, ', user "u", exec.command: expected a command, got nothing')
  wrong(
    {},
    { exec: { ...exec, apiVersion: 'client.authentication.k8s.io/v1alpha1' } },
    ', user "u", exec.apiVersion: expected client.authentication.k8s.io/v1 or client.authentication.k8s.io/v1beta1, got "client.authentication.k8s.io/v1alpha1"',
  )
  wrong(
    {},
    { exec: { ...exec, interactiveMode: 'Always' } },
    ', user "u", exec.interactiveMode: expected Never or IfAvailable, got "Always"',
  )
  t.throws(() => readKubeconfig({ file: 'x' } as object), {
    instanceOf: TypeError,
    message: 'unknown option file, known: path, context',
  })
})

test('is sure of what it reads, whatever it is', (t) => {
  const path = write(t, '')
  fc.assert(
    fc.property(fc.oneof(fc.string(), fc.json(), fc.object().map(formatYaml)), (text) => {
      writeFileSync(path, text)
      t.throws(() => readKubeconfig(path), { instanceOf: TypeError })
    }),
    { numRuns: 50 },
  )
})

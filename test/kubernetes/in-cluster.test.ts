import { mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

import test from 'ava'

import { readInCluster } from '../../src/kubernetes/in-cluster.ts'
import { authority } from '../proxy/_certificates.ts'
import { temporaryDirectory } from '../plugins/_setup.ts'

const env = { KUBERNETES_SERVICE_HOST: 'fd00::1', KUBERNETES_SERVICE_PORT: '443' }

test('reads what the kubelet gives to a pod', (t) => {
  const directory = temporaryDirectory(t)
  writeFileSync(join(directory, 'token'), 'x\n')
  writeFileSync(join(directory, 'ca.crt'), authority)
  t.is(readInCluster({ env, directory }).namespace, 'default')
  writeFileSync(join(directory, 'namespace'), 'team-a\n')
  const { server, namespace, login, tls } = readInCluster({ env, directory })
  t.is(server.href, 'https://[fd00::1]/')
  t.is(namespace, 'team-a')
  t.deepEqual(login, { _tag: 'TokenFile', path: join(directory, 'token'), fallback: undefined })
  t.deepEqual(tls.ca, { path: join(directory, 'ca.crt') })
  t.is(readInCluster({ env: { ...env, KUBERNETES_SERVICE_HOST: '10.0.0.1' }, directory }).server.host, '10.0.0.1')
})

test('says what a pod would have', (t) => {
  const directory = temporaryDirectory(t)
  const say = (message: string, variables: Record<string, string> = env) =>
    t.throws(() => readInCluster({ env: variables, directory }), { instanceOf: TypeError, message })
  const expected = 'expected the address of the apiserver, as it is set in pods, got nothing'
  say(`variable KUBERNETES_SERVICE_HOST: ${expected}`, {})
  say(`variable KUBERNETES_SERVICE_PORT: ${expected}`, { KUBERNETES_SERVICE_HOST: 'a' })
  say('service account, file "token": expected a readable file, got ENOENT')
  mkdirSync(join(directory, 'token'))
  say('service account, file "token": expected a regular file, got something else')
  rmSync(join(directory, 'token'), { recursive: true })
  writeFileSync(join(directory, 'token'), '')
  say('service account, file "token": expected a token, got a text that no header can carry')
  writeFileSync(join(directory, 'token'), 'x')
  writeFileSync(join(directory, 'ca.crt'), 'x')
  say('service account, file "ca.crt": expected certificates in PEM, got something else')
})

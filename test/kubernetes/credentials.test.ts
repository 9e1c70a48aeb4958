import { rmSync, writeFileSync } from 'node:fs'
import type { TLSSocket } from 'node:tls'
import { join } from 'node:path'

import test from 'ava'

import { E } from '../../src/fp.ts'
import type { Access, Login } from '../../src/kubernetes/access.ts'
import { createCredentials } from '../../src/kubernetes/credentials.ts'
import { authority, clientCertificate, serverCertificate } from '../proxy/_certificates.ts'
import { pluginCertificate } from '../plugins/grpc/_certificates.ts'
import { createManualClock, recordingLogger, temporaryDirectory } from '../plugins/_setup.ts'
import { closeOf, get, messageOf, serveTls, textOf, transportOf } from './_serve.ts'

const accessOf = (directory: string, login: Login = { _tag: 'None' }): Access => ({
  server: new URL('https://localhost:1'),
  namespace: 'default',
  headers: {},
  tls: {
    ca: { path: join(directory, 'ca.crt') },
    cert: { path: join(directory, 'me.crt') },
    key: { path: join(directory, 'me.key') },
    serverName: undefined,
    isInsecure: false,
  },
  proxy: undefined,
  login,
})

const writeTls = (directory: string, { cert, key }: { cert: string; key: string }): void => {
  writeFileSync(join(directory, 'ca.crt'), authority)
  writeFileSync(join(directory, 'me.crt'), cert)
  writeFileSync(join(directory, 'me.key'), key)
}

const startWith = (t: Parameters<typeof temporaryDirectory>[0]) => {
  const directory = temporaryDirectory(t)
  const path = join(directory, 'token')
  const logger = recordingLogger()
  const { clock, advance } = createManualClock()
  const access = accessOf(directory, { _tag: 'TokenFile', path, fallback: undefined })
  return { directory, path, logger, advance, credentials: createCredentials(access, clock, logger) }
}

test('reads a token again after a minute, or when it was refused; the last one serves while there is none', async (t) => {
  const { directory, path, logger, advance, credentials } = startWith(t)
  writeTls(directory, clientCertificate)
  const token = async () => {
    const presented = await credentials.current()
    return E.isRight(presented) ? presented.right.authorization : messageOf(presented)
  }
  t.is(await token(), 'file "token": expected a readable file, got ENOENT')
  writeFileSync(path, '1\n')
  t.is(await token(), 'Bearer 1')
  const first = await credentials.current()
  t.is(E.toUnion(first), E.toUnion(await credentials.current()))
  writeFileSync(path, '2\n')
  await advance(59_999)
  t.is(await token(), 'Bearer 1')
  await advance(1)
  t.is(await token(), 'Bearer 2')
  rmSync(path)
  await advance(60_000)
  t.is(await token(), 'Bearer 2')
  writeFileSync(path, 'a b')
  await advance(60_000)
  t.is(await token(), 'Bearer 2')
  t.deepEqual(
    logger.lines.map(({ message }) => message.split(': ').slice(1).join(': ')),
    [
      'file "token": expected a readable file, got ENOENT',
      'file "token": expected a token, got a text that no header can carry',
    ],
  )
  writeFileSync(path, '3')
  const second = await credentials.current()
  if (E.isLeft(second)) throw new Error('expected credentials')
  t.like(await credentials.renew(second.right), { right: { authorization: 'Bearer 3' } })
  const third = await credentials.current()
  if (E.isLeft(third)) throw new Error('expected credentials')
  t.is(E.toUnion(await credentials.renew(third.right)), third.right)
})

test('takes certificates as pairs only: half a pair that was written anew changes nothing', async (t) => {
  const { directory, path, logger, advance, credentials } = startWith(t)
  writeFileSync(path, 'x')
  writeTls(directory, { cert: clientCertificate.cert, key: serverCertificate.key })
  t.is(messageOf(await credentials.current()), 'the certificates and the key for the apiserver cannot be used')
  // at once, not after a minute: nothing serves yet
  writeTls(directory, clientCertificate)
  const first = await credentials.current()
  t.true(E.isRight(first))
  writeTls(directory, { ...clientCertificate, cert: serverCertificate.cert })
  await advance(60_000)
  t.is(E.toUnion(await credentials.current()), E.toUnion(first))
  t.is(logger.lines.length, 1)
  writeTls(directory, serverCertificate)
  await advance(60_000)
  const second = await credentials.current()
  t.true(E.isRight(second))
  t.not(E.toUnion(second), E.toUnion(first))
})

test('shows a new certificate on new connections', async (t) => {
  const served = await serveTls(
    t,
    ({ socket }, response) => response.end((socket as TLSSocket).getPeerCertificate().subject.CN),
    // it closes no kept connection by itself
    { requestCert: true, ca: [authority, pluginCertificate.cert], keepAliveTimeout: 0 },
  )
  const directory = temporaryDirectory(t)
  writeTls(directory, clientCertificate)
  const { clock, advance } = createManualClock()
  const access = { ...accessOf(directory), server: new URL(`https://localhost:${String(served.port)}`) }
  const transport = transportOf(t, access, clock)
  const name = async () => {
    const answer = await transport.open(get())()
    return E.isRight(answer) ? textOf(answer.right.body) : messageOf(answer)
  }
  t.is(await name(), 'client')
  t.is(await name(), 'client')
  writeTls(directory, pluginCertificate)
  await advance(60_000)
  t.is(await name(), 'localhost')
  t.is(served.sockets.length, 2)
  const [old] = served.sockets
  if (old !== undefined) await closeOf(old)
  await transport.close()
  await served.quiet()
})

test('asks a function each time, and says no word of what it says', async (t) => {
  const { clock } = createManualClock()
  const answers: Array<() => unknown> = [
    () => 'x',
    () => Promise.reject(new Error('secret')),
    () => {
      throw new Error('secret')
    },
    () => 'a\nb',
    () => 7,
  ]
  const token = () => answers.shift()?.() as string
  const access = { ...accessOf(temporaryDirectory(t), { _tag: 'TokenFunction', token }), server: new URL('http://a') }
  const credentials = createCredentials(access, clock, recordingLogger())
  t.like(await credentials.current(), { right: { authorization: 'Bearer x' } })
  const messages = []
  while (answers.length > 0) messages.push(messageOf(await credentials.current()))
  const wrong = 'option token: the function gave no token that a header can carry'
  t.deepEqual(messages, ['option token: the function failed', 'option token: the function failed', wrong, wrong])
})

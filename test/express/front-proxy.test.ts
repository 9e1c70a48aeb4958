import { once } from 'node:events'
import { createServer as createHttpServer, get as httpGet, type IncomingMessage } from 'node:http'
import { createServer, get, type RequestOptions } from 'node:https'
import { createConnection, type AddressInfo } from 'node:net'
import { connect, type ConnectionOptions } from 'node:tls'

import test, { type ExecutionContext } from 'ava'
import express from 'express'

import { frontProxyUser, type Authenticate, type FrontProxyOptions, type RequestAttributes } from '../../src/index.ts'
import { listen, makeAggregator, queryPath } from '../_setup/aggregator.ts'
import { hostCertificate, pluginCertificate } from '../plugins/grpc/_certificates.ts'

const joe = { name: 'joe', groups: ['system:authenticated'], extra: {} }

/** As a trusted request with these header lines, in this order, is taken. */
const read = (...rawHeaders: ReadonlyArray<string>): unknown =>
  frontProxyUser({ trust: () => true })({ rawHeaders } as unknown as IncomingMessage)

test('takes a group of each line whole, commas and all', (t) => {
  t.deepEqual(
    read(
      'X-Remote-User',
      'joe',
      'x-remote-group',
      'a,b',
      'X-REMOTE-GROUP',
      'c',
      'X-Remote-Group',
      '',
      'X-Remote-Uid',
      '7',
    ),
    { ...joe, groups: ['a,b', 'c', 'system:authenticated'], uid: '7' },
  )
})

test('takes the first name that is not empty', (t) => {
  t.deepEqual(read('X-Remote-User', '', 'X-Remote-User', 'joe', 'X-Remote-User', 'root'), joe)
})

test('takes extra by lower-case, percent-decoded keys, all values in order', (t) => {
  const lines = [
    'X-Remote-Extra-Acme.com%2FProject',
    'a',
    'X-Remote-Extra-acme.com%2fproject',
    'b',
    'X-Remote-Extra-50%',
    'c',
  ]
  t.deepEqual(read('X-Remote-User', 'joe', ...lines), {
    ...joe,
    extra: { 'acme.com/project': ['a', 'b'], '50%': ['c'] },
  })
})

test('takes any key of extra as a key (S20)', (t) => {
  const { extra } = read('X-Remote-User', 'joe', 'X-Remote-Extra-__proto__', 'a') as { extra: object }
  t.deepEqual(Object.entries(extra), [['__proto__', ['a']]])
  t.is(Object.getPrototypeOf(extra), Object.prototype)
})

test('takes names as UTF-8, and one that is none as nobody', (t) => {
  const latin1 = (text: string): string => Buffer.from(text).toString('latin1')
  t.deepEqual(read('X-Remote-User', latin1('jürgen')), { ...joe, name: 'jürgen' })
  t.is(read('X-Remote-User', 'j\xfcrgen'), undefined)
  t.is(read('X-Remote-User', 'joe', 'X-Remote-Group', '\xfc'), undefined)
})

test('adds system:authenticated where Kubernetes does', (t) => {
  const groups = (...lines: string[]): unknown => (read(...lines) as { groups: unknown }).groups
  t.deepEqual(groups('X-Remote-User', 'system:anonymous', 'X-Remote-Group', 'system:unauthenticated'), [
    'system:unauthenticated',
  ])
  t.deepEqual(groups('X-Remote-User', 'system:anonymous'), [])
  t.deepEqual(groups('X-Remote-User', 'joe', 'X-Remote-Group', 'system:authenticated'), ['system:authenticated'])
})

test('asks otherwise about whoever is no front proxy, or names no user', async (t) => {
  const otherwise: Authenticate = () => ({ name: 'jane' })
  const request = (...rawHeaders: string[]): IncomingMessage => ({ rawHeaders }) as unknown as IncomingMessage
  t.deepEqual(await frontProxyUser({ trust: () => false, otherwise })(request('X-Remote-User', 'joe')), {
    name: 'jane',
  })
  t.deepEqual(await frontProxyUser({ trust: () => true, otherwise })(request('X-Remote-Group', 'a')), { name: 'jane' })
  t.deepEqual(await frontProxyUser({ trust: () => true, otherwise })(request('X-Remote-User', 'joe')), joe)
})

test('refuses wrong options, and a trust that promises', (t) => {
  const trust = (): boolean => true
  for (const [options, message] of [
    [{}, /either option allowedNames or option trust/],
    [{ allowedNames: [], trust }, /either option allowedNames or option trust/],
    [{ allowedNames: 'a' }, /option allowedNames/],
    [{ allowedNames: [''] }, /option allowedNames/],
    [{ trust: true }, /option trust/],
    [{ trust, otherwise: {} }, /option otherwise/],
    [{ allowedName: ['a'], trust }, /unknown option allowedName/],
  ] as const) {
    t.throws(() => frontProxyUser(options as never), { instanceOf: TypeError, message })
  }
  const promises = frontProxyUser({ trust: (() => Promise.resolve(false)) as never })
  t.throws(() => promises({ rawHeaders: ['X-Remote-User', 'joe'] } as never), {
    instanceOf: TypeError,
    message: /boolean/,
  })
})

interface Asked {
  readonly status: number | undefined
  readonly users: ReadonlyArray<unknown>
}

const spoofed = { 'x-remote-user': 'root', 'x-remote-group': ['system:masters'], 'x-forwarded-user': 'root' }

/** Serves over TLS, and asks for client certificates of `hostCertificate` without insisting on them. */
const serve = async (t: ExecutionContext, options: FrontProxyOptions) => {
  const users: unknown[] = []
  const authorize = ({ user }: RequestAttributes): boolean => {
    users.push(user)
    return true
  }
  const aggregator = await makeAggregator(t, { authenticate: frontProxyUser(options), authorize })
  const app = express().use(aggregator)
  const tls = { ...hostCertificate, ca: hostCertificate.cert, requestCert: true, rejectUnauthorized: false }
  const server = createServer(tls, app)
  await listen(t, server)
  const { port } = server.address() as AddressInfo
  const ask = async (given: RequestOptions = {}): Promise<Asked> => {
    const request = get({
      host: 'localhost',
      port,
      path: queryPath,
      ca: hostCertificate.cert,
      agent: false,
      headers: spoofed,
      ...given,
    })
    const [response] = (await once(request, 'response')) as [IncomingMessage]
    response.resume()
    return { status: response.statusCode, users }
  }
  return { ask, port, users, app }
}

const root = { name: 'root', groups: ['system:masters', 'system:authenticated'], extra: {} }

test('takes the user of a front proxy with a verified certificate', async (t) => {
  const { ask } = await serve(t, { allowedNames: ['localhost'] })
  t.deepEqual(await ask(hostCertificate), { status: 405, users: [root] })
})

test('takes the user of any front proxy whose certificate is verified, where no names are listed', async (t) => {
  const { ask } = await serve(t, { allowedNames: [] })
  t.deepEqual(await ask(hostCertificate), { status: 405, users: [root] })
})

for (const [whom, allowedNames, given] of [
  ['one without a certificate', [], {}],
  ['one whose certificate somebody else signed', [], pluginCertificate],
  ['one whose certificate has another name', ['front-proxy-client', 'LOCALHOST'], hostCertificate],
] as const) {
  test(`takes no user from ${whom} (S17)`, async (t) => {
    const { ask } = await serve(t, { allowedNames })
    t.deepEqual(await ask(given), { status: 401, users: [] })
  })
}

test('takes no user from one without a certificate whose session is resumed (S17)', async (t) => {
  const { port, users } = await serve(t, { allowedNames: [] })
  const ask = async (
    options: ConnectionOptions,
  ): Promise<{ session: Buffer | undefined; said: string; isReused: boolean }> => {
    const socket = connect({
      port,
      servername: 'localhost',
      ca: hostCertificate.cert,
      minVersion: 'TLSv1.3',
      ...options,
    })
    t.teardown(() => socket.destroy())
    let session: Buffer | undefined
    socket.on('session', (given) => (session = given))
    socket.write(`GET ${queryPath} HTTP/1.1\r\nhost: x\r\nx-remote-user: root\r\nconnection: close\r\n\r\n`)
    let said = ''
    socket.on('data', (chunk) => (said += String(chunk)))
    await once(socket, 'secureConnect')
    const isReused = socket.isSessionReused()
    await once(socket, 'close')
    return { session, said, isReused }
  }
  const { session, said } = await ask({})
  t.regex(said, /^HTTP\/1\.1 401 /)
  const again = await ask({ ...(session === undefined ? {} : { session }) })
  t.true(again.isReused)
  t.regex(again.said, /^HTTP\/1\.1 401 /)
  t.deepEqual(users, [])
})

test('takes no user from one without TLS (S17)', async (t) => {
  const { app, users } = await serve(t, { allowedNames: [] })
  const url = await listen(t, createHttpServer(app))
  const [response] = (await once(httpGet(url + queryPath, { headers: spoofed }), 'response')) as [IncomingMessage]
  response.resume()
  t.is(response.statusCode, 401)
  t.deepEqual(users, [])
})

test('takes what the host trusts by other means, and answers 500 when that throws', async (t) => {
  const { app, users } = await serve(t, {
    trust: ({ headers }) => {
      if (headers['x-forwarded-user'] === 'root') throw new Error('hush')
      return true
    },
  })
  const url = new URL(await listen(t, createHttpServer(app)))
  const socket = createConnection(Number(url.port), url.hostname)
  t.teardown(() => socket.destroy())
  let said = ''
  socket.on('data', (chunk) => (said += String(chunk)))
  const wire = (header: string): string => `GET ${queryPath} HTTP/1.1\r\nhost: x\r\n${header}\r\n`
  socket.write(wire('x-forwarded-user: root\r\n'))
  socket.write(wire('X-Remote-User: joe\r\nconnection: close\r\n'))
  await once(socket, 'close')
  t.deepEqual(said.match(/HTTP\/1\.1 \d+/g), ['HTTP/1.1 500', 'HTTP/1.1 405'])
  t.notRegex(said, /hush/)
  t.deepEqual(users, [joe])
})

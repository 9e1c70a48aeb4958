import { generateKeyPairSync, verify } from 'node:crypto'
import { setImmediate } from 'node:timers/promises'

import test from 'ava'

import type { PluginRoute } from '../../src/api/plugin-json.ts'
import type { AccessToken } from '../../src/api/access-token.ts'
import type { AggregatorError } from '../../src/errors.ts'
import { E } from '../../src/fp.ts'
import { createTokenCache } from '../../src/services/token-cache.ts'
import { createProxy, type ProxySetup, type Scripted, type Sent } from './_proxy.ts'

const tokenUrl = 'http://login/token?v=1'
const route: PluginRoute = {
  path: 'a',
  url: 'http://db/base',
  tokenAuth: {
    url: '{{ .JsonData.login }}/token?v=1',
    params: { grant_type: 'client_credentials', client_secret: '{{ .SecureJsonData.secret }}' },
  },
}
const settings: ProxySetup['settings'] = { jsonData: { login: 'http://login' }, secureJsonData: { secret: 'geheim' } }

const isForToken = ({ url }: Sent): boolean => url === tokenUrl

/** Tokens t1, t2, …; the datasource takes those of `good`. */
const answering = (token: (number: number) => Scripted | AggregatorError, good = /./) => {
  let count = 0
  return (request: Sent): Scripted | AggregatorError => {
    if (isForToken(request)) return token(++count)
    return good.test(String(request.headers['authorization'])) ? {} : { status: 401 }
  }
}
const grant =
  (expiry: Readonly<Record<string, unknown>> = { expires_in: 100 }) =>
  (number: number): Scripted => ({
    body: JSON.stringify({ access_token: `t${String(number)}`, ...expiry }),
  })
const bearers = (sent: ReadonlyArray<Sent>): ReadonlyArray<unknown> =>
  sent.map((request) => (isForToken(request) ? 'asked' : request.headers['authorization']))

test('asks for a token by a form, and not with the credentials of the datasource', async (t) => {
  const given = { settings: { ...settings, basicAuth: true, basicAuthUser: 'joe' }, routes: [route] }
  const { ask, sent } = createProxy({ ...given, answer: answering(grant()) })
  t.is((await ask('GET', '/proxy/a/x', { headers: { 'x-ds-authorization': 'mine' } })).status, 200)
  t.like(sent[0], { method: 'POST', url: tokenUrl, body: 'grant_type=client_credentials&client_secret=geheim' })
  t.deepEqual(
    { ...sent[0]?.headers },
    { accept: 'application/json', 'content-type': 'application/x-www-form-urlencoded', 'user-agent': 'Grafana/12.4.0' },
  )
  t.like(sent[1], { method: 'GET', url: 'http://db/base/x', headers: { authorization: 'Bearer t1' } })
})

const expiries: ReadonlyArray<readonly [title: string, expiry: Readonly<Record<string, unknown>>, usedForMs: number]> =
  [
    ['expires_in', { expires_in: 100 }, 90_000],
    ['expires_in as a text', { expires_in: '100' }, 90_000],
    ['expires_on', { expires_on: 50 }, 40_000],
    ['the earlier of both', { expires_in: 100, expires_on: '50' }, 40_000],
    ['nothing', {}, 0],
  ]
for (const [title, expiry, usedForMs] of expiries) {
  test(`uses a token until 10 s before it ends, told by ${title}`, async (t) => {
    const { ask, sent } = createProxy({ settings, routes: [route], answer: answering(grant(expiry)) })
    await ask('GET', '/proxy/a')
    await ask('GET', '/proxy/a', { nowMs: usedForMs - 1 })
    await ask('GET', '/proxy/a', { nowMs: usedForMs })
    t.deepEqual(
      bearers(sent),
      usedForMs === 0
        ? ['asked', 'Bearer t1', 'asked', 'Bearer t2', 'asked', 'Bearer t3']
        : ['asked', 'Bearer t1', 'Bearer t1', 'asked', 'Bearer t2'],
    )
  })
}

test('shares one call among those who want the same token', async (t) => {
  const { ask, sent } = createProxy({ settings, routes: [route], answer: answering(grant()) })
  await Promise.all([
    ask('GET', '/proxy/a'),
    ask('GET', '/proxy/a', { user: { name: 'jane' } }),
    ask('POST', '/proxy/a/x', { body: 'x' }),
  ])
  t.is(sent.filter(isForToken).length, 1)
})

test('sends a request once more with a fresh token, when the datasource refuses the first', async (t) => {
  const answer = answering(grant(), /t2$/)
  const isReleased: unknown[] = []
  const { ask, sent } = createProxy({
    settings,
    routes: [route],
    answer: (request) => {
      isReleased.push(sent[1]?.isLeft())
      return answer(request)
    },
  })
  t.is((await ask('POST', '/proxy/a', { body: 'mine' })).status, 200)
  t.deepEqual(isReleased, [undefined, false, true, true])
  t.deepEqual(bearers(sent), ['asked', 'Bearer t1', 'asked', 'Bearer t2'])
  t.deepEqual(
    sent.map(({ body }) => body).filter((body) => body === 'mine'),
    ['mine', 'mine'],
  )
})

test('gives up after the second refusal', async (t) => {
  const { ask, sent } = createProxy({ settings, routes: [route], answer: answering(grant(), /never/) })
  t.like(await ask('GET', '/proxy/a'), { status: 400, message: 'Authentication to data source failed' })
  t.is(sent.length, 4)
})

test('sends a long body once, and streams it', async (t) => {
  const { ask, sent } = createProxy({ settings, routes: [route], answer: answering(grant(), /t2$/) })
  t.is((await ask('POST', '/proxy/a', { body: 'x'.repeat(64 * 1024 + 1) })).status, 400)
  t.deepEqual(bearers(sent), ['asked', 'Bearer t1'])
})

const failures: ReadonlyArray<readonly [title: string, answer: Scripted | AggregatorError, status: number]> = [
  ['a status', { status: 403, body: '{"access_token":"t"}' }, 502],
  ['no JSON', { body: 'geheim' }, 502],
  ['no token', { body: '{"access_token":["geheim"]}' }, 502],
  ['an empty token', { body: '{"access_token":""}' }, 502],
  ['a token that fits into no header', { body: '{"access_token":"geheim\\n"}' }, 502],
  ['a time that is none', { body: '{"access_token":"geheim","expires_in":"soon"}' }, 502],
  ['more than anybody reads', { body: 'x'.repeat(300_000) }, 502],
  ['nothing in time', { _tag: 'GatewayTimeout', message: 'm' }, 504],
]
for (const [title, answer, status] of failures) {
  test(`sends nothing to the datasource when the token endpoint answers ${title}`, async (t) => {
    const { ask, sent, errors } = createProxy({ settings, routes: [route], answer: () => answer })
    const answered = await ask('GET', '/proxy/a')
    t.is(answered.status, status)
    t.deepEqual(
      sent.map(({ url }) => url),
      [tokenUrl],
    )
    t.notRegex(answered.body + JSON.stringify(errors), /geheim/)
  })
}

const { privateKey, publicKey } = generateKeyPairSync('rsa', {
  modulusLength: 2048,
  privateKeyEncoding: { type: 'pkcs8', format: 'pem' },
  publicKeyEncoding: { type: 'spki', format: 'pem' },
})
const jwtRoute: PluginRoute = {
  path: 'a',
  jwtTokenAuth: {
    scopes: ['s1', 's2'],
    params: { token_uri: tokenUrl, client_email: '{{ .JsonData.email }}', private_key: '{{ .SecureJsonData.key }}' },
  },
}

for (const key of [privateKey, privateKey.replaceAll('\n', '\\n')]) {
  test(`signs an assertion with a key ${key.includes('\n') ? 'in lines' : 'in one line'}`, async (t) => {
    const given = { settings: { jsonData: { email: 'e@x' }, secureJsonData: { key } }, routes: [jwtRoute] }
    const { ask, sent } = createProxy({ ...given, answer: answering(grant()) })
    t.is((await ask('GET', '/proxy/a', { nowMs: 5500 })).status, 200)
    t.is(sent[1]?.headers['authorization'], 'Bearer t1')
    const form = new URLSearchParams(sent[0]?.body)
    t.is(form.get('grant_type'), 'urn:ietf:params:oauth:grant-type:jwt-bearer')
    const [head = '', claims = '', signature = ''] = form.get('assertion')?.split('.') ?? []
    const read = (text: string): unknown => JSON.parse(Buffer.from(text, 'base64url').toString())
    t.deepEqual(read(head), { alg: 'RS256', typ: 'JWT' })
    t.deepEqual(read(claims), { iss: 'e@x', scope: 's1 s2', aud: tokenUrl, iat: 5, exp: 3605 })
    t.true(verify('RSA-SHA256', Buffer.from(`${head}.${claims}`), publicKey, Buffer.from(signature, 'base64url')))
  })
}

test('sends nothing with a key that cannot sign, and does not tell it', async (t) => {
  const given = { settings: { jsonData: { email: 'e@x' }, secureJsonData: { key: 'geheim' } }, routes: [jwtRoute] }
  const { ask, sent, errors } = createProxy({ ...given, answer: {} })
  const answer = await ask('GET', '/proxy/a')
  t.is(answer.status, 502)
  t.notRegex(answer.body + JSON.stringify(errors), /geheim/)
  t.is(sent.length, 0)
})

interface Call {
  readonly signal: AbortSignal
  readonly resolve: (outcome: E.Either<AggregatorError, AccessToken>) => void
}

const controlled = (options: Parameters<typeof createTokenCache>[0] = {}) => {
  const cache = createTokenCache(options)
  const calls: Call[] = []
  const fetch = (signal: AbortSignal) => () =>
    new Promise<E.Either<AggregatorError, AccessToken>>((resolve) => {
      calls.push({ signal, resolve })
    })
  const get = (key = 'k', signal = new AbortController().signal) => cache.get({ key, fetch, nowMs: 0, signal })()
  return { cache, calls, get }
}
const token = (value: string): E.Either<AggregatorError, AccessToken> => E.right({ value, expiresAtMs: 100_000 })

test('lets nobody wait for the token of somebody else', async (t) => {
  const { calls, get } = controlled()
  const slow = get('slow')
  const fast = get('fast')
  calls[1]?.resolve(token('f'))
  t.deepEqual(await fast, E.right('f'))
  calls[0]?.resolve(token('s'))
  t.deepEqual(await slow, E.right('s'))
})

test('ends a call when the last of those who wait has left, and not before', async (t) => {
  const { calls, get } = controlled()
  const [first, second] = [new AbortController(), new AbortController()]
  const both = [get('k', first.signal), get('k', second.signal)]
  t.is(calls.length, 1)
  first.abort()
  t.deepEqual(await both[0], E.left({ _tag: 'Cancelled' }))
  t.false(calls[0]?.signal.aborted)
  second.abort()
  t.deepEqual(await both[1], E.left({ _tag: 'Cancelled' }))
  t.true(calls[0]?.signal.aborted)
  const third = get()
  // too late: nobody takes it, and nobody is given it
  calls[0]?.resolve(token('old'))
  await setImmediate()
  const fourth = get()
  calls[1]?.resolve(token('new'))
  t.deepEqual(await Promise.all([third, fourth]), [E.right('new'), E.right('new')])
  t.deepEqual(await get(), E.right('new'))
  t.deepEqual(await get('k', first.signal), E.left({ _tag: 'Cancelled' }))
  t.is(calls.length, 2)
})

test('tells everybody who waits of a failure, and asks again for the next', async (t) => {
  const { calls, get } = controlled()
  const both = Promise.all([get(), get()])
  const failure = E.left({ _tag: 'BadGateway', message: 'm' } as const)
  calls[0]?.resolve(failure)
  t.deepEqual(await both, [failure, failure])
  void get()
  t.is(calls.length, 2)
})

test('gives a call up that takes too long', async (t) => {
  const { calls, get } = controlled({ timeoutMs: 1 })
  const waiting = get()
  const signal = calls[0]?.signal
  signal?.addEventListener('abort', () => calls[0]?.resolve(E.left({ _tag: 'Cancelled' })))
  t.like(await waiting, { left: { _tag: 'GatewayTimeout' } })
})

test('holds so many tokens and no more, those that were used last', async (t) => {
  const { calls, get } = controlled({ maxEntries: 2 })
  const load = async (key: string): Promise<void> => {
    const got = get(key)
    calls.at(-1)?.resolve(token(key))
    await got
  }
  for (const key of ['a', 'b', 'a', 'c', 'a']) await load(key)
  t.is(calls.length, 3)
  await load('b')
  t.is(calls.length, 4)
})

test('forgets a token that was refused, but not the one that came after it', async (t) => {
  const { cache, calls, get } = controlled()
  const got = get()
  calls[0]?.resolve(token('new'))
  await got
  cache.forget('k', 'old')
  t.deepEqual(await get(), E.right('new'))
  cache.forget('k', 'new')
  void get()
  t.is(calls.length, 2)
})

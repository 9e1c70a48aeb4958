import test from 'ava'

import { E, TE } from '../../src/fp.ts'
import { bytes, json, stream, type ByteStream, type HeaderMap } from '../../src/http.ts'
import { headerPolicy, responseHeaders } from '../../src/layers/header-policy.ts'
import { envOf, requestOf } from '../telemetry/requests.ts'
import { answer, messageOf, ok, tagOf, type Outcome } from './answers.ts'

const seenBy = async (request: ReadonlyArray<string>, headers: HeaderMap): Promise<HeaderMap | undefined> => {
  let seen: HeaderMap | undefined
  await headerPolicy({ request, response: [] })((given) => {
    seen = given.headers
    return TE.right(json(200, {}))
  })(requestOf({ headers }), envOf())()
  return seen
}

/** As JSON: an object literal would make a prototype of `__proto__`. */
const hostile = (text: string): HeaderMap => JSON.parse(text) as HeaderMap

const answering = (headers: HeaderMap, response = responseHeaders): Promise<Outcome> =>
  headerPolicy({ request: [], response })(() => TE.right(json(200, {}, headers)))(requestOf(), envOf())()

const sentOf = async (headers: HeaderMap, response?: ReadonlyArray<string>): Promise<HeaderMap> => {
  const outcome = await answering(headers, response)
  if (E.isLeft(outcome)) throw new Error(messageOf(outcome))
  return outcome.right.headers
}

test('lets a service see the listed headers, and no other', async (t) => {
  const given = { accept: 'a', 'x-panel-id': ['1', '2'], cookie: 'secret', authorization: 'secret', host: 'h' }
  const seen = await seenBy(['accept', 'x-panel-id', 'x-missing'], given)
  t.deepEqual({ ...seen }, { accept: 'a', 'x-panel-id': ['1', '2'] })
  t.is(Object.getPrototypeOf(seen), null)
})

test('shows nothing when nothing is listed, and nothing of the prototype when that is (S20)', async (t) => {
  t.deepEqual({ ...(await seenBy([], { accept: 'a' })) }, {})
  t.deepEqual({ ...(await seenBy(['accept'], hostile('{"__proto__": "x", "constructor": "y"}'))) }, {})
  t.deepEqual(Object.entries((await seenBy(['__proto__', 'constructor'], {})) ?? {}), [])
  t.deepEqual(Object.entries((await seenBy(['__proto__'], hostile('{"__proto__": "x"}'))) ?? {}), [['__proto__', 'x']])
})

const nosniff = { 'x-content-type-options': 'nosniff' }

const withheld = [
  // of the connection
  ...['Connection', 'Content-Length', 'Keep-Alive', 'Proxy-Authenticate', 'Proxy-Authorization', 'Proxy-Connection'],
  ...['TE', 'Trailer', 'Transfer-Encoding', 'Upgrade', 'Date', 'Server', 'Via'],
  // of the host's origin
  ...['Set-Cookie', 'Set-Cookie2', 'Clear-Site-Data', 'Strict-Transport-Security', 'Service-Worker-Allowed', 'Refresh'],
  ...['Access-Control-Allow-Origin', 'Access-Control-Allow-Credentials', 'Cross-Origin-Opener-Policy', 'SourceMap'],
  ...['WWW-Authenticate', 'Public-Key-Pins', 'Report-To', 'NEL', 'X-Accel-Redirect', 'X-Sendfile', 'X-Anything'],
]
for (const name of withheld) {
  test(`withholds ${name} from the client, however it is spelled`, async (t) => {
    const sent = await sentOf({ [name]: 'x', [name.toLowerCase()]: 'x', [name.toUpperCase()]: 'x' })
    t.deepEqual({ ...sent }, nosniff)
  })
}

test('lets listed headers of an answer pass in any case, and always forbids to guess its type', async (t) => {
  const given = {
    'Content-Type': 'text/html',
    ETag: 'x',
    LINK: ['a', 'b'],
    Vary: undefined,
    'X-Content-Type-Options': 'x',
  }
  t.deepEqual({ ...(await sentOf(given)) }, { 'content-type': 'text/html', etag: 'x', link: ['a', 'b'], ...nosniff })
  t.deepEqual({ ...(await sentOf(given, [])) }, nosniff)
  t.deepEqual({ ...(await sentOf({ 'X-Own': 'x', 'set-cookie': 'x' }, ['x-own'])) }, { 'x-own': 'x', ...nosniff })
})

test('takes an answer with __proto__ for one header like any other (S20)', async (t) => {
  const given = hostile('{"__proto__": "x", "constructor": "y", "etag": "z"}')
  const sent = await sentOf(given)
  t.deepEqual({ ...sent }, { etag: 'z', ...nosniff })
  t.is(Object.getPrototypeOf(sent), null)
  t.deepEqual(Object.entries(await sentOf(given, ['__proto__'])), [['__proto__', 'x'], ...Object.entries(nosniff)])
})

const unsendable: ReadonlyArray<unknown> = [
  ...['x\r\nset-cookie: a=b', 'x\ny', 'x\ry', 'x\u0000', 'x\u007f', 'x\u0085\u2028', '日本'],
  ...[['fine', 'x\r\ny'], [undefined], 5, null, {}, [['x']]],
]
for (const value of unsendable) {
  test(`refuses an answer whose header is ${JSON.stringify(value)}, before anything of it is out (S16)`, async (t) => {
    const outcome = await answering({ Location: value } as HeaderMap)
    t.is(tagOf(outcome), 'BadPlugin')
    t.is(messageOf(outcome), 'the answer cannot be sent: expected printable Latin-1 text in header "location"')
    // what does not cross breaks nothing
    t.is(tagOf(await answering({ 'x-anything': value } as HeaderMap)), '200')
  })
}

for (const status of [0, -1, 100, 101, 199, 600, 1000, 200.5, NaN, Infinity]) {
  test(`refuses an answer whose status is ${String(status)}`, async (t) => {
    const layer = headerPolicy({ request: [], response: [] })
    const outcome = await layer(() => TE.right(json(status, {})))(requestOf(), envOf())()
    t.is(tagOf(outcome), 'BadPlugin')
    t.is(messageOf(outcome), `the answer cannot be sent: expected a status from 200 to 599, got ${String(status)}`)
  })
}

test('leaves the rest of an answer, and failures, as they are', async (t) => {
  const layer = headerPolicy({ request: [], response: [] })
  const chunks = [Buffer.from('x')]
  const outcome = await layer(() => TE.right(bytes(201, {}, chunks, 'downstream')))(requestOf(), envOf())()
  t.like(outcome, { right: { _tag: 'Bytes', status: 201, errorSource: 'downstream' } })
  t.is(E.isRight(outcome) && outcome.right._tag === 'Bytes' ? outcome.right.chunks : undefined, chunks)
  const endless = stream(200, { ETag: 'x' }, {} as ByteStream, { isEndless: true, heartbeat: Buffer.from(':\n') })
  const streamed = await layer(() => TE.right(endless))(requestOf(), envOf())()
  const { headers, ...rest } = E.isRight(streamed) ? streamed.right : answer
  t.deepEqual({ ...rest, headers: { ...headers } }, { ...endless, headers: nosniff })
  t.is(tagOf(await layer(() => TE.left({ _tag: 'Cancelled' }))(requestOf(), envOf())()), 'Cancelled')
  t.is(tagOf(await layer(ok)(requestOf(), envOf())()), '200')
})

import test from 'ava'

import { E, TE } from '../../src/fp.ts'
import { bytes, json, type HeaderMap } from '../../src/http.ts'
import { headerPolicy } from '../../src/layers/header-policy.ts'
import { envOf, requestOf } from '../telemetry/requests.ts'
import { tagOf } from './answers.ts'

const seenBy = async (allowed: ReadonlyArray<string>, headers: HeaderMap): Promise<HeaderMap | undefined> => {
  let seen: HeaderMap | undefined
  await headerPolicy(allowed)((request) => {
    seen = request.headers
    return TE.right(json(200, {}))
  })(requestOf({ headers }), envOf())()
  return seen
}

const sentOf = async (headers: HeaderMap): Promise<HeaderMap> => {
  const outcome = await headerPolicy([])(() => TE.right(json(200, {}, headers)))(requestOf(), envOf())()
  return E.isRight(outcome) ? outcome.right.headers : {}
}

test('lets a service see the listed headers, and no other', async (t) => {
  const given = { accept: 'a', 'x-panel-id': ['1', '2'], cookie: 'secret', authorization: 'secret', host: 'h' }
  const seen = await seenBy(['accept', 'x-panel-id', 'x-missing'], given)
  t.deepEqual({ ...seen }, { accept: 'a', 'x-panel-id': ['1', '2'] })
  t.is(Object.getPrototypeOf(seen), null)
})

test('shows nothing when nothing is listed, and nothing of the prototype when that is', async (t) => {
  t.deepEqual({ ...(await seenBy([], { accept: 'a' })) }, {})
  const hostile = JSON.parse('{"__proto__": "x", "constructor": "y"}') as HeaderMap
  t.deepEqual({ ...(await seenBy(['accept'], hostile)) }, {})
})

const withheld = [
  ...['Connection', 'Content-Length', 'Keep-Alive', 'Proxy-Authenticate', 'Proxy-Authorization', 'Proxy-Connection'],
  ...['Set-Cookie', 'TE', 'Trailer', 'Transfer-Encoding', 'Upgrade'],
]
for (const name of withheld) {
  test(`withholds ${name} from the client, however it is spelled`, async (t) => {
    const sent = await sentOf({ [name]: 'x', [name.toLowerCase()]: 'x', [name.toUpperCase()]: 'x' })
    t.deepEqual({ ...sent }, { 'x-content-type-options': 'nosniff' })
  })
}

test('lets other headers of an answer pass, and always forbids to guess its type', async (t) => {
  const sent = await sentOf({ 'Content-Type': 'application/json', ETag: 'x', 'X-Content-Type-Options': 'sniff' })
  t.deepEqual({ ...sent }, { 'content-type': 'application/json', etag: 'x', 'x-content-type-options': 'nosniff' })
})

test('leaves the rest of an answer, and failures, as they are', async (t) => {
  const chunks = [Buffer.from('x')]
  const outcome = await headerPolicy([])(() => TE.right(bytes(201, {}, chunks)))(requestOf(), envOf())()
  t.like(outcome, { right: { _tag: 'Bytes', status: 201 } })
  t.is(E.isRight(outcome) && outcome.right._tag === 'Bytes' ? outcome.right.chunks : undefined, chunks)
  t.is(tagOf(await headerPolicy([])(() => TE.left({ _tag: 'Cancelled' }))(requestOf(), envOf())()), 'Cancelled')
})

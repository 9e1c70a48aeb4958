import test from 'ava'

import { E } from '../../src/fp.ts'
import { deadline } from '../../src/layers/deadline.ts'
import { limits } from '../../src/layers/limits.ts'
import { envOf, requestOf } from '../telemetry/requests.ts'
import { broken, messageOf, ok, slow, tagOf } from './answers.ts'

const post = requestOf()
const get = requestOf({ method: 'GET' })

test('refuses what is one too many, at once, and names the option', async (t) => {
  const layer = limits({ reads: 1, writes: 1, longRunning: 1 })
  const service = slow()
  const first = layer(service.handle)(post, envOf())()
  const second = await layer(ok)(post, envOf())()
  t.deepEqual(second, {
    _tag: 'Left',
    left: {
      _tag: 'TooManyRequests',
      message: 'too many requests in flight: limit is 1 (option limits.inFlight.writes)',
      retryAfterSeconds: 1,
    },
  })
  service.finish()
  t.is(tagOf(await first), '200')
  t.is(tagOf(await layer(ok)(post, envOf())()), '200')
})

test('counts reads and writes apart', async (t) => {
  const layer = limits({ reads: 1, writes: 1, longRunning: 1 })
  const service = slow()
  const running = [post, get].map((request) => layer(service.handle)(request, envOf())())
  for (const [method, kind] of Object.entries({ GET: 'reads', HEAD: 'reads', POST: 'writes', DELETE: 'writes' })) {
    t.regex(messageOf(await layer(ok)(requestOf({ method }), envOf())()), new RegExp(`inFlight\\.${kind}\\)$`))
  }
  service.finish()
  t.deepEqual((await Promise.all(running)).map(tagOf), ['200', '200'])
})

test('lets no more pass when all arrive in one turn, nor when all were made before one ran', async (t) => {
  const layer = limits({ reads: 0, writes: 3, longRunning: 0 })
  const service = slow()
  const results = Array.from({ length: 10 }, () => layer(service.handle)(post, envOf()))
  const running = results.map((run) => run())
  t.is(service.envs.length, 3)
  service.finish()
  t.deepEqual((await Promise.all(running)).map(tagOf).toSorted(), [
    ...['200', '200', '200'],
    ...Array.from({ length: 7 }, () => 'TooManyRequests'),
  ])
})

for (const [how, handle] of Object.entries(broken)) {
  test(`gives its place back when a service ${how}`, async (t) => {
    const layer = limits({ reads: 1, writes: 1, longRunning: 1 })
    for (let i = 0; i < 3; i++) t.is(tagOf(await layer(handle)(post, envOf())()), 'Unexpected')
    t.is(tagOf(await layer(ok)(post, envOf())()), '200')
  })
}

test('gives its place back when the client leaves, when time is over, and after a failure', async (t) => {
  const layer = limits({ reads: 1, writes: 1, longRunning: 1 })
  const client = new AbortController()
  const left = layer(deadline({ requestTimeoutMs: 60_000, longRunningTimeoutMs: 60_000 })(slow().handle))(
    post,
    envOf({ signal: client.signal }),
  )()
  client.abort()
  t.is(tagOf(await left), 'Cancelled')
  t.is(
    tagOf(await layer(deadline({ requestTimeoutMs: 1, longRunningTimeoutMs: 60_000 })(slow().handle))(post, envOf())()),
    'PluginTimeout',
  )
  t.is(tagOf(await layer(() => () => Promise.resolve(E.left({ _tag: 'Cancelled' })))(post, envOf())()), 'Cancelled')
  t.is(tagOf(await layer(ok)(post, envOf())()), '200')
})

test('keeps places apart for requests that go on and on, whatever their method', async (t) => {
  const layer = limits({ reads: 1, writes: 1, longRunning: 2 })
  const service = slow()
  const short = envOf()
  const long = { ...short, route: { ...short.route, isLongRunning: () => true } }
  const running = [post, get].map((request) => layer(service.handle)(request, long)())
  t.regex(messageOf(await layer(ok)(get, long)()), /limit is 2 \(option limits\.inFlight\.longRunning\)$/)
  t.deepEqual((await Promise.all([post, get].map((request) => layer(ok)(request, short)()))).map(tagOf), ['200', '200'])
  service.finish()
  t.deepEqual((await Promise.all(running)).map(tagOf), ['200', '200'])
  t.is(tagOf(await layer(ok)(get, long)()), '200')
})

test('keeps the place of a request until its answer is out', async (t) => {
  const layer = limits({ reads: 1, writes: 1, longRunning: 1 })
  let end: () => void = () => undefined
  const over = new Promise<undefined>((resolve) => (end = resolve as never))
  t.is(tagOf(await layer(ok)(requestOf({ over }), envOf())()), '200')
  t.is(tagOf(await layer(ok)(post, envOf())()), 'TooManyRequests')
  end()
  await over
  t.is(tagOf(await layer(ok)(post, envOf())()), '200')
})

import test from 'ava'

import { serviceTypes } from '../src/api/dataplane-service.ts'
import type { RequestAttributes } from '../src/index.ts'
import { asking, headerNames, headerOf, type Told } from './_setup/asking.ts'
import { asks, gaps, isFree, isStreamed, objectNames, type Ask, type Reached } from './_setup/every-route.ts'
import { createWorld, hostileAnswer, type Call, type World } from './_setup/world.ts'

// What holds for every request that somebody claims, however it is answered. Told from outside, over sockets: who asks, who was
// asked, what arrived, what came back. A service type or route that is new has to be in `every-route.ts` before this file is green.

/** Whatever the requests came to, by their titles, so that all that differ are named at once. */
const each = async <A>(
  of: ReadonlyArray<Ask>,
  make: (ask: Ask) => Promise<A>,
): Promise<Readonly<Record<string, A>>> => {
  const all: Record<string, A> = {}
  for (const ask of of) all[ask.title] = await make(ask)
  return all
}
const all = <A>(of: ReadonlyArray<Ask>, make: (ask: Ask) => A): Readonly<Record<string, A>> =>
  Object.fromEntries(of.map((ask) => [ask.title, make(ask)]))

const reachedOf = (calls: ReadonlyArray<Call>): ReadonlyArray<Reached> => calls.map(({ reached }) => reached)

/** `settings` are looked up, not called. */
const callsOf = ({ reaches }: Ask): ReadonlyArray<Reached> => reaches.filter((reached) => reached !== 'settings')

const codeOf = ({ upgrades }: Ask): number => (upgrades ? 101 : 200)

/** The code and the message of a Status, when all of the answer is one. */
const refusal = ({ status, text, rawHeaders }: Told): readonly [code: number, message: string] => {
  const { kind, code, message } = JSON.parse(text) as Readonly<Record<string, unknown>>
  const isWhole = kind === 'Status' && code === status && rawHeaders.includes('application/json')
  return [isWhole ? status : 0, String(message)]
}

const verbs: Readonly<Record<string, readonly [ofOne: string, ofMany: string]>> = {
  GET: ['get', 'list'],
  POST: ['create', 'create'],
  PUT: ['update', 'update'],
}

/** As Kubernetes reads a path: `namespaces/{namespace}` first, then resource, name, subresource. */
const attributesOf = ({ object, method, path }: Ask, user: string): RequestAttributes => {
  const segments = path.split('/').slice(4)
  const namespace = segments[0] === 'namespaces' ? 'default' : ''
  const [resource = '', name = '', subresource = ''] = namespace === '' ? segments : segments.slice(2)
  const verb = verbs[method]?.[name === '' ? 1 : 0] ?? ''
  const of = { namespace, resource, name, subresource, path, verb, group: `${object}.example.com`, version: 'v1' }
  return { user: { name: user, groups: ['people'], tokens: { access: `of-${user}` } }, ...of }
}

test('knows how to ask for every route of every type, in every way that there is', (t) => {
  t.deepEqual(gaps, [])
  t.is(new Set(asks.map(({ title }) => title)).size, asks.length)
  for (const object of objectNames) {
    const types = new Set(asks.filter((ask) => ask.object === object).map(({ type }) => type))
    t.deepEqual([...types].toSorted(), [...serviceTypes].toSorted(), object)
  }
  const forms = ['events', 'lines', 'messages', 'piecemeal', 'whole']
  t.deepEqual([...new Set(asks.map(({ form }) => form))].toSorted(), forms)
  t.deepEqual([...new Set(asks.map(({ limit }) => limit))].toSorted(), ['longRunning', 'reads', 'writes'])
})

test('asks who it is and whether he may, once each, and answers what its plugin or backend said, once (S5, S6)', async (t) => {
  const world = await createWorld(t)
  const results = await each(asks, async (ask) => {
    const { status, ending } = await asking(world.url, ask, { who: 'jane' }).told
    const { authenticated, authorized, calls } = world.take()
    return { status, ending, authenticated, authorized, calls: reachedOf(calls) }
  })
  const expected = all(asks, (ask) => {
    const attributes = attributesOf(ask, 'jane')
    return {
      status: codeOf(ask),
      ending: 'whole',
      authenticated: [ask.path],
      authorized: [attributes, ...(ask.access === undefined ? [] : [{ ...attributes, access: ask.access }])],
      calls: callsOf(ask),
    }
  })
  t.deepEqual(results, expected)
})

test('answers 401 to nobody, everywhere, and asks nobody else (S6, S15)', async (t) => {
  const world = await createWorld(t)
  const results = await each(asks, async (ask) => {
    const told = await asking(world.url, ask).told
    const { authenticated, authorized, calls } = world.take()
    return [refusal(told)[0], authenticated.length, authorized.length, calls.length]
  })
  t.deepEqual(
    results,
    all(asks, () => [401, 1, 0, 0]),
  )
})

/** Every path, asked for as a WebSocket. */
const upgrades = asks.map((ask): Ask => ({ ...ask, method: 'GET', upgrades: true }))

test('opens a WebSocket on no path to nobody, and on none but those of streams to somebody (S14, S15)', async (t) => {
  const world = await createWorld(t)
  const results = await each(upgrades, async (ask) => {
    const ofNobody = await asking(world.url, ask).told
    const refused = world.take()
    const ofJane = await asking(world.url, ask, { who: 'jane' }).told
    const { authorized } = world.take()
    const before = refused.authorized.length + refused.calls.length
    return [ofNobody.status, before, ofJane.status === 101, authorized.length]
  })
  const opens = ({ object, type }: Ask): boolean => type === 'stream' && object !== 'backend'
  t.deepEqual(
    results,
    all(upgrades, (ask) => [401, 0, opens(ask), 1]),
  )
})

test('answers 403 to whom the hook refuses, everywhere, and nothing is reached (S5, S6)', async (t) => {
  const world = await createWorld(t, { decide: ({ access }) => access !== undefined })
  const results = await each(asks, async (ask) => {
    const told = await asking(world.url, ask, { who: 'jane' }).told
    const { authorized, calls } = world.take()
    return [refusal(told)[0], authorized.length, calls.length]
  })
  t.deepEqual(
    results,
    all(asks, () => [403, 1, 0]),
  )
})

test('answers 403 where the hook refuses what a route of plugin.json asks for beside', async (t) => {
  const world = await createWorld(t, { decide: ({ access }) => access === undefined })
  const guarded = asks.filter(({ access }) => access !== undefined)
  const results = await each(guarded, async (ask) => {
    const told = await asking(world.url, ask, { who: 'jane' }).told
    const { authorized, calls } = world.take()
    return [refusal(told)[0], authorized.length, calls.length]
  })
  t.true(guarded.length > 0)
  t.deepEqual(
    results,
    all(guarded, () => [403, 2, 0]),
  )
})

test('counts, traces and logs each request once, with the code that its client had', async (t) => {
  const world = await createWorld(t)
  await each(asks, (ask) => asking(world.url, ask, { who: 'jane' }).told)
  await each(asks, (ask) => asking(world.url, ask).told)
  // ends what is told of a request when its answer is out
  await world.aggregator.close()

  const count = (keys: ReadonlyArray<string>): Readonly<Record<string, number>> => {
    const counts: Record<string, number> = {}
    for (const key of keys) counts[key] = (counts[key] ?? 0) + 1
    return counts
  }
  const keyOf = (...parts: ReadonlyArray<unknown>): string => parts.map(String).join(' ')
  const { lines } = world.logger
  const requests = lines.filter(({ message }) => message.startsWith('request '))
  t.deepEqual(
    count(requests.map(({ fields = {} }) => keyOf(fields['method'], fields['path'], fields['code']))),
    count(asks.flatMap(({ method, path }) => [keyOf(method, path, 200), keyOf(method, path, 401)])),
  )
  const { spans } = world.tracer
  t.deepEqual(
    count(
      spans.map(({ name, attributes, ends }) =>
        keyOf(ends, name, attributes['url.path'], attributes['http.response.status_code']),
      ),
    ),
    count(
      asks.flatMap(({ method, template, path }) =>
        [200, 401].map((code) => keyOf(1, `${method} ${template}`, path, code)),
      ),
    ),
  )
  const counted = await world.metrics.getSingleMetric('dataplane_aggregator_requests_total')?.get()
  t.deepEqual(
    Object.fromEntries(
      (counted?.values ?? []).map(({ labels, value }) => [
        keyOf(labels['dataplaneservice'], labels['type'], labels['method'], labels['code']),
        value,
      ]),
    ),
    count(asks.flatMap(({ object, type, method }) => [200, 401].map((code) => keyOf(object, type, method, code)))),
  )
  const inFlight = await world.metrics.getSingleMetric('dataplane_aggregator_requests_in_flight')?.get()
  t.deepEqual(new Set(inFlight?.values.map(({ value }) => value)), new Set([0]))
})

/** As a client may spell them, twice over. None of the values may arrive anywhere. */
const hostile: ReadonlyArray<readonly [name: string, value: string]> = [
  ['Authorization', 'Bearer secret-1'],
  ['aUTHORIZATION', 'Basic secret-2'],
  ['Proxy-Authorization', 'Basic secret-3'],
  ['Cookie', 'a=secret-4'],
  ['COOKIE', 'grafana_session=secret-5'],
  ['X-Api-Key', 'secret-6'],
  ['X-ID-Token', 'secret-7'],
  ['X-Grafana-Id', 'secret-8'],
  ['X-Grafana-User', 'secret-9'],
  ['X-Grafana-Device-Id', 'secret-10'],
  ['X-Remote-User', 'secret-11'],
  ['x-remote-USER', 'secret-12'],
  ['X-Remote-Group', 'secret-13'],
  ['X-Remote-Extra-Scopes', 'secret-14'],
  ['Impersonate-User', 'secret-15'],
  ['X-Forwarded-For', 'secret-16'],
  ['X-Forwarded-Host', 'secret-17'],
  ['X-Forwarded-User', 'secret-18'],
  ['X-Forwarded-Access-Token', 'secret-19'],
  ['X-Real-IP', 'secret-20'],
  ['Forwarded', 'for=secret-21'],
  ['X-Access-Token', 'secret-22'],
  ['http_Authorization', 'secret-23'],
  ['X_Remote_User', 'secret-24'],
  ['__proto__', 'secret-25'],
  ['constructor', 'secret-26'],
  ['User-Agent', 'secret-27'],
  ['Referer', 'http://secret-28'],
  ['Via', '1.1 secret-29'],
  ['Baggage', 'secret-30=1'],
  ['X-Original-URL', '/secret-31'],
  ['X-HTTP-Method-Override', 'SECRET-32'],
]
const tokens = 'auth_token=secret-33&%61ccess_token=secret-34&a=b'

test('lets only listed headers through, of requests and of answers, and runs no script of an answer (S7, S8, S11, S16, S17, S20)', async (t) => {
  const world = await createWorld(t)
  const results = await each(asks, async (ask) => {
    const told = await asking(world.url, ask, { who: 'jane', more: hostile, target: `${ask.path}?${tokens}` }).told
    const names = headerNames(told)
    const evil = Object.entries(hostileAnswer).filter(([name, value]) => headerOf(told, name.toLowerCase()) === value)
    const { calls, authorized } = world.take()
    const text = JSON.stringify(calls)
    return {
      status: told.status,
      secrets: [...`${text}${JSON.stringify(authorized)}`.matchAll(/secret-\d+/gi)].map(String),
      // the datasource does not ask for it
      token: text.includes('of-jane'),
      // in the headers of the queries, resources and proxied paths alone
      users: [...text.matchAll(/"(?:x-remote-user|x-who)","([^"]+)"/gi)].map(([, name]) => name),
      evil: evil.map(([name]) => name),
      unlisted: names.filter((name) => !listed.has(name)),
      nosniff: ask.upgrades || headerOf(told, 'x-content-type-options'),
      sandbox: !isFree(ask) || headerOf(told, 'content-security-policy'),
    }
  })
  const expected = all(asks, (ask) => ({
    status: codeOf(ask),
    secrets: [],
    token: false,
    users: ask.object === 'backend' ? ['jane'] : [],
    // what it is may be said
    evil: isFree(ask) ? ['Content-Type'] : [],
    unlisted: [],
    nosniff: ask.upgrades || 'nosniff',
    sandbox: !isFree(ask) || 'sandbox',
  }))
  t.deepEqual(results, expected)
})

const listed = new Set([
  ...['cache-control', 'content-length', 'content-security-policy', 'content-type', 'x-accel-buffering'],
  ...['x-content-type-options', 'transfer-encoding', 'connection', 'keep-alive', 'date', 'x-powered-by'],
  ...['upgrade', 'sec-websocket-accept'],
])

/** Where a request is held so that its answer has begun already, if it ever does before it is whole. */
const holdFor = (world: World, ask: Ask): void => {
  world.holdAt(ask.reaches.includes('settings') ? 'settings' : isStreamed(ask) ? 'body' : 'head')
}

test('keeps a place until the answer is out, and names the option to who finds none', async (t) => {
  const world = await createWorld(t, { limits: { inFlight: { reads: 1, writes: 1, longRunning: 1 } } })
  const results = await each(asks, async (ask) => {
    holdFor(world, ask)
    const first = asking(world.url, ask, { who: 'jane' })
    if (isStreamed(ask)) await first.begun
    else await world.reached(1)
    world.take()
    const second = await asking(world.url, ask, { who: 'joe' }).told
    const { calls, authorized } = world.take()
    world.release()
    const { ending } = await first.told
    // the server learns a moment after its client that the answer is out
    let third = await asking(world.url, ask, { who: 'jane' }).told
    while (third.status === 429) third = await asking(world.url, ask, { who: 'jane' }).told
    world.take()
    return [refusal(second), headerOf(second, 'retry-after'), calls.length, authorized.length, ending, third.status]
  })
  t.deepEqual(
    results,
    all(asks, (ask) => {
      const message = `too many requests in flight: limit is 1 (option limits.inFlight.${ask.limit})`
      return [[429, message], '1', 0, 1, 'whole', codeOf(ask)]
    }),
  )
})

/** Time that passes when the test says so, for timers of these delays alone; meanwhile no other test may run. */
const holdTimers = (
  ...delays: ReadonlyArray<number>
): { readonly elapse: () => void; readonly giveBack: () => void } => {
  const { setTimeout: start, clearTimeout: clear } = globalThis
  const held = new Map<unknown, readonly [delayMs: number, run: () => void]>()
  globalThis.setTimeout = ((run: (...args: unknown[]) => void, delayMs: number, ...args: unknown[]) => {
    const timer = start(run, delayMs, ...args)
    if (delays.includes(delayMs)) held.set(timer, [delayMs, () => run(...args)])
    return timer
  }) as typeof start
  globalThis.clearTimeout = (timer: Parameters<typeof clear>[0]) => {
    held.delete(timer)
    clear(timer)
  }
  return {
    elapse: () => {
      for (const delay of delays) for (const [delayMs, run] of [...held.values()]) if (delayMs === delay) run()
    },
    giveBack: () => Object.assign(globalThis, { setTimeout: start, clearTimeout: clear }),
  }
}

const limits = { requestTimeoutMs: 40_000, longRunningTimeoutMs: 50_000 }

const tooLate = ({ limit }: Ask): string => {
  const option = limit === 'longRunning' ? 'longRunningTimeoutMs' : 'requestTimeoutMs'
  return `the request took longer than ${String(limits[option])} ms (option limits.${option})`
}

const isLooked = ({ reaches }: Ask): boolean => reaches.includes('settings')

test.serial('answers 504 where nothing answers in time, names the option, and ends what was called', async (t) => {
  const world = await createWorld(t, { limits })
  const { elapse, giveBack } = holdTimers(...Object.values(limits))
  t.teardown(giveBack)
  const ask = async (of: ReadonlyArray<Ask>, place: 'head' | 'settings') => {
    world.holdAt(place)
    const askings = of.map((ask) => asking(world.url, ask, { who: 'jane' }))
    await world.reached(of.length)
    elapse()
    const told = await Promise.all(askings.map((one) => one.told))
    await Promise.all(world.take().calls.map(({ ended }) => ended))
    world.release()
    return of.map(({ title }, index) => [title, told.slice(index, index + 1).map(refusal)])
  }
  const called = await ask(
    asks.filter((one) => !isLooked(one)),
    'head',
  )
  const looked = await ask(asks.filter(isLooked), 'settings')
  t.deepEqual(
    Object.fromEntries([...called, ...looked]),
    all(asks, (one) => [[504, tooLate(one)]]),
  )
})

/** What a reader reads when the time of a stream is over; nothing where it could be taken for a part of the answer. */
const farewellOf = ({ text, ending }: Told): string => {
  const last =
    text
      .trimEnd()
      .split('\n')
      .at(-1)
      ?.replace(/^data: /, '') ?? ''
  if (!last.includes('"Status"')) return ending
  return `${ending}: ${(JSON.parse(last) as { readonly message: string }).message}`
}

test.serial(
  'ends a stream whose time is over with the word of its format, or cuts it, and ends what was called',
  async (t) => {
    const world = await createWorld(t, { limits })
    const { elapse, giveBack } = holdTimers(...Object.values(limits))
    t.teardown(giveBack)
    const streamed = asks.filter(isStreamed)
    world.holdAt('body')
    const askings = streamed.map((ask) => asking(world.url, ask, { who: 'jane' }))
    await Promise.all(askings.map(({ begun }) => begun))
    elapse()
    const told = await Promise.all(askings.map((one) => one.told))
    // SubscribeStream is over by then, and RunStream may have other readers
    const { calls } = world.take()
    await Promise.all(calls.filter(({ reached }) => !reached.endsWith('Stream')).map(({ ended }) => ended))
    t.deepEqual(
      Object.fromEntries(streamed.map(({ title }, index) => [title, told.slice(index, index + 1).map(farewellOf)])),
      all(streamed, (ask) => {
        if (ask.upgrades) return [`1001 ${tooLate(ask)}`]
        return [isFree(ask) ? 'cut' : `whole: ${tooLate(ask)}`]
      }),
    )
  },
)

test('tells whoever was called when the client leaves, before the answer and in the middle of it (S24)', async (t) => {
  const world = await createWorld(t)
  const leave = async (ask: Ask, place: 'head' | 'body'): Promise<string> => {
    if (place === 'body') holdFor(world, ask)
    else world.holdAt(isLooked(ask) ? 'settings' : 'head')
    const { begun, leave: go, told } = asking(world.url, ask, { who: 'jane' })
    const [call] = await world.reached(1)
    if (place === 'body') await begun
    go()
    await call?.ended
    const { ending } = await told
    world.release()
    world.take()
    return `${call?.reached ?? 'nothing'} ${ending === 'whole' ? 'whole' : 'cut'}`
  }
  // that of SubscribeStream is over by then
  const streamed = asks.filter((ask) => isStreamed(ask) && !ask.reaches.includes('subscribeStream'))
  const first = ({ reaches: [reached] }: Ask): string => `${reached ?? ''} cut`
  t.deepEqual(await each(asks, (ask) => leave(ask, 'head')), all(asks, first))
  t.deepEqual(await each(streamed, (ask) => leave(ask, 'body')), all(streamed, first))
})

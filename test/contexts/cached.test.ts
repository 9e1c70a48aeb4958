import test from 'ava'

import { cachedContexts } from '../../src/contexts/index.ts'
import type { AggregatorError } from '../../src/errors.ts'
import { E, TE } from '../../src/fp.ts'
import type { InstanceSettings, PluginContextProvider, PluginContextRequest } from '../../src/plugin.ts'
import { ask } from './ask.ts'

type Answer = E.Either<AggregatorError, InstanceSettings>

interface Call {
  readonly request: PluginContextRequest
  readonly signal: AbortSignal
  readonly answer: (answer: Answer) => void
}

/** A provider that answers when the test says so. */
const scripted = () => {
  const calls: Call[] = []
  let closed = 0
  const provider: PluginContextProvider = {
    getInstanceSettings: (request, signal) => () =>
      new Promise((answer) => {
        calls.push({ request, signal, answer })
      }),
    close: () => {
      closed += 1
      return Promise.resolve()
    },
  }
  const answer = (index: number, value: Answer): void => {
    const call = calls[index]
    if (call === undefined) throw new Error(`expected a call ${String(index)}, got ${String(calls.length)} calls`)
    call.answer(value)
  }
  return { calls, provider, answer, closed: () => closed }
}

const settings = (orgId: number): Answer => E.right({ orgId, grafanaConfig: {} })
const failure: Answer = E.left({ _tag: 'PluginUnavailable', message: 'down', retryAfterSeconds: 1 })

test('asks once and remembers until the time is over', async (t) => {
  let now = 1000
  const { calls, provider, answer } = scripted()
  const cached = cachedContexts(provider, { ttlMs: 100, now: () => now })
  const first = ask(cached)
  answer(0, settings(1))
  t.deepEqual(await first, settings(1))
  now += 100
  t.deepEqual(await ask(cached), settings(1))
  t.is(calls.length, 1)
  now += 1
  const second = ask(cached)
  answer(1, settings(2))
  t.deepEqual(await second, settings(2))
})

test('keeps apart what differs in any part of the request', async (t) => {
  const { calls, provider } = scripted()
  const cached = cachedContexts(provider)
  const requests: ReadonlyArray<Partial<PluginContextRequest>> = [
    {},
    { uid: 'p2' },
    { uid: undefined },
    { uid: 'undefined' },
    { namespace: 'p1' },
    { pluginId: 'default' },
    { pluginType: 'app' },
  ]
  const answers = requests.map((changes) => ask(cached, changes))
  calls.forEach((call, index) => {
    call.answer(settings(index))
  })
  t.deepEqual(
    await Promise.all(answers),
    requests.map((_changes, index) => settings(index)),
  )
})

test('shares one call between all who ask meanwhile, failures too, and remembers no failure', async (t) => {
  const { calls, provider, answer } = scripted()
  const cached = cachedContexts(provider)
  const together = [ask(cached), ask(cached), ask(cached)]
  answer(0, failure)
  t.deepEqual(await Promise.all(together), [failure, failure, failure])
  const later = ask(cached)
  t.is(calls.length, 2)
  answer(1, settings(1))
  t.deepEqual(await later, settings(1))
})

test('lets one caller leave without harm to the others', async (t) => {
  const { calls, provider, answer } = scripted()
  const cached = cachedContexts(provider)
  const leaver = new AbortController()
  const left = ask(cached, {}, leaver.signal)
  const stayed = ask(cached)
  leaver.abort()
  t.deepEqual(await left, E.left({ _tag: 'Cancelled' }))
  t.false(calls[0]?.signal.aborted)
  answer(0, settings(1))
  t.deepEqual(await stayed, settings(1))
  t.false(calls[0]?.signal.aborted)
})

test('aborts the call when the last caller has left, and gives the next one a new call', async (t) => {
  const { calls, provider, answer } = scripted()
  const cached = cachedContexts(provider)
  const leavers = [new AbortController(), new AbortController()]
  const left = leavers.map(({ signal }) => ask(cached, {}, signal))
  for (const leaver of leavers) leaver.abort()
  await Promise.all(left)
  t.true(calls[0]?.signal.aborted)
  const next = ask(cached)
  answer(0, settings(0))
  // As many turns as the late answer could need to be remembered.
  await ask(cached, {}, AbortSignal.abort())
  const alsoNext = ask(cached)
  t.is(calls.length, 2)
  answer(1, settings(1))
  t.deepEqual(await next, settings(1))
  t.deepEqual(await alsoNext, settings(1))
  t.deepEqual(await ask(cached), settings(1))
})

test('forgets the least recently used beyond its size', async (t) => {
  const { calls, provider } = scripted()
  const cached = cachedContexts(provider, { maxEntries: 2 })
  const get = async (uid: string): Promise<number> => {
    const before = calls.length
    const answer = ask(cached, { uid })
    calls[before]?.answer(settings(1))
    await answer
    return calls.length - before
  }
  t.deepEqual([await get('a'), await get('b'), await get('a'), await get('c')], [1, 1, 0, 1])
  t.deepEqual([await get('a'), await get('b')], [0, 1])
})

test('turns a provider that throws into an error of its callers, and asks it again', async (t) => {
  let calls = 0
  const cause = new Error('a bug')
  const cached = cachedContexts({
    getInstanceSettings: () => {
      calls += 1
      throw cause
    },
  })
  t.deepEqual(await ask(cached), E.left({ _tag: 'Unexpected', cause }))
  await ask(cached)
  t.is(calls, 2)
})

test('closes what it decorates, if that can be closed', async (t) => {
  const { provider, closed } = scripted()
  await cachedContexts(provider).close?.()
  t.is(closed(), 1)
  await cachedContexts({ getInstanceSettings: () => TE.left({ _tag: 'Cancelled' }) }).close?.()
})

test('refuses options that would cache for ever or without bound', (t) => {
  const { provider } = scripted()
  for (const options of [{ ttlMs: 0 }, { ttlMs: Infinity }, { maxEntries: 0 }, { maxEntries: 1.5 }]) {
    t.throws(() => cachedContexts(provider, options), { instanceOf: TypeError, message: /^expected option \w+ to be / })
  }
})

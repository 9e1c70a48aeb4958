import { getEventListeners } from 'node:events'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'

import test from 'ava'

import { unexpected } from '../../src/errors.ts'
import { E, O, TE } from '../../src/fp.ts'
import type { PluginUser } from '../../src/plugin.ts'
import { toPacket, type SharedPacket } from '../../src/shared-streams.ts'
import { pluginContext } from '../plugins/_setup.ts'
import { createReading, createRig, settle, unavailable } from './_rig.ts'

const userOf = (login: string, role = 'Viewer'): PluginUser => ({ login, name: login, email: '', role })
const packet = (text: string): SharedPacket => {
  const made = toPacket(Buffer.from(text))
  if (O.isNone(made)) throw new Error(`${text} is no packet`)
  return made.value
}

test('makes one call for all readers of a subject', async (t) => {
  const { join, calls, callAt } = createRig()
  const readings = Array.from({ length: 100 }, () => createReading(join()))
  await settle()
  t.is(calls.length, 1)
  await callAt(0).send('{"n":1}', '{"n":2}')
  for (const { texts } of readings) t.deepEqual(texts, ['{"n":1}', '{"n":2}'])
})

test('makes a call of its own for each other subject', async (t) => {
  const { join, calls } = createRig()
  const data = Buffer.from('{}')
  const subjects = [
    {},
    { namespace: 'org-2' },
    { pluginId: 'other' },
    { uid: 'u2' },
    { uid: undefined },
    { path: 'some/path","v1' },
    { apiVersion: 'v2' },
    { data },
    { data: Buffer.from([0xff]) },
    { data: Buffer.from([0xfe]) },
  ]
  for (const subject of [...subjects, ...subjects]) createReading(join(subject))
  await settle()
  t.is(calls.length, subjects.length)
  t.deepEqual(calls[7]?.request.data, data)
})

test("lends nobody's identity to the others (S9)", async (t) => {
  const { join, calls, callAt, tell } = createRig()
  tell({ user: userOf('provider') })
  createReading(join({ user: userOf('ada') }))
  createReading(join({ user: userOf('bob') }))
  await settle()
  t.is(calls.length, 1)
  await callAt(0).fail()
  t.is(callAt(0).request.pluginContext.user, undefined)
  t.deepEqual(callAt(0).request.headers, {})
})

test('gives each user a stream of his own when it is told to (S9)', async (t) => {
  const { join, calls } = createRig({ perUser: true })
  const users = [userOf('ada'), userOf('ada', 'Admin'), userOf('bob'), undefined]
  for (const user of [...users, ...users]) createReading(join({ user }))
  await settle()
  t.deepEqual(
    calls.map(({ request }) => request.pluginContext.user),
    users,
  )
})

test('spells each message once for all readers', async (t) => {
  const { join, callAt } = createRig()
  const iterators = [join(), join()]
  const steps = iterators.map((iterator) => iterator.next())
  await settle()
  await callAt(0).send('{\n  "n": 12345678901234567890,\r\n"a": "x\\ny"}')
  const [first, second] = (await Promise.all(steps)).map((step) => {
    if (step.done === true || E.isLeft(step.value)) throw new Error('no packet')
    return step.value.right
  })
  t.is(first?.event(), second?.event())
  t.is(first?.line(), second?.line())
  t.is(Buffer.from(first?.event() ?? []).toString(), 'data: {  "n": 12345678901234567890,"a": "x\\ny"}\n\n')
  t.is(Buffer.from(first?.line() ?? []).toString(), '{  "n": 12345678901234567890,"a": "x\\ny"}\n')
})

test('ends the call when nobody came back in time', async (t) => {
  const { join, calls, callAt, advance, timers } = createRig()
  const first = createReading(join())
  await settle()
  await first.leave()
  await advance(9_999)
  const second = createReading(join())
  await settle()
  await advance(15_000)
  t.false(callAt(0).isOver())
  await callAt(0).send('1')
  t.deepEqual(second.texts, ['1'])
  await second.leave()
  await advance(10_000)
  t.false(callAt(0).isOver())
  await advance(5_000)
  t.true(callAt(0).isOver())
  t.is(calls.length, 1)
  t.is(timers.size, 0)
})

test('calls a plugin that fails again and again, and tells no reader', async (t) => {
  const { join, calls, callAt, advance, asked, logger } = createRig()
  const { texts, end } = createReading(join())
  await settle()
  for (const delayMs of [200, 400, 800, 1600, 3200, 5000, 5000]) {
    const { length } = calls
    // one that dies soon after its start did not go well
    await advance(150)
    await callAt(length - 1).fail()
    await advance(delayMs - 1)
    t.is(calls.length, length)
    await advance(1)
    t.is(calls.length, length + 1, String(delayMs))
  }
  t.is(asked(), 8)
  await advance(5_000)
  await callAt(7).send('1')
  await callAt(7).fail({ _tag: 'PluginFailed', message: 'failed', source: 'plugin' })
  await advance(200)
  t.is(calls.length, 9)
  await callAt(8).send('2')
  t.deepEqual(texts, ['1', '2'])
  t.is(end(), undefined)
  t.is(logger.lines.filter(({ level }) => level === 'warn').length, 2)
})

test('spreads calls that begin again', async (t) => {
  const { join, calls, callAt, advance } = createRig({ random: () => 0.5 })
  createReading(join())
  await settle()
  await callAt(0).fail()
  await advance(179)
  t.is(calls.length, 1)
  await advance(1)
  t.is(calls.length, 2)
})

test('does not begin again for nobody', async (t) => {
  const { join, calls, callAt, timers } = createRig()
  const reading = createReading(join())
  await settle()
  await reading.leave()
  await callAt(0).fail()
  t.is(timers.size, 0)
  createReading(join())
  await settle()
  t.is(calls.length, 2)
})

for (const _tag of ['NotFound', 'NotImplemented', 'Forbidden'] as const) {
  test(`tells readers of ${_tag}, which no further call would change`, async (t) => {
    const { join, calls, callAt, tell, timers } = createRig()
    const reading = createReading(join())
    await settle()
    await callAt(0).fail({ _tag, message: 'no' })
    t.like(reading.end(), { _tag, message: 'no' })
    tell({ _tag, message: 'no instance' })
    const late = createReading(join())
    await settle()
    t.like(late.end(), { _tag, message: 'no instance' })
    t.is(calls.length, 1)
    t.is(timers.size, 0)
  })
}

test('asks again for settings that cannot be had at present', async (t) => {
  const { join, calls, advance, tell } = createRig()
  tell(unavailable)
  const reading = createReading(join())
  await settle()
  t.is(calls.length, 0)
  tell({})
  await advance(200)
  t.is(calls.length, 1)
  t.is(reading.end(), undefined)
})

test('outlives a provider that throws, and a plugin that does', async (t) => {
  const { join, calls, advance, client } = createRig()
  let turn = 0
  const reading = createReading(
    join({}, () => {
      turn += 1
      if (turn === 1) throw new Error('no provider')
      if (turn === 2) return () => Promise.reject(new Error('no answer'))
      const failing = {
        runStream: () => {
          throw new Error('no plugin')
        },
      }
      return TE.right({ client: turn === 3 ? failing : client, context: pluginContext })
    }),
  )
  await settle()
  for (const delayMs of [200, 400, 800]) await advance(delayMs)
  t.is(calls.length, 1)
  t.is(reading.end(), undefined)
})

test('ends readers where the plugin ends the stream, and begins it for the next one', async (t) => {
  const { join, calls, callAt, timers } = createRig()
  const reading = createReading(join())
  await settle()
  await callAt(0).send('1')
  await callAt(0).finish()
  t.is(reading.end(), 'end')
  t.deepEqual(reading.texts, ['1'])
  t.is(timers.size, 0)
  createReading(join())
  await settle()
  t.is(calls.length, 2)
})

const settings = { jsonData: Buffer.from('{}'), decryptedSecureJsonData: { password: 'a' }, lastUpdatedMS: 1 }

test('begins again with new settings, and not with the same in new objects', async (t) => {
  const { join, calls, callAt, advance, tell, asked } = createRig()
  tell({ appInstanceSettings: { ...settings, jsonData: Buffer.from('{}') } })
  const reading = createReading(join())
  await settle()
  tell({ appInstanceSettings: settings })
  await advance(60_000)
  t.is(asked(), 2)
  t.is(calls.length, 1)
  tell({ appInstanceSettings: { ...settings, decryptedSecureJsonData: { password: 'b' } } })
  await advance(60_000)
  t.true(callAt(0).isOver())
  t.is(calls.length, 2)
  t.is(callAt(1).request.pluginContext.appInstanceSettings?.decryptedSecureJsonData['password'], 'b')
  tell(unavailable)
  await advance(60_000)
  t.false(callAt(1).isOver())
  t.is(reading.end(), undefined)
  tell({ _tag: 'NotFound', message: 'no instance any more' })
  await advance(60_000)
  t.true(callAt(1).isOver())
  t.like(reading.end(), { _tag: 'NotFound', message: 'no instance any more' })
})

for (const [what, queue, texts] of [
  ['messages', { bytes: 1000, messages: 2 }, ['1', '2', '3']],
  ['bytes', { bytes: 20, messages: 1000 }, ['"ten bytes"', '"and more bytes"']],
] as const) {
  test(`cuts a reader for whom too many ${what} wait, while the others go on`, async (t) => {
    const { join, callAt } = createRig({ queue })
    const fast = createReading(join())
    const slow = join()
    const first = slow.next()
    await settle()
    // one is taken, the others wait
    await callAt(0).send('0', ...texts)
    await first
    t.like(await slow.next(), { value: { left: { _tag: 'TooManyRequests' } } })
    t.like(await slow.next(), { done: true })
    await callAt(0).send('4')
    t.deepEqual(fast.texts, ['0', ...texts, '4'])
    t.is(fast.end(), undefined)
  })
}

test('counts what waits for a reader, not what he has taken', async (t) => {
  const { join, callAt } = createRig({ queue: { bytes: 25, messages: 3 } })
  const reader = join()
  const first = reader.next()
  await settle()
  await callAt(0).send('0', '"ten bytes"')
  await first
  for (let n = 0; n < 10; n++) {
    await callAt(0).send('"ten bytes"')
    t.like(await reader.next(), { value: { _tag: 'Right' } })
  }
})

test('lets a single message of any size wait', async (t) => {
  const { join, callAt } = createRig({ queue: { bytes: 5, messages: 10 } })
  const reader = join()
  const first = reader.next()
  await settle()
  await callAt(0).send('0', '"larger than the queue"')
  await first
  t.like(await reader.next(), { value: { _tag: 'Right' } })
})

test('leaves readers the turns that they need to keep up with a flood', async (t) => {
  const { join, callAt } = createRig({ queue: { bytes: 1000, messages: 4 } })
  const reader = join()
  const texts: string[] = []
  const first = reader.next()
  await settle()
  const sent = Array.from({ length: 500 }, (_, n) => String(n))
  const flood = callAt(0).send(...sent)
  for (let asked = first; texts.length < sent.length; asked = reader.next()) {
    const step = await asked
    if (step.done === true || E.isLeft(step.value)) break
    texts.push(Buffer.from(step.value.right.data).toString())
    // a socket takes what it can in one turn of the loop
    await new Promise(setImmediate)
  }
  await flood
  t.deepEqual(texts, sent)
})

test('drops what is no JSON, and says so without a flood of lines', async (t) => {
  const { join, callAt, logger } = createRig()
  const { texts, end } = createReading(join())
  await settle()
  const wrong = ['', '{', 'NaN', '\ufeff1', '1 2', '"\n"', "'a'"]
  await callAt(0).send('1', ...wrong, '2')
  t.deepEqual(texts, ['1', '2'])
  t.is(end(), undefined)
  const lines = logger.lines.filter(({ level }) => level === 'warn')
  t.deepEqual(
    lines.map(({ fields }) => fields['dropped']),
    [1, 2, 4],
  )
  t.true(O.isNone(toPacket(Buffer.from([0x22, 0xff, 0x22]))))
})

test('publishes to the readers of the channel, whatever they asked for', async (t) => {
  const { join, streams, subjectOf } = createRig({ perUser: true })
  const readings = [
    {},
    { data: Buffer.from('{}') },
    { user: userOf('ada') },
    { namespace: 'org-2' },
    { uid: 'u2' },
    { uid: undefined },
    { path: 'other' },
    { pluginId: 'other' },
  ].map((subject) => createReading(join(subject)))
  await settle()
  streams.publish(subjectOf(), packet('{"said":1}'))
  await settle()
  t.deepEqual(
    readings.map(({ texts }) => texts.length),
    [1, 1, 1, 0, 0, 0, 0, 0],
  )
})

test('refuses more streams than there may be, but for one that nobody reads', async (t) => {
  const { join, calls, callAt } = createRig({ maxStreams: 2 })
  const [first, second] = ['a', 'b'].map((path) => createReading(join({ path })))
  await settle()
  const third = createReading(join({ path: 'c' }))
  const alike = createReading(join({ path: 'b' }))
  await settle()
  t.like(third.end(), { _tag: 'TooManyRequests' })
  t.is(alike.end(), undefined)
  await first?.leave()
  const fourth = createReading(join({ path: 'd' }))
  await settle()
  t.is(fourth.end(), undefined)
  t.is(second?.end(), undefined)
  t.is(calls.length, 3)
  t.true(callAt(0).isOver())
})

test('holds nothing for a reader who never asks', async (t) => {
  const { join, streams, calls, subjectOf, timers } = createRig()
  streams.join(subjectOf(), () => TE.left(unexpected('nobody asks')))
  await join().return?.()
  await settle()
  t.is(calls.length, 0)
  t.is(timers.size, 0)
})

test('tells all readers when it closes, and leaves no call and no timer', async (t) => {
  const { streams, join, callAt, advance, timers } = createRig()
  const readings = ['a', 'a', 'b', 'c'].map((path) => createReading(join({ path })))
  const left = createReading(join({ path: 'd' }))
  await settle()
  await left.leave()
  await callAt(1).fail()
  await streams.close()
  await settle()
  for (const { end } of readings) t.like(end(), { _tag: 'PluginUnavailable', message: 'the server is shutting down' })
  for (const index of [0, 1, 2, 3]) t.true(callAt(index).isOver())
  t.is(timers.size, 0)
  const late = createReading(join())
  await advance(60_000)
  t.like(late.end(), { _tag: 'PluginUnavailable' })
  t.is(timers.size, 0)
  await streams.close()
})

test('closes while a provider or a plugin says nothing', async (t) => {
  const { streams, join, timers } = createRig()
  let signal: AbortSignal | undefined
  const reading = createReading(
    join({}, (given: AbortSignal) => {
      signal = given
      return () => new Promise(() => undefined)
    }),
  )
  await settle()
  await streams.close()
  await settle()
  t.true(signal?.aborted)
  t.like(reading.end(), { _tag: 'PluginUnavailable' })
  t.is(timers.size, 0)
})

test('keeps nothing of calls that failed (S24)', async (t) => {
  const { join, calls, callAt, advance, timers, client } = createRig()
  const signals = new Set<AbortSignal>()
  createReading(
    join({}, (signal) => {
      signals.add(signal)
      return TE.right({ client, context: pluginContext })
    }),
  )
  await settle()
  const [signal] = signals
  const listeners = (): number => (signal === undefined ? NaN : getEventListeners(signal, 'abort').length)
  const before = listeners()
  for (let n = 0; n < 20; n++) {
    await callAt(n).fail()
    await advance(5_000)
  }
  t.is(calls.length, 21)
  t.is(signals.size, 1)
  t.is(listeners(), before)
  t.is(timers.size, 1)
})

test('keeps nothing of a thousand readers who came and went (S24)', async (t) => {
  setFlagsFromString('--expose-gc')
  const collectGarbage = runInNewContext('gc') as () => void
  const { join, calls, callAt, timers, advance } = createRig()
  const staying = createReading(join())
  const readers: WeakRef<object>[] = []
  const comeAndGo = async (): Promise<void> => {
    const iterators = Array.from({ length: 100 }, () => join())
    for (const iterator of iterators) {
      readers.push(new WeakRef(iterator))
      void iterator.next()
    }
    await callAt(0).send('1', '2')
    for (const [index, iterator] of iterators.entries()) if (index % 2 === 0) await iterator.return?.()
    await callAt(0).send('3')
    for (const iterator of iterators) await iterator.return?.()
  }
  await settle()
  for (let round = 0; round < 10; round++) await comeAndGo()
  await settle()
  collectGarbage()
  t.is(readers.filter((reader) => reader.deref() !== undefined).length, 0)
  t.is(staying.texts.length, 30)
  t.is(calls.length, 1)
  await staying.leave()
  await advance(15_000)
  t.true(callAt(0).isOver())
  t.is(timers.size, 0)
})

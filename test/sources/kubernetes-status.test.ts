import test, { type ExecutionContext } from 'ava'

import type { Condition, DataPlaneServiceStatus } from '../../src/api/object.ts'
import { E } from '../../src/fp.ts'
import type { KubernetesCall, KubernetesFailure, KubernetesObject } from '../../src/kubernetes.ts'
import { createKubernetesSource } from '../../src/sources/kubernetes.ts'
import { scriptedApi, type Answer } from '../kubernetes/_connection.ts'
import { createManualClock, recordingLogger, settle } from '../plugins/_setup.ts'
import { manifest, record } from './recorder.ts'

const path = '/apis/aggregation.grafana.app/v0alpha1/dataplaneservices'

const condition = (type: string, message: string): Condition => ({
  type,
  status: 'True',
  lastTransitionTime: '2026-01-01T00:00:00Z',
  reason: 'Tested',
  message,
})

const statusOf = (...conditions: ReadonlyArray<readonly [type: string, message: string]>): DataPlaneServiceStatus => ({
  conditions: conditions.map(([type, message]) => condition(type, message)),
})

const objectOf = (name: string, status?: DataPlaneServiceStatus, version = 1): KubernetesObject => ({
  ...manifest(name),
  metadata: { name, uid: `uid-of-${name}`, resourceVersion: String(version) },
  ...(status === undefined ? {} : { status }),
})

/** Wants one condition of this type to say this, as the aggregator does. */
const saying =
  (message: string, type = 'Accepted') =>
  (current: DataPlaneServiceStatus): DataPlaneServiceStatus => {
    const { conditions = [] } = current
    const index = conditions.findIndex((one) => one.type === type)
    if (conditions[index]?.message === message) return current
    const next = condition(type, message)
    return { conditions: index === -1 ? [...conditions, next] : conditions.with(index, next) }
  }

const refused = (code: number): Answer => E.left({ _tag: 'Refused', code, reason: '', message: `says ${String(code)}` })

/** What an apiserver says after it took a patch. */
const applied =
  (version: number, ...others: ReadonlyArray<Condition>) =>
  ({ path: asked, body }: KubernetesCall): Answer => {
    const { conditions = [] } = (body as { readonly status: DataPlaneServiceStatus }).status
    return E.right(objectOf(asked.split('/').at(-2) ?? '', { conditions: [...others, ...conditions] }, version))
  }

type Options = Parameters<typeof createKubernetesSource>[1]

const start = (t: ExecutionContext, options: Options = { statusWriter: 'always' }) => {
  const scripted = scriptedApi()
  const { clock, advance } = createManualClock()
  const logger = recordingLogger()
  const source = createKubernetesSource(scripted.api, { logger, ...options }, { clock })
  const { unsubscribe } = record(source)
  t.teardown(unsubscribe)
  const update = async (name: string, change: (current: DataPlaneServiceStatus) => DataPlaneServiceStatus) =>
    await source.updateStatus?.(name, change)()
  /** What was asked for. Shape: `PATCH a/status`. */
  const asked = (): ReadonlyArray<string> =>
    scripted.calls.map((call) => `${call.method} ${call.path.slice(path.length + 1)}`)
  return { ...scripted, source, logger, advance, update, asked, unsubscribe }
}

const done = { _tag: 'Right', right: undefined } as const

test('applies all conditions of ours and none of others', async (t) => {
  const { tell, update, calls, answer } = start(t)
  const before = statusOf(['Theirs', 'x'], ['Available', 'old'], ['Accepted', 'old'])
  tell(objectOf('a', before))
  answer(applied(2))
  t.deepEqual(await update('a', saying('new')), done)
  t.like(calls[0], {
    method: 'PATCH',
    path: `${path}/a/status`,
    query: { fieldManager: 'dataplane-aggregator', force: 'true' },
    contentType: 'application/apply-patch+yaml',
  })
  t.deepEqual(calls[0]?.body, {
    apiVersion: 'aggregation.grafana.app/v0alpha1',
    kind: 'DataPlaneService',
    metadata: { name: 'a', uid: 'uid-of-a' },
    status: statusOf(['Available', 'old'], ['Accepted', 'new']),
  })
})

test('asks for nothing when nothing is to be changed, or nothing is known of the object', async (t) => {
  const { tell, update, calls } = start(t)
  tell(objectOf('a', statusOf(['Accepted', 'x'])))
  t.deepEqual(await update('a', saying('x')), done)
  t.deepEqual(await update('b', saying('x')), done)
  t.deepEqual(calls, [])
})

test('knows what it has written before the watch tells, and better than a watch that lags behind', async (t) => {
  const { tell, update, asked, answer } = start(t)
  tell(objectOf('a'))
  answer(applied(10, condition('Theirs', 'x')))
  await update('a', saying('x'))
  tell(objectOf('a', statusOf(['Theirs', 'x']), 9))
  await update('a', (current) => saying('x')(current))
  t.is(asked().length, 1)
  tell(objectOf('a', statusOf(['Theirs', 'x'], ['Accepted', 'x']), 10))
  // of an apiserver that was restored
  tell(objectOf('a', statusOf(['Accepted', 'y']), 3))
  await update('a', saying('x'))
  t.is(asked().length, 2)
})

test('writes one object one by one, and each time what is true by then', async (t) => {
  const { tell, update, asked, answer, next, calls } = start(t)
  tell(objectOf('a'))
  const answers: Array<(answer: Answer) => void> = []
  answer(() => new Promise((resolve) => answers.push(resolve)))
  const isAsked = next()
  const both = [update('a', saying('x')), update('a', saying('y', 'Available'))]
  await isAsked
  await settle()
  t.is(asked().length, 1)
  answer(applied(3))
  answers[0]?.(E.right(objectOf('a', statusOf(['Accepted', 'x']), 2)))
  t.deepEqual(await Promise.all(both), [done, done])
  t.like(calls[1]?.body, { status: statusOf(['Accepted', 'x'], ['Available', 'y']) })
})

test('writes a merge patch of all conditions where apply is not known, and asks again when somebody was faster', async (t) => {
  const { tell, update, asked, answer, calls } = start(t)
  tell(objectOf('a', statusOf(['Theirs', 'x'])))
  const script: Array<Answer | undefined> = [
    refused(415),
    refused(409),
    E.right(objectOf('a', statusOf(['Theirs', 'y']), 7)),
  ]
  answer((call) => script.shift() ?? applied(8)(call))
  t.deepEqual(await update('a', saying('x')), done)
  t.deepEqual(asked(), ['PATCH a/status', 'PATCH a/status', 'GET a', 'PATCH a/status'])
  t.is(calls[3]?.contentType, 'application/merge-patch+json')
  t.deepEqual(calls[3]?.body, {
    metadata: { name: 'a', uid: 'uid-of-a', resourceVersion: '7' },
    status: statusOf(['Theirs', 'y'], ['Accepted', 'x']),
  })
  await update('a', saying('y'))
  t.is(calls.at(-1)?.contentType, 'application/merge-patch+json')
})

test('leaves an object alone that was made anew, until the watch tells of it', async (t) => {
  const { tell, update, asked, answer } = start(t)
  tell(objectOf('a'))
  const other = { ...objectOf('a'), metadata: { name: 'a', uid: 'other' } }
  answer(({ method }) => (method === 'GET' ? E.right(other) : refused(409)))
  t.deepEqual(await update('a', saying('x')), done)
  t.deepEqual(asked(), ['PATCH a/status', 'GET a'])
})

for (const [what, failure, tag] of [
  ['an object that is gone', { _tag: 'Refused', code: 404, reason: '', message: 'x' }, undefined],
  ['a refusal', { _tag: 'Refused', code: 403, reason: '', message: 'x' }, 'Forbidden'],
  ['a status that is refused', { _tag: 'Refused', code: 422, reason: '', message: 'x' }, 'StoreFailed'],
  ['an apiserver that is away', { _tag: 'Unreachable', message: 'x' }, 'StoreFailed'],
  ['others who are always faster', { _tag: 'Refused', code: 409, reason: '', message: 'x' }, 'StoreFailed'],
] as const satisfies ReadonlyArray<readonly [string, KubernetesFailure, string | undefined]>) {
  test(`gives ${tag ?? 'nothing'} for ${what}`, async (t) => {
    const { tell, update, answer, calls } = start(t)
    tell(objectOf('a'))
    answer(() => E.left(failure))
    const result = await update('a', saying('x'))
    t.is(result?._tag === 'Left' ? result.left._tag : undefined, tag)
    t.true(calls.length <= 8)
  })
}

test('gives an error for a change that throws', async (t) => {
  const { tell, update } = start(t)
  tell(objectOf('a'))
  const result = await update('a', () => {
    throw new Error('change')
  })
  t.is(result?._tag === 'Left' ? result.left._tag : undefined, 'Unexpected')
})

test('writes no status at all where nobody is to write it', (t) => {
  t.is(start(t, { statusWriter: 'never' }).source.updateStatus, undefined)
})

test('stands for election when there is something to write, in the namespace of the connection', async (t) => {
  const { tell, update, last, calls } = start(t, { lease: { identity: 'me' } })
  tell(objectOf('a'))
  t.deepEqual(last().elections, [])
  t.deepEqual(await update('a', saying('x')), done)
  t.like(last().elections, [{ name: 'dataplane-aggregator', namespace: 'plugins', identity: 'me' }])
  await update('a', saying('y'))
  t.is(last().elections.length, 1)
  t.deepEqual(calls, [])
})

const drain = async (): Promise<void> => {
  for (let turn = 0; turn < 10; turn++) await settle()
}

test('keeps changes for its turn, then makes the last one of each object, four at a time', async (t) => {
  const names = ['a', 'b', 'c', 'd', 'e', 'f']
  const { tell, gone, update, lead, asked, answer, calls } = start(t, {})
  tell(...names.map((name) => objectOf(name)), objectOf('right', statusOf(['Accepted', 'new'])), objectOf('gone'))
  for (const name of [...names, 'right', 'gone']) {
    await update(name, saying('old'))
    await update(name, saying('new'))
  }
  gone('gone')
  // another one of this name
  tell(objectOf('gone'))
  const answers: Array<() => void> = []
  answer((call) => new Promise((resolve) => answers.push(() => resolve(applied(2)(call)))))
  lead(true)
  await drain()
  t.is(calls.length, 4)
  answers[0]?.()
  await drain()
  t.is(calls.length, 5)
  for (const one of answers) one()
  await drain()
  for (const one of answers) one()
  await drain()
  t.deepEqual(
    asked(),
    names.map((name) => `PATCH ${name}/status`),
  )
  t.like(calls[0]?.body, { status: statusOf(['Accepted', 'new']) })
  answer(applied(3))
  t.deepEqual(await update('a', saying('newest')), done)
  t.is(calls.length, 7)
})

test('ends what is being written when its turn is over, and makes it good in the next', async (t) => {
  const { tell, update, lead, answer, calls } = start(t, {})
  tell(objectOf('a'))
  await update('a', saying('x'))
  lead(true)
  await drain()
  calls.splice(0)
  answer(
    ({ signal }) =>
      new Promise((resolve) => {
        signal?.addEventListener('abort', () => {
          resolve(E.left({ _tag: 'Cancelled' }))
        })
      }),
  )
  const updating = update('a', saying('y'))
  await drain()
  lead(false)
  t.deepEqual(await updating, done)
  answer(applied(2))
  await update('a', saying('z'))
  t.is(calls.length, 1)
  lead(true)
  await drain()
  t.like(calls[1]?.body, { status: statusOf(['Accepted', 'z']) })
})

test('writes nothing once the clock says that its turn is over, though nobody has told it', async (t) => {
  const { tell, update, lead, setLeader, calls, answer } = start(t, {})
  tell(objectOf('a'))
  answer(applied(2))
  await update('a', saying('x'))
  lead(true)
  await drain()
  t.is(calls.length, 1)
  setLeader(false)
  t.deepEqual(await update('a', saying('y')), done)
  t.is(calls.length, 1)
})

test('writes again what somebody else has overwritten, at most every thirty seconds', async (t) => {
  const { tell, update, lead, calls, answer, advance, logger } = start(t, {})
  tell(objectOf('a'))
  answer(applied(2))
  await update('a', saying('ours'))
  lead(true)
  await drain()
  await advance(60_000)
  let version = 2
  const overwrite = async (): Promise<number> => {
    tell(objectOf('a', statusOf(['Accepted', 'ours']), ++version))
    tell(objectOf('a', statusOf(['Accepted', 'theirs']), ++version))
    answer(applied(++version))
    await drain()
    return calls.length
  }
  t.is(await overwrite(), 2)
  t.is(await overwrite(), 2)
  t.is(await overwrite(), 2)
  await advance(29_999)
  await drain()
  t.is(calls.length, 2)
  await advance(1)
  await drain()
  t.is(calls.length, 3)
  t.is(logger.lines.filter(({ level }) => level === 'warn').length, 1)
  tell(objectOf('a', statusOf(['Accepted', 'ours'], ['Theirs', 'x']), ++version))
  await advance(60_000)
  await drain()
  t.is(calls.length, 3)
})

test('tries again later what fails in a round, and says so once', async (t) => {
  const { tell, update, lead, asked, answer, advance, logger } = start(t, {})
  tell(objectOf('a'), objectOf('b'))
  answer(() => refused(500))
  await update('a', saying('x'))
  await update('b', saying('x'))
  lead(true)
  await drain()
  t.is(asked().length, 2)
  t.is(logger.lines.filter(({ level }) => level === 'warn').length, 1)
  answer(applied(2))
  await advance(30_000)
  await drain()
  t.is(asked().length, 4)
  await advance(60_000)
  await drain()
  t.is(asked().length, 4)
})

test('writes nothing any more after its last subscriber has left, not even what is under way', async (t) => {
  const { tell, update, lead, answer, calls, unsubscribe, last } = start(t, {})
  tell(objectOf('a'))
  await update('a', saying('x'))
  answer(
    ({ signal }) =>
      new Promise((resolve) => {
        signal?.addEventListener('abort', () => {
          resolve(E.left({ _tag: 'Cancelled' }))
        })
      }),
  )
  lead(true)
  await drain()
  await unsubscribe()
  t.deepEqual(last().closed, ['election', 'following', 'connection'])
  t.deepEqual(await update('a', saying('y')), done)
  lead(true)
  await drain()
  t.is(calls.length, 1)
})

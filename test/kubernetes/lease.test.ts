import test, { type ExecutionContext } from 'ava'
import fc from 'fast-check'

import { E } from '../../src/fp.ts'
import { createElections } from '../../src/kubernetes/lease.ts'
import type { KubernetesCall, KubernetesConnection, KubernetesFailure } from '../../src/kubernetes.ts'
import { createManualClock, recordingLogger, settle } from '../plugins/_setup.ts'
import { createLeaseServer, refused } from './_lease-world.ts'

type Answer = E.Either<KubernetesFailure, unknown>

/** One replica before a server that can be told to answer something else, or nothing. */
const start = (
  t: ExecutionContext,
  prepare: (server: ReturnType<typeof createLeaseServer>) => void = () => undefined,
) => {
  const server = createLeaseServer()
  prepare(server)
  const manual = createManualClock()
  let setMs = 0
  const clock = { ...manual.clock, now: () => manual.clock.now() + setMs }
  const logger = recordingLogger()
  const told: boolean[] = []
  const calls: KubernetesCall[] = []
  let otherwise: ((asked: KubernetesCall) => Answer | undefined) | undefined
  const call: KubernetesConnection['call'] = (asked) => () => {
    calls.push(asked)
    const answer = otherwise === undefined ? server.handle(asked) : otherwise(asked)
    if (answer !== undefined) return Promise.resolve(answer)
    return new Promise((resolve) => {
      asked.signal?.addEventListener('abort', () => {
        resolve(E.left({ _tag: 'Cancelled' }))
      })
    })
  }
  const election = createElections({ call, clock, random: () => 0, logger })({
    namespace: 'ns',
    name: 'lease',
    identity: 'me',
    onChange: (isLeader) => told.push(isLeader),
  })
  t.teardown(() => {
    otherwise = () => E.left({ _tag: 'Unreachable', message: 'over' })
    return election.close()
  })
  const pass = async (ms: number): Promise<void> => {
    await settle()
    const stepMs = ms > 100_000 ? 2000 : 500
    for (let passed = 0; passed < ms; passed += stepMs) await manual.advance(Math.min(stepMs, ms - passed))
  }
  return {
    server,
    election,
    logger,
    told,
    calls,
    pass,
    timers: manual.timers,
    answer: (next: typeof otherwise) => {
      otherwise = next
    },
    setClock: (ms: number) => {
      setMs += ms
    },
  }
}

const lost = (): Answer => E.left({ _tag: 'Unreachable', message: 'refused' })

const held = (spec: object) => (server: ReturnType<typeof createLeaseServer>) => {
  server.store({ metadata: { name: 'lease' }, spec })
}

test('creates the lease, and renews it with the resourceVersion and whatever others wrote into its metadata', async (t) => {
  const { server, election, told, calls, pass } = start(t)
  t.false(election.isLeader())
  await pass(0)
  t.true(election.isLeader())
  const times = { acquireTime: '1970-01-01T00:16:40.000000Z', renewTime: '1970-01-01T00:16:40.000000Z' }
  t.deepEqual(server.lease()?.spec, { holderIdentity: 'me', leaseDurationSeconds: 15, ...times, leaseTransitions: 0 })
  const lease = server.lease()
  server.store({ ...lease, metadata: { ...lease?.metadata, labels: { x: 'y' } } })
  await pass(4000)
  t.deepEqual(server.asked, ['GET', 'POST', 'PUT', 'GET', 'PUT', 'PUT'])
  t.like(server.lease(), {
    metadata: { name: 'lease', namespace: 'ns', labels: { x: 'y' } },
    spec: { acquireTime: times.acquireTime, renewTime: '1970-01-01T00:16:44.000000Z', leaseTransitions: 0 },
  })
  t.is(calls.at(-1)?.path, '/apis/coordination.k8s.io/v1/namespaces/ns/leases/lease')
  t.deepEqual(told, [true])
})

for (const [what, spec, waitMs] of [
  [
    'a holder of long ago',
    { holderIdentity: 'x', leaseDurationSeconds: 15, renewTime: '1969-01-01T00:00:00Z' },
    16_000,
  ],
  [
    'a holder of times to come',
    { holderIdentity: 'x', leaseDurationSeconds: 4, renewTime: '2999-01-01T00:00:00Z' },
    4000,
  ],
  ['a holder without any time', { holderIdentity: 'x' }, 16_000],
  ['a holder that is no text', { holderIdentity: 7, leaseDurationSeconds: 'x', leaseTransitions: 1e99 }, 16_000],
  ['a holder that asks for ages', { holderIdentity: 'x', leaseDurationSeconds: 1e9, leaseTransitions: -1 }, 3_600_000],
  ['an empty holder', { holderIdentity: '', leaseDurationSeconds: 1, leaseTransitions: 2 ** 31 - 1 }, 0],
] as const) {
  test(`waits for ${what} by its own clock alone`, async (t) => {
    const { server, election, pass, setClock } = start(t, held(spec))
    await pass(Math.max(0, waitMs - 2000))
    t.is(election.isLeader(), waitMs === 0)
    setClock(86_400_000)
    await pass(2000)
    t.true(election.isLeader())
    const transitions = 'leaseTransitions' in spec && spec.leaseTransitions > 0 ? spec.leaseTransitions : 0
    t.is(server.lease()?.spec.leaseTransitions, transitions === 2 ** 31 - 1 ? transitions : 1)
  })
}

test('never takes a lease whose record goes on changing', async (t) => {
  const { server, election, pass } = start(t, held({ holderIdentity: 'x', leaseDurationSeconds: 15 }))
  for (let renewal = 0; renewal < 10; renewal++) {
    await pass(10_000)
    server.store({ metadata: { name: 'lease' }, spec: { holderIdentity: 'x', leaseDurationSeconds: 15, renewal } })
  }
  t.false(election.isLeader())
})

test('leads no more ten seconds after it asked for its last renewal, though its clock was set back', async (t) => {
  const { election, told, pass, answer, setClock } = start(t)
  await pass(0)
  answer(lost)
  await pass(7000)
  setClock(-6000)
  t.true(election.isLeader())
  await pass(2500)
  t.true(election.isLeader())
  await pass(500)
  t.false(election.isLeader())
  t.deepEqual(told, [true, false])
  answer(undefined)
  await pass(4000)
  t.true(election.isLeader())
  t.deepEqual(told, [true, false, true])
})

test('knows that it leads no more before any timer has told it', async (t) => {
  const { election, told, pass, setClock } = start(t)
  await pass(0)
  setClock(9999)
  t.true(election.isLeader())
  setClock(1)
  t.false(election.isLeader())
  t.deepEqual(told, [true])
})

test('stands back at once for another who has the lease', async (t) => {
  const { server, election, told, pass } = start(t)
  await pass(0)
  held({ holderIdentity: 'x', leaseDurationSeconds: 15 })(server)
  await pass(2000)
  t.false(election.isLeader())
  t.deepEqual(told, [true, false])
})

test('logs once why there is no lease, and asks for it every thirty seconds until there is', async (t) => {
  const { election, logger, calls, pass, answer } = start(t)
  answer(({ method }) => E.left(method === 'GET' ? refused(404, 'NotFound') : refused(403, 'Forbidden')))
  await pass(65_000)
  t.deepEqual(
    calls.map(({ method }) => method),
    ['GET', 'POST', 'GET', 'POST', 'GET', 'POST'],
  )
  const [line, ...more] = logger.lines
  t.regex(line?.message ?? '', /^the lease that tells who leads cannot be had: ./)
  t.is(more.length, 0)
  answer(undefined)
  await pass(30_000)
  t.true(election.isLeader())
})

test('gives the lease back when it closes, also when the answer to its last write is not there yet', async (t) => {
  const { server, election, told, pass, answer, timers } = start(t)
  answer((asked) => {
    if (asked.method === 'GET') return server.handle(asked)
    server.handle(asked)
    return undefined
  })
  await pass(0)
  t.is(server.lease()?.spec.holderIdentity, 'me')
  answer(undefined)
  await election.close()
  t.like(server.lease()?.spec, { holderIdentity: '', leaseDurationSeconds: 1 })
  t.deepEqual(told, [])
  t.is(timers.size, 0)
})

test('closes within some seconds when nobody answers, and leads no more from the beginning of that', async (t) => {
  const { election, told, pass, answer, timers } = start(t)
  await pass(0)
  answer(() => undefined)
  await pass(2000)
  const closing = election.close()
  t.false(election.isLeader())
  await pass(5000)
  await closing
  t.deepEqual(told, [true, false])
  t.is(timers.size, 0)
})

test('ends when its connection is closed', async (t) => {
  const { told, pass, answer, timers } = start(t)
  await pass(0)
  answer(() => E.left({ _tag: 'Cancelled' }))
  await pass(2000)
  t.deepEqual(told, [true, false])
  t.is(timers.size, 0)
})

test('leads by no answer but a lease that names it', async (t) => {
  const spec = fc.record(
    { holderIdentity: fc.jsonValue(), leaseDurationSeconds: fc.jsonValue(), acquireTime: fc.jsonValue() },
    { requiredKeys: [] },
  )
  const lease = fc.record({
    metadata: fc.record({ resourceVersion: fc.string() }),
    spec: fc.oneof(spec, fc.jsonValue()),
  })
  await fc.assert(
    fc.asyncProperty(fc.oneof(lease, fc.jsonValue()), async (value) => {
      const { election, pass, answer } = start(t)
      answer(() => E.right(value))
      await pass(20_000)
      t.false(election.isLeader())
      answer(lost)
      await election.close()
    }),
    { numRuns: 40 },
  )
})

import test from 'ava'
import fc from 'fast-check'

import { createWorld, type Replica } from './_lease-world.ts'

const replicaCount = 3

/**
 * What befalls one replica, and for how long; where clocks are set, nobody is stopped: no program survives both at once. A clock is set
 * while its owner is cut off already.
 */
const fault = fc.record({
  kind: fc.constantFrom('freeze', 'freeze', 'cut', 'cut', 'cut', 'freeze and cut', 'leave'),
  replica: fc.nat(replicaCount - 1),
  afterMs: fc.nat(12_000),
  forMs: fc.nat(30_000),
  stepAfterMs: fc.nat(10_000),
  stepMs: fc.oneof(fc.integer({ min: -10_000, max: 0 }), fc.integer({ min: -60_000, max: 60_000 })),
})

const plan = fc.record({
  seed: fc.integer(),
  areClocksSet: fc.boolean(),
  lossRate: fc.constantFrom(0, 0.1, 0.4),
  maxDelayMs: fc.constantFrom(20, 2000, 12_000),
  faults: fc.array(fault, { minLength: 1, maxLength: 8 }),
})

test('never has two leaders, whatever befalls replicas, clocks and network, and has one again soon after', async (t) => {
  let leadingMs = 0
  const run = fc.asyncProperty(plan, async ({ seed, areClocksSet, lossRate, maxDelayMs, faults }) => {
    const replicas: Replica[] = []
    const left = new Set<Replica>()
    const leaders = (): ReadonlyArray<Replica> => replicas.filter(({ election }) => election.isLeader())
    const check = (): void => {
      // one that is stopped, too: it may be asked in the very moment in which it goes on
      if (leaders().length > 1) throw new Error('expected one leader')
      if (replicas.filter((replica) => replica.isAwake() && replica.told()).length > 1)
        throw new Error('expected one who was told')
    }
    const world = createWorld({ seed, check })
    world.setNetwork({ lossRate, maxDelayMs })
    for (let index = 0; index < replicaCount; index++) replicas.push(world.createReplica(index))
    await world.pass(5000)
    for (const { kind, replica, afterMs, forMs, stepAfterMs, stepMs } of faults) {
      // the leader is the one to be hurt, mostly
      const one = (replica > 0 ? leaders()[0] : undefined) ?? replicas[replica]
      if (one === undefined) continue
      await world.pass(afterMs)
      if (kind === 'leave' && !left.has(one) && left.size < replicaCount - 1) {
        left.add(one)
        void one.election.close()
      }
      if (kind.includes('cut')) one.setCut(true)
      if (!areClocksSet && kind.includes('freeze')) one.freeze()
      const before = world.nowMs()
      await world.pass(stepAfterMs)
      if (areClocksSet) one.step(stepMs)
      await world.pass(forMs)
      if (leaders().length === 1) leadingMs += world.nowMs() - before
      one.thaw()
      one.setCut(false)
    }
    world.setNetwork({ lossRate: 0, maxDelayMs: 20 })
    await world.pass(60_000)
    if (leaders().length !== 1) throw new Error('expected a leader')
    for (const replica of replicas.filter((one) => leaders()[0] !== one)) {
      if (replica.told()) throw new Error('expected nobody else to think so')
    }
    const closing = Promise.all(replicas.map(({ election }) => election.close()))
    await world.pass(10_000)
    await closing
    if (world.server.lease()?.spec.holderIdentity !== '') throw new Error('expected the lease to be given back')
  })
  await fc.assert(run, { numRuns: 60 })
  t.true(leadingMs > 0)
})

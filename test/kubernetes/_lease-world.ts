import type { Clock } from '../../src/clock.ts'
import { E } from '../../src/fp.ts'
import { createElections } from '../../src/kubernetes/lease.ts'
import type { Election, KubernetesCall, KubernetesFailure } from '../../src/kubernetes.ts'
import { silentLogger } from '../../src/logger.ts'

type Json = Readonly<Record<string, unknown>>
type Answer = E.Either<KubernetesFailure, unknown>

export interface LeaseObject {
  readonly metadata: Json & { readonly resourceVersion: string }
  readonly spec: Json
}

export const refused = (code: number, reason: string): KubernetesFailure => ({
  _tag: 'Refused',
  code,
  reason,
  message: reason,
})

/** Keeps one Lease as an apiserver does: by compare and swap. */
export const createLeaseServer = () => {
  let lease: LeaseObject | undefined
  let version = 0
  const asked: string[] = []
  const store = (body: unknown): E.Either<never, LeaseObject> => {
    const { metadata, spec } = body as LeaseObject
    lease = { metadata: { ...metadata, resourceVersion: String(++version) }, spec }
    return E.right(lease)
  }
  const handle = ({ method, body }: KubernetesCall): Answer => {
    asked.push(method)
    if (method === 'POST') return lease === undefined ? store(body) : E.left(refused(409, 'AlreadyExists'))
    if (lease === undefined) return E.left(refused(404, 'NotFound'))
    if (method === 'GET') return E.right(lease)
    const given = body as LeaseObject
    return given.metadata.resourceVersion === lease.metadata.resourceVersion
      ? store(body)
      : E.left(refused(409, 'Conflict'))
  }
  return { handle, asked, lease: () => lease, store, remove: () => void (lease = undefined) }
}

/** Everything that is ready to run. */
const settle = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))

/** mulberry32. */
export const randomOf = (seed: number) => {
  let state = seed
  return (): number => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4294967296
  }
}

export interface Replica {
  readonly election: Election
  /** What it was told last. */
  readonly told: () => boolean
  /** Runs, and has heard all that came while it did not. */
  readonly isAwake: () => boolean
  readonly freeze: () => void
  readonly thaw: () => void
  /** Sets its clock on, or back. */
  readonly step: (ms: number) => void
  readonly setCut: (isCut: boolean) => void
}

export interface WorldOptions {
  readonly seed: number
  /** Called after all that happens. */
  readonly check: () => void
}

/** Replicas with clocks of their own, a network that is slow and loses things, and one Lease; in a time that is nobody's. */
export const createWorld = ({ seed, check }: WorldOptions) => {
  const random = randomOf(seed)
  const server = createLeaseServer()
  let nowMs = 0
  let order = 0
  let lossRate = 0
  let maxDelayMs = 50
  const events = new Map<number, { readonly atMs: number; readonly run: () => void }>()
  const at = (delayMs: number, run: () => void): (() => void) => {
    const id = order++
    events.set(id, { atMs: nowMs + Math.max(0, delayMs), run })
    return () => void events.delete(id)
  }

  const createReplica = (index: number): Replica => {
    const rate = 0.95 + 0.1 * random()
    let offsetMs = Math.floor(random() * 1e9) + 1.7e12
    let isFrozen = false
    let isCut = false
    let told = false
    let missed: Array<() => void> = []
    let untold = 0
    const soon = (delayMs: number, run: () => void): (() => void) => {
      let isCancelled = false
      const deliver = (): void => {
        if (isCancelled) return
        if (isFrozen) missed.push(deliver)
        else run()
      }
      const cancel = at(delayMs, deliver)
      return () => {
        isCancelled = true
        cancel()
      }
    }
    const clock: Clock = {
      now: () => Math.floor(offsetMs + nowMs * rate),
      setTimeout: (callback, delayMs) => soon(delayMs / rate, callback),
    }
    const call = (asked: KubernetesCall) => (): Promise<Answer> =>
      new Promise((resolve) => {
        const { signal, timeoutMs = 30_000 } = asked
        const end = (answer: Answer): void => {
          signal?.removeEventListener('abort', leave)
          cancelTimeout()
          resolve(answer)
        }
        const leave = (): void => {
          end(E.left({ _tag: 'Cancelled' }))
        }
        const cancelTimeout = clock.setTimeout(() => {
          end(E.left({ _tag: 'Unreachable', message: 'no answer in time' }))
        }, timeoutMs)
        signal?.addEventListener('abort', leave)
        if (signal?.aborted === true) leave()
        const isLost = (): boolean => isCut || random() < lossRate
        if (isLost()) return
        // it may come long after the one who asked has given up
        at(random() * maxDelayMs, () => {
          const answer = server.handle(asked)
          if (isLost()) return
          soon(random() * maxDelayMs, () => {
            end(answer)
          })
        })
      })
    const election = createElections({ call, clock, random, logger: silentLogger })({
      namespace: 'default',
      name: 'lease',
      identity: `replica-${String(index)}`,
      onChange: (isLeader) => {
        told = isLeader
      },
    })
    return {
      election,
      told: () => told,
      isAwake: () => !isFrozen && untold === 0,
      freeze: () => {
        isFrozen = true
      },
      thaw: () => {
        isFrozen = false
        // in whatever order
        const waiting = missed.toSorted(() => random() - 0.5)
        missed = []
        untold += waiting.length
        for (const deliver of waiting)
          at(0, () => {
            untold--
            deliver()
          })
      },
      step: (ms) => {
        offsetMs += ms
      },
      setCut: (cut) => {
        isCut = cut
      },
    }
  }

  /** Lets so much time pass. */
  const pass = async (ms: number): Promise<void> => {
    const endMs = nowMs + ms
    await settle()
    for (;;) {
      let next: readonly [id: number, event: { readonly atMs: number; readonly run: () => void }] | undefined
      for (const entry of events) if (next === undefined || entry[1].atMs < next[1].atMs) next = entry
      if (next === undefined || next[1].atMs > endMs) break
      const [id, event] = next
      events.delete(id)
      nowMs = event.atMs
      check()
      event.run()
      await settle()
      check()
    }
    nowMs = endMs
    check()
  }

  return {
    server,
    createReplica,
    pass,
    nowMs: () => nowMs,
    setNetwork: (network: { readonly lossRate: number; readonly maxDelayMs: number }) => {
      ;({ lossRate, maxDelayMs } = network)
    },
  }
}

import type { ExecutionContext } from 'ava'

import type { Collection, Follower, Following, KubernetesFailure, KubernetesObject } from '../../src/kubernetes.ts'
import { toApiServer } from '../../src/kubernetes/api-server.ts'
import { createCall } from '../../src/kubernetes/call.ts'
import { createReflector } from '../../src/kubernetes/reflector.ts'
import type { ReflectorTunables } from '../../src/kubernetes/tunables.ts'
import { createManualClock, recordingLogger, type RecordingLogger } from '../plugins/_setup.ts'
import { transportOf } from './_serve.ts'

export const collection: Collection = { path: '/apis/aggregation.grafana.app/v0alpha1/dataplaneservices' }

/** What a follower was told. Shape: `a@5`, `-a`; `failed: 410 Expired`; `recovered`. */
export interface Told {
  /** The next thing, in order. */
  next(): Promise<string>
  readonly all: ReadonlyArray<string>
  /** As they were told last. */
  readonly objects: ReadonlyMap<string, KubernetesObject>
  /** `lastHeardMs` of the following. */
  readonly heard: () => number | undefined
  /** Has the follower throw when it is told the next time, after it took note. */
  throwNext(): void
  /** Keys with versions, as told so far. */
  readonly view: ReadonlyMap<string, string>
}

const describe = (failure: KubernetesFailure): string =>
  failure._tag === 'Refused' ? `${String(failure.code)} ${failure.reason}`.trim() : failure._tag

export const recorder = () => {
  const all: Array<string> = []
  const view = new Map<string, string>()
  const objects = new Map<string, KubernetesObject>()
  let read = 0
  let isThrown = false
  let heard = (): number | undefined => undefined
  let wake = (): void => undefined
  const say = (line: string): void => {
    all.push(line)
    wake()
    if (!isThrown) return
    isThrown = false
    throw new Error('follower')
  }
  const told: Told = {
    all,
    view,
    objects,
    heard: () => heard(),
    throwNext: () => {
      isThrown = true
    },
    next: async () => {
      while (read === all.length) await new Promise<void>((resolve) => (wake = resolve))
      return all[read++] ?? ''
    },
  }
  const follower: Follower = {
    changed: (changes) => {
      for (const { key, object } of changes) {
        if (object === undefined) view.delete(key)
        else view.set(key, `${String(object.metadata.uid)}@${String(object.metadata.resourceVersion)}`)
        if (object !== undefined) objects.set(key, object)
      }
      const lines = changes.map(({ key, object }) =>
        object === undefined ? `-${key}` : `${key}@${String(object.metadata.resourceVersion)}`,
      )
      say(lines.join(' '))
    },
    failed: (failure) => say(`failed: ${describe(failure)}`),
    recovered: () => say('recovered'),
  }
  const hear = (lastHeardMs: () => number | undefined): void => {
    heard = lastHeardMs
  }
  return { told, follower, hear }
}

export interface Followed {
  readonly told: Told
  readonly following: Following
  readonly advance: (ms: number) => Promise<void>
  readonly logger: RecordingLogger
  readonly timers: ReadonlySet<unknown>
  readonly closeTransport: () => Promise<void>
}

/** Follows over the real transport; time is the test's. */
export const follow = (
  t: ExecutionContext,
  url: string,
  tunables: Partial<ReflectorTunables> = {},
  what: Collection = collection,
): Followed => {
  const { clock, advance, timers } = createManualClock()
  const logger = recordingLogger()
  const transport = transportOf(t, toApiServer(url, {}), clock)
  const call = createCall(transport, clock)
  const { told, follower, hear } = recorder()
  const reflect = createReflector({ transport, call, clock, random: () => 0, logger, tunables })
  const following = reflect(what, follower)
  hear(following.lastHeardMs)
  t.teardown(following.close)
  return {
    told,
    following,
    advance,
    logger,
    timers,
    closeTransport: transport.close,
  }
}

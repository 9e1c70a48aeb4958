import type { ExecutionContext } from 'ava'

import type { PluginChange, PluginState } from '../../../src/plugin-status.ts'
import type { PluginOptions } from '../../../src/plugins/options.ts'
import { createSupervisor, type SupervisorOptions } from '../../../src/plugins/process/supervisor.ts'
import { createManualClock, query, recordingLogger, settle, within } from '../_setup.ts'
import { createFakePeer, recordingSecrets, settingsOf, type FakePeer } from './_peer.ts'

export interface Start {
  readonly signal: AbortSignal
  readonly suspect: () => void
  readonly succeed: () => Promise<FakePeer>
  readonly fail: (error: string | Error) => Promise<void>
}

export interface Rig extends Partial<Pick<SupervisorOptions, 'random' | 'onChange' | 'start'>> {
  readonly answersAtOnce?: boolean
  readonly ignoresAbort?: boolean
  /** Instead of the identity that `replace` sets. */
  readonly read?: () => string | undefined
  /** Identity of the program; `replace` changes it. */
  readonly stamp?: string
}

/** A supervisor whose peers and whose time are the test's. */
export const createRig = (options: PluginOptions = {}, rig: Rig = {}) => {
  const { answersAtOnce = true, ignoresAbort = false, stamp, random, onChange } = rig
  const { clock, advance, timers } = createManualClock()
  const logger = recordingLogger()
  const { secrets, learned } = recordingSecrets()
  const changes: Array<PluginChange> = []
  const starts: Array<Start> = []
  const peers: Array<FakePeer> = []
  let program: string | undefined = stamp
  const supervisor = createSupervisor({
    plugin: { id: 'testds', version: '1.2.3' },
    start:
      rig.start ??
      ((signal, suspect) =>
        new Promise((resolve, reject) => {
          const peer = createFakePeer(starts.length + 1, answersAtOnce)
          signal.addEventListener('abort', () => {
            if (!ignoresAbort) reject(new Error('stopped while it started'))
          })
          starts.push({
            signal,
            suspect,
            succeed: async () => {
              peers.push(peer)
              resolve(peer)
              await settle()
              return peer
            },
            fail: async (error) => {
              reject(typeof error === 'string' ? new Error(error) : error)
              await settle()
            },
          })
        })),
    ...(stamp === undefined ? {} : { stamp: rig.read ?? (() => program) }),
    settings: settingsOf({
      drainMs: 3_000,
      backoff: { initialMs: 1_000, maxMs: 60_000, resetAfterMs: 300_000 },
      crashLoopAfter: 3,
      probe: { intervalMs: 10_000, timeoutMs: 5_000, failures: 3, successes: 1, restartAfter: 6 },
      ...options,
      logger,
    }),
    secrets,
    clock,
    random: random ?? (() => 0),
    onChange: (change) => {
      changes.push(change)
      onChange?.(change)
    },
  })
  const ask = (callOptions = within(60_000)) => supervisor.client.queryData(query(), callOptions)()
  const startAt = (index: number): Start => {
    const start = starts[index]
    if (start === undefined) throw new Error(`there was no start ${String(index)}`)
    return start
  }
  /** The peer that serves after a start of its own. */
  const serve = async (): Promise<FakePeer> => {
    void supervisor.start()
    await settle()
    return startAt(starts.length - 1).succeed()
  }
  /** Time for `count` health checks. */
  const tick = async (count = 1): Promise<void> => {
    for (let i = 0; i < count; i++) await advance(10_000)
  }
  /** The delay before the next start, after which it is made to fail. */
  const failedAgainAfterMs = async (): Promise<number> => {
    const before = clock.now()
    const { retryAtMs = before } = supervisor.status()
    await advance(retryAtMs - before)
    await startAt(starts.length - 1).fail('no')
    return retryAtMs - before
  }
  const replace = (next: string | undefined): void => {
    program = next
  }
  const path = (): ReadonlyArray<PluginState> => changes.map(({ to }) => to.state)
  return {
    ...{ supervisor, logger, clock, advance, timers, learned, changes, starts, peers },
    ...{ startAt, ask, serve, tick, failedAgainAfterMs, replace, path },
  }
}

export const setUp = (t: ExecutionContext, options: PluginOptions = {}, rig: Rig = {}) => {
  const created = createRig(options, rig)
  t.teardown(async () => {
    await created.supervisor.close()
    if (created.timers.size > 0) throw new Error(`${String(created.timers.size)} timers are left`)
  })
  return created
}

export type World = ReturnType<typeof setUp>

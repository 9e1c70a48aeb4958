import { hosts, titles, type App, type Case, type Comparison, type Host } from './case.ts'
import { startChild, type Child } from './child.ts'
import type { Load, LoadResult } from './load.ts'

/**
 * Where other work goes on besides, requests per second of one and the same server move by half from one second to the next, and
 * two processes of the same code differ by 5 % for all their lives. So, for all HTTP cases alike:
 * - the ratio is one of requests per second of processor time of the server's process; by the clock it is shown to people only;
 * - the two apps of a comparison are two servers of one process, on two ports; the load comes from another process;
 * - they take turns in short slices, in reversed order every second round, and the ratio of a round is made of its own two slices;
 *   the result is the median of all rounds;
 * - all processes are started anew a few times: generations.
 * So measured, an app compared with itself comes out within 0.015 of 1, also on a busy machine.
 */
export interface Plan {
  readonly generations: number
  readonly rounds: number
  readonly sliceMs: number
  readonly warmUpMs: number
}

interface Slice {
  readonly perCpuSecond: number
  readonly perSecond: number
}

interface Round {
  readonly of: Slice
  readonly to: Slice
}

/** A case, and what else people want to see of it. */
export interface Measured extends Case {
  /** By the clock. */
  readonly clockRatio: number
  /** Half of the rounds lie between the two. */
  readonly quartiles: readonly [number, number]
  /** CPU us per request, the least of all rounds. */
  readonly ofCpuUs: number
  readonly toCpuUs: number
}

/** One comparison on one kind of host, with its rounds so far. */
interface Track {
  readonly comparison: Comparison
  readonly host: Host
  readonly rounds: Round[]
}

/** A track with servers that run now. */
interface Live {
  readonly track: Track
  readonly run: (which: 'of' | 'to', durationMs: number) => Promise<Slice>
}

const runSlice = async (load: Child, server: Child, work: Load): Promise<Slice> => {
  const before = (await server.call('cpuUs')) as number
  const { requests, elapsedMs } = (await load.call('run', work)) as LoadResult
  const cpuUs = ((await server.call('cpuUs')) as number) - before
  return { perCpuSecond: (requests / cpuUs) * 1e6, perSecond: (requests / elapsedMs) * 1e3 }
}

/** Starts the process of a track: both of its apps. */
const goLive = async (track: Track, load: Child, start: (file: string) => Child): Promise<Live> => {
  const { comparison, host } = track
  const server = start('./server.ts')
  const serve = async (app: App): Promise<number> => (await server.call('start', app, host)) as number
  const ports = { to: await serve(comparison.to), of: await serve(comparison.of) }
  return {
    track,
    run: (which, durationMs) =>
      runSlice(load, server, {
        app: comparison[which],
        port: ports[which],
        connections: comparison.connections,
        durationMs,
      }),
  }
}

const runRound = async ({ track, run }: Live, isReversed: boolean, sliceMs: number): Promise<void> => {
  if (isReversed) {
    const of = await run('of', sliceMs)
    track.rounds.push({ of, to: await run('to', sliceMs) })
  } else {
    const to = await run('to', sliceMs)
    track.rounds.push({ of: await run('of', sliceMs), to })
  }
}

const runGeneration = async (tracks: ReadonlyArray<Track>, plan: Plan): Promise<void> => {
  const children: Child[] = []
  const start = (file: string): Child => {
    const child = startChild(file)
    children.push(child)
    return child
  }
  try {
    const load = start('./load.ts')
    const lives: Live[] = []
    for (const track of tracks) lives.push(await goLive(track, load, start))
    for (const { run } of lives) {
      await run('to', plan.warmUpMs)
      await run('of', plan.warmUpMs)
    }
    for (let round = 0; round < plan.rounds; round++) {
      for (const live of lives) await runRound(live, round % 2 === 1, plan.sliceMs)
    }
  } finally {
    await Promise.all(children.map((child) => child.stop()))
  }
}

const quantile = (values: ReadonlyArray<number>, q: number): number =>
  values.toSorted((a, b) => a - b)[Math.floor((values.length - 1) * q)] ?? NaN

const summarize = ({ comparison, host, rounds }: Track): Measured => {
  const ratios = rounds.map(({ of, to }) => of.perCpuSecond / to.perCpuSecond)
  return {
    name: `${comparison.name}, ${host}`,
    ratio: quantile(ratios, 0.5),
    of: `requests per CPU second: ${titles[comparison.of]}`,
    to: `requests per CPU second: ${titles[comparison.to]}`,
    clockRatio: quantile(
      rounds.map(({ of, to }) => of.perSecond / to.perSecond),
      0.5,
    ),
    quartiles: [quantile(ratios, 0.25), quantile(ratios, 0.75)],
    ofCpuUs: 1e6 / Math.max(...rounds.map(({ of }) => of.perCpuSecond)),
    toCpuUs: 1e6 / Math.max(...rounds.map(({ to }) => to.perCpuSecond)),
  }
}

/** Measures comparisons on both kinds of host. However it ends, no process is left. */
export const measure = async (comparisons: ReadonlyArray<Comparison>, plan: Plan): Promise<ReadonlyArray<Measured>> => {
  const tracks = comparisons.flatMap((comparison) => hosts.map((host): Track => ({ comparison, host, rounds: [] })))
  for (let i = 0; i < plan.generations; i++) await runGeneration(tracks, plan)
  return tracks.map(summarize)
}

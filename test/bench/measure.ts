import { hosts, titles, type Case, type Comparison, type Host } from './case.ts'
import { startChild, type Child } from './child.ts'
import type { Load, LoadResult } from './load.ts'

/**
 * Where other work goes on besides, requests per second of one and the same server move by half from one second to the next, and
 * two processes of the same code differ by 5 % for all their lives. So, for all HTTP cases alike:
 * - the ratio is one of requests per second of processor time of the server's process; by the clock it is shown to people only;
 * - the two apps of a comparison are two servers of one process, on two ports; the load comes from another process;
 * - they take turns in short slices, in reversed order every second round, and the ratio of a round is made of its own two slices;
 *   the result is the median of all rounds;
 * - all processes are started anew, with the other app first: generations.
 * It is the built package that is measured, as its users have it. On a machine three times overbooked, an app compared with itself came out between 0.95 and 1.05 in one generation, and within 0.02
 * of 1 over four: run it several times, on a quiet machine, before believing a difference of 0.03.
 */
export interface Plan {
  readonly generations: number
  readonly rounds: number
  readonly sliceMs: number
  readonly warmUpMs: number
}

const sides = ['to', 'of'] as const
type Side = (typeof sides)[number]

interface Slice {
  readonly perCpuSecond: number
  readonly perSecond: number
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

/** One comparison on one kind of host, with the slices of all rounds so far. */
interface Track {
  readonly comparison: Comparison
  readonly host: Host
  readonly slices: Readonly<Record<Side, Slice[]>>
}

/** A track with servers that run now. */
interface Live {
  readonly track: Track
  readonly run: (side: Side, durationMs: number, connections: number) => Promise<Slice>
}

const runSlice = async (load: Child, server: Child, work: Load): Promise<Slice> => {
  const before = (await server.call('cpuUs')) as number
  const { requests, elapsedMs } = (await load.call('run', work)) as LoadResult
  const cpuUs = ((await server.call('cpuUs')) as number) - before
  return { perCpuSecond: (requests / cpuUs) * 1e6, perSecond: (requests / elapsedMs) * 1e3 }
}

/** One at a time, a server would see too few requests for its code to be optimized. */
const warmUpConnections = 50

/** What counts for one round or generation must count for the next the other way round. */
const sidesOf = (turn: number): ReadonlyArray<Side> => (turn % 2 === 0 ? sides : sides.toReversed())

/** Starts the process of a track: both of its apps. */
const goLive = async (track: Track, load: Child, server: Child, order: ReadonlyArray<Side>): Promise<Live> => {
  const { comparison, host } = track
  const ports = { to: 0, of: 0 }
  for (const side of order) ports[side] = (await server.call('start', comparison[side], host)) as number
  return {
    track,
    run: (side, durationMs, connections) =>
      runSlice(load, server, { app: comparison[side], port: ports[side], connections, durationMs }),
  }
}

const runGeneration = async (tracks: ReadonlyArray<Track>, plan: Plan, generation: number): Promise<void> => {
  const children: Child[] = []
  const start = (file: string): Child => {
    const child = startChild(file)
    children.push(child)
    return child
  }
  try {
    const load = start('./load.ts')
    const lives: Live[] = []
    for (const track of tracks) lives.push(await goLive(track, load, start('./server.ts'), sidesOf(generation)))
    for (const { run } of lives) for (const side of sides) await run(side, plan.warmUpMs, warmUpConnections)
    for (let round = 0; round < plan.rounds; round++) {
      for (const { track, run } of lives) {
        for (const side of sidesOf(round))
          track.slices[side].push(await run(side, plan.sliceMs, track.comparison.connections))
      }
    }
  } finally {
    await Promise.all(children.map((child) => child.stop()))
  }
}

const quantile = (values: ReadonlyArray<number>, q: number): number =>
  values.toSorted((a, b) => a - b)[Math.floor((values.length - 1) * q)] ?? NaN

/** Of each round. */
const ratiosOf = ({ slices }: Track, rate: keyof Slice): ReadonlyArray<number> =>
  slices.of.map((slice, round) => slice[rate] / (slices.to[round]?.[rate] ?? NaN))

const leastCpuUs = (slices: ReadonlyArray<Slice>): number =>
  1e6 / Math.max(...slices.map(({ perCpuSecond }) => perCpuSecond))

const summarize = (track: Track): Measured => {
  const { comparison, host, slices } = track
  const rate = comparison.by === 'clock' ? 'perSecond' : 'perCpuSecond'
  const unit = comparison.by === 'clock' ? 'requests per second' : 'requests per CPU second'
  const ratios = ratiosOf(track, rate)
  return {
    name: `${comparison.name}, ${host}`,
    ratio: quantile(ratios, 0.5),
    of: `${unit}: ${titles[comparison.of]}`,
    to: `${unit}: ${titles[comparison.to]}`,
    clockRatio: quantile(ratiosOf(track, 'perSecond'), 0.5),
    quartiles: [quantile(ratios, 0.25), quantile(ratios, 0.75)],
    ofCpuUs: leastCpuUs(slices.of),
    toCpuUs: leastCpuUs(slices.to),
  }
}

/** Measures comparisons on both kinds of host. However it ends, no process is left. */
export const measure = async (comparisons: ReadonlyArray<Comparison>, plan: Plan): Promise<ReadonlyArray<Measured>> => {
  const tracks = comparisons.flatMap((comparison) =>
    hosts.map((host): Track => ({ comparison, host, slices: { of: [], to: [] } })),
  )
  for (let i = 0; i < plan.generations; i++) await runGeneration(tracks, plan, i)
  return tracks.map(summarize)
}

import { hosts, type App, type Case, type Comparison, type Host, type Target, titles } from './case.ts'
import { startChild, type Child } from './child.ts'
import type { Load, LoadResult } from './load.ts'

/**
 * Two cores that do other work besides are no quiet place: requests per second of one and the same server move by half from one
 * second to the next. So:
 * - the ratio is one of requests per second of processor time of the server process, in the words of `of` and `to` "requests per
 *   CPU second"; requests per second by the clock are shown beside it, for people;
 * - targets take turns in short slices, all of them in each round, in reversed order every second time, and a ratio is made of two
 *   slices of one round; the result is the median of all rounds;
 * - servers are started anew several times, since two processes of the same code can differ by percents for their whole life.
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

/** What is told of a case to people, beside what is told to programs. */
export interface Measured extends Case {
  /** By the clock. */
  readonly clockRatio: number
  /** Half of the rounds lie between the two. */
  readonly quartiles: readonly [number, number]
  /** CPU us per request, the least of all rounds. */
  readonly ofCpuUs: number
  readonly toCpuUs: number
}

const keyOf = (host: Host, { app, connections }: Target): string => `${host} ${app} ${String(connections)}`

const quantile = (values: ReadonlyArray<number>, q: number): number =>
  values.toSorted((a, b) => a - b)[Math.floor((values.length - 1) * q)] ?? NaN

const runSlice = async (load: Child, server: Child, work: Load): Promise<Slice> => {
  const before = (await server.call('cpuUs')) as number
  const { requests, elapsedMs } = (await load.call('run', work)) as LoadResult
  const cpuUs = ((await server.call('cpuUs')) as number) - before
  return { perCpuSecond: (requests / cpuUs) * 1e6, perSecond: (requests / elapsedMs) * 1e3 }
}

interface Running {
  readonly host: Host
  readonly app: App
  readonly server: Child
  readonly port: number
}

const uniqueBy = <A>(values: ReadonlyArray<A>, key: (value: A) => string): ReadonlyArray<A> => [
  ...new Map(values.map((value) => [key(value), value])).values(),
]

/** Starts the servers, takes all slices of all rounds, stops the servers. */
const runGeneration = async (
  comparisons: ReadonlyArray<Comparison>,
  { rounds, sliceMs, warmUpMs }: Plan,
  load: Child,
  children: Set<Child>,
): Promise<ReadonlyArray<ReadonlyMap<string, Slice>>> => {
  const targets = uniqueBy(
    comparisons.flatMap(({ of, to }) => [to, of]),
    ({ app, connections }) => `${app} ${String(connections)}`,
  )
  const running: Running[] = []
  for (const host of hosts) {
    for (const { app } of uniqueBy(targets, (target) => target.app)) {
      const server = startChild('./server.ts')
      children.add(server)
      running.push({ host, app, server, port: (await server.call('start', app, host)) as number })
    }
  }
  const work = hosts.flatMap((host) =>
    targets.flatMap((target) =>
      running
        .filter(({ host: h, app }) => h === host && app === target.app)
        .map(({ server, port }) => ({ key: keyOf(host, target), server, load: { ...target, port } })),
    ),
  )
  for (const item of work) await runSlice(load, item.server, { ...item.load, durationMs: warmUpMs })
  const result: Map<string, Slice>[] = []
  for (let round = 0; round < rounds; round++) {
    const slices = new Map<string, Slice>()
    for (const item of round % 2 === 0 ? work : work.toReversed())
      slices.set(item.key, await runSlice(load, item.server, { ...item.load, durationMs: sliceMs }))
    result.push(slices)
  }
  await Promise.all(running.map(({ server }) => server.stop()))
  for (const { server } of running) children.delete(server)
  return result
}

const summarize = (
  { name, of, to }: Comparison,
  host: Host,
  rounds: ReadonlyArray<ReadonlyMap<string, Slice>>,
): Measured => {
  const pairs = rounds.flatMap((slices) => {
    const [a, b] = [slices.get(keyOf(host, of)), slices.get(keyOf(host, to))]
    return a === undefined || b === undefined ? [] : [{ of: a, to: b }]
  })
  const cpuRatios = pairs.map((pair) => pair.of.perCpuSecond / pair.to.perCpuSecond)
  const clockRatios = pairs.map((pair) => pair.of.perSecond / pair.to.perSecond)
  return {
    name: `${name}, ${host}`,
    ratio: quantile(cpuRatios, 0.5),
    of: `requests per CPU second of ${titles[of.app]}`,
    to: `requests per CPU second of ${titles[to.app]}`,
    clockRatio: quantile(clockRatios, 0.5),
    quartiles: [quantile(cpuRatios, 0.25), quantile(cpuRatios, 0.75)],
    ofCpuUs: 1e6 / Math.max(...pairs.map((pair) => pair.of.perCpuSecond)),
    toCpuUs: 1e6 / Math.max(...pairs.map((pair) => pair.to.perCpuSecond)),
  }
}

/** Measures the comparisons on both kinds of host. `children` holds each process from its start to its end, for whoever must end it. */
export const measure = async (
  comparisons: ReadonlyArray<Comparison>,
  plan: Plan,
  children: Set<Child>,
): Promise<ReadonlyArray<Measured>> => {
  const load = startChild('./load.ts')
  children.add(load)
  const rounds: ReadonlyMap<string, Slice>[] = []
  for (let i = 0; i < plan.generations; i++) rounds.push(...(await runGeneration(comparisons, plan, load, children)))
  await load.stop()
  children.delete(load)
  return comparisons.flatMap((comparison) => hosts.map((host) => summarize(comparison, host, rounds)))
}

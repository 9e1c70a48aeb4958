import { setMaxListeners } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import { pluginDirectory, type QueryDataRequest } from 'dataplane-aggregator'

import { openBareQuery, pluginContext } from './bare-calls.ts'
import type { Case } from './case.ts'
import { answerParent, startChild } from './child.ts'
import { countCopies } from './copies.ts'
import { installPlugin } from './plugin-directory.ts'

/** A call that resolves when the answer is decoded. */
type Call = () => Promise<unknown>

interface Slice {
  /** us. */
  readonly p50: number
  /** CPU us of this process per call. */
  readonly cpu: number
}

const request: QueryDataRequest = {
  pluginContext,
  headers: {},
  queries: [
    {
      refId: 'A',
      queryType: '',
      maxDataPoints: 100,
      intervalMS: 1000,
      timeRange: { fromEpochMS: 1_700_000_000_000, toEpochMS: 1_700_003_600_000 },
      json: Buffer.from('{"refId":"A","maxDataPoints":100,"intervalMs":1000}'),
    },
  ],
}

const median = (values: ReadonlyArray<number>): number =>
  values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? NaN

const runSlice = async (call: Call, inFlight: number, calls: number): Promise<Slice> => {
  const latencies: number[] = []
  const one = async (): Promise<void> => {
    const startedMs = performance.now()
    await call()
    latencies.push((performance.now() - startedMs) * 1000)
  }
  const work = async (): Promise<void> => {
    for (let i = 0; i < calls / inFlight; i++) await one()
  }
  const before = process.cpuUsage()
  await Promise.all(Array.from({ length: inFlight }, work))
  const { user, system } = process.cpuUsage(before)
  return { p50: median(latencies), cpu: (user + system) / latencies.length }
}

const callsPerSlice = 200
const warmUpCalls = 4000

/** Ours against the bare call, in short slices that take turns; the median of the rounds' own ratios. More is better. */
const compare = async (
  ours: Call,
  bare: Call,
  inFlight: number,
  rounds: number,
): Promise<readonly [number, number]> => {
  for (const call of [ours, bare]) await runSlice(call, inFlight, warmUpCalls)
  const ratios: Array<{ readonly p50: number; readonly cpu: number }> = []
  for (let round = 0; round < rounds; round++) {
    const order = round % 2 === 0 ? [ours, bare] : [bare, ours]
    const slices = new Map<Call, Slice>()
    for (const call of order) slices.set(call, await runSlice(call, inFlight, callsPerSlice))
    const [own, other] = [slices.get(ours), slices.get(bare)]
    if (own !== undefined && other !== undefined) ratios.push({ p50: other.p50 / own.p50, cpu: other.cpu / own.cpu })
  }
  return [median(ratios.map(({ p50 }) => p50)), median(ratios.map(({ cpu }) => cpu))]
}

const { signal } = new AbortController()
// one signal for all calls: theirs have one each
setMaxListeners(0, signal)

/** A plugin of this folder under a host of ours, for as long as `use` takes. */
const withPlugin = async <A>(
  settings: Readonly<Record<string, string>>,
  use: (call: Call, directory: string) => Promise<A>,
): Promise<A> => {
  const directory = mkdtempSync(join(tmpdir(), 'bench-'))
  installPlugin(directory)
  const host = pluginDirectory(directory, { settings: { bench: settings } })
  const call: Call = async () => {
    const answer = await host.plugin('bench')?.client.queryData(request, { signal, timeoutMs: 60_000 })()
    if (answer?._tag !== 'Right') throw new Error(JSON.stringify(answer))
  }
  try {
    await call()
    return await use(call, directory)
  } finally {
    await host.close()
    rmSync(directory, { recursive: true, force: true })
  }
}

const of = 'PluginClient.queryData of a plugin process'
const to = 'makeUnaryRequest of grpc-js with the same messages'

const measureCalls = (rounds: number): Promise<ReadonlyArray<Case>> =>
  withPlugin({}, async (ours, directory) => {
    const queryData = await openBareQuery(directory)
    const bare: Call = () =>
      new Promise<void>((resolve, reject) => {
        queryData(request, (error) => {
          if (error === null) resolve()
          else reject(error)
        })
      })
    const cases: Case[] = []
    for (const inFlight of [1, 50]) {
      const name = `plugin call, ${String(inFlight)} in flight`
      const [p50, cpu] = await compare(ours, bare, inFlight, rounds)
      cases.push({ name: `${name}, p50`, ratio: p50, of: `1 / p50: ${of}`, to: `1 / p50: ${to}` })
      cases.push({ name, ratio: cpu, of: `calls per CPU second: ${of}`, to: `calls per CPU second: ${to}` })
    }
    return cases
  })

const answerBytes = 8 * 1024 * 1024

const measureCopies = (): Promise<Case> =>
  withPlugin({ frame_bytes: String(answerBytes) }, async (call) => ({
    name: 'plugin call, bytes copied of an 8 MiB answer',
    ratio: (await countCopies(call)) / answerBytes,
    of: 'bytes copied by JavaScript from the socket to DataResponse.frames',
    to: 'bytes of the answer',
  }))

/** In a process of its own: the other work of the benchmark must not count. */
const measure = async (rounds: number): Promise<ReadonlyArray<Case>> => [
  ...(await measureCalls(rounds)),
  await measureCopies(),
]

/** One call to a plugin process, without HTTP, against grpc-js alone. */
export const pluginCallCases = async (rounds: number): Promise<ReadonlyArray<Case>> => {
  const child = startChild('./plugin-calls.ts', ['measure'])
  try {
    return (await child.call('measure', rounds)) as ReadonlyArray<Case>
  } finally {
    await child.stop()
  }
}

if (process.argv[2] === 'measure') answerParent({ measure })

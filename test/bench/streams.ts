import { titles, type App, type Case } from './case.ts'
import { startChild } from './child.ts'
import type { Ask, Reading } from './load.ts'

/**
 * Streams: what an event costs at 100 readers of one RunStream, and how soon a chunked query begins. Each side has processes of its
 * own, since a stream goes on whether it is measured or not.
 */

const readers = 100
const durationMs = 3000
const path = '/apis/g0.bench.example.com/v1/namespaces/default/datasources/b1/stream/x'

interface Fanned {
  /** Deliveries per second. */
  readonly perSecond: number
  /** CPU us of the server per delivery. */
  readonly cpuUs: number
}

const fan = async (app: App): Promise<Fanned> => {
  const [server, load] = [startChild('./server.ts'), startChild('./load.ts')]
  try {
    const port = (await server.call('start', app, 'createServer(app)')) as number
    const read = (ms: number): Promise<number> =>
      load.call('readEvents', { port, path, readers, durationMs: ms } satisfies Reading) as Promise<number>
    await read(durationMs / 3)
    const before = (await server.call('cpuUs')) as number
    const events = await read(durationMs)
    const cpuUs = ((await server.call('cpuUs')) as number) - before
    return { perSecond: (events / durationMs) * 1000, cpuUs: cpuUs / events }
  } finally {
    await Promise.all([server.stop(), load.stop()])
  }
}

const median = (values: ReadonlyArray<number>): number =>
  values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? NaN

const compareFans = async (rounds: number): Promise<ReadonlyArray<Case>> => {
  const ratios: Fanned[] = []
  for (let round = 0; round < rounds; round++) {
    const bareFirst = round % 2 === 0
    const first = await fan(bareFirst ? 'bare stream' : 'stream')
    const second = await fan(bareFirst ? 'stream' : 'bare stream')
    const [bare, ours] = bareFirst ? [first, second] : [second, first]
    ratios.push({ perSecond: ours.perSecond / bare.perSecond, cpuUs: bare.cpuUs / ours.cpuUs })
  }
  const [of, to] = [titles.stream, titles['bare stream']]
  return [
    {
      name: '100 readers of a stream, events per second',
      ratio: median(ratios.map(({ perSecond }) => perSecond)),
      of,
      to,
    },
    { name: '100 readers of a stream, events per CPU second', ratio: median(ratios.map(({ cpuUs }) => cpuUs)), of, to },
  ]
}

const compareFirstBytes = async (rounds: number): Promise<ReadonlyArray<Case>> => {
  const [server, load] = [startChild('./server.ts'), startChild('./load.ts')]
  try {
    const port = (await server.call('start', 'large query' satisfies App, 'createServer(app)')) as number
    const ask = (accept: string): Promise<{ firstMs: number; lastMs: number }> =>
      load.call('firstByte', { port, accept } satisfies Ask) as Promise<{ firstMs: number; lastMs: number }>
    const ratios: Array<{ readonly first: number; readonly last: number }> = []
    for (let round = -3; round < rounds; round++) {
      const chunked = await ask('application/jsonl')
      const whole = await ask('application/json')
      const ratio = { first: chunked.firstMs / whole.firstMs, last: chunked.lastMs / whole.lastMs }
      if (round >= 0) ratios.push(ratio)
    }
    const [of, to] = [`chunked: ${titles['large query']}`, `whole: ${titles['large query']}`]
    return [
      { name: 'chunked query, time to the first byte', ratio: median(ratios.map(({ first }) => first)), of, to },
      { name: 'chunked query, time to the last byte', ratio: median(ratios.map(({ last }) => last)), of, to },
    ]
  } finally {
    await Promise.all([server.stop(), load.stop()])
  }
}

export const streamCases = async (rounds: number): Promise<ReadonlyArray<Case>> => [
  ...(await compareFans(Math.max(1, Math.floor(rounds / 10)))),
  ...(await compareFirstBytes(rounds)),
]

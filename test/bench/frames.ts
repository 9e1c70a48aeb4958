import { pathToFileURL } from 'node:url'
import { Float64, TimestampNanosecond } from 'apache-arrow'
import { encodeQueryData } from '../../src/frames/index.ts'
import { E } from '../../src/fp.ts'
import { arrowFile } from '../frames/arrow.ts'
import type { Case } from './case.ts'

const START_MS = 1_700_000_000_000

/** A random walk with all its 17 digits, the same in each run. */
const randomWalk = (rows: number, seed: number): Float64Array => {
  let state = seed
  let value = 100
  return Float64Array.from({ length: rows }, () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) | 0
    value += state / 2 ** 31
    return value
  })
}

const frameOf = (rows: number, columns: ReadonlyArray<Float64Array>): Buffer => {
  const times = Array.from({ length: rows }, (_, row) => BigInt(START_MS + row * 15_000) * 1_000_000n)
  return arrowFile([
    { name: 'time', type: new TimestampNanosecond(), values: times },
    ...columns.map((column, index) => ({
      name: `value${String(index)}`,
      type: new Float64(),
      values: Array.from(column),
    })),
  ])
}

const median = (numbers: ReadonlyArray<number>): number =>
  numbers.toSorted((left, right) => left - right)[Math.floor(numbers.length / 2)] ?? NaN

const timed = (run: () => unknown): number => {
  const start = process.hrtime.bigint()
  run()
  return Number(process.hrtime.bigint() - start)
}

interface Plan {
  readonly rows: number
  readonly columns: number
  /** Calls between two looks at the clock. */
  readonly repeats: number
  /** V8 needs some calls until it has optimized JavaScript; JSON.stringify is native from the start. */
  readonly warmUps: number
  readonly rounds: number
}

/** Both in turns in one process, so that a busy machine slows both. */
const ratioOf = (ours: () => unknown, floor: () => unknown, { warmUps, rounds }: Plan): number => {
  for (let warmUp = 0; warmUp < warmUps; warmUp++) {
    ours()
    floor()
  }
  const times = Array.from({ length: rounds }, () => [timed(ours), timed(floor)] as const)
  return median(times.map(([own]) => own)) / median(times.map(([, other]) => other))
}

const encode = (frame: Uint8Array): number => {
  const response = { format: 'arrow', frames: [frame], error: '', errorSource: '', status: 200 } as const
  const answer = encodeQueryData({ responses: new Map([['A', response]]) })
  if (E.isLeft(answer)) throw new Error(answer.left)
  let length = 0
  for (const chunk of answer.right) length += chunk.length
  return length
}

const repeated = (times: number, run: () => unknown) => (): void => {
  for (let turn = 0; turn < times; turn++) run()
}

const measure = (name: string, plan: Plan): Case => {
  const { rows, repeats } = plan
  const columns = Array.from({ length: plan.columns }, (_, index) => randomWalk(rows, index + 1))
  const frame = frameOf(rows, columns)
  const times = Array.from({ length: rows }, (_, row) => START_MS + row * 15_000)
  const values = [times, ...columns.map((column) => [...column])]
  const fields = values.map((_, index) => ({ name: `value${String(index)}`, type: 'number' }))
  const ready = { results: { A: { status: 200, frames: [{ schema: { fields }, data: { values } }] } } }
  const ratio = ratioOf(
    repeated(repeats, () => encode(frame)),
    repeated(repeats, () => Buffer.from(JSON.stringify(ready))),
    plan,
  )
  return {
    name,
    ratio,
    of: 'time from Arrow file to chunks of JSON',
    to: 'time of JSON.stringify of ready arrays to a Buffer',
  }
}

/** Encoding against the least that any server has to do that holds the rows already. */
export const frameCases = (): Promise<ReadonlyArray<Case>> =>
  Promise.resolve([
    measure('frames 2 MB vs stringify of ready arrays', {
      rows: 1e4,
      columns: 10,
      repeats: 1,
      warmUps: 20,
      rounds: 15,
    }),
    measure('frames 30 MB vs stringify of ready arrays', { rows: 1e6, columns: 1, repeats: 1, warmUps: 3, rounds: 7 }),
    measure('frames 100 rows vs stringify of ready arrays', {
      rows: 100,
      columns: 1,
      repeats: 200,
      warmUps: 30,
      rounds: 15,
    }),
  ])

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href)
  for (const { name, ratio } of await frameCases()) process.stdout.write(`${ratio.toFixed(2)}  ${name}\n`)

import { encodeQueryData } from '../../src/frames/index.ts'
import { E } from '../../src/fp.ts'
import type { DataResponse } from '../../src/plugin.ts'

export const response = (fields: Partial<DataResponse> = {}): DataResponse => ({
  format: 'arrow',
  frames: [],
  error: '',
  errorSource: '',
  status: 200,
  ...fields,
})

export const chunksOf = (responses: ReadonlyMap<string, DataResponse>): E.Either<string, ReadonlyArray<Buffer>> =>
  E.map((chunks: Iterable<Buffer>) => [...chunks])(encodeQueryData({ responses }))

/** The whole body; throws what the encoder refused, for tests that expect an answer. */
export const bodyOf = (responses: ReadonlyMap<string, DataResponse>): Buffer => {
  const chunks = chunksOf(responses)
  if (E.isLeft(chunks)) throw new Error(chunks.left)
  return Buffer.concat(chunks.right)
}

const HEAD = '{"results":{"A":{"status":200,"frames":['
const TAIL = ']}}}\n'

/** The JSON of one frame. */
export const frameJson = (bytes: Uint8Array, format: DataResponse['format'] = 'arrow'): Buffer =>
  bodyOf(new Map([['A', response({ frames: [bytes], format })]])).subarray(HEAD.length, -TAIL.length)

/** What is wrong with one frame; empty when nothing is. */
export const refusal = (bytes: Uint8Array, format: DataResponse['format'] = 'arrow'): string => {
  const chunks = chunksOf(new Map([['A', response({ frames: [bytes], format })]]))
  return E.isLeft(chunks) ? chunks.left : ''
}

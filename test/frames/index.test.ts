import test from 'ava'

import { Int32 } from 'apache-arrow'
import { bodyOf, chunksOf, frameJson, response } from './answer.ts'
import { arrowFile } from './arrow.ts'
import { encodeFrame } from '../../src/frames/index.ts'
import { E } from '../../src/fp.ts'
import type { DataResponse } from '../../src/plugin.ts'

const bodyText = (...responses: ReadonlyArray<readonly [string, DataResponse]>): string =>
  bodyOf(new Map(responses)).toString()

const only = (fields: Partial<DataResponse>): string =>
  bodyText(['A', response(fields)]).slice('{"results":{"A":'.length, -3)

test('answers no responses with empty results', (t) => {
  t.is(bodyText(), '{"results":{}}\n')
})

test('always writes an array of frames', (t) => {
  t.is(bodyText(['A', response()]), '{"results":{"A":{"status":200,"frames":[]}}}\n')
})

test('sorts refIds by their UTF-8 bytes', (t) => {
  const refIds = ['9', '10', 'b', '\u{1f600}', '\uffee', '__proto__', '', 'é', 'B']
  const body = bodyText(...refIds.map((refId) => [refId, response()] as const))
  const sorted = refIds.toSorted((left, right) => Buffer.compare(Buffer.from(left), Buffer.from(right)))
  t.is(
    body,
    `{"results":{${sorted.map((refId) => `${JSON.stringify(refId)}:{"status":200,"frames":[]}`).join(',')}}}\n`,
  )
  t.true(body.indexOf('\uffee') < body.indexOf('\u{1f600}'))
})

test('escapes refIds and errors only as JSON demands', (t) => {
  const text = '<a>&"\\\b\n\u2028é\ud800'
  const expected = '"<a>&\\"\\\\\\u0008\\n\u2028é\ufffd"'
  t.is(
    bodyText([text, response({ error: text, status: 400 })]),
    `{"results":{${expected}:{"error":${expected},"errorSource":"plugin","status":400,"frames":[]}}}\n`,
  )
})

test('writes the status that was sent when it is one, else 200 or, with an error, 500', (t) => {
  const table = [
    [0, '', 200],
    [0, 'boom', 500],
    [99, '', 200],
    [600, 'boom', 500],
    [-1, '', 200],
    [100, '', 100],
    [599, 'boom', 599],
    [404, '', 404],
    [200, 'boom', 200],
  ] as const
  for (const [status, error, expected] of table)
    t.regex(only({ status, error }), new RegExp(`"status":${String(expected)},`))
})

test('names a source with each error, the plugin unless it is downstream', (t) => {
  const sourceOf = (errorSource: string): string => only({ error: 'boom', errorSource, status: 500 })
  for (const source of ['', 'plugin', 'x', 'Downstream'])
    t.is(sourceOf(source), '{"error":"boom","errorSource":"plugin","status":500,"frames":[]}')
  t.is(sourceOf('downstream'), '{"error":"boom","errorSource":"downstream","status":500,"frames":[]}')
  t.is(only({ errorSource: 'downstream' }), '{"status":200,"frames":[]}')
})

test('writes frames beside an error', (t) => {
  const frames = [Buffer.from('{}'), Buffer.from('{"a":1}')]
  t.is(
    only({ error: 'partly', status: 502, format: 'json', frames }),
    '{"error":"partly","errorSource":"plugin","status":502,"frames":[{},{"a":1}]}',
  )
})

test('refuses the whole answer for one bad frame, and says which', (t) => {
  const good = arrowFile([{ name: 'n', type: new Int32(), values: [1] }])
  const answer = chunksOf(
    new Map([
      ['A', response({ frames: [good] })],
      ['B', response({ frames: [good, Buffer.from('x')] })],
    ]),
  )
  t.deepEqual(answer, E.left('frame 1 of query "B": expected an Arrow file, ending in "ARROW1"'))
})

test('gives one frame alone the JSON that it has in an answer, and as often as it is pulled', (t) => {
  const columns = Array.from({ length: 20 }, (_, index) => ({
    name: `n${String(index)}`,
    type: new Int32(),
    values: Array.from({ length: 10_000 }, (_, row) => row),
  }))
  const file = arrowFile(columns)
  const pieces = encodeFrame(file, 'arrow')
  if (E.isLeft(pieces)) return t.fail(pieces.left)
  t.true([...pieces.right].length > 1)
  t.true(Buffer.concat([...pieces.right]).equals(frameJson(file)))
})

test('takes the later pieces of a frame, which have no schema', (t) => {
  const json = '{"data":{"values":[[1.0,1e2,9007199254740993]]}}'
  const pieces = encodeFrame(Buffer.from(` ${json}\n`), 'json')
  t.is(E.isRight(pieces) ? Buffer.concat([...pieces.right]).toString() : pieces.left, json)
})

test('says what is wrong with one frame before any of it is written', (t) => {
  t.deepEqual(encodeFrame(Buffer.from('x'), 'arrow'), E.left('expected an Arrow file, ending in "ARROW1"'))
  t.deepEqual(encodeFrame(Buffer.from('[]'), 'json'), E.left('expected the bytes to be one JSON object'))
  t.deepEqual(encodeFrame(Buffer.from('{"a":1'), 'json'), E.left('expected the bytes to be one JSON object'))
})

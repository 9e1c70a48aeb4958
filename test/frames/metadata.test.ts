import test from 'ava'

import { encodeConfig, encodeLabels, encodeMeta } from '../../src/frames/metadata.ts'
import { FrameError } from '../../src/frames/refuse.ts'
import { toBinary } from '../../src/frames/text.ts'
import { lines } from './fixtures.ts'

const encoders: ReadonlyMap<string, (source: string) => string> = new Map([
  ['meta', encodeMeta],
  ['config', encodeConfig],
  ['labels', encodeLabels],
])

const encode = (kind: string, source: string): string =>
  Buffer.from(encoders.get(kind)?.(toBinary(source)) ?? '', 'latin1').toString('utf8')

test('rewrites or refuses metadata as Grafana does', (t) => {
  const cases = lines('meta.tsv')
  t.true(cases.length > 130)
  for (const line of cases) {
    const [kind = '', source = '', expected = ''] = line.split('\t')
    if (expected.startsWith('ERR')) t.throws(() => encode(kind, source), { instanceOf: FrameError }, line)
    else t.is(encode(kind, source), expected.startsWith('ABSENT') ? '' : expected, line)
  }
})

test('replaces each byte that is no UTF-8, except where json-iterator reads: there it is escaped', (t) => {
  t.is(encodeConfig('{"unit":"a\xe2\x82b\xff"}'), '{"unit":"a\xef\xbf\xbd\xef\xbf\xbdb\xef\xbf\xbd"}')
  t.is(encodeLabels('{"\xff":"\xed\xa0\x80"}'), `{"\xef\xbf\xbd":"${'\xef\xbf\xbd'.repeat(3)}"}`)
  t.is(
    encodeConfig('{"thresholds":{"steps":[{"color":"\xff"}]}}'),
    '{"thresholds":{"mode":"","steps":[{"value":null,"color":"\\ufffd"}]}}',
  )
})

test('keeps what a duplicate list leaves in store, as a Go slice does', (t) => {
  const config = '{"type":{"enum":{"text":["a","b"],"text":["c"],"text":["d",null]}}}'
  t.is(encodeConfig(config), '{"type":{"enum":{"text":["d","b"]}}}')
})

test('refuses metadata that is nested too deeply, without running out of stack', (t) => {
  const nested = (depth: number): string => `{"custom":${'['.repeat(depth)}${']'.repeat(depth)}}`
  t.is(encodeMeta(nested(400)), `{"typeVersion":[0,0],${nested(400).slice(1)}`)
  t.throws(() => encodeMeta(nested(1e6)), { instanceOf: FrameError })
  t.throws(() => encodeMeta('{"a":'.repeat(1e6)), { instanceOf: FrameError })
})

test('leaves no trace of dangerous keys', (t) => {
  t.is(
    encodeMeta('{"custom":{"__proto__":{"polluted":1}}}'),
    '{"typeVersion":[0,0],"custom":{"__proto__":{"polluted":1}}}',
  )
  t.false('polluted' in {})
})

test('refuses a truncated text at every length', (t) => {
  const text = '{"custom":{"a":[1.5e3,true,"x\\u0041"],"b":null},"stats":[{"value":1}]}'
  t.notThrows(() => encodeMeta(text))
  for (let length = 0; length < text.length; length++)
    t.throws(() => encodeMeta(text.slice(0, length)), { instanceOf: FrameError })
})

test('refuses a long string without an end, or with a wrong escape, in no time', (t) => {
  for (const inner of ['x', '\\n', 'é'].map((unit) => unit.repeat(100_000)))
    for (const end of ['', '\\', '\\q"', '\\u12', '\\u123x"', '\n"'])
      t.throws(() => encodeMeta(`{"path":"${inner}${end}`), { instanceOf: FrameError })
})

import test from 'ava'

import { isJsonText, onOneLine } from '../../src/api/json-scan.ts'
import { E, O } from '../../src/fp.ts'
import { toPacket } from '../../src/shared-streams.ts'
import { recordingPlugins } from '../../src/testing/recording-plugin.ts'
import { service } from './manifests.ts'
import { serve } from '../services/serve.ts'

// `JSON.parse` takes these, for seconds where there are many of them.
const tooDeep = Buffer.from(`{"a":${'['.repeat(10_000)}${']'.repeat(10_000)}}`)

test('checks one JSON value, white space around it, and no deeper than Go would', (t) => {
  for (const right of ['{}', ' [1, 2.5e3]\r\n', '"\\u00e9é"', 'null', '[[]]'])
    t.true(isJsonText(Buffer.from(right)), right)
  for (const wrong of ['', ' ', '{', '1 2', '\ufeff1', '{"a"}', '"\n"', '[1,]', '01'])
    t.false(isJsonText(Buffer.from(wrong)), wrong)
  t.true(isJsonText(tooDeep.subarray(5, -1)))
  t.false(isJsonText(tooDeep))
})

test('puts JSON on one line, digit for digit', (t) => {
  const text = Buffer.from('{"a":\r\n 12345678901234567890,\n\n"b":1.0}\n')
  t.is(Buffer.from(onOneLine(text)).toString(), '{"a": 12345678901234567890,"b":1.0}')
  const line = Buffer.from('{"a":"\\n"}')
  t.is(onOneLine(line), line)
})

test('takes no JSON of a plugin that is deeper than its readers follow', async (t) => {
  t.true(O.isNone(toPacket(tooDeep)))
  const answer = await serve('/namespaces/default/datasources/u/health', undefined, {
    plugins: recordingPlugins({ checkHealth: { status: 'OK', message: '', jsonDetails: tooDeep } }).host,
    of: service([{ type: 'health' }]),
    method: 'GET',
  })
  t.is(E.isLeft(answer) ? answer.left._tag : '', 'BadPlugin')
})

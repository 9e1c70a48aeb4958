import test from 'ava'

import { E } from '../../src/fp.ts'
import type { MessageStream, StreamRequest } from '../../src/plugin.ts'
import { recordingPlugins, type ScriptedAnswer } from '../../src/testing/index.ts'
import { pluginContext, within } from '../plugins/_setup.ts'

const request: StreamRequest = { pluginContext, path: 'p', data: Buffer.of(), headers: {} }
const packets = [{ data: Buffer.from('1') }, { data: Buffer.from('2') }]
const error = { _tag: 'PluginFailed', message: 'no', source: 'plugin' } as const
const missing = { _tag: 'NotImplemented', message: 'the fixture has no answer to runStream' } as const

const collect = async <A>(stream: MessageStream<A>): Promise<ReadonlyArray<E.Either<unknown, A>>> => {
  const messages: E.Either<unknown, A>[] = []
  for await (const message of stream) messages.push(message)
  return messages
}

const scripts: ReadonlyArray<readonly [title: string, ScriptedAnswer, ReadonlyArray<E.Either<unknown, unknown>>]> = [
  ['its messages', { runStream: packets }, packets.map((packet) => E.right(packet))],
  [
    'its messages, then the error',
    { runStream: packets, error },
    [...packets.map((packet) => E.right(packet)), E.left(error)],
  ],
  ['the error alone', { error }, [E.left(error)]],
  ['what says that it is not scripted', {}, [E.left(missing)]],
]
for (const [title, script, expected] of scripts) {
  test(`streams ${title}, and records the call once it begins`, async (t) => {
    const { host, calls } = recordingPlugins(script)
    const stream = host.plugin('testds')?.client.runStream(request, within(5000))
    if (stream === undefined) throw new Error('not installed')
    t.deepEqual(calls, [])
    t.deepEqual(await collect(stream), expected)
    t.deepEqual(calls, [{ plugin: 'testds', call: 'runStream', request }])
  })
}

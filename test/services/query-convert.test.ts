import test from 'ava'

import { E } from '../../src/fp.ts'
import { recordingPlugins } from '../../src/testing/recording-plugin.ts'
import { service } from '../api/manifests.ts'
import { recordingContexts, serve } from './serve.ts'

// What is asked and answered is told in fixtures/query-convert.

const of = service([{ type: 'conversion' }])
const body = JSON.stringify({ queries: [{ refId: 'A', datasource: { type: 'p', uid: 'u' } }] })

const ask = (path: string, raws: ReadonlyArray<Uint8Array> = [], contexts = recordingContexts()) => {
  const objects = raws.map((raw) => ({ raw, contentType: 'application/json' }))
  const { host } = recordingPlugins({ convertObjects: { uid: '', result: undefined, objects } })
  return serve(path, body, { plugins: host, contexts, of })
}

test('gives the plugin the instance that the path names, and that somebody was authorized for, or none (S5)', async (t) => {
  const contexts = recordingContexts()
  for (const path of ['datasources/u/query-convert', 'connections/u/query-convert', 'queryconvert']) {
    t.true(E.isRight(await ask(`/namespaces/default/${path}`, [], contexts)))
  }
  t.deepEqual(
    contexts.asked.map(({ uid }) => uid),
    ['u', 'u', undefined],
  )
})

test('refuses more queries, and larger ones, than anybody asked for', async (t) => {
  const path = '/namespaces/default/datasources/u/query-convert'
  const many = Array.from({ length: 10_001 }, () => Buffer.from('{}'))
  t.true(E.isRight(await ask(path, many.slice(1))))
  const message = 'the plugin answered queries: expected at most'
  t.deepEqual(await ask(path, many), E.left({ _tag: 'BadPlugin', message: `${message} 10000` }))
  t.like(await ask(path, [Buffer.alloc(16 * 1024 * 1024 + 1)]), {
    left: { _tag: 'BadPlugin', message: `${message} 16777216 bytes, got 16777217` },
  })
})

import { once } from 'node:events'

import test from 'ava'
import { WebSocket } from 'ws'

import { freePort, runExample } from './_run.ts'

test('reads a stream of a plugin that is a few functions, as events and over a WebSocket', async (t) => {
  const port = String(await freePort())
  const { line, stop } = runExample(t, 'examples/stream.ts', { PORT: port })
  t.regex(await line(/time/), /^\{"time":"\d{4}-/)
  const path = '/apis/clock.example.com/v1/namespaces/default/datasources/c1/stream/seconds'
  const socket = new WebSocket(`ws://127.0.0.1:${port}${path}`)
  const [message] = (await once(socket, 'message')) as [Buffer]
  t.regex(String(message), /^\{"time":"\d{4}-/)
  socket.close()
  await once(socket, 'close')
  t.is(await stop(), 0)
})

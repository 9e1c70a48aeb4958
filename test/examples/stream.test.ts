import test from 'ava'

import { freePort, runExample } from './_run.ts'

test('reads a stream of a plugin that is a few functions', async (t) => {
  const port = String(await freePort())
  const { line, stop } = runExample(t, 'examples/stream.ts', { PORT: port })
  t.regex(await line(/time/), /^\{"time":"\d{4}-/)
  t.is(await stop(), 0)
})

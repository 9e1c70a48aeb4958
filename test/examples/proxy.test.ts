import { execFile } from 'node:child_process'
import { promisify } from 'node:util'

import test from 'ava'

import { runExample } from './_run.ts'

const run = promisify(execFile)

test('answers the line that it prints, with the password and the key that the client has not', async (t) => {
  const { line, stop } = runExample(t, 'examples/proxy.ts', { PORT: '0' })
  const command = await line(/^curl /)
  const url = command.slice("curl '".length, -1)
  const expected = { url: '/stations/zugspitze/forecast?days=2', sky: 'blue' }
  const response = await fetch(url, { headers: { authorization: 'Basic of-the-client', cookie: 'a=1' } })
  t.deepEqual(await response.json(), expected)
  t.is(response.headers.get('content-security-policy'), 'sandbox')

  const printed = await run('sh', ['-c', `${command} --silent`]).catch(() => undefined)
  if (printed === undefined) t.log('curl is not installed: its line was not typed')
  else t.deepEqual(JSON.parse(printed.stdout), expected)

  const other = await fetch(url.replace('/v1/forecast', '/v2'))
  t.is(other.status, 403)
  const admin = await fetch(url, { method: 'DELETE' })
  t.is(admin.status, 403)
  t.is(await stop(), 0)
})

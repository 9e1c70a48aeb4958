import { execFile } from 'node:child_process'
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'

import test from 'ava'

import { root, runExample } from './_run.ts'

const run = promisify(execFile)

const isAlive = (pid: number): boolean => {
  try {
    process.kill(pid, 0)
    return true
  } catch {
    return false
  }
}

/** Children of a process, by id; Linux only, where `ps` is not always there. */
const childrenOf = async (pid: number): Promise<ReadonlyArray<number>> => {
  const text = await readFile(`/proc/${String(pid)}/task/${String(pid)}/children`, 'utf8').catch(() => '')
  return text.trim().split(' ').filter(Boolean).map(Number)
}

test('serves the query as printed, lets the rest pass, and leaves nothing behind at SIGTERM', async (t) => {
  const temporary = await mkdtemp(join(tmpdir(), 'dpa-'))
  t.teardown(() => rm(temporary, { recursive: true, force: true }))
  const env = { PORT: '0', XDG_RUNTIME_DIR: temporary, TMPDIR: temporary }
  const { child, line, stop } = runExample(t, 'examples/apiserver/main.ts', env, 'tsx')
  const listening = await line(/^listening on /)
  const url = listening.slice('listening on '.length)
  const command = await line(/^curl /)
  t.regex(url, /^http:\/\/127\.0\.0\.1:\d+$/)

  const target = command.split(' ').at(-1) ?? ''
  const body = await readFile(join(root, 'examples/datasource-query.json'))
  const form = { 'content-type': 'application/x-www-form-urlencoded' }
  const response = await fetch(target, { method: 'POST', body, headers: form })
  t.is(response.status, 200)
  const { results } = (await response.json()) as { results: Record<string, { status: number; frames: unknown[] }> }
  t.like(results, { A: { status: 200 } })
  t.is(results['A']?.frames.length, 1)

  // The printed line itself, where there is a curl.
  const printed = await run('sh', ['-c', `${command} --silent`], { cwd: root }).catch(() => undefined)
  if (printed === undefined) t.log('curl is not installed: its line was not typed')
  else t.regex(printed.stdout, /^\{"results":\{"A":\{"status":200,"frames":\[\{"schema":/)

  const base = `${url}/apis/testdata.grafana.app/v0alpha1`
  const health = await fetch(`${base}/namespaces/default/connections/example/health`)
  t.like(await health.json(), { status: 'OK', message: 'testdata is healthy', details: { greeting: 'hello' } })
  const metrics = await fetch(`${base}/plugins/testdata/metrics`)
  t.regex(await metrics.text(), /^testdata_queries_total\{scenario="random_walk"\} [12]$/m)
  const settings = await fetch(`${base}/namespaces/default/settings`)
  t.like(await settings.json(), { id: 'testdata', name: 'Test data', type: 'datasource' })

  const other = await fetch(`${url}/anything-else?a=1`, {
    method: 'PUT',
    body: 'as sent',
    headers: { 'x-mine': 'yes' },
  })
  t.like(await other.json(), {
    handler: 'kube-aggregator',
    url: '/anything-else?a=1',
    body: 'as sent',
    headers: { 'x-mine': 'yes' },
  })

  const plugins = await childrenOf(child.pid ?? 0)
  if (process.platform === 'linux') t.true(plugins.length > 0)
  t.is(await stop(), 0)
  t.deepEqual(plugins.filter(isAlive), [])
  const left = await readdir(temporary)
  t.deepEqual(
    left.filter((name) => !name.startsWith('tsx-') && !name.startsWith('node-compile-cache')),
    [],
  )
})

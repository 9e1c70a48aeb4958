import { execFile } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'

import { programOf, testWith } from './_setup.ts'

interface Report {
  readonly protocol: number
  readonly ping: boolean
  readonly health: string
  readonly responses: Readonly<
    Record<string, { readonly error: string; readonly frames: ReadonlyArray<unknown> | null }>
  >
  readonly allowed: boolean
  readonly metrics: string
  readonly logs: ReadonlyArray<Readonly<Record<string, unknown>>>
  readonly exitCode: number
  readonly left: ReadonlyArray<string> | null
}

const example = fileURLToPath(new URL('../../examples/plugins/testdata/gpx_testdata', import.meta.url))

testWith('go')('serves the example plugin, written for Node, to a host written in Go', async (t) => {
  const { stdout } = await promisify(execFile)(programOf('host'), [example], { timeout: 60_000, killSignal: 'SIGKILL' })
  const told = JSON.parse(stdout) as Report
  t.like(told, { protocol: 2, ping: true, allowed: true, exitCode: 0 })
  t.regex(told.health, /^OK /)
  const { A, B, C } = told.responses
  t.like(A?.frames?.[0], { schema: { fields: [{ type: 'time' }, { type: 'number', labels: { job: 'a<b' } }] } })
  t.is(B?.frames?.length, 1)
  t.not(C?.error, '')
  t.regex(told.metrics, /^# (?:HELP|TYPE) /m)
  // the plugin's lines reach the host as its log entries, and nothing it says is a complaint
  t.true(told.logs.some((line) => line['@module'] !== undefined))
  t.deepEqual(
    told.logs.filter((line) => line['@level'] === 'error' || line['@level'] === 'warn'),
    [],
  )
  t.deepEqual(told.left ?? [], [])
})

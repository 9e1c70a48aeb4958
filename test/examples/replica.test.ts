import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import test from 'ava'
import express from 'express'
import { parse } from 'yaml'

import { createServer, dataPlaneAggregator, inProcess, memorySource, staticContexts } from '../../src/index.ts'
import { listen } from '../_setup/aggregator.ts'
import { fetchWhenUp, freePort, root, runExample } from './_run.ts'

const textOf = (name: string): string => readFileSync(join(root, 'examples', name), 'utf8')

test('serves what another apiserver keeps, and goes on when that is gone', async (t) => {
  const source = memorySource([parse(textOf('dataplaneservices/datasource.yml'))])
  const keeper = dataPlaneAggregator({ source, plugins: inProcess({}), contexts: staticContexts({}) })
  t.teardown(keeper.close)
  const server = createServer(express().use(keeper))
  const apiserver = await listen(t, server)
  const directory = mkdtempSync(join(tmpdir(), 'replica-'))
  t.teardown(() => rmSync(directory, { recursive: true }))
  const config = join(directory, 'config')
  // that of the README, but for the port
  writeFileSync(config, textOf('kubeconfig.yml').replace('http://127.0.0.1:3000', apiserver))

  const port = String(await freePort())
  const { stop } = runExample(t, 'examples/replica.ts', { PORT: port, KUBECONFIG: config })
  const query = (group: string): Promise<Response> =>
    fetchWhenUp(`http://127.0.0.1:${port}/apis/${group}/v0alpha1/namespaces/default/connections/example/query`, {
      method: 'POST',
      body: textOf('datasource-query.json'),
    })
  const first = await query('testdata.grafana.app')
  t.is(first.status, 200)
  t.regex(await first.text(), /^\{"results":\{"A":\{"status":200,"frames":\[\{"schema":/)

  t.is((await query('prometheus.grafana.app')).status, 404)
  source.apply(parse(textOf('datasource.yml')))
  while ((await query('prometheus.grafana.app')).status === 404);

  server.closeAllConnections()
  await new Promise((resolve) => server.close(resolve))
  t.is((await query('prometheus.grafana.app')).status, 200)
  t.is((await query('testdata.grafana.app')).status, 200)
  t.is(await stop(), 0)
})

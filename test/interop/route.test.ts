import { once } from 'node:events'
import { request as httpRequest, type IncomingMessage } from 'node:http'

import test, { type ExecutionContext } from 'ava'
import express from 'express'

import {
  createServer,
  dataPlaneAggregator,
  memorySource,
  pluginDirectory,
  staticContexts,
  type PluginHost,
} from '../../src/index.ts'
import { listen } from '../_setup/aggregator.ts'
import { recordingLogger } from '../plugins/_setup.ts'
import { clientOf, countersOf, installPlugin, pluginFolder, testWith, until } from './_setup.ts'

const withGo = testWith('go')

const ids = { today: 'plugin', sdk2023: 'plugin-sdk2023' } as const
type Id = keyof typeof ids
const sdks = Object.keys(ids) as ReadonlyArray<Id>

const manifestOf = (id: Id): unknown => ({
  apiVersion: 'aggregation.grafana.app/v0alpha1',
  kind: 'DataPlaneService',
  metadata: { name: `v1.${id}.grafana.app` },
  spec: {
    ...{ pluginID: id, pluginType: 'datasource', group: `${id}.grafana.app`, version: 'v1' },
    services: [{ type: 'route' }, { type: 'route', method: 'POST', path: '/mux/{name}' }],
  },
})

const tokens = { access: 'a1', id: 'i1', grafanaId: 'g1' }
const logger = recordingLogger()
let url = ''
let host: PluginHost | undefined

const ends: Array<() => unknown> = []
test.after.always(async () => {
  for (const end of ends.reverse()) await end()
})

withGo('serves resources of Go plugins over HTTP', async (t) => {
  const root = pluginFolder()
  for (const id of sdks) installPlugin(root, id, ids[id])
  host = pluginDirectory(root, { logger, startWaitMs: 20_000 })
  const jsonData = { oauthPassThru: true, keepCookies: ['theme'] }
  const aggregator = dataPlaneAggregator({
    source: memorySource(sdks.map(manifestOf)),
    plugins: host,
    contexts: staticContexts({ datasources: sdks.map((id) => ({ uid: `uid-${id}`, type: id, jsonData })) }),
    authenticate: () => ({ name: 'ada', tokens }),
    logger,
  })
  ends.push(() => aggregator.close())
  await aggregator.ready
  const teardown: ExecutionContext['teardown'] = (end) => void ends.push(end)
  url = await listen({ ...t, teardown }, createServer(express().use(aggregator)))
  t.pass()
})

const baseOf = (id: Id): string => `/apis/${id}.grafana.app/v1/namespaces/default`
const resourcesOf = (id: Id): string => `${baseOf(id)}/datasources/uid-${id}/resources`

const ask = async (
  path: string,
  {
    method = 'GET',
    headers = {},
    body = '',
  }: { method?: string; headers?: Record<string, string>; body?: string } = {},
): Promise<IncomingMessage & { readonly text: string }> => {
  const request = httpRequest(url, { method, path, headers }).end(body)
  const [response] = (await once(request, 'response')) as [IncomingMessage]
  let text = ''
  for await (const chunk of response) text += String(chunk)
  return Object.assign(response, { text })
}

/** As net/http has them, below `…/resources/mux`. */
const requests: ReadonlyArray<readonly [asked: string, path: string, escapedPath: string, query: string]> = [
  ['', '/mux', '/mux', ''],
  ['/a%20b?q=%2F&access_token=s&r', '/mux/a b', '/mux/a%20b', 'q=%2F&r'],
  ['/a%2Fb', '/mux/a/b', '/mux/a%2Fb', ''],
  ['/%2F%2Fhost%2Fadmin', '/mux///host/admin', '/mux/%2F%2Fhost%2Fadmin', ''],
  ['/admin%3Fx%23y', '/mux/admin?x#y', '/mux/admin%3Fx%23y', ''],
  ['/100%25%41/;x:y', '/mux/100%A/;x:y', '/mux/100%25A/;x:y', ''],
  ['/%C3%A9', '/mux/é', '/mux/%C3%A9', ''],
]

for (const id of sdks) {
  withGo(`lets the SDK make the very request of it that came: ${id} (S1, S7, S8)`, async (t) => {
    for (const [asked, path, escapedPath, query] of requests) {
      const { statusCode, text } = await ask(`${resourcesOf(id)}/mux${asked}`)
      t.is(statusCode, 200, asked)
      t.like(JSON.parse(text), { path, escapedPath, query, host: '', method: 'GET' }, asked)
    }
    const { headers, text } = await ask(`${resourcesOf(id)}/mux`, {
      method: 'POST',
      headers: {
        ...{
          'x-panel-id': '4',
          authorization: 'Bearer secret',
          'x-forwarded-for': '1.2.3.4',
          'content-type': 'text/x',
        },
        ...{ cookie: 'theme=dark; sid=secret', 'x-id-token': 'secret' },
      },
      body: 'a body',
    })
    t.like(headers, { etag: '"1"', 'content-security-policy': 'sandbox', 'x-seen': undefined })
    const told = JSON.parse(text) as { headers: object }
    t.like(told, { method: 'POST', panel: '4', idToken: 'i1', body: Buffer.from('a body').toString('base64') })
    t.deepEqual(told.headers, {
      'Content-Type': ['text/x'],
      'X-Panel-Id': ['4'],
      Authorization: ['Bearer a1'],
      Cookie: ['theme=dark'],
      'X-Grafana-Id': ['g1'],
      'X-Id-Token': ['i1'],
    })
    // the SDK keeps an instance for each datasource, and a custom route is for none
    t.is((await ask(`${baseOf(id)}/mux/one`, { method: 'POST' })).statusCode, 500)
  })

  withGo(`answers as ${id} answers, whole, in pieces and not at all`, async (t) => {
    const resources = resourcesOf(id)
    const teapot = await ask(`${resources}/headers`)
    t.like(teapot, { statusCode: 418, text: 'short and stout' })
    t.like(teapot.headers, { 'content-type': 'text/plain', 'x-many': undefined, 'x-lower': undefined })
    const stream = await ask(`${resources}/stream/1000`)
    t.is(stream.text, Array.from({ length: 1000 }, (_, index) => `${String(index)}\n`).join(''))
    t.is(stream.headers['content-type'], 'text/event-stream')
    t.is((await ask(`${resources}/bytes/1048576`)).text.length, 1024 * 1024)
    t.like(await ask(`${resources}/empty`), { statusCode: 204, text: '' })
    t.like(await ask(`${resources}/bytes/10`, { method: 'HEAD' }), { statusCode: 200, text: '' })
    const silent = await ask(`${resources}/silent`)
    t.like(JSON.parse(silent.text), { code: 502, message: 'the plugin answered with nothing at all' })
    t.is((await ask(`${resources}/fail`)).statusCode, 500)
    await t.throwsAsync(ask(`${resources}/half`), { code: 'ECONNRESET' })
  })

  withGo(`tells ${id} that the client left`, async (t) => {
    if (host === undefined) throw new Error('no host')
    const client = clientOf(host, id)
    const before = await countersOf(client, id)
    const controller = new AbortController()
    const { body } = await fetch(`${url}${resourcesOf(id)}/endless`, { signal: controller.signal })
    await body?.getReader().read()
    controller.abort()
    await until(async () => (await countersOf(client, id)).cancelled > before.cancelled)
    t.pass()
  })
}

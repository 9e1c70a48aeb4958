import { request as httpRequest } from 'node:http'
import { once } from 'node:events'

import test from 'ava'
import express from 'express'

import { dispatch, requestHeaders } from '../src/dispatch.ts'
import { E } from '../src/fp.ts'
import { createServer, staticContexts } from '../src/index.ts'
import { applyLayers, layers, responseHeaders } from '../src/layers/index.ts'
import { defaults } from '../src/options.ts'
import type { QueryDataRequest } from '../src/plugin.ts'
import { inProcess } from '../src/plugins/in-process.ts'
import { match } from '../src/routing/match.ts'
import { tableOf } from '../src/testing/route.ts'
import { listen, makeAggregator, manifest, queryBody, queryPath } from './_setup/aggregator.ts'
import { bodyOf } from './services/serve.ts'
import { surroundings } from './telemetry/requests.ts'

const contexts = (jsonData: Readonly<Record<string, unknown>>) =>
  staticContexts({ datasources: [{ uid: 'h1', type: 'hello', jsonData }] })

/** As a client may spell them, twice over. */
const inbound: ReadonlyArray<readonly [name: string, value: string]> = [
  ['Authorization', 'Bearer secret-1'],
  ['aUTHORIZATION', 'Basic secret-2'],
  ['Proxy-Authorization', 'Basic secret-3'],
  ['Cookie', 'app_theme=dark; other=secret-4'],
  ['COOKIE', 'grafana_session=secret-5; app_lang=en'],
  ['X-Api-Key', 'secret-6'],
  ['X-ID-Token', 'secret-7'],
  ['X-Grafana-Id', 'secret-8'],
  ['X-Grafana-User', 'secret-9'],
  ['X-Grafana-Device-Id', 'secret-10'],
  ['X-Remote-User', 'secret-11'],
  ['X-Remote-Extra-Scopes', 'secret-12'],
  ['X-Forwarded-Access-Token', 'secret-13'],
  ['X-DS-Authorization', 'secret-14'],
  ['http_Authorization', 'secret-15'],
  ['__proto__', 'secret-16'],
  ['X-Panel-Id', '7'],
]

const settings: ReadonlyArray<readonly [title: string, jsonData: object, headers: Readonly<Record<string, string>>]> = [
  ['no cookie', {}, {}],
  ['only cookies that are named', { keepCookies: ['app_[]'] }, { Cookie: 'app_lang=en; app_theme=dark' }],
  // what a client shows to this server is no token of an OAuth login
  ['no credential to a datasource that asks for tokens', { oauthPassThru: true, keepCookies: ['grafana_session'] }, {}],
]
for (const [title, jsonData, kept] of settings) {
  test(`lets a plugin see ${title}, whatever the client sends`, async (t) => {
    const seen: QueryDataRequest[] = []
    const aggregator = await makeAggregator(t, {
      plugin: {
        queryData: (request) => {
          seen.push(request)
          return { responses: { A: {} } }
        },
      },
      contexts: contexts({ ...jsonData }),
    })
    const app = express()
    app.use(aggregator)
    const base = await listen(t, createServer(app))
    const body = JSON.stringify(queryBody)
    const headers = [
      ...inbound.flat(),
      'Host',
      'h',
      'Content-Type',
      'application/json',
      'Content-Length',
      String(body.length),
    ]
    const request = httpRequest(`${base}${queryPath}`, { method: 'POST', headers }).end(body)
    const [response] = (await once(request, 'response')) as [{ statusCode: number; resume: () => void }]
    response.resume()
    t.is(response.statusCode, 200)
    t.deepEqual(
      seen.map((call) => call.headers),
      [{ 'http_X-Panel-Id': '7', ...kept }],
    )
    t.false(JSON.stringify(seen).includes('secret-'))
  })
}

test('never mixes what two users send, however their requests interleave', async (t) => {
  const seen: QueryDataRequest[] = []
  let begun = 0
  let release = (): void => undefined
  const all = new Promise<void>((resolve) => {
    release = resolve
  })
  const count = 1000
  const plugins = inProcess({
    hello: {
      queryData: async (request) => {
        seen.push(request)
        begun += 1
        if (begun === count) release()
        await all
        return { responses: {} }
      },
    },
  })
  const { requestTimeoutMs, longRunningTimeoutMs, userAgent } = defaults
  const list = layers({
    observe: () => ({ ended: () => undefined }),
    authorize: undefined,
    inFlight: { reads: count, writes: count, longRunning: count },
    deadlines: { requestTimeoutMs, longRunningTimeoutMs },
    headers: { request: requestHeaders, response: responseHeaders },
  })
  const run = dispatch({
    ...surroundings,
    ...{ handle: applyLayers(list), plugins, requestTimeoutMs, userAgent },
    contexts: contexts({ keepCookies: ['sid'] }),
  })
  const matched = match(tableOf([manifest()]), 'POST', queryPath)
  if (matched === undefined) throw new Error('nobody claims the path')
  const results = Array.from({ length: count }, (_, index) => {
    const name = `user-${String(index % 2)}`
    const text = JSON.stringify(queryBody)
    const arrival = {
      ...{ method: 'POST', user: { name }, receivedAtMs: 0, over: Promise.resolve(undefined) },
      headers: { cookie: `sid=${name}`, 'x-panel-id': name },
      ...bodyOf(text),
    }
    return run(matched, arrival, new AbortController().signal)()
  })
  t.true((await Promise.all(results)).every(E.isRight))
  t.deepEqual(
    seen.map(({ headers, pluginContext }) => [
      headers['Cookie'],
      headers['http_X-Panel-Id'],
      pluginContext.user?.login,
    ]),
    Array.from({ length: count }, (_, index) => {
      const name = `user-${String(index % 2)}`
      return [`sid=${name}`, name, name]
    }),
  )
})

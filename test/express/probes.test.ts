import { createServer, type RequestListener } from 'node:http'

import test from 'ava'
import express from 'express'

import { createProbes, probe, type ProbeQuery } from '../../src/express/probes.ts'
import type { PluginState, PluginStatus } from '../../src/plugin-status.ts'
import type { Staleness } from '../../src/source.ts'
import type { Registry } from '../../src/verdict.ts'
import { listen } from '../_setup/aggregator.ts'

const checks = (...failed: ReadonlyArray<string>) =>
  ['ping', 'registry-sync', 'shutdown'].map((name) => ({ name, isOk: !failed.includes(name) }))
const query = (fields: Partial<ProbeQuery> = {}): ProbeQuery => ({ exclude: [], isVerbose: false, ...fields })

const cases: ReadonlyArray<readonly [string, ReturnType<typeof checks>, ProbeQuery, number, string]> = [
  ['nothing more than ok', checks(), query(), 200, 'ok'],
  [
    'each check when asked to',
    checks(),
    query({ isVerbose: true }),
    200,
    '[+]ping ok\n[+]registry-sync ok\n[+]shutdown ok\nwarn: one note\nreadyz check passed\n',
  ],
  [
    'each check when one failed, and not why',
    checks('shutdown'),
    query(),
    500,
    '[+]ping ok\n[+]registry-sync ok\n[-]shutdown failed: reason withheld\nwarn: one note\nreadyz check failed\n',
  ],
  ['nothing of what is excluded', checks('shutdown'), query({ exclude: ['shutdown', 'ping'] }), 200, 'ok'],
  [
    'what is excluded, and what cannot be',
    checks('registry-sync'),
    query({ exclude: ['b"', 'registry-sync', 'a', 'a'], isVerbose: true }),
    200,
    '[+]ping ok\n[+]registry-sync excluded: ok\n[+]shutdown ok\n' +
      'warn: some health checks cannot be excluded: no matches for "a","b\\""\nwarn: one note\nreadyz check passed\n',
  ],
  ['of one check that it is well', checks('shutdown'), query({ check: 'ping' }), 200, 'ok'],
  [
    'of one check that it is not',
    checks('shutdown'),
    query({ check: 'shutdown' }),
    500,
    'internal server error: reason withheld\n',
  ],
  ['that there is no such check', checks(), query({ check: 'pong' }), 404, '404 page not found\n'],
]
for (const [what, given, asked, status, text] of cases) {
  test(`says ${what}`, (t) => {
    t.deepEqual(probe('readyz', given, ['one note'], asked), { status, text })
  })
}

const plugin = (id: string, state: PluginState): PluginStatus => ({
  id,
  version: '',
  state,
  sinceMs: 0,
  startCount: 1,
  lastError: '/srv/plugins is broken',
  inFlight: 0,
  queued: 0,
})

const world = () => {
  let resolveReady = (): void => undefined
  const ready = new Promise<void>((resolve) => (resolveReady = resolve))
  const state = {
    isClosing: false,
    registry: { verdicts: [], rejected: [] } as Registry,
    plugins: (): ReadonlyArray<PluginStatus> => [],
  }
  const probes = createProbes({
    ready,
    isClosing: () => state.isClosing,
    registry: () => state.registry,
    plugins: () => state.plugins(),
  })
  return { state, probes, resolveReady }
}

test('answers where it is mounted, in any way, with the headers of the apiserver', async (t) => {
  const { probes, resolveReady } = world()
  resolveReady()
  const app = express()
  app.use('/readyz', probes.readyz)
  app.get('/ping', probes.readyz)
  app.use('/deep', express.Router().get('/healthz', probes.readyz).use('/livez', probes.livez))
  const url = await listen(t, createServer(app as RequestListener))
  const plain = await listen(t, createServer(probes.readyz))
  const ask = async (at: string, method = 'GET'): Promise<string> => {
    const answer = await fetch(at, { method })
    return `${String(answer.status)} ${JSON.stringify(await answer.text())}`
  }
  for (const at of [`${url}/readyz`, `${url}/readyz/`, `${url}/ping`, `${url}/deep/healthz`, `${plain}/anything`])
    t.is(await ask(at), '200 "ok"', at)
  for (const at of [`${url}/readyz/shutdown`, `${url}/deep/livez/ping`, `${plain}/readyz/ping?verbose`])
    t.is(await ask(at), '200 "ok"', at)
  for (const at of [`${url}/readyz/no`, `${url}/deep/livez/shutdown`, `${plain}/readyz/%00`])
    t.is(await ask(at), '404 "404 page not found\\n"', at)
  t.is(await ask(`${url}/deep/livez?verbose=1`), '200 "[+]ping ok\\nlivez check passed\\n"')
  t.is(await ask(`${url}/readyz?verbose`, 'HEAD'), '200 ""')

  const { headers } = await fetch(`${url}/readyz?verbose`, { method: 'HEAD' })
  t.is(headers.get('content-type'), 'text/plain; charset=utf-8')
  t.is(headers.get('x-content-type-options'), 'nosniff')
  t.is(headers.get('cache-control'), 'no-cache, private')
  t.is(
    headers.get('content-length'),
    String('[+]ping ok\n[+]registry-sync ok\n[+]shutdown ok\nreadyz check passed\n'.length),
  )
})

test('is ready from the first snapshot to the end, whatever happens to files and plugins', async (t) => {
  const { state, probes, resolveReady } = world()
  const url = await listen(
    t,
    createServer((request, response) => {
      probes[request.url?.startsWith('/livez') === true ? 'livez' : 'readyz'](request, response)
    }),
  )
  const ask = async (path: string): Promise<ReadonlyArray<string>> => {
    const answer = await fetch(url + path)
    return [String(answer.status), ...(await answer.text()).split('\n').filter((line) => !line.startsWith('[+]'))]
  }
  t.deepEqual(await ask('/readyz'), ['500', '[-]registry-sync failed: reason withheld', 'readyz check failed', ''])
  resolveReady()
  await Promise.resolve()
  state.registry = {
    verdicts: [],
    rejected: [{ origin: 'a.yml', name: 'a', causes: [] }],
    sourceError: {
      message: 'password=hunter2',
      origin: 'https://user:hunter2@host/srv/objects/b"ad.yml?token=hunter2',
    },
  }
  state.plugins = () => [
    plugin('well', 'ready'),
    plugin('asleep', 'idle'),
    ...Array.from({ length: 12 }, (_, index) => plugin(`bad${String(index)}`, 'crash-looping')),
  ]
  t.deepEqual(await ask('/readyz'), ['200', 'ok'])
  const bad = Array.from({ length: 10 }, (_, index) => `"bad${String(index)}" (crash-looping)`).join(', ')
  t.deepEqual(await ask('/readyz?verbose'), [
    '200',
    'warn: the source has an error in "b\\"ad.yml", the last good state serves',
    'warn: objects that are rejected: 1',
    `warn: plugins that are not ready: ${bad}, 2 more`,
    'readyz check passed',
    '',
  ])
  state.plugins = () => {
    throw new Error('a host of ones own')
  }
  t.deepEqual(await ask('/readyz?verbose'), ['200', 'readyz check passed', ''])
  state.isClosing = true
  t.deepEqual(await ask('/readyz'), ['500', '[-]shutdown failed: reason withheld', 'readyz check failed', ''])
  t.deepEqual(await ask('/livez'), ['200', 'ok'])
})

test('is not ready while its source is stale, says since when, and lets that be excluded', async (t) => {
  let staleness: Staleness = { ageMs: 299_700, isStale: false }
  const probes = createProbes({
    ready: Promise.resolve(),
    isClosing: () => false,
    registry: () => ({ verdicts: [], rejected: [] }),
    plugins: () => [],
    staleness: () => staleness,
  })
  await Promise.resolve()
  const url = await listen(t, createServer(probes.readyz))
  const ask = async (path: string): Promise<string> => {
    const answer = await fetch(url + path)
    return `${String(answer.status)} ${await answer.text()}`
  }
  t.is(await ask('/readyz'), '200 ok')
  t.is(await ask('/readyz/registry-fresh'), '200 ok')
  staleness = { ageMs: 300_600, isStale: true }
  const said = (fresh: string, outcome: string, since = 'was last heard of 301 s ago'): string =>
    `[+]ping ok\n[+]registry-sync ok\n${fresh}\n[+]shutdown ok\n` +
    `warn: the source ${since}, the last good state serves\nreadyz check ${outcome}\n`
  t.is(await ask('/readyz'), `500 ${said('[-]registry-fresh failed: reason withheld', 'failed')}`)
  t.is(await ask('/readyz?verbose&exclude=registry-fresh'), `200 ${said('[+]registry-fresh excluded: ok', 'passed')}`)
  staleness = { ageMs: undefined, isStale: true }
  t.is(await ask('/readyz'), `500 ${said('[-]registry-fresh failed: reason withheld', 'failed', 'was never heard of')}`)
})

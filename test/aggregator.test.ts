import { once } from 'node:events'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { get } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import test, { type ExecutionContext } from 'ava'
import express from 'express'
import { Gauge, Registry } from 'prom-client'

import {
  createServer,
  dataPlaneAggregator,
  fileSource,
  inProcess,
  memorySource,
  provisionedContexts,
  staticContexts,
  type AggregatorOptions,
  type DataPlaneServiceSource,
  type PluginContextProvider,
  type PluginHost,
} from '../src/index.ts'
import { base, listen, makeAggregator, manifest, post, queryBody, queryPath } from './_setup/aggregator.ts'

type Close = () => Promise<void>

const fail: Close = () => Promise.reject(new Error('stuck'))

/** Options whose parts tell when they are closed, and close as they are told to. */
const recorded = (closes: { readonly [name in 'source' | 'plugins' | 'contexts']?: Close } = {}) => {
  const closed: string[] = []
  const close =
    (name: keyof typeof closes): Close =>
    () => {
      closed.push(name)
      return closes[name]?.() ?? Promise.resolve()
    }
  const source: DataPlaneServiceSource = { subscribe: () => close('source') }
  const plugins: PluginHost = { plugin: () => undefined, close: close('plugins') }
  const contexts: PluginContextProvider = { ...staticContexts({}), close: close('contexts') }
  return { closed, options: { source, plugins, contexts } satisfies AggregatorOptions }
}

const routedNames = (aggregator: ReturnType<typeof dataPlaneAggregator>): ReadonlyArray<string> =>
  aggregator.registry().verdicts.map(({ service }) => service.metadata.name)

test('is ready with the first snapshot, and tells what became of every object', async (t) => {
  const { options } = recorded()
  const aggregator = dataPlaneAggregator({ ...options, source: memorySource([manifest(), { kind: 'Pod' }]) })
  t.teardown(aggregator.close)
  t.deepEqual(aggregator.registry(), { verdicts: [], rejected: [] })
  await aggregator.ready
  t.deepEqual(routedNames(aggregator), ['v1.hello.example.com'])
  t.deepEqual(
    aggregator.registry().rejected.map(({ origin }) => origin),
    ['#2'],
  )
})

test('closes source, plugins and contexts once, however often it is asked', async (t) => {
  const { closed, options } = recorded()
  const aggregator = dataPlaneAggregator(options)
  await Promise.all([aggregator.close(), aggregator.close(), aggregator[Symbol.asyncDispose]()])
  await aggregator.close()
  t.deepEqual(closed, ['source', 'plugins', 'contexts'])
})

test('is disposed of like any other resource', async (t) => {
  const { closed, options } = recorded()
  await dataPlaneAggregator(options)[Symbol.asyncDispose]()
  t.deepEqual(closed, ['source', 'plugins', 'contexts'])
})

test('may be closed before it is ready, which it then waits for no longer', async (t) => {
  const aggregator = dataPlaneAggregator(recorded().options)
  await aggregator.close()
  await aggregator.ready
  t.deepEqual(routedNames(aggregator), [])
})

for (const broken of ['source', 'plugins', 'contexts'] as const) {
  test(`closes the others when ${broken} cannot be closed, and tells why`, async (t) => {
    const { closed, options } = recorded({ [broken]: fail })
    const error = await t.throwsAsync(dataPlaneAggregator(options).close(), { instanceOf: AggregateError })
    t.deepEqual(error.errors, [new Error('stuck')])
    t.deepEqual(closed, ['source', 'plugins', 'contexts'])
  })

  test(`closes the others while ${broken} hangs`, async (t) => {
    let release = (): void => undefined
    const hang = new Promise<void>((resolve) => {
      release = resolve
    })
    let resolveLast = (): void => undefined
    const last = new Promise<void>((resolve) => {
      resolveLast = resolve
    })
    const { closed, options } = recorded({
      // The last one to be told; when it hangs itself, it has been told all the same.
      contexts: () => {
        resolveLast()
        return Promise.resolve()
      },
      [broken]: () => {
        if (broken === 'contexts') resolveLast()
        return hang
      },
    })
    const closing = dataPlaneAggregator(options).close()
    await last
    t.deepEqual(closed, ['source', 'plugins', 'contexts'])
    release()
    await closing
  })
}

test('closes plugins and contexts when the source throws, and throws that', (t) => {
  const { closed, options } = recorded()
  const cause = new Error('no such source')
  const subscribe = (): never => {
    throw cause
  }
  t.is(
    t.throws(() => dataPlaneAggregator({ ...options, source: { subscribe } })),
    cause,
  )
  t.deepEqual(closed, ['plugins', 'contexts'])
})

test('closes plugins and contexts when a metric of another kind has a name of ours, even if they fail at it', async (t) => {
  const { closed, options } = recorded({ plugins: fail })
  const metrics = new Registry()
  new Gauge({ name: 'dataplane_aggregator_requests_total', help: 'not ours', registers: [metrics] })
  const logged = new Promise((resolve) => {
    const ignore = (): void => undefined
    const logger = { debug: ignore, info: ignore, warn: ignore, error: resolve }
    t.throws(() => dataPlaneAggregator({ ...options, metrics, logger }), { message: /requests_total/ })
  })
  t.is(await logged, 'plugins or contexts cannot be closed')
  t.deepEqual(closed, ['plugins', 'contexts'])
})

test('serves with a logger that throws, and throws nothing into its source', async (t) => {
  const broken = (): never => {
    throw new Error('disk full')
  }
  const source = memorySource([manifest(), { kind: 'Pod' }])
  const aggregator = await makeAggregator(t, {
    source,
    logger: { debug: broken, info: broken, warn: broken, error: broken },
  })
  const url = await listen(t, createServer(express().use(aggregator)))
  t.is((await post(url + queryPath, queryBody)).status, 200)
})

const startOnFiles = async (t: ExecutionContext) => {
  const dir = await mkdtemp(join(tmpdir(), 'aggregator-'))
  t.teardown(() => rm(dir, { recursive: true, force: true }))
  await writeFile(join(dir, 'services.json'), JSON.stringify(manifest()))
  return dataPlaneAggregator({
    source: fileSource(dir),
    plugins: inProcess({ hello: {} }),
    contexts: provisionedContexts(join(dir, 'datasources.yml')),
  })
}

test('stands beside another in one process: each has its own objects, and its own end', async (t) => {
  const source = memorySource([manifest()])
  const one = await makeAggregator(t, { source })
  const two = await makeAggregator(t, { manifests: [], plugin: {} })
  t.deepEqual([routedNames(one).length, routedNames(two).length], [1, 0])
  const app = express().use(two).use(one)
  const url = await listen(t, createServer(app))
  t.is((await post(url + queryPath, queryBody)).status, 200)
  await two.close()
  t.is((await post(url + queryPath, queryBody)).status, 200)
  await one.close()
  t.is((await post(url + queryPath, queryBody)).status, 503)
})

test.serial('leaves nothing open, before its first snapshot and after requests', async (t) => {
  const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))
  const open = (): ReadonlyArray<string> => process.getActiveResourcesInfo().toSorted()
  // modules may still be closed after they are imported
  while (open().includes('CloseReq')) await turn()
  const before = open()
  const early = await startOnFiles(t)
  await early.close()

  const aggregator = await startOnFiles(t)
  await aggregator.ready
  t.true(open().filter((name) => name === 'FSEventWrap').length >= 2)
  const server = createServer(express().use(aggregator))
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  const port = typeof address === 'object' ? address?.port : undefined
  const request = get({ port, path: `${base}/namespaces/default/datasources/h1/query`, agent: false })
  await new Promise<void>((resolve) => request.on('response', (response) => response.resume().on('close', resolve)))
  await aggregator.close()
  server.close()
  await once(server, 'close')
  await turn()
  await turn()
  t.deepEqual(open(), before)
})

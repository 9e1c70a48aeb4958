import test from 'ava'

import { E } from '../../src/fp.ts'
import { encodeQueryData } from '../../src/frames/index.ts'
import { pluginDirectory } from '../../src/index.ts'
import type { PluginClient, PluginHost, QueryDataResponse } from '../../src/plugin.ts'
import { recordingLogger, within } from '../plugins/_setup.ts'
import {
  asking,
  bad,
  clientOf,
  collect,
  contextOf,
  countersOf,
  fetchResource,
  good,
  installPlugin,
  jsonOf,
  pluginFolder,
  queryOf,
  resourceOf,
  soon,
  streamOf,
  testWith,
  textOf,
  untilStatus,
} from './_setup.ts'

const withGo = testWith('go')
const MiB = 1024 * 1024

/** The same plugin four times: of two SDKs, asked for two formats of frames. */
const plugins = [
  { id: 'today', program: 'plugin', format: 'arrow' },
  { id: 'today-json', program: 'plugin', format: 'json' },
  { id: 'sdk2023', program: 'plugin-sdk2023', format: 'arrow' },
  { id: 'sdk2023-json', program: 'plugin-sdk2023', format: 'json' },
] as const
const sdks = ['today', 'sdk2023'] as const
const isToday = (id: string): boolean => id.startsWith('today')

const logger = recordingLogger()
let host: PluginHost | undefined
const untilReady = (id: string, startCount: number) => {
  if (host === undefined) throw new Error('no host')
  return untilStatus(host, id, (status) => status.state === 'ready' && status.startCount === startCount)
}
const clientFor = (id: string): PluginClient => {
  if (host === undefined) throw new Error('no host')
  return clientOf(host, id)
}

withGo('starts all of them', async (t) => {
  const root = pluginFolder()
  for (const { id, program } of plugins) installPlugin(root, id, program)
  installPlugin(root, 'empty', 'empty')
  process.env['INTEROP_HOST_SECRET'] = 'not for plugins'
  process.env['PLUGIN_MULTIPLEX_GRPC'] = 'true'
  host = pluginDirectory(root, {
    logger,
    frameFormat: Object.fromEntries(plugins.map(({ id, format }) => [id, format])),
    settings: { today: { max_rows: '100' } },
    startWaitMs: 20_000,
    backoff: { initialMs: 50 },
  })
  for (const { id } of plugins)
    t.is((await good(clientFor(id).checkHealth({ pluginContext: contextOf(id), headers: {} }, soon()))).status, 'OK')
})

test.after.always(async () => {
  await host?.close()
})

const textOfResult = (answer: QueryDataResponse): string => {
  const chunks = encodeQueryData(answer)
  if (E.isLeft(chunks)) throw new Error(chunks.left)
  return Buffer.concat([...chunks.right]).toString()
}

interface Result {
  readonly error?: string
  readonly errorSource?: string
  readonly status: number
  readonly frames: ReadonlyArray<{ readonly data: { readonly values: ReadonlyArray<ReadonlyArray<unknown>> } }>
}

const resultsOf = (answer: QueryDataResponse): Readonly<Record<string, Result>> =>
  (JSON.parse(textOfResult(answer)) as { readonly results: Readonly<Record<string, Result>> }).results

const ask = (id: string, queryType: string, rest: Parameters<typeof queryOf>[2] = {}) =>
  clientFor(id).queryData(asking(id, [queryOf('A', queryType, rest)]), soon())

for (const { id } of plugins) {
  withGo(`tells ${id} all there is to a query`, async (t) => {
    const client = clientFor(id)
    const headers = { 'http_X-Panel-Id': '2', Authorization: 'Bearer x', FromAlert: 'true' }
    const json = Buffer.from('{"n":12345678901234567890,"text":"ü"}')
    const query = queryOf('refId ü', 'echo', { maxDataPoints: 17, json })
    const answer = await good(client.queryData(asking(id, [query], { headers }), soon()))
    const [text] = resultsOf(answer)['refId ü']?.frames[0]?.data.values[0] ?? []
    const told = JSON.parse(String(text)) as { readonly context: { readonly grafanaConfig: unknown } }
    t.like(told, {
      headers,
      http: { 'X-Panel-Id': ['2'], Authorization: ['Bearer x'] },
      query: {
        refId: 'refId ü',
        queryType: 'echo',
        maxDataPoints: 17,
        intervalMs: 1500,
        fromMs: 1_600_000_000_000,
        toMs: 1_600_000_060_000,
      },
      context: {
        orgId: 3,
        pluginId: id,
        pluginVersion: '4.5.6',
        grafanaVersion: '12.4.0',
        user: { Login: 'ada', Name: 'Ada L.', Email: 'ada@example.com', Role: 'Editor' },
        dataSource: {
          id: 7,
          uid: 'ds-ü',
          type: id,
          name: 'A data source',
          url: 'http://127.0.0.1:1/x',
          user: 'reader',
          database: 'db',
          basicAuthEnabled: true,
          basicAuthUser: 'basic',
          secrets: { password: 'p"ä\n' },
          updatedMS: 1_700_000_000_123,
        },
        environment: {
          GF_PLUGIN_MAX_ROWS: id === 'today' ? '100' : '',
          INTEROP_HOST_SECRET: '',
          grafana_plugin_type: 'datasource',
          PLUGIN_MULTIPLEX_GRPC: '',
          PLUGIN_CLIENT_CERT: '',
        },
        ...(isToday(id) ? { namespace: 'stacks-12', apiVersion: 'v0alpha1' } : {}),
      },
    })
    t.deepEqual(told.context.grafanaConfig, { GF_APP_URL: 'http://localhost:3000/' })
    t.true(String(text).includes('"json":{"n":12345678901234567890,"text":"ü"}'))
    t.true(String(text).includes('"jsonData":{"a":{"b":[1,2.50]}}'))
  })
}

for (const id of sdks) {
  withGo(`keeps one instance in ${id} while nothing changes`, async (t) => {
    const client = clientFor(id)
    const call = (changed: object, config?: Readonly<Record<string, string>>) => {
      const rest = config === undefined ? {} : { grafanaConfig: config }
      const pluginContext = contextOf(id, { id: 99, uid: 'counted', ...changed }, rest)
      return good(client.queryData(asking(id, [queryOf('A', 'no-frames')], { pluginContext }), soon()))
    }
    const before = await countersOf(client, id)
    await call({})
    await Promise.all(Array.from({ length: 50 }, () => call({})))
    await collect(
      client.callResource(resourceOf(id, 'echo', { pluginContext: contextOf(id, { id: 99, uid: 'counted' }) }), soon()),
    )
    t.is((await countersOf(client, id)).instances, before.instances + 1)
    await call({ lastUpdatedMS: 1_700_000_000_124 })
    t.is((await countersOf(client, id)).instances, before.instances + 2)
    await call({ lastUpdatedMS: 1_700_000_000_124 }, { GF_APP_URL: 'http://elsewhere/' })
    t.is((await countersOf(client, id)).instances, before.instances + 3)
  })

  withGo(`reads the frames of ${id} as the SDK writes them`, async (t) => {
    const [arrow, json] = await Promise.all([good(ask(id, 'frames')), good(ask(`${id}-json`, 'frames'))])
    t.is(arrow.responses.get('A')?.format, 'arrow')
    // an SDK that knows one format only sends that one, whatever is asked for
    t.is(json.responses.get('A')?.format, isToday(id) ? 'json' : 'arrow')
    t.is(resultsOf(arrow)['A']?.frames.length, 3)
    t.is(textOfResult(arrow), textOfResult(json))
  })

  withGo(`tells the errors of queries of ${id} apart`, async (t) => {
    const results = async (queryType: string) => resultsOf(await good(ask(id, queryType)))['A']
    t.deepEqual(await results('no-frames'), { status: 200, frames: [] })
    t.like(await results('plugin-error'), { status: 400, error: 'no such column', errorSource: 'plugin' })
    t.like(await results('downstream-error'), {
      status: 429,
      error: 'the database is busy',
      errorSource: 'downstream',
    })
    t.like(await results('plain-error'), { status: 500, error: 'something went wrong', errorSource: 'plugin' })
    const partial = await results('partial')
    t.like(partial, { status: 504, error: 'only half of it' })
    t.is(partial?.frames[0]?.data.values[0]?.length, 2)
  })

  withGo(`survives handlers of ${id} that fail`, async (t) => {
    t.like(await bad(ask(id, 'fail')), { _tag: 'PluginFailed', source: 'plugin' })
    t.like(await bad(ask(id, 'fail-downstream')), {
      _tag: 'PluginFailed',
      source: isToday(id) ? 'downstream' : 'plugin',
    })
    // the SDK of 2023 does not catch panics: the process dies of it
    if (isToday(id)) t.like(await bad(ask(id, 'panic')), { _tag: 'PluginFailed', source: 'plugin' })
    else t.is((await bad(ask(id, 'panic')))._tag, 'PluginUnavailable')
    await untilReady(id, isToday(id) ? 1 : 2)
    t.is((await good(ask(id, 'no-frames'))).responses.size, 1)
  })

  withGo(`cancels a query in ${id}, by its client and by its deadline`, async (t) => {
    const client = clientFor(id)
    const before = await countersOf(client, id)
    const leave = new AbortController()
    const slow = (refId: string) => asking(id, [queryOf(refId, 'slow', { json: Buffer.from('{"ms":60000}') })])
    const begun = logger.find(
      ({ message, fields }) => message === 'slow query begins' && fields['refId'] === `left ${id}`,
    )
    const left = bad(client.queryData(slow(`left ${id}`), within(60_000, leave.signal)))
    await begun
    leave.abort()
    t.is((await left)._tag, 'Cancelled')
    t.is((await bad(client.queryData(slow(`late ${id}`), within(200))))._tag, 'PluginTimeout')
    for (const refId of [`left ${id}`, `late ${id}`])
      await logger.find(({ message, fields }) => message === 'slow query cancelled' && fields['refId'] === refId)
    t.is((await countersOf(client, id)).cancelled, before.cancelled + 2)
  })

  withGo(`calls resources of ${id}`, async (t) => {
    const client = clientFor(id)
    const fetch = (path: string, rest: Parameters<typeof resourceOf>[2] = {}) =>
      fetchResource(client, resourceOf(id, path, rest))
    const body = Buffer.from([0, 255, 10])
    const headers = { 'X-Many': ['one', 'two'], Cookie: ['a=1; b=2'] }
    const url = 'echo/a%2Fb?q=1&q=2'
    const echoed = await fetch('echo/a/b', { method: 'POST', url, headers, body })
    t.is(echoed.status, 200)
    t.deepEqual(echoed.headers['Content-Type'], ['application/json'])
    t.like(JSON.parse(echoed.text), { path: 'echo/a/b', method: 'POST', url, headers, body: body.toString('base64') })
    t.like(JSON.parse(echoed.text), {
      context: { orgId: 3, dataSource: { uid: 'ds-ü', updatedMS: 1_700_000_000_123 } },
    })

    const teapot = await fetch('headers')
    t.is(teapot.status, 418)
    t.deepEqual(teapot.headers['X-Many'], ['one', 'two'])
    t.deepEqual(teapot.headers['x-lower'], ['kept'])

    const streamed = await collect(client.callResource(resourceOf(id, 'stream/1000'), soon()))
    t.is(streamed.error, undefined)
    t.is(streamed.messages.length, 1000)
    t.is(
      streamed.messages.map((message) => textOf(message.body)).join(''),
      Array.from({ length: 1000 }, (_, n) => `${String(n)}\n`).join(''),
    )
    t.deepEqual(streamed.messages[0]?.headers['Content-Type'], ['text/event-stream'])

    t.is((await fetch('empty')).status, 204)
    t.is((await fetch('nowhere')).status, 404)
    t.deepEqual(await collect(client.callResource(resourceOf(id, 'silent'), soon())), {
      messages: [],
      error: undefined,
    })
    t.is((await fetch(`bytes/${String(20 * MiB)}`)).body.length, 20 * MiB)
  })

  withGo(`tells how resources of ${id} fail`, async (t) => {
    const client = clientFor(id)
    const end = async (path: string) => {
      const { messages, error } = await collect(client.callResource(resourceOf(id, path), soon()))
      return { got: messages.map(({ body }) => textOf(body)), tag: error?._tag }
    }
    t.deepEqual(await end('fail'), { got: [], tag: 'PluginFailed' })
    t.deepEqual(await end('half'), { got: ['first half'], tag: 'PluginFailed' })
    t.deepEqual(await end('panic'), { got: [], tag: isToday(id) ? 'PluginFailed' : 'PluginUnavailable' })
    await untilReady(id, isToday(id) ? 1 : 3)
  })

  withGo(`ends a resource of ${id} that nobody reads to its end`, async (t) => {
    const client = clientFor(id)
    const before = await countersOf(client, id)
    let messages = 0
    for await (const item of client.callResource(resourceOf(id, 'endless'), soon())) {
      t.true(E.isRight(item))
      if (++messages === 5000) break
    }
    const { messages: few, error } = await collect(client.callResource(resourceOf(id, 'endless'), within(300)))
    t.is(error?._tag, 'PluginTimeout')
    t.true(few.length > 0)
    let { cancelled } = await countersOf(client, id)
    while (cancelled < before.cancelled + 2) ({ cancelled } = await countersOf(client, id))
    t.is(cancelled, before.cancelled + 2)
  })

  withGo(`asks ${id} for its health`, async (t) => {
    // the SDK of 2023 tells instances apart by their number alone
    const check = (url: string, number: number) =>
      clientFor(id).checkHealth(
        { pluginContext: contextOf(id, { url, id: number, uid: url }), headers: { 'http_X-A': '1' } },
        soon(),
      )
    const healthy = await good(check('http://x', 201))
    t.like(healthy, { status: 'OK', message: 'healthy' })
    t.like(jsonOf(healthy.jsonDetails), { context: { dataSource: { uid: 'http://x' } }, headers: { 'http_X-A': '1' } })
    const ill = await good(check('error', 202))
    t.like(ill, { status: 'ERROR', message: 'the database is down' })
    t.deepEqual(jsonOf(ill.jsonDetails), { tried: 3 })
    t.is((await bad(check('fail', 203)))._tag, 'PluginFailed')
  })

  withGo(`collects the metrics of ${id}`, async (t) => {
    await good(ask(id, 'no-frames'))
    const { prometheus } = await good(clientFor(id).collectMetrics({ pluginContext: contextOf(id) }, soon()))
    t.regex(textOf(prometheus), /^interop_queries_total\{type="no-frames"\} \d+$/m)
    t.regex(textOf(prometheus), /^go_goroutines \d+$/m)
  })

  withGo(`subscribes to streams of ${id}, publishes on them and runs them`, async (t) => {
    const client = clientFor(id)
    const subscribed = await good(client.subscribeStream(streamOf(id, 'some/path'), soon()))
    t.is(subscribed.status, 'OK')
    t.like(jsonOf(subscribed.data), { path: 'some/path', data: { x: 1 }, uid: 'ds-ü' })
    if (isToday(id)) t.like(jsonOf(subscribed.data), { headers: { 'http_X-Panel-Id': '9' } })
    t.is((await good(client.subscribeStream(streamOf(id, 'plain'), soon()))).data.length, 0)
    t.is((await good(client.subscribeStream(streamOf(id, 'missing'), soon()))).status, 'NOT_FOUND')
    t.is((await good(client.subscribeStream(streamOf(id, 'denied'), soon()))).status, 'PERMISSION_DENIED')

    const published = await good(client.publishStream(streamOf(id, 'any', '{"a":[1]}'), soon()))
    t.is(published.status, 'OK')
    t.deepEqual(jsonOf(published.data), { path: 'any', data: isToday(id) ? { a: [1] } : null })
    t.is((await good(client.publishStream(streamOf(id, 'denied'), soon()))).status, 'PERMISSION_DENIED')

    const ran = await collect(client.runStream(streamOf(id, 'ends'), soon()))
    t.is(ran.error, undefined)
    t.deepEqual(
      ran.messages.slice(0, 3).map(({ data }) => textOf(data)),
      ['{"n":0}', '{"n":1}', '{"n":2}'],
    )
    t.like(jsonOf(ran.messages[3]?.data ?? new Uint8Array()), { schema: { name: 'packet' }, data: { values: [[4]] } })
    const failed = await collect(client.runStream(streamOf(id, 'fails'), soon()))
    t.deepEqual([failed.messages.length, failed.error?._tag], [4, 'PluginFailed'])

    const before = await countersOf(client, id)
    const leave = new AbortController()
    for await (const item of client.runStream(streamOf(id, 'goes on'), within(60_000, leave.signal))) {
      if (E.isLeft(item)) t.is(item.left._tag, 'Cancelled')
      else if (textOf(item.right.data).includes('packet')) leave.abort()
    }
    let { cancelled } = await countersOf(client, id)
    while (cancelled === before.cancelled) ({ cancelled } = await countersOf(client, id))
    t.is(cancelled, before.cancelled + 1)
  })

  withGo(`knows what ${id} takes and gives at most`, async (t) => {
    const huge = Buffer.from(JSON.stringify('x'.repeat(16 * MiB)))
    t.like(await bad(ask(id, 'echo', { json: huge })), { _tag: 'BodyTooLarge', limitBytes: 16 * MiB })
    const fits = Buffer.from(JSON.stringify('x'.repeat(15 * MiB)))
    t.is((await good(ask(id, 'no-frames', { json: fits }))).responses.size, 1)
    const [frame] = (await good(ask(id, 'bytes', { maxDataPoints: 20 * MiB }))).responses.get('A')?.frames ?? []
    t.true((frame?.length ?? 0) > 20 * MiB)
    t.like(await bad(ask(id, 'bytes', { maxDataPoints: 65 * MiB })), { _tag: 'BadPlugin' })
  })

  withGo(`hears ${id} in all the ways it speaks`, async (t) => {
    await fetchResource(clientFor(id), resourceOf(id, 'log'))
    const hear = (message: string) =>
      logger.find((line) => line.message.includes(message) && line.fields['plugin'] === id)
    for (const [n, level] of (['info', 'warn', 'error'] as const).entries())
      t.like(await hear(`said at ${level}`), { level, fields: { interop: 'yes', n: n + 2 } })
    t.is((await hear('said at error')).fields['error'], 'an error value')
    for (const way of ['to stdout', 'to stderr', 'by the runtime', 'by the log package'])
      t.is((await hear(`printed ${way}`)).level, 'debug')
    t.is((await hear('printed with a level')).level, 'warn')
  })

  withGo(`lets ${id} print more than any pipe holds`, async (t) => {
    t.is((await fetchResource(clientFor(id), resourceOf(id, 'print/1024'))).text, 'done')
  })
}

withGo('takes the chunks of today, and knows that sdk2023 has none', async (t) => {
  const chunksOf = (id: string, queryType: string) =>
    collect(clientFor(id).queryChunkedData(asking(id, [queryOf('A', queryType), queryOf('B', queryType)]), soon()))
  for (const id of ['today', 'today-json']) {
    const { messages, error } = await chunksOf(id, 'rows')
    t.is(error, undefined)
    t.deepEqual(
      messages.map(({ refId, frameId }) => `${refId}${frameId}`),
      ['Ax', 'Ax', 'Ay', 'Ay', 'Bx', 'Bx', 'By', 'By'],
    )
    t.true(messages.every(({ format, frame, error }) => format === 'json' && frame.length > 0 && error === ''))
    const frames = messages.map(({ frame }) => jsonOf(frame) as { readonly schema?: unknown })
    t.deepEqual(
      frames.map(({ schema }) => schema !== undefined),
      [true, false, true, false, true, false, true, false],
    )
  }
  const { messages } = await chunksOf('today', 'plain-error')
  t.like(messages[4], { refId: 'A', error: 'the database is busy', status: 429 })
  t.is(messages[4]?.frame.length, 0)
  const failed = await chunksOf('today', 'fail')
  t.deepEqual([failed.messages.length, failed.error?._tag], [4, 'PluginFailed'])
  t.deepEqual(await chunksOf('sdk2023', 'rows').then(({ error }) => error?._tag), 'NotImplemented')
})

withGo('admits and converts objects with today, and knows that sdk2023 cannot', async (t) => {
  const request = (id: string, object: unknown, operation: 'CREATE' | 'UPDATE' | 'DELETE' = 'CREATE') => ({
    pluginContext: contextOf(id),
    operation,
    kind: { group: 'g.example.com', version: 'v1', kind: 'Thing' },
    objectBytes: operation === 'DELETE' ? new Uint8Array() : Buffer.from(JSON.stringify(object)),
    oldObjectBytes: operation === 'CREATE' ? new Uint8Array() : Buffer.from('{"old":true}'),
  })
  const today = clientFor('today')
  t.deepEqual(await good(today.validateAdmission(request('today', { spec: {} }), soon())), {
    allowed: true,
    result: undefined,
    warnings: ['0 g.example.com/v1/Thing stacks-12'],
  })
  t.like(await good(today.validateAdmission(request('today', { spec: {} }, 'UPDATE'), soon())), {
    warnings: ['1 g.example.com/v1/Thing stacks-12'],
  })
  t.true((await good(today.validateAdmission(request('today', {}, 'DELETE'), soon()))).allowed)
  t.deepEqual(await good(today.validateAdmission(request('today', { spec: { refuse: 'bad' } }), soon())), {
    allowed: false,
    result: { status: 'Failure', message: 'bad', reason: 'Invalid', code: 422 },
    warnings: ['think again'],
  })
  const mutated = await good(
    today.mutateAdmission(request('today', { metadata: { name: 'a' }, spec: { b: 1 } }), soon()),
  )
  t.true(mutated.allowed)
  t.deepEqual(jsonOf(mutated.objectBytes), { metadata: { name: 'a' }, spec: { mutated: true, had: 1 } })
  t.like(await good(today.mutateAdmission(request('today', { spec: { refuse: true } }), soon())), {
    allowed: false,
    result: { reason: 'Forbidden', code: 403 },
  })
  const conversion = (id: string, version: string) => ({
    pluginContext: contextOf(id),
    uid: 'u-1',
    objects: [{ raw: Buffer.from('{"apiVersion":"g/v1","a":1}'), contentType: 'application/json' }],
    targetVersion: { group: 'g', version },
  })
  const converted = await good(today.convertObjects(conversion('today', 'v2'), soon()))
  t.like(converted, { uid: 'u-1', result: { status: 'Success' }, objects: [{ contentType: 'application/json' }] })
  t.deepEqual(jsonOf(converted.objects[0]?.raw ?? new Uint8Array()), { apiVersion: 'g/v2', a: 1 })
  t.like(await good(today.convertObjects(conversion('today', 'v9'), soon())), {
    uid: 'u-1',
    result: { code: 400 },
    objects: [],
  })

  const old = clientFor('sdk2023')
  t.is((await bad(old.validateAdmission(request('sdk2023', {}), soon())))._tag, 'NotImplemented')
  t.is((await bad(old.mutateAdmission(request('sdk2023', {}), soon())))._tag, 'NotImplemented')
  t.is((await bad(old.convertObjects(conversion('sdk2023', 'v2'), soon())))._tag, 'NotImplemented')
})

withGo('hands its trace on to today', async (t) => {
  const trace = { traceparent: '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01' }
  await collect(clientFor('today-json').callResource(resourceOf('today-json', 'log'), { ...soon(), trace }))
  const line = await logger.find(
    ({ message, fields }) => message === 'said at info' && fields['plugin'] === 'today-json',
  )
  t.is(line.fields['traceId'], '0af7651916cd43dd8448eb211c80319c')
})

withGo('knows what a plugin does not offer that offers nothing', async (t) => {
  const client = clientFor('empty')
  const tagOf = async (result: Parameters<typeof bad>[0]) => (await bad(result))._tag
  t.is(await tagOf(client.queryData(asking('empty', [queryOf('A', '')]), soon())), 'NotImplemented')
  t.is(await tagOf(client.subscribeStream(streamOf('empty', 'a'), soon())), 'NotImplemented')
  t.is(await tagOf(client.publishStream(streamOf('empty', 'a'), soon())), 'NotImplemented')
  t.like(await collect(client.runStream(streamOf('empty', 'a'), soon())), { error: { _tag: 'NotImplemented' } })
  t.like(await collect(client.queryChunkedData(asking('empty', [queryOf('A', '')]), soon())), {
    error: { _tag: 'NotImplemented' },
  })
  t.like(await collect(client.callResource(resourceOf('empty', 'x'), soon())), { error: { _tag: 'NotImplemented' } })
  t.is(await tagOf(client.checkHealth({ pluginContext: contextOf('empty'), headers: {} }, soon())), 'NotImplemented')
  const { prometheus } = await good(client.collectMetrics({ pluginContext: contextOf('empty') }, soon()))
  t.regex(textOf(prometheus), /^go_goroutines \d+$/m)
})

import assert from 'node:assert/strict'
import { existsSync } from 'node:fs'
import { readdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'

import type { Authorize } from '../authorization.ts'
import { dispatch, requestHeaders } from '../dispatch.ts'
import { badRequest } from '../errors.ts'
import { E, TE } from '../fp.ts'
import { silentLogger } from '../logger.ts'
import { createSharedStreams } from '../streams/index.ts'
import { failure, type Arrival, type HttpAnswer, type User } from '../http.ts'
import { applyLayers, layers, responseHeaders } from '../layers/index.ts'
import { defaults } from '../options.ts'
import type { PluginContextProvider } from '../plugin.ts'
import { match } from '../routing/match.ts'
import { readAnswer } from './answer.ts'
import { recordingPlugins } from './recording-plugin.ts'
import { tableOf } from './route.ts'

/** Station 1. `body` is a JSON value, `bodyText` the very text; `receivedAt` stops the clock that `now` refers to. */
interface RequestStation {
  readonly method: string
  readonly url: string
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: unknown
  readonly bodyText?: string
  readonly user?: User
  readonly receivedAt?: string
}

export interface FixtureOptions {
  /** DataPlaneService objects as in manifests. */
  readonly services: Iterable<unknown>
  /** Default: an instance of any uid, without settings. */
  readonly contexts?: PluginContextProvider
  readonly authorize?: Authorize
  /** Writes the stations that are missing instead of failing on them; look at what it wrote. Default false. */
  readonly record?: boolean
}

/** One case: a folder that tells a request's story by numbered stations. */
export interface Fixture {
  /** Path below the root. Shape: `query/two-refids`. */
  readonly name: string
  /** Rejects with an AssertionError that names the station and shows the difference. */
  readonly check: () => Promise<void>
}

const anyInstance: PluginContextProvider = {
  getInstanceSettings: ({ uid }) =>
    TE.right({
      orgId: 1,
      grafanaConfig: {},
      ...(uid === undefined
        ? {}
        : {
            dataSourceInstanceSettings: {
              id: 1,
              uid,
              name: uid,
              url: '',
              user: '',
              database: '',
              basicAuthEnabled: false,
              basicAuthUser: '',
              jsonData: Buffer.from('{}'),
              decryptedSecureJsonData: {},
              lastUpdatedMS: 0,
            },
          }),
    }),
}

/** Bytes as text, so that a station can be read and written by hand. */
const toPlain = (value: unknown): unknown =>
  JSON.parse(
    JSON.stringify(value, (_key, inner: unknown) =>
      inner instanceof Uint8Array ? Buffer.from(inner).toString() : inner,
    ),
    // A Buffer has turned itself into JSON before the replacer sees it.
    (_key, inner: unknown) =>
      typeof inner === 'object' && inner !== null && 'type' in inner && inner.type === 'Buffer' && 'data' in inner
        ? Buffer.from(inner.data as number[]).toString()
        : inner,
  )

const arrivalOf = ({ method, headers = {}, body, bodyText, user, receivedAt }: RequestStation): Arrival => {
  const text = bodyText ?? (body === undefined ? '' : JSON.stringify(body))
  return {
    method,
    headers: Object.fromEntries(Object.entries(headers).map(([name, value]) => [name.toLowerCase(), value])),
    user,
    receivedAtMs: Date.parse(receivedAt ?? '2026-01-01T00:00:00Z'),
    over: Promise.resolve(undefined),
    readBytes: TE.right(Buffer.from(text)),
    streamBody: () => undefined,
    readJson: TE.fromEither(
      E.tryCatch(
        () => ({ value: JSON.parse(text) as unknown, text }),
        () => badRequest('the body is not valid JSON'),
      ),
    ),
  }
}

const responseOf = (answer: HttpAnswer): unknown => {
  const body =
    answer._tag === 'Json'
      ? answer.value
      : answer._tag === 'Bytes'
        ? (JSON.parse(Buffer.concat([...answer.chunks]).toString()) as unknown)
        : undefined
  return toPlain({ status: answer.status, headers: answer.headers, body })
}

const readJsonFile = async (file: string): Promise<unknown> => JSON.parse(await readFile(file, 'utf8')) as unknown

/** Compares what happened with the station's file, or writes that file when it is missing and may be written. */
const checkStation = async (folder: string, station: string, actual: unknown, record: boolean): Promise<void> => {
  const file = join(folder, station)
  if (record && !existsSync(file)) {
    await writeFile(file, `${JSON.stringify(actual, null, 2)}\n`)
    return
  }
  assert.ok(
    existsSync(file),
    `${station} is missing, where the pipeline gave ${JSON.stringify(actual)} (option record writes it)`,
  )
  assert.deepEqual(actual, await readJsonFile(file), station)
}

const checkCase = async (folder: string, options: FixtureOptions): Promise<void> => {
  const { services, contexts = anyInstance, authorize, record = false } = options
  const request = (await readJsonFile(join(folder, '1-request.json'))) as RequestStation
  const matched = match(tableOf(services), request.method, request.url)
  if (matched === undefined) {
    await checkStation(folder, '4-next.json', {}, record)
    return
  }
  const answerFile = join(folder, '3-answer.json')
  const plugins = recordingPlugins(
    existsSync(answerFile)
      ? await readAnswer(await readJsonFile(answerFile), folder)
      : { error: { _tag: 'NotImplemented', message: 'the fixture has no 3-answer.json' } },
  )
  const { reads, writes, longRunning, requestTimeoutMs, longRunningTimeoutMs, userAgent } = defaults
  const list = layers({
    observe: () => ({ ended: () => undefined }),
    authorize,
    inFlight: { reads, writes, longRunning },
    deadlines: { requestTimeoutMs, longRunningTimeoutMs },
    headers: { request: requestHeaders, response: responseHeaders },
  })
  const run = dispatch({
    handle: applyLayers(list),
    plugins: plugins.host,
    contexts,
    userAgent,
    requestTimeoutMs,
    forward: () => TE.left({ _tag: 'NotImplemented', message: 'the fixture has no answer of a datasource' }),
    streams: createSharedStreams({ logger: silentLogger }),
    forwardedHeaders: [],
  })
  const result = await run(matched, arrivalOf(request), new AbortController().signal)()
  const [call] = plugins.calls
  if (call !== undefined) await checkStation(folder, '2-call.json', toPlain(call), record)
  else assert.ok(!existsSync(join(folder, '2-call.json')), '2-call.json is there, but the plugin was not called')
  const answer = E.isRight(result) ? result.right : failure(result.left)
  await checkStation(folder, E.isRight(result) ? '4-response.json' : '4-status.json', responseOf(answer), record)
}

/**
 * Finds all cases below a folder: `<service>/<case>/1-request.json`, with `2-call.json` (what reached the plugin), `3-answer.json`
 * (what it answers) and `4-response.json`, `4-status.json` or `4-next.json` (what the client gets). No server, no socket.
 * Rejects when there is none. Works with any test runner: `for (const { name, check } of await readFixtures(dir, { services })) test(name, check)`.
 */
export const readFixtures = async (root: string, options: FixtureOptions): Promise<ReadonlyArray<Fixture>> => {
  const files = await readdir(root, { recursive: true })
  const requests = files.filter((file) => file.endsWith('1-request.json'))
  if (requests.length === 0) throw new Error(`expected cases below ${root}, got no file 1-request.json`)
  return requests
    .map((file) => file.slice(0, -'1-request.json'.length).replace(/[/\\]$/, ''))
    .toSorted()
    .map((folder) => ({
      name: folder.replaceAll('\\', '/'),
      check: () => checkCase(join(root, folder), options),
    }))
}

import assert from 'node:assert/strict'
import { existsSync } from 'node:fs'
import { readdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'

import type { Authorize } from '../authorization.ts'
import { dispatch, requestHeaders } from '../dispatch.ts'
import { E } from '../fp.ts'
import { failure } from '../http.ts'
import { applyLayers, layers, responseHeaders } from '../layers/index.ts'
import { silentLogger } from '../logger.ts'
import { defaults } from '../options.ts'
import type { PluginContextProvider } from '../plugin.ts'
import { match, type Match } from '../routing/match.ts'
import type { RouteTable } from '../routing/table.ts'
import { createSharedStreams } from '../streams/index.ts'
import { readAnswer, type AnswerStation } from './answer.ts'
import { readInstance, readPluginJson } from './surroundings.ts'
import { recordingForward, type RecordedForward } from './recording-forward.ts'
import { recordingPlugins, type RecordedCall } from './recording-plugin.ts'
import { arrivalOf, readRequest, type RequestStation } from './request-station.ts'
import { responseOf, toPlain } from './response-station.ts'
import { tableOf } from './route.ts'

export interface FixtureOptions {
  /** DataPlaneService objects as in manifests. */
  readonly services: Iterable<unknown>
  /** Of the cases without an `instance.json`. Default: an instance of any uid, without settings. */
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

const readJsonFile = async (file: string): Promise<unknown> => JSON.parse(await readFile(file, 'utf8')) as unknown

/** A file of the case that may be left out. */
const readOptional = async <A>(folder: string, name: string, read: (value: unknown) => A): Promise<A | undefined> => {
  const file = join(folder, name)
  return existsSync(file) ? read(await readJsonFile(file)) : undefined
}

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

const noAnswer: AnswerStation = {
  error: { _tag: 'NotImplemented', message: 'the fixture has no 3-answer.json' },
}

/** What became of a request: all calls in their order, and what the client gets, until it ends. */
const play = async (matched: Match, request: RequestStation, folder: string, options: FixtureOptions) => {
  const script = (await readOptional(folder, '3-answer.json', (value) => readAnswer(value, folder))) ?? noAnswer
  const pluginJson = await readOptional(folder, 'plugin.json', readPluginJson)
  const instance = await readOptional(folder, 'instance.json', readInstance)
  const calls: Array<RecordedCall | RecordedForward> = []
  const onCall = (call: RecordedCall | RecordedForward): void => {
    calls.push(call)
  }
  const { reads, writes, longRunning, requestTimeoutMs, longRunningTimeoutMs, userAgent } = defaults
  const list = layers({
    observe: () => ({ ended: () => undefined }),
    authorize: options.authorize,
    inFlight: { reads, writes, longRunning },
    deadlines: { requestTimeoutMs, longRunningTimeoutMs },
    headers: { request: requestHeaders, response: responseHeaders },
  })
  const streams = createSharedStreams({ logger: silentLogger })
  const run = dispatch({
    handle: applyLayers(list),
    plugins: recordingPlugins(script, { pluginJson, onCall }).host,
    contexts: instance ?? options.contexts ?? readInstance({}),
    userAgent,
    requestTimeoutMs,
    forward: recordingForward(script.forward, onCall),
    streams,
    forwardedHeaders: [],
  })
  let finish = (_: undefined): void => undefined
  const over = new Promise<undefined>((resolve) => {
    finish = resolve
  })
  try {
    const result = await run(matched, arrivalOf(request, over), new AbortController().signal)()
    const response = await responseOf(E.isRight(result) ? result.right : failure(result.left))
    return { calls, station: E.isRight(result) ? '4-response.json' : '4-status.json', response }
  } finally {
    finish(undefined)
    await streams.close()
  }
}

/** A station that was not reached tells a story of its own, and so does a misspelt one. */
const refuseOthers = async (folder: string, reached: ReadonlyArray<string>): Promise<void> => {
  const others = (await readdir(folder)).filter((file) => /^\d/.test(file) && !reached.includes(file))
  assert.deepEqual(others, [], 'stations that the request did not come to')
}

const checkCase = async (folder: string, table: RouteTable, options: FixtureOptions): Promise<void> => {
  const { record = false } = options
  const request = readRequest(await readJsonFile(join(folder, '1-request.json')))
  const matched = match(table, request.method, request.url)
  if (matched === undefined) {
    await refuseOthers(folder, ['1-request.json', '4-next.json'])
    await checkStation(folder, '4-next.json', {}, record)
    return
  }
  const { calls, station, response } = await play(matched, request, folder, options)
  const call = calls.length > 0 ? ['2-call.json'] : []
  await refuseOthers(folder, ['1-request.json', ...call, '3-answer.json', station])
  if (calls.length > 0) {
    await checkStation(folder, '2-call.json', toPlain(calls.length === 1 ? calls[0] : calls), record)
  }
  await checkStation(folder, station, response, record)
}

/**
 * Finds all cases below a folder: `<service>/<case>/1-request.json`, with `2-call.json` (what reached the plugin, or what stands
 * behind a proxied path; a list of several calls), `3-answer.json` (what it answers) and `4-response.json`, `4-status.json` or
 * `4-next.json` (what the client gets); beside them `plugin.json` and `instance.json`, where the case needs them. No server, no socket.
 * Rejects when there is none, or an object is wrong. Works with any test runner: `for (const { name, check } of await readFixtures(dir, { services })) test(name, check)`.
 */
export const readFixtures = async (root: string, options: FixtureOptions): Promise<ReadonlyArray<Fixture>> => {
  const files = await readdir(root, { recursive: true })
  const requests = files.filter((file) => file.endsWith('1-request.json'))
  if (requests.length === 0) throw new Error(`expected cases below ${root}, got no file 1-request.json`)
  const table = tableOf(options.services)
  return requests
    .map((file) => file.slice(0, -'1-request.json'.length).replace(/[/\\]$/, ''))
    .toSorted()
    .map((folder) => ({
      name: folder.replaceAll('\\', '/'),
      check: () => checkCase(join(root, folder), table, options),
    }))
}

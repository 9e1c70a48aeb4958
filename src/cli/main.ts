#!/usr/bin/env node
import { stat } from 'node:fs/promises'
import { join } from 'node:path'
import { parseArgs } from 'node:util'

import type { PluginJson } from '../api/plugin-json.ts'
import { E } from '../fp.ts'
import { encodeFrame, encodeQueryData } from '../frames/index.ts'
import { layerNames } from '../layers/index.ts'
import { silentLogger } from '../logger.ts'
import { findPlugins } from '../plugins/find.ts'
import { explain } from '../routing/explain.ts'
import { claimsOf, compile, verdictsOf } from '../routing/table.ts'
import { serviceDefinitions } from '../services/index.ts'
import { isManifest } from '../sources/file.ts'
import { readManifest, toSnapshot } from '../sources/manifest.ts'
import { createTextFiles, type TextFile } from '../text-files.ts'
import { lint } from './lint.ts'

const usage = `usage:
  dataplane-aggregator lint <dir> [--plugins <dir>]
  dataplane-aggregator explain <dir> <method> <url>

lint     checks the manifests of a folder, and whether their plugins are there; prints file:line: message
explain  says as JSON which object, service, plugin and layers a request would meet, or why none
`

/** What ends the program: a code, and what to say. 1: something is wrong with the manifests. 2: with how it was called. */
interface Outcome {
  readonly code: 0 | 1 | 2
  readonly out: string
  readonly err: string
}

const misuse = (message: string): Outcome => ({ code: 2, out: '', err: `${message}\n${usage}` })

const readFiles = async (path: string): Promise<E.Either<string, ReadonlyArray<TextFile>>> => {
  const info = await stat(path).catch(() => undefined)
  if (info === undefined) return E.left(`${path}: no such file or directory`)
  const read = createTextFiles({ path, accepts: isManifest, fileLimitBytes: 3 * 1024 * 1024 })
  return E.mapLeft((error: string) => `${path}: ${error}`)(await read())
}

const readPlugins = (directory: string): ReadonlyMap<string, PluginJson> =>
  new Map(findPlugins(directory, silentLogger).map(({ id, pluginJson }) => [id, pluginJson]))

const runLint = async (dir: string, plugins: string | undefined): Promise<Outcome> => {
  const files = await readFiles(dir)
  if (E.isLeft(files)) return misuse(files.left)
  const problems = lint(files.right, plugins === undefined ? undefined : readPlugins(plugins))
  const isFile = (await stat(dir)).isFile()
  const pathOf = (file: string): string => (isFile ? dir : join(dir, file))
  const lines = problems.map(({ file, line, message }) => `${pathOf(file)}:${String(line)}: ${message}\n`)
  const count = `${String(files.right.length)} files, ${String(problems.length)} problems\n`
  return { code: problems.length === 0 ? 0 : 1, out: lines.join(''), err: count }
}

const runExplain = async (dir: string, method: string, url: string): Promise<Outcome> => {
  const files = await readFiles(dir)
  if (E.isLeft(files)) return misuse(files.left)
  const { services, rejected } = toSnapshot(files.right.map((file) => readManifest(file)))
  const table = compile(services, serviceDefinitions({ encodeQueryData, encodeFrame }))
  const registry = { verdicts: verdictsOf(table), rejected }
  const options = { table, claims: claimsOf(table), registry, layers: layerNames }
  const target = URL.canParse(url) ? url.replace(/^[^:]*:\/\/[^/?#]*/, '') : url
  const explanation = explain(options, method.toUpperCase(), target)
  return { code: explanation.to === 'us' ? 0 : 1, out: `${JSON.stringify(explanation, undefined, 2)}\n`, err: '' }
}

const run = (args: ReadonlyArray<string>): Promise<Outcome> | Outcome => {
  const { values, positionals } = parseArgs({
    args: [...args],
    allowPositionals: true,
    options: { plugins: { type: 'string' }, help: { type: 'boolean', short: 'h' } },
  })
  const [command, dir, method, url, ...rest] = positionals
  if (values.help === true) return { code: 0, out: usage, err: '' }
  if (command === 'lint' && dir !== undefined && method === undefined) return runLint(dir, values.plugins)
  if (command === 'explain' && dir !== undefined && method !== undefined && url !== undefined && rest.length === 0) {
    return runExplain(dir, method, url)
  }
  return misuse(command === undefined ? 'expected a command' : `cannot make sense of "${args.join(' ')}"`)
}

const outcome = async (): Promise<Outcome> => {
  try {
    return await run(process.argv.slice(2))
  } catch (cause) {
    return misuse(cause instanceof Error ? cause.message : String(cause))
  }
}

const { code, out, err } = await outcome()
// who reads may have read enough: `lint dir | head`
for (const stream of [process.stdout, process.stderr]) stream.on('error', () => undefined)
process.stdout.write(out)
process.stderr.write(err)
process.exitCode = code

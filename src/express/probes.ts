import type { IncomingMessage, ServerResponse } from 'node:http'

import { quote } from '../decode.ts'
import { E } from '../fp.ts'
import type { PluginStatus } from '../plugin-status.ts'
import type { Staleness } from '../source.ts'
import type { Registry } from '../verdict.ts'

export interface Check {
  readonly name: string
  readonly isOk: boolean
}

/** What is asked of a probe. */
export interface ProbeQuery {
  /** This check alone. */
  readonly check?: string | undefined
  /** Names of checks that do not count. */
  readonly exclude: ReadonlyArray<string>
  readonly isVerbose: boolean
}

export interface ProbeAnswer {
  readonly status: number
  readonly text: string
}

const lineOf = ({ name, isOk }: Check, isExcluded: boolean): string => {
  if (isExcluded) return `[+]${name} excluded: ok`
  return isOk ? `[+]${name} ok` : `[-]${name} failed: reason withheld`
}

const probeOne = (check: Check | undefined): ProbeAnswer => {
  if (check === undefined) return { status: 404, text: '404 page not found\n' }
  return check.isOk ? { status: 200, text: 'ok' } : { status: 500, text: 'internal server error: reason withheld\n' }
}

/**
 * Answers a probe: `ok`, or a line for each check when it is verbose or something failed. `notes` tell more in those lines and fail
 * nothing. Shape: `[+]ping ok`, `[-]shutdown failed: reason withheld`, `readyz check failed`. Pure. Source: the healthz package of the
 * Kubernetes apiserver.
 */
export const probe = (
  name: string,
  checks: ReadonlyArray<Check>,
  notes: ReadonlyArray<string>,
  { check, exclude, isVerbose }: ProbeQuery,
): ProbeAnswer => {
  if (check !== undefined) return probeOne(checks.find((one) => one.name === check))
  const isExcluded = (one: Check): boolean => exclude.includes(one.name)
  const isOk = checks.every((one) => one.isOk || isExcluded(one))
  if (isOk && !isVerbose) return { status: 200, text: 'ok' }
  const unknown = [...new Set(exclude)].filter((given) => checks.every((one) => one.name !== given)).toSorted()
  const names = unknown.map((given) => JSON.stringify(given)).join(',')
  const lines = [
    ...checks.map((one) => lineOf(one, isExcluded(one))),
    ...(unknown.length === 0 ? [] : [`warn: some health checks cannot be excluded: no matches for ${names}`]),
    ...notes.map((note) => `warn: ${note}`),
    `${name} check ${isOk ? 'passed' : 'failed'}`,
  ]
  return { status: isOk ? 200 : 500, text: lines.map((line) => `${line}\n`).join('') }
}

/** The last part of a path or an address, without what logs in there or is asked for. */
const baseNameOf = (origin: string): string => {
  const [place = ''] = origin.split(/[?#]/)
  return place.split(/[/\\@]/).findLast((part) => part !== '') ?? ''
}

/** More names than this nobody reads. */
const maxNames = 10

const pluginNotes = (plugins: ReadonlyArray<PluginStatus>): ReadonlyArray<string> => {
  const bad = plugins.filter(({ state }) => state !== 'ready' && state !== 'idle')
  if (bad.length === 0) return []
  const names = bad.slice(0, maxNames).map(({ id, state }) => `${quote(id)} (${state})`)
  const rest = bad.length > maxNames ? [`${String(bad.length - maxNames)} more`] : []
  return [`plugins that are not ready: ${[...names, ...rest].join(', ')}`]
}

const ageOf = ({ ageMs }: Staleness): string =>
  ageMs === undefined ? 'was never heard of' : `was last heard of ${String(Math.round(ageMs / 1000))} s ago`

/** What an operator wants to know although the last good state serves. Names of files and plugins, no more. */
const notesOf = (
  { rejected, sourceError }: Registry,
  plugins: ReadonlyArray<PluginStatus>,
  staleness: Staleness | undefined,
): ReadonlyArray<string> => [
  ...(staleness?.isStale === true ? [`the source ${ageOf(staleness)}, the last good state serves`] : []),
  ...(sourceError === undefined
    ? []
    : [`the source has an error in ${quote(baseNameOf(sourceError.origin))}, the last good state serves`]),
  ...(rejected.length === 0 ? [] : [`objects that are rejected: ${String(rejected.length)}`]),
  ...pluginNotes(plugins),
]

/** A handler of Connect, Express 4 and 5, or a plain server. */
export type ProbeHandler = (
  request: IncomingMessage & { readonly originalUrl?: string },
  response: ServerResponse,
) => void

export interface ProbesOptions {
  /** Resolves when the first snapshot is compiled. */
  readonly ready: Promise<void>
  /** Whether `close()` was called. */
  readonly isClosing: () => boolean
  readonly registry: () => Registry
  readonly plugins: () => ReadonlyArray<PluginStatus>
  /** Left out where no source can fall behind. */
  readonly staleness?: (() => Staleness) | undefined
}

export interface Probes {
  /** Whether the process answers at all; no plugin and no file has a say in it. */
  readonly livez: ProbeHandler
  /** Whether requests should come here: the first snapshot is compiled, the source is not stale, and nobody has called `close()`. */
  readonly readyz: ProbeHandler
}

const split = (url: string): readonly [path: string, query: string] => {
  const at = url.indexOf('?')
  return at === -1 ? [url, ''] : [url.slice(0, at), url.slice(at + 1)]
}

/** One check has a path of its own only where the probe is mounted by its own name: any other path is the host's. */
const toQuery = (name: string, url: string): ProbeQuery => {
  const [path, search] = split(url)
  const query = new URLSearchParams(search)
  const [parent, check] = path.split('/').slice(-2)
  return {
    check: parent === name && check !== '' ? check : undefined,
    exclude: query.getAll('exclude'),
    isVerbose: query.has('verbose'),
  }
}

const handlerOf =
  (name: string, checks: () => ReadonlyArray<Check>, notes: () => ReadonlyArray<string>): ProbeHandler =>
  (request, response) => {
    // below a mount point, Connect and Express cut the front of `url` off
    const query = toQuery(name, request.originalUrl ?? request.url ?? '')
    // a host of plugins that throws is not the probe's to judge
    const known = E.getOrElse((): ReadonlyArray<string> => [])(E.tryCatch(notes, E.toError))
    const { status, text } = probe(name, checks(), known, query)
    response.writeHead(status, {
      'content-type': 'text/plain; charset=utf-8',
      'content-length': Buffer.byteLength(text),
      'cache-control': 'no-cache, private',
      'x-content-type-options': 'nosniff',
    })
    response.end(text)
  }

/** Probes in the format of the Kubernetes apiserver, `?verbose` and `?exclude=` included. They are nowhere until the host mounts them. */
export const createProbes = ({ ready, isClosing, registry, plugins, staleness }: ProbesOptions): Probes => {
  let isSynced = false
  void ready.then(() => {
    isSynced = true
  })
  const ping: Check = { name: 'ping', isOk: true }
  const readiness = (): ReadonlyArray<Check> => [
    ping,
    { name: 'registry-sync', isOk: isSynced },
    ...(staleness === undefined ? [] : [{ name: 'registry-fresh', isOk: !staleness().isStale }]),
    { name: 'shutdown', isOk: !isClosing() },
  ]
  return {
    livez: handlerOf(
      'livez',
      () => [ping],
      () => [],
    ),
    readyz: handlerOf('readyz', readiness, () => notesOf(registry(), plugins(), staleness?.())),
  }
}

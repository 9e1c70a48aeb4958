import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'

import { pluginDirectory, type PluginStatus, type QueryDataRequest } from 'dataplane-aggregator'

/**
 * Lets plugins crash and come back a thousand times, and looks at what that leaves behind in the host: heap, open files, listeners,
 * active resources must be back where they were. Exits 1 when they are not. Ends by itself after two minutes.
 */
const restarts = 1000
const warmUpRestarts = 200
const pluginsAtOnce = 4
const limitMs = 110_000
/** What is compiled meanwhile stays, some MiB of it; a leak of that much for each restart is one. */
const heapToleranceBytes = restarts * 4 * 1024

setFlagsFromString('--expose-gc')
const collectGarbage = runInNewContext('gc') as () => void
const plugin = fileURLToPath(new URL('plugin.js', import.meta.url))

const print = (line: string): void => {
  process.stdout.write(`${line}\n`)
}

const request: QueryDataRequest = {
  pluginContext: {
    orgId: 1,
    pluginId: 'soak',
    grafanaConfig: {},
    pluginVersion: '',
    userAgent: '',
    apiVersion: 'v1',
    namespace: 'default',
  },
  headers: {},
  queries: [],
}

interface Footprint {
  readonly heapBytes: number
  readonly files: number
  readonly listeners: number
  readonly resources: number
}

/** When nothing runs any more that is still to end. */
const footprint = async (): Promise<Footprint> => {
  // longer than the second that log lines are counted for
  for (let turn = 0; turn < 15; turn++) {
    await new Promise((resolve) => setTimeout(resolve, 100))
    collectGarbage()
  }
  const listeners = process.eventNames().reduce((sum, name) => sum + process.listenerCount(name), 0)
  return {
    heapBytes: process.memoryUsage().heapUsed,
    files: process.platform === 'linux' ? readdirSync('/proc/self/fd').length : 0,
    listeners,
    resources: process.getActiveResourcesInfo().length,
  }
}

const directory = mkdtempSync(join(tmpdir(), 'soak-'))
const ids = Array.from({ length: pluginsAtOnce }, (_, index) => `soak${String(index)}`)
for (const id of ids) {
  const home = join(directory, id)
  mkdirSync(home)
  writeFileSync(join(home, 'plugin.json'), JSON.stringify({ id, type: 'datasource', backend: true, executable: 'run' }))
  writeFileSync(join(home, 'run'), `#!/bin/sh\nexec '${process.execPath}' '${plugin}'\n`, { mode: 0o755 })
}
const host = pluginDirectory(directory, { backoff: { initialMs: 1, maxMs: 1 } })
const startedMs = performance.now()
const isInTime = (): boolean => performance.now() - startedMs < limitMs

const statusOf = (id: string): PluginStatus | undefined => host.statuses().find((status) => status.id === id)

/** Serves, and was started so many times. */
const untilReady = (id: string, startCount: number): Promise<void> =>
  new Promise((resolve) => {
    const look = (): void => {
      const status = statusOf(id)
      if (status?.state !== 'ready' || status.startCount < startCount) return
      unwatch()
      resolve()
    }
    const unwatch = host.watch(look)
    look()
  })

const startsOf = (id: string): number => statusOf(id)?.startCount ?? 0
const allStarts = (): number => ids.reduce((sum, id) => sum + startsOf(id), 0)

/** Crashes all plugins again and again; gives the answers that callers got, by tag. */
const crash = async (times: number): Promise<ReadonlyMap<string, number>> => {
  const answers = new Map<string, number>()
  let left = times
  const work = async (id: string): Promise<void> => {
    await untilReady(id, 1)
    while (left > 0 && isInTime()) {
      left--
      const starts = startsOf(id)
      const signal = new AbortController().signal
      const answer = await host.plugin(id)?.client.queryData(request, { signal, timeoutMs: 10_000 })()
      const tag = answer?._tag === 'Left' ? answer.left._tag : String(answer?._tag)
      answers.set(tag, (answers.get(tag) ?? 0) + 1)
      await untilReady(id, starts + 1)
    }
  }
  await Promise.all(ids.map(work))
  return answers
}

// plugins keep nobody alive
const alive = setInterval(() => undefined, 60_000)
try {
  await crash(warmUpRestarts)
  const before = await footprint()
  const startsBefore = allStarts()
  const answers = await crash(restarts)
  const after = await footprint()
  const done = allStarts() - startsBefore
  print(`${String(done)} restarts in ${((performance.now() - startedMs) / 1000).toFixed(0)} s`)
  print(`callers got ${[...answers].map(([tag, count]) => `${tag} ${String(count)} times`).join(', ')}`)
  print(`before ${JSON.stringify(before)}`)
  print(`after  ${JSON.stringify(after)}`)
  const isBack =
    after.heapBytes <= before.heapBytes + heapToleranceBytes &&
    after.files <= before.files &&
    after.listeners <= before.listeners &&
    after.resources <= before.resources
  const isRight = done >= restarts && answers.size === 1 && answers.has('PluginUnavailable')
  print(isBack && isRight ? 'ok' : 'FAILED: expected what was before, and every caller told that the plugin is away')
  if (!isBack || !isRight) process.exitCode = 1
} finally {
  clearInterval(alive)
  await host.close()
  rmSync(directory, { recursive: true, force: true })
}

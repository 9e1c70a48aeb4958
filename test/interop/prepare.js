// Makes what these tests run beside Node: Go programs, plugins as a generator writes them, and a Prometheus. It lies in a cache
// outside of the tree, so that a second run finds it there. What cannot be had is told with its reason, and the tests that need it
// are skipped.
import { mkdirSync, readdirSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import { makeApiserver } from './prepare-apiserver.js'
import { makeConverter } from './prepare-converter.js'
import { buildAll } from './prepare-go.js'
import { findNewestKubectl, findOlderKubectl, findOldestKubectl } from './prepare-kubectl.js'
import { makeKubernetes } from './prepare-kubernetes.js'
import { findPrometheus } from './prepare-prometheus.js'
import { makePublished } from './prepare-published.js'
import { Missing, missing, onPath, say } from './prepare-tools.js'

const day = 24 * 60 * 60_000

/** One directory a user, so that nobody else puts programs there. */
const cacheDirectory = () => {
  const parent = process.env.XDG_CACHE_HOME
  const directory = parent
    ? join(parent, 'dataplane-aggregator-interop')
    : join(tmpdir(), `dataplane-aggregator-interop-${process.getuid?.() ?? 0}`)
  mkdirSync(directory, { recursive: true, mode: 0o700 })
  if (process.getuid !== undefined && statSync(directory).uid !== process.getuid())
    throw new Error(`${directory} belongs to another user`)
  return directory
}

/** Deletes what no run has used for a day. */
const prune = (directory) => {
  for (const name of readdirSync(directory)) {
    const path = join(directory, name)
    if (Date.now() - statSync(path).mtimeMs > day) rmSync(path, { recursive: true, force: true })
  }
}

const orReason = (make) => {
  try {
    return { have: make() }
  } catch (error) {
    if (!(error instanceof Missing)) throw error
    say(`skipped: ${error.message}`)
    return { skipped: error.message }
  }
}

/** Shape: `{ go: { have: { plugin: '/…', … } }, prometheus: { skipped: 'no prometheus…' }, curl: { have: '/usr/bin/curl' } }`. */
export const prepare = () => {
  const cache = cacheDirectory()
  prune(cache)
  const go = orReason(() => buildAll(cache))
  return {
    go,
    published: go.have === undefined ? go : orReason(() => makePublished(cache)),
    converter: go.have === undefined ? go : orReason(() => makeConverter(cache)),
    apiserver: go.have === undefined ? go : orReason(() => makeApiserver(cache)),
    kubernetes: go.have === undefined ? go : orReason(() => makeKubernetes(cache)),
    kubectl: orReason(() => findNewestKubectl(cache)),
    'kubectl-older': orReason(() => findOlderKubectl(cache)),
    'kubectl-oldest': orReason(() => findOldestKubectl(cache)),
    prometheus: go.have === undefined ? go : orReason(() => findPrometheus(cache)),
    // ends a process together with the one that started it
    setpriv: orReason(() => onPath('setpriv') ?? missing('setpriv')),
    curl: orReason(() => onPath('curl') ?? missing('curl')),
  }
}

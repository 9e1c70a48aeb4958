import { readFileSync, statSync } from 'node:fs'
import { basename, dirname, resolve } from 'node:path'

import {
  parseKubeconfig,
  type Kubeconfig,
  type KubeconfigCluster,
  type KubeconfigContext,
  type KubeconfigUser,
} from '../api/kubeconfig.ts'
import { describeCauses, quote } from '../decode.ts'
import { E } from '../fp.ts'
import { errorCodeOf } from '../watch.ts'
import { parseYaml } from '../yaml.ts'
import { refuse } from './check.ts'

/** Reading YAML takes half a second per MiB. */
const fileLimitBytes = 3 * 1024 * 1024

/** One named thing of a kubeconfig, and the file that it stands in: relative paths begin there. */
export interface Entry<A> {
  readonly value: A
  /** For messages. Shape: `kubeconfig "config", user "jane"`. */
  readonly where: string
  readonly directory: string
}

export interface MergedKubeconfig {
  /** For messages. Shape: `kubeconfig "config"`. */
  readonly where: string
  readonly currentContext: string | undefined
  readonly clusters: ReadonlyMap<string, Entry<KubeconfigCluster>>
  readonly contexts: ReadonlyMap<string, Entry<KubeconfigContext>>
  readonly users: ReadonlyMap<string, Entry<KubeconfigUser>>
}

interface File {
  readonly where: string
  readonly directory: string
  readonly config: Kubeconfig
}

/** Throws a TypeError that names the file without its directory. */
export const readFileNow = (where: string, path: string, limitBytes: number): string => {
  try {
    const info = statSync(path)
    // before it is opened: a pipe without a writer would hold up the process for ever
    if (!info.isFile()) return refuse(where, 'a regular file', 'something else')
    if (info.size > limitBytes) return refuse(where, `at most ${String(limitBytes)} bytes`, String(info.size))
    return new TextDecoder('utf-8', { fatal: true }).decode(readFileSync(path))
  } catch (cause) {
    if (cause instanceof TypeError && !('code' in cause)) throw cause
    const code = errorCodeOf(cause)
    return code === 'ERR_ENCODING_INVALID_ENCODED_DATA'
      ? refuse(where, 'UTF-8 text', 'something else')
      : refuse(where, 'a readable file', code)
  }
}

const parse = (where: string, text: string): Kubeconfig => {
  const documents = parseYaml(text)
  if (E.isLeft(documents)) throw new TypeError(`${where}: ${documents.left}`)
  const [document = {}, ...more] = documents.right
  if (more.length > 0) return refuse(where, 'one document', String(documents.right.length))
  const config = parseKubeconfig(document)
  if (E.isLeft(config)) throw new TypeError(`${where}: ${describeCauses(config.left)}`)
  return config.right
}

/** The first that names a thing has the last word on it. Source: ClientConfigLoadingRules of client-go. */
const merge = <A>(
  files: ReadonlyArray<File>,
  kind: string,
  listOf: (config: Kubeconfig) => ReadonlyArray<{ readonly name: string; readonly value: A }>,
): ReadonlyMap<string, Entry<A>> => {
  const merged = new Map<string, Entry<A>>()
  for (const { where, directory, config } of files) {
    const seen = new Set<string>()
    for (const { name, value } of listOf(config)) {
      if (seen.has(name)) refuse(where, `one ${kind} ${quote(name)}`, 'two')
      seen.add(name)
      if (!merged.has(name)) merged.set(name, { value, where: `${where}, ${kind} ${quote(name)}`, directory })
    }
  }
  return merged
}

/** Reads the files and makes one of them. Throws a TypeError that names the file and the field. */
export const readKubeconfigFiles = (paths: ReadonlyArray<string>): MergedKubeconfig => {
  const files = paths.map((path): File => {
    const where = `kubeconfig "${basename(path)}"`
    const config = parse(where, readFileNow(where, path, fileLimitBytes))
    return { where, directory: dirname(resolve(path)), config }
  })
  return {
    where: files.length === 1 ? (files[0]?.where ?? '') : 'kubeconfig',
    currentContext: files.map(({ config }) => config['current-context']).find((name) => name !== undefined),
    clusters: merge(files, 'cluster', ({ clusters = [] }) =>
      clusters.map(({ name, cluster = {} }) => ({ name, value: cluster })),
    ),
    contexts: merge(files, 'context', ({ contexts = [] }) =>
      contexts.map(({ name, context = {} }) => ({ name, value: context })),
    ),
    users: merge(files, 'user', ({ users = [] }) => users.map(({ name, user = {} }) => ({ name, value: user }))),
  }
}

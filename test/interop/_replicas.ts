import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { Agent, request, type IncomingMessage } from 'node:http'
import { text as textOf } from 'node:stream/consumers'
import { fileURLToPath } from 'node:url'

import type { ExecutionContext } from 'ava'

import { firstLine, installPlugin, pluginFolder, run } from './_setup.ts'
import type { ReplicaOptions } from './replica.ts'

type Teardown = Pick<ExecutionContext, 'teardown'>

/** An object whose health answers below `/apis/<name>.example.com/v1`. */
export const objectOf = (name: string, labels: Readonly<Record<string, string>> = {}) => ({
  apiVersion: 'aggregation.grafana.app/v0alpha1',
  kind: 'DataPlaneService',
  metadata: { name, labels },
  spec: {
    pluginID: 'interop',
    pluginType: 'datasource',
    group: `${name}.example.com`,
    version: 'v1',
    services: [{ type: 'health' }],
  },
})

export const healthOf = (name: string): string =>
  `/apis/${name}.example.com/v1/namespaces/default/datasources/one/health`

const root = fileURLToPath(new URL('../..', import.meta.url))
const program = fileURLToPath(new URL('replica.ts', import.meta.url))

/** Shape: `{ name: [uid, generation] }`. */
export type Table = Readonly<Record<string, readonly [string, number]>>

export interface Replica {
  readonly url: string
  readonly child: ChildProcess
  readonly table: () => Promise<Table>
  /** The code of a GET. */
  readonly code: (path: string) => Promise<number>
  readonly text: (path: string) => Promise<string>
  /** Ends it as a cluster does. Resolves with its exit code. */
  readonly stop: () => Promise<number | null>
}

const agent = new Agent({ keepAlive: true })

const get = async (url: string): Promise<{ readonly code: number; readonly body: string }> => {
  const asked = request(url, { agent }).end()
  const [answer] = (await once(asked, 'response')) as [IncomingMessage]
  return { code: answer.statusCode ?? 0, body: await textOf(answer) }
}

let folder: string | undefined

/** Resolves once it is ready. */
export const startReplica = async (
  t: Teardown,
  kubeconfig: string,
  { identity = 'a', speed = 1 }: Partial<Pick<ReplicaOptions, 'identity' | 'speed'>> = {},
): Promise<Replica> => {
  if (folder === undefined) installPlugin((folder = pluginFolder()), 'interop', 'plugin')
  const options: ReplicaOptions = { kubeconfig, plugins: folder, identity, speed }
  const args = ['--conditions=dataplane-aggregator:source', '--import', 'tsx', program, JSON.stringify(options)]
  const child = run(t, process.execPath, args, { cwd: root, stdio: ['pipe', 'pipe', 'inherit'] })
  const url = await firstLine(child)
  const code = async (path: string): Promise<number> => (await get(`${url}${path}`)).code
  const text = async (path: string): Promise<string> => (await get(`${url}${path}`)).body
  return {
    url,
    child,
    code,
    text,
    table: async () => JSON.parse(await text('/table')) as Table,
    stop: async () => {
      const exited = once(child, 'exit')
      child.kill('SIGTERM')
      await exited
      return child.exitCode
    },
  }
}

export interface Load {
  readonly sent: () => number
  /** Ends it. Resolves with all that went wrong: `503 http://…`. */
  readonly stop: () => Promise<ReadonlyArray<string>>
}

/** One client for each way, one request after another, without a pause. */
export const startLoad = (t: Teardown, ways: ReadonlyArray<() => string | undefined>): Load => {
  const wrong: string[] = []
  let count = 0
  let isOver = false
  const work = async (way: () => string | undefined): Promise<void> => {
    while (!isOver) {
      const url = way()
      if (url === undefined) {
        wrong.push('nobody is ready')
        await new Promise((resolve) => setTimeout(resolve, 10))
        continue
      }
      try {
        const { code, body } = await get(url)
        if (code !== 200) wrong.push(`${String(code)} ${url} ${body}`)
      } catch (error) {
        wrong.push(`${String(error)} ${url}`)
      }
      count += 1
    }
  }
  const working = Promise.all(ways.map(work))
  const stop = async (): Promise<ReadonlyArray<string>> => {
    isOver = true
    await working
    return wrong
  }
  t.teardown(stop)
  return { sent: () => count, stop }
}

interface Listed {
  readonly items: ReadonlyArray<{
    readonly metadata: { readonly name: string; readonly uid: string; readonly generation: number }
  }>
}

/** What the apiserver itself says that there is. */
export const tableOf = ({ items }: Listed): Table =>
  Object.fromEntries(items.map(({ metadata }) => [metadata.name, [metadata.uid, metadata.generation]]))

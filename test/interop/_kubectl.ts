import { spawn, type ChildProcess } from 'node:child_process'
import { on, once } from 'node:events'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import type { IncomingMessage } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { text } from 'node:stream/consumers'

import type { ExecutionContext } from 'ava'
import express from 'express'

import { createServer, dataPlaneAggregator, inProcess, memorySource, staticContexts } from '../../src/index.ts'
import type { DataPlaneServiceSource } from '../../src/source.ts'
import { run, tools } from './_setup.ts'

type Teardown = Pick<ExecutionContext, 'teardown'>

export const apiVersion = 'aggregation.grafana.app/v0alpha1'
export const collection = `/apis/${apiVersion}/dataplaneservices`

export interface Host {
  readonly url: string
  /** Resolves when it is next asked for a path like this. */
  readonly asked: (path: RegExp) => Promise<void>
}

/** An Express app with nothing of Kubernetes in it: whoever is mounted next says 404. */
export const startHost = async (t: Teardown, source: DataPlaneServiceSource = memorySource()): Promise<Host> => {
  const aggregator = dataPlaneAggregator({
    source,
    plugins: inProcess({ testdata: { checkHealth: () => ({ status: 'OK' }) } }),
    contexts: staticContexts({ datasources: [{ uid: 'example', type: 'testdata' }] }),
  })
  const server = createServer(express().use(aggregator)).listen(0, '127.0.0.1')
  t.teardown(async () => {
    server.close()
    await aggregator.close()
    server.closeAllConnections()
  })
  await Promise.all([once(server, 'listening'), aggregator.ready])
  const asked = async (path: RegExp): Promise<void> => {
    for await (const event of on(server, 'request')) {
      const [{ url = '' }] = event as [IncomingMessage]
      if (path.test(url)) return
    }
  }
  return { url: `http://127.0.0.1:${String((server.address() as AddressInfo).port)}`, asked }
}

export interface Outcome {
  readonly code: number | null
  readonly out: string
  readonly err: string
}

interface Options {
  readonly input?: string
  readonly env?: Readonly<Record<string, string>>
  /** Default: a folder of its own. */
  readonly cwd?: string
}

export interface Kubectl {
  (args: ReadonlyArray<string>, options?: Options): Promise<Outcome>
  /** Started, and left running. */
  readonly start: (t: Teardown, args: ReadonlyArray<string>) => ChildProcess
  /** Writes a file that it may read. Gives the path. */
  readonly file: (name: string, content: string) => string
}

const base64 = (text: string): string => Buffer.from(text).toString('base64')

interface Access {
  readonly token: string
  /** PEM. */
  readonly ca: string
}

/** Of all that it takes from its surroundings, nothing is ours. */
export const kubectlOf = (
  t: Teardown,
  name: 'kubectl' | 'kubectl-older' | 'kubectl-oldest',
  url: string,
  access?: Access,
): Kubectl => {
  const { have: program = '' } = tools[name]
  const directory = mkdtempSync(join(tmpdir(), `${name}-`))
  t.teardown(() => {
    rmSync(directory, { recursive: true, force: true })
  })
  mkdirSync(join(directory, 'home'))
  const file = (path: string, content: string): string => {
    writeFileSync(join(directory, path), content, { mode: 0o700 })
    return join(directory, path)
  }
  const config = {
    apiVersion: 'v1',
    kind: 'Config',
    'current-context': 'test',
    clusters: [
      { name: 'test', cluster: { server: url, ...(access && { 'certificate-authority-data': base64(access.ca) }) } },
    ],
    contexts: [{ name: 'test', context: { cluster: 'test', user: access ? 'test' : '' } }],
    ...(access && { users: [{ name: 'test', user: { token: access.token } }] }),
  }
  const env = {
    PATH: process.env['PATH'],
    HOME: join(directory, 'home'),
    KUBECONFIG: file('config', JSON.stringify(config)),
  }
  const whole = (args: ReadonlyArray<string>): ReadonlyArray<string> => [
    `--cache-dir=${join(directory, 'cache')}`,
    ...args,
  ]
  const ask = async (
    args: ReadonlyArray<string>,
    { input = '', env: more = {}, cwd = directory }: Options = {},
  ): Promise<Outcome> => {
    // what hangs is a failure of this step, and not of all that follow
    const child = spawn(program, whole(args), {
      cwd,
      env: { ...env, ...more },
      timeout: 40_000,
      killSignal: 'SIGKILL',
    })
    child.stdin.on('error', () => undefined)
    child.stdin.end(input)
    const [out, err, exit] = await Promise.all([text(child.stdout), text(child.stderr), once(child, 'exit')])
    const [code] = exit as [number | null]
    return { code, out, err }
  }
  return Object.assign(ask, {
    file,
    start: (test: Teardown, args: ReadonlyArray<string>) =>
      run(test, program, whole(args), { cwd: directory, env, stdio: ['ignore', 'pipe', 'pipe'] }),
  })
}

/** The lines that a process says, one at a time. */
export const linesOf = ({ stdout }: ChildProcess): (() => Promise<string>) => {
  if (stdout === null) throw new Error('it has no stdout')
  const lines = createInterface({ input: stdout })[Symbol.asyncIterator]()
  return async () => {
    const next: IteratorResult<string, undefined> = await lines.next()
    if (next.done === true) throw new Error('it said no more')
    return next.value
  }
}

export interface Stored {
  readonly metadata: Readonly<Record<string, unknown>> & {
    readonly resourceVersion: string
    readonly generation?: number
    readonly labels?: Readonly<Record<string, string>>
    readonly annotations?: Readonly<Record<string, string>>
    readonly managedFields?: ReadonlyArray<{ readonly manager: string; readonly operation: string }>
  }
  readonly spec: Readonly<Record<string, unknown>>
  readonly status?: {
    readonly conditions: ReadonlyArray<{ readonly type: string; readonly observedGeneration: number }>
  }
}

/** The object as the server has it; `undefined`: it has none. */
export const stored = async (url: string, name: string): Promise<Stored | undefined> => {
  const response = await fetch(`${url}${collection}/${name}`)
  const body: unknown = await response.json()
  return response.ok ? (body as Stored) : undefined
}

const isSettled = ({ metadata, status }: Stored): boolean =>
  (status?.conditions ?? []).filter(
    ({ type, observedGeneration }) =>
      ['Accepted', 'Available'].includes(type) && observedGeneration === metadata.generation,
  ).length === 2

/** The object, once what is said of it is of this generation. */
export const settled = async (url: string, name: string): Promise<Stored> => {
  const selected = `watch=true&resourceVersion=0&fieldSelector=metadata.name=${name}`
  const { body } = await fetch(`${url}${collection}?${selected}`)
  let rest = ''
  for await (const chunk of body?.pipeThrough(new TextDecoderStream()) ?? []) {
    const lines = `${rest}${chunk}`.split('\n')
    rest = lines.pop() ?? ''
    for (const line of lines) {
      const { type, object } = JSON.parse(line) as { readonly type: string; readonly object: Stored }
      if (type === 'DELETED' || type === 'ERROR') throw new Error(`there is no ${name}`)
      if (isSettled(object)) return object
    }
  }
  throw new Error(`the watch of ${name} ended`)
}

export const patch = async (url: string, name: string, change: object): Promise<void> => {
  const response = await fetch(`${url}${collection}/${name}`, {
    method: 'PATCH',
    headers: { 'content-type': 'application/merge-patch+json' },
    body: JSON.stringify(change),
  })
  if (!response.ok) throw new Error(await response.text())
}

/** Each name has a group of its own, so that all their claims stand. */
export const manifest = (name: string, spec: object = {}, metadata: object = {}): string =>
  JSON.stringify({
    apiVersion,
    kind: 'DataPlaneService',
    metadata: { name, ...metadata },
    spec: {
      pluginID: 'testdata',
      pluginType: 'datasource',
      group: `${name}.example.com`,
      version: 'v1',
      services: [{ type: 'query' }],
      ...spec,
    },
  })

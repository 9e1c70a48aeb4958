import { once } from 'node:events'
import { Agent, request, type IncomingMessage } from 'node:http'
import { setTimeout as delay } from 'node:timers/promises'
import { pathToFileURL } from 'node:url'

import type { Case } from './case.ts'
import { startChild, type Child } from './child.ts'

/**
 * Three replicas that follow one apiserver, beside the least that follows one: a watch whose lines are parsed into a Map. The apiserver
 * is our own registry in a process of its own, or what stands at BENCH_APISERVER (a `kubectl proxy`, say), which has the CRD and no
 * objects.
 */

const base = '/apis/aggregation.grafana.app/v0alpha1/dataplaneservices'
const replicaCount = 3

const groupOf = (name: string): string => `${name}.example.com`
const objectOf = (name: string) => ({
  apiVersion: 'aggregation.grafana.app/v0alpha1',
  kind: 'DataPlaneService',
  metadata: { name },
  spec: {
    pluginID: 'bench',
    pluginType: 'datasource',
    group: groupOf(name),
    version: 'v1',
    services: ['query', 'admission', 'health'].map((type) => ({ type })),
  },
})

const agent = new Agent({ keepAlive: true })

const codeOf = async (url: string, method = 'GET', body?: unknown, type = 'application/json'): Promise<number> => {
  const asked = request(url, { agent, method, headers: body === undefined ? {} : { 'content-type': type } })
  asked.end(body === undefined ? undefined : JSON.stringify(body))
  const [response] = (await once(asked, 'response')) as [IncomingMessage]
  response.resume()
  await once(response, 'end')
  return response.statusCode ?? 0
}

const create = async (url: string, name: string): Promise<void> => {
  const code = await codeOf(`${url}${base}`, 'POST', objectOf(name))
  if (code !== 201) throw new Error(`POST of "${name}" was answered with ${String(code)}`)
}

const served = async (url: string, name: string): Promise<void> => {
  while ((await codeOf(`${url}/apis/${groupOf(name)}/v1/namespaces/default/datasources/one/health`)) !== 200);
}

const quantile = (values: ReadonlyArray<number>, q: number): number =>
  values.toSorted((a, b) => a - b)[Math.min(values.length - 1, Math.floor(values.length * q))] ?? NaN

interface World {
  readonly apiserver: string
  readonly children: ReadonlyArray<Child>
  readonly replicas: ReadonlyArray<string>
  readonly bare: string
}

/** Times from a write to its first answer, ms: of the bare one, and of all replicas. */
const applyOften = async ({ apiserver, bare, replicas }: World, prefix: string, count: number) => {
  const [ofReplicas, ofBare]: [number[], number[]] = [[], []]
  const untilServed = async (url: string, name: string, beganMs: number, times: number[]): Promise<void> => {
    await served(url, name)
    times.push(performance.now() - beganMs)
  }
  for (let i = 0; i < count; i++) {
    const name = `${prefix}-${String(i)}`
    const beganMs = performance.now()
    await Promise.all([
      create(apiserver, name),
      untilServed(bare, name, beganMs, ofBare),
      ...replicas.map((url) => untilServed(url, name, beganMs, ofReplicas)),
    ])
  }
  return { ofReplicas, ofBare }
}

const fill = async (apiserver: string, from: number, to: number): Promise<void> => {
  const names = Array.from({ length: to - from }, (_, i) => `fill-${String(from + i)}`).values()
  const work = async (): Promise<void> => {
    for (const name of names) await create(apiserver, name)
  }
  await Promise.all(Array.from({ length: 8 }, work))
}

/** CPU of each child, ms, while so many changes a second are made. */
const cpuUnderChanges = async (
  apiserver: string,
  children: ReadonlyArray<Child>,
  perSecond: number,
  seconds: number,
): Promise<ReadonlyArray<number>> => {
  const cpu = () => Promise.all(children.map(async (child) => Number(await child.call('cpuMs'))))
  const before = await cpu()
  const beganMs = performance.now()
  const writes: Promise<unknown>[] = []
  for (let i = 0; i < perSecond * seconds; i++) {
    await delay(Math.max(0, beganMs + (i * 1000) / perSecond - performance.now()))
    const patch = { spec: { pluginID: `bench${String(i)}` } }
    writes.push(codeOf(`${apiserver}${base}/fill-${String(i)}`, 'PATCH', patch, 'application/merge-patch+json'))
  }
  await Promise.all(writes)
  await delay(200)
  return (await cpu()).map((ms, index) => ms - (before[index] ?? 0))
}

export const kubernetesCases = async (rounds: number): Promise<ReadonlyArray<Case>> => {
  const cases: Case[] = []
  const children: Child[] = []
  const start = async (role: string, ...args: ReadonlyArray<unknown>): Promise<string> => {
    const child = startChild('./kubernetes-child.ts')
    children.push(child)
    return String(await child.call(role, ...args))
  }
  const ms = (value: number): string => `${value.toFixed(1)} ms`
  try {
    const apiserver = process.env['BENCH_APISERVER'] ?? (await start('registry'))
    await create(apiserver, 'fill-0')
    const own = children.length
    const bare = await start('bare', apiserver)
    const replicas: string[] = []
    for (let i = 0; i < replicaCount; i++) replicas.push(await start('replica', apiserver))
    const followers = children.slice(own)
    const heap = () => Promise.all(followers.slice(0, 2).map(async (child) => Number(await child.call('heapBytes'))))
    const world: World = { apiserver, children, replicas, bare }
    await applyOften(world, 'warm', 20)
    const before = await heap()
    let filled = 1
    for (const count of [1, 1000, 10_000]) {
      await fill(apiserver, filled, count)
      filled = count
      for (const url of [bare, ...replicas]) await served(url, `fill-${String(count - 1)}`)
      const { ofReplicas, ofBare } = await applyOften(world, `apply-${String(count)}`, rounds * 4)
      for (const q of [0.5, 0.99]) {
        const [of, to] = [quantile(ofReplicas, q), quantile(ofBare, q)]
        cases.push({
          name: `apply to served, p${String(q * 100)}, ${String(count)} objects`,
          ratio: of / to,
          of: `time from a write to its first answer on three replicas, ${ms(of)}`,
          to: `the same of a watch that is parsed into a Map, ${ms(to)}`,
        })
      }
    }
    const after = await heap()
    const [bareBytes = NaN, ourBytes = NaN] = after.map((bytes, index) => bytes - (before[index] ?? 0))
    cases.push({
      name: 'heap of 10,000 objects on a replica',
      ratio: ourBytes / bareBytes,
      of: `heap of a replica, ${(ourBytes / 1e6).toFixed(0)} MB`,
      to: `heap of the objects as parsed JSON, ${(bareBytes / 1e6).toFixed(0)} MB`,
    })
    const seconds = Math.max(2, rounds / 3)
    const [bareMs = NaN, ourMs = NaN] = await cpuUnderChanges(apiserver, followers, 100, seconds)
    const share = (cpuMs: number): string => `${((cpuMs / seconds / 1000) * 100).toFixed(1)} % of a core`
    cases.push({
      name: 'CPU at 100 changes a second among 10,000',
      ratio: ourMs / bareMs,
      of: `CPU of a replica, ${share(ourMs)}`,
      to: `CPU of a watch that is parsed into a Map, ${share(bareMs)}`,
    })
    return cases
  } finally {
    agent.destroy()
    await Promise.all(children.map((child) => child.stop()))
  }
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href)
  for (const { name, ratio, of, to } of await kubernetesCases(12))
    process.stdout.write(`${ratio.toFixed(2)}  ${name}: ${of} / ${to}\n`)

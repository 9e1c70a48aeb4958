import { setTimeout as delay } from 'node:timers/promises'
import { writeFileSync } from 'node:fs'

import type { ExecutionContext } from 'ava'

import { startGateway, type Gateway } from './_gateway.ts'
import { collection } from './_kubectl.ts'
import { startKubernetes, type Kubernetes } from './_kubernetes.ts'
import { healthOf, objectOf, startLoad, startReplica, tableOf, type Load, type Replica } from './_replicas.ts'
import { testWith, until } from './_setup.ts'

/** What the apiserver has. */
const listed = async (kubernetes: Kubernetes) => {
  const { status, text } = await kubernetes.ask(collection)
  if (status !== 200) throw new Error(text)
  return tableOf(JSON.parse(text) as Parameters<typeof tableOf>[0])
}

const equal = (a: object, b: object): boolean => {
  const sorted = (one: object): string => JSON.stringify(Object.entries(one).toSorted(([x], [y]) => (x < y ? -1 : 1)))
  return sorted(a) === sorted(b)
}

/** Resolves once each replica has what the apiserver has. */
const settled = async (kubernetes: Kubernetes, replicas: ReadonlyArray<Replica>): Promise<void> => {
  const wanted = await listed(kubernetes)
  for (const replica of replicas) await until(async () => equal(await replica.table(), wanted))
}

const apply = async (kubernetes: Kubernetes, ...objects: ReadonlyArray<ReturnType<typeof objectOf>>): Promise<void> => {
  const input = JSON.stringify({ apiVersion: 'v1', kind: 'List', items: objects })
  const { code, err } = await kubernetes.kubectl(['apply', '-f', '-'], { input })
  if (code !== 0) throw new Error(err)
}

const ready = (replica: Replica): Promise<void> => until(async () => (await replica.code('/readyz')) === 200)

interface World {
  readonly kubernetes: Kubernetes
  /** In the way of the last replica. */
  readonly gateway: Gateway
  readonly replicas: ReadonlyArray<Replica>
  readonly load: Load
}

/** Three replicas that share one registry, the last of them through the gateway, and clients that never stop asking. */
const begin = async (t: ExecutionContext, speed = 1): Promise<World> => {
  const kubernetes = await startKubernetes(t)
  const { url, ca, adminToken, kubeconfig } = kubernetes
  const gateway = await startGateway(t, { url, ca, token: adminToken })
  const direct = kubeconfig()
  const throughGateway = `${direct}-gateway`
  writeFileSync(
    throughGateway,
    JSON.stringify({
      'current-context': 'gateway',
      clusters: [{ name: 'gateway', cluster: { server: gateway.url } }],
      contexts: [{ name: 'gateway', context: { cluster: 'gateway' } }],
    }),
  )
  await apply(kubernetes, objectOf('stable'))
  const replicas = await Promise.all(
    [direct, direct, throughGateway].map((path, index) =>
      startReplica(t, path, { identity: `replica-${String(index)}`, speed }),
    ),
  )
  await Promise.all(replicas.map(ready))
  for (const replica of replicas) await until(async () => (await replica.code(healthOf('stable'))) === 200)
  const load = startLoad(
    t,
    replicas.map((replica) => () => `${replica.url}${healthOf('stable')}`),
  )
  return { kubernetes, gateway, replicas, load }
}

const finish = async (t: ExecutionContext, { load }: World): Promise<void> => {
  t.deepEqual(await load.stop(), [])
  t.true(load.sent() > 100, String(load.sent()))
}

testWith(
  'kubernetes',
  'kubectl',
  'go',
)('serves on three replicas what one apply brings, and says so once', async (t) => {
  const world = await begin(t)
  const { kubernetes, replicas } = world
  const beganMs = performance.now()
  await apply(kubernetes, objectOf('news'))
  const appliedMs = performance.now()
  const times = await Promise.all(
    replicas.map(async (replica) => {
      await until(async () => (await replica.code(healthOf('news'))) === 200)
      return performance.now() - appliedMs
    }),
  )
  t.log(`kubectl took ${(appliedMs - beganMs).toFixed()} ms, then: ${times.map((ms) => ms.toFixed()).join(', ')} ms`)

  // one of them writes what is true of it, and nobody again
  const { code, err } = await kubernetes.kubectl(['wait', '--for=condition=Available', 'dps/news', '--timeout=30s'])
  t.is(code, 0, err)
  const holders = await kubernetes.kubectl([
    'get',
    'lease',
    '-n',
    'default',
    '-o',
    'jsonpath={.items[*].spec.holderIdentity}',
  ])
  t.regex(holders.out, /^replica-[012]$/)
  const version = async () =>
    (
      await kubernetes.kubectl([
        'get',
        'dps',
        'news',
        '-o',
        'jsonpath={.metadata.resourceVersion} {.metadata.managedFields[*].subresource}',
      ])
    ).out
  const before = await version()
  t.regex(before, /^\d+ status$/)
  await apply(kubernetes, objectOf('news'))
  await settled(kubernetes, replicas)

  // the leader leaves: another writes
  const leader = replicas[Number(holders.out.at(-1))]
  t.truthy(leader)
  await world.load.stop()
  t.is(await leader?.stop(), 0)
  await until(async () => {
    const { out } = await kubernetes.kubectl([
      'get',
      'lease',
      '-n',
      'default',
      '-o',
      'jsonpath={.items[*].spec.holderIdentity}',
    ])
    return /^replica-[012]$/.test(out) && out !== holders.out
  })
  t.is(await version(), before)
  await apply(kubernetes, objectOf('later'))
  t.is((await kubernetes.kubectl(['wait', '--for=condition=Available', 'dps/later', '--timeout=30s'])).code, 0)
  t.deepEqual(await world.load.stop(), [])
})

testWith(
  'kubernetes',
  'kubectl',
  'go',
)('loses no request while the apiserver is killed, frozen and started anew', async (t) => {
  const world = await begin(t)
  const { kubernetes, replicas } = world
  await kubernetes.apiserver.stop('SIGKILL')
  for (const replica of replicas) {
    await until(async () => /source has an error/.test(await replica.text('/readyz?verbose')))
    t.is(await replica.code('/readyz'), 200)
  }
  await kubernetes.apiserver.start()
  await apply(kubernetes, objectOf('after-restart'))
  await settled(kubernetes, replicas)
  for (const replica of replicas) t.notRegex(await replica.text('/readyz?verbose'), /source has an error/)

  kubernetes.apiserver.freeze()
  await delay(3000)
  kubernetes.apiserver.thaw()
  await apply(kubernetes, objectOf('after-thaw'))
  await kubernetes.kubectl(['delete', 'dps', 'after-restart'])
  await settled(kubernetes, replicas)

  await kubernetes.etcd.stop('SIGKILL')
  await delay(1000)
  await kubernetes.etcd.start()
  await until(async () => (await kubernetes.ask('/readyz')).status === 200)
  await apply(kubernetes, objectOf('after-etcd'))
  await settled(kubernetes, replicas)
  await finish(t, world)
})

testWith(
  'kubernetes',
  'kubectl',
  'go',
)('finds what it missed when watches are cut, refused, silent, or too old', async (t) => {
  const world = await begin(t)
  const { kubernetes, gateway, replicas } = world
  await until(() => gateway.watchCount() === 1)

  gateway.cutNextLines()
  await apply(kubernetes, objectOf('cut'))
  await settled(kubernetes, replicas)

  // an object is made anew, another goes, and all that tells of it is compacted while nobody looks
  await apply(kubernetes, objectOf('anew'), objectOf('goes'))
  await settled(kubernetes, replicas)
  gateway.refuse(true)
  await kubernetes.kubectl(['delete', 'dps', 'anew', 'goes'])
  await apply(kubernetes, objectOf('anew'), objectOf('comes'))
  await kubernetes.apiserver.stop('SIGKILL')
  await kubernetes.etcd.compact()
  // what it remembers of old changes goes with it
  await kubernetes.apiserver.start()
  await kubernetes.etcd.compact()
  const before = gateway.seen.length
  gateway.refuse(false)
  await settled(kubernetes, replicas)
  await until(() => gateway.watchCount() === 1)
  // the watch from where it was is answered with 410, and everything is taken in anew
  const asked = gateway.seen.slice(before)
  t.true(
    asked.some((line) => /watch=true.*resourceVersion=\d/.test(line)),
    asked.join('\n'),
  )
  t.true(
    asked.some((line) => /sendInitialEvents|limit=500/.test(line)),
    asked.join('\n'),
  )

  gateway.silence(true)
  await apply(kubernetes, objectOf('unheard'))
  await delay(500)
  gateway.silence(false)
  await settled(kubernetes, replicas)
  t.is(gateway.watchCount(), 1)
  await finish(t, world)
})

/** The same numbers each time. Source: mulberry32. */
const randomOf = (seed: number) => (): number => {
  seed = (seed + 0x6d2b79f5) | 0
  let x = Math.imul(seed ^ (seed >>> 15), 1 | seed)
  x = (x + Math.imul(x ^ (x >>> 7), 61 | x)) ^ x
  return ((x ^ (x >>> 14)) >>> 0) / 4_294_967_296
}

const speed = 60

testWith(
  'kubernetes',
  'kubectl',
  'go',
)('keeps up with half an hour of churn in half a minute', async (t) => {
  const world = await begin(t, speed)
  const { kubernetes, gateway, replicas } = world
  const random = randomOf(1)
  const endMs = performance.now() + (30 * 60_000) / speed
  let [changes, faults] = [0, 0]

  const change = async (): Promise<void> => {
    const name = `churn-${String(Math.floor(random() * 30))}`
    const path = `${collection}/${name}`
    if (random() < 0.3) await kubernetes.ask(path, { method: 'DELETE' })
    else
      await kubernetes.ask(`${path}?fieldManager=churn&force=true`, {
        method: 'PATCH',
        headers: { 'content-type': 'application/apply-patch+yaml' },
        body: {
          ...objectOf(name),
          spec: { ...objectOf(name).spec, version: `v${String(1 + Math.floor(random() * 3))}` },
        },
      })
    changes += 1
  }
  const hurt = async (): Promise<void> => {
    const fault = Math.floor(random() * 5)
    if (fault === 0) gateway.cutNextLines()
    if (fault === 1) {
      gateway.refuse(true)
      await delay(300 * random())
      gateway.refuse(false)
    }
    if (fault === 2) {
      gateway.silence(true)
      await delay(5000 * random())
      gateway.silence(false)
    }
    if (fault === 3) {
      kubernetes.apiserver.freeze()
      await delay(1000 * random())
      kubernetes.apiserver.thaw()
    }
    if (fault === 4) await kubernetes.etcd.compact().catch(() => undefined)
    faults += 1
  }
  const churning = (async () => {
    while (performance.now() < endMs) await change().catch(() => undefined)
  })()
  while (performance.now() < endMs) {
    await hurt()
    await delay(500)
  }
  await churning
  await settled(kubernetes, replicas)
  t.log(`${String(changes)} changes, ${String(faults)} faults, ${String(world.load.sent())} requests`)
  t.true(changes > 100 && faults > 5)
  t.true(gateway.watchCount() <= 1)
  await finish(t, world)
})

testWith(
  'kubernetes',
  'kubectl',
  'go',
)('loses no request while replicas are replaced one by one', async (t) => {
  const { kubernetes, replicas: first, load: old } = await begin(t)
  t.deepEqual(await old.stop(), [])
  const path = kubernetes.kubeconfig()
  /** What a Service sends requests to. */
  const members = new Set(first)
  let turn = 0
  const load = startLoad(
    t,
    first.map(() => () => {
      const all = [...members]
      return all.length === 0 ? undefined : `${all[turn++ % all.length]?.url ?? ''}${healthOf('stable')}`
    }),
  )
  for (const [index, leaving] of first.entries()) {
    const coming = await startReplica(t, path, { identity: `new-${String(index)}` })
    await ready(coming)
    members.add(coming)
    const stopped = leaving.stop()
    await until(async () => (await leaving.code('/readyz')) !== 200)
    members.delete(leaving)
    t.is(await stopped, 0)
  }
  await settled(kubernetes, [...members])
  t.deepEqual(await load.stop(), [])
  t.true(load.sent() > 100)
})

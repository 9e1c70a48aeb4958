// A real kube-apiserver asks a plugin about objects of its own: whether they may be, how they shall be, and what they are in another
// version.
import { renameSync } from 'node:fs'
import { createInterface } from 'node:readline'

import type { ExecutionContext } from 'ava'

import { base, have } from './_delegation.ts'
import { lasting, startKubernetes, type Kubernetes } from './_kubernetes.ts'
import { statusOf, testWith, until, untilStatus } from './_setup.ts'
import { startTlsHost, type TlsHost } from './_tls-host.ts'

const withCluster = testWith('kubernetes', 'kubectl', 'go')

const group = 'shop.example.com'

const started: { cluster?: Kubernetes; host?: TlsHost } = {}
const cluster = (): Kubernetes => have(started.cluster)
const host = (): TlsHost => have(started.host)

const clientConfig = (path: string) => ({
  url: `${host().url}${base}${path}`,
  caBundle: Buffer.from(host().ca).toString('base64'),
})

const definition = () => {
  const version = (name: string, isStored: boolean) => ({
    name,
    served: true,
    storage: isStored,
    schema: {
      openAPIV3Schema: {
        type: 'object',
        properties: { spec: { type: 'object', 'x-kubernetes-preserve-unknown-fields': true } },
      },
    },
  })
  return {
    metadata: { name: `widgets.${group}` },
    spec: {
      group,
      names: { plural: 'widgets', singular: 'widget', kind: 'Widget', listKind: 'WidgetList' },
      scope: 'Namespaced',
      versions: [version('v1', true), version('v2', false)],
      conversion: {
        strategy: 'Webhook',
        webhook: { conversionReviewVersions: ['v1'], clientConfig: clientConfig('/conversion') },
      },
    },
  }
}

type Policy = 'Fail' | 'Ignore'

/** For widgets whose label says that they want it. The rules name v1 alone: an apiserver converts whatever comes in v2. */
const webhook = (name: string, path: string, failurePolicy: Policy, timeoutSeconds: number) => ({
  name: `${name}.${group}`,
  clientConfig: clientConfig(`/admission/${path}`),
  rules: [
    {
      apiGroups: [group],
      apiVersions: ['v1'],
      operations: path === 'mutate' ? ['CREATE', 'UPDATE'] : ['CREATE', 'UPDATE', 'DELETE'],
      resources: ['widgets'],
    },
  ],
  objectSelector: { matchLabels: { [name]: 'yes' } },
  admissionReviewVersions: ['v1'],
  sideEffects: 'None',
  failurePolicy,
  timeoutSeconds,
})

const widgets = (version: string): string => `/apis/${group}/${version}/namespaces/default/widgets`

type Wish = 'mutate' | 'validate' | 'strict' | 'lax'

const widget = (name: string, spec: object, wish?: Wish, version = 'v1'): string =>
  JSON.stringify({
    apiVersion: `${group}/${version}`,
    kind: 'Widget',
    metadata: { name, labels: wish === undefined ? {} : { [wish]: 'yes' } },
    spec,
  })

const apply = (input: string, ...more: ReadonlyArray<string>) =>
  cluster().kubectl(['apply', '-f', '-', ...more], { input })

/** What it printed and what it warned of, after it went well. */
const applied = async (t: ExecutionContext, ...args: Parameters<typeof apply>) => {
  const { code, out, err } = await apply(...args)
  t.is(code, 0, err)
  return { out, err }
}

const refused = async (t: ExecutionContext, ...args: Parameters<typeof apply>): Promise<string> => {
  const { code, err } = await apply(...args)
  t.is(code, 1)
  return err
}

const read = (path: string, version = 'v1') => cluster().ask(widgets(version) + path)

const specOf = async (name: string, version = 'v1'): Promise<unknown> => {
  const { status, text } = await read(`/${name}`, version)
  if (status !== 200) throw new Error(text)
  return (JSON.parse(text) as { readonly spec: unknown }).spec
}

/** Creates without kubectl, which reads more of an object than it shows. */
const post = (body: string, query = '') => cluster().ask(widgets('v1') + query, { method: 'POST', body })

const killPlugin = (): void => {
  const { pid } = statusOf(host().plugins, 'interop')
  process.kill(have(pid), 'SIGKILL')
}

const forever = lasting()

withCluster('is registered with a cluster for reviews of admission and conversion', async (t) => {
  started.cluster = await startKubernetes(forever, { hasDefinition: false })
  started.host = await startTlsHost(forever, { services: [{ type: 'admission' }, { type: 'conversion' }] })
  const registrations = '/apis/admissionregistration.k8s.io/v1'
  await cluster().create('/apis/apiextensions.k8s.io/v1/customresourcedefinitions', definition())
  await cluster().create(`${registrations}/mutatingwebhookconfigurations`, {
    metadata: { name: 'interop' },
    webhooks: [
      webhook('mutate', 'mutate', 'Fail', 20),
      webhook('strict', 'mutate', 'Fail', 1),
      webhook('lax', 'mutate', 'Ignore', 1),
    ],
  })
  await cluster().create(`${registrations}/validatingwebhookconfigurations`, {
    metadata: { name: 'interop' },
    webhooks: [webhook('validate', 'validate', 'Fail', 20)],
  })
  // it does not tell when it begins to ask
  await until(async () => (await read('', 'v2')).status === 200)
  for (const [wish, code] of [
    ['mutate', 403],
    ['validate', 422],
  ] as const)
    await until(async () => (await post(widget('probe', { refuse: 'it' }, wish), '?dryRun=All')).status === code)
  t.pass()
})

withCluster('changes objects as a plugin says', async (t) => {
  await applied(t, widget('plain', { size: 3 }))
  await applied(t, widget('red', { size: 3 }, 'mutate'))
  await applied(t, widget('green', { size: 3, colour: 'green' }, 'mutate'))
  t.deepEqual(await specOf('plain'), { size: 3 })
  t.deepEqual(await specOf('red'), { size: 3, colour: 'red' })
  t.deepEqual(await specOf('green'), { size: 3, colour: 'green' })
  await applied(t, widget('green', { size: 4 }, 'mutate'))
  t.deepEqual(await specOf('green'), { size: 4, colour: 'red' })
})

withCluster('changes what a dry run shows, and nothing else', async (t) => {
  const spec = ['--dry-run=server', '-o', 'jsonpath={.spec}']
  const { out } = await applied(t, widget('dry', { size: 3 }, 'mutate'), ...spec)
  t.deepEqual(JSON.parse(out), { size: 3, colour: 'red' })
  t.is((await read('/dry')).status, 404)
})

withCluster('refuses objects in the words of a plugin', async (t) => {
  t.is(
    await refused(t, widget('no', { refuse: 'it' }, 'mutate')),
    'Error from server (Forbidden): error when creating "STDIN": ' +
      'admission webhook "mutate.shop.example.com" denied the request: not this one\n',
  )
  t.is(
    await refused(t, widget('no', { refuse: 'too < small' }, 'validate')),
    'Warning: think again\nThe request is invalid: error when creating "STDIN": ' +
      'admission webhook "validate.shop.example.com" denied the request: too < small\n',
  )
  const { status, headers, text } = await post(widget('no', { refuse: 'it' }, 'validate'))
  t.is(status, 422)
  t.is(headers['warning'], '299 - "think again"')
  t.like(JSON.parse(text), { kind: 'Status', reason: 'Invalid', code: 422 })
  t.is((await read('/no')).status, 404)
})

withCluster('warns as a plugin does, which is told what is done, in the version that it knows', async (t) => {
  const kind = 'shop.example.com/v1/Widget default\n'
  t.is((await applied(t, widget('warned', { size: 1 }, 'validate'))).err, `Warning: 0 ${kind}`)
  t.is((await applied(t, widget('warned', { sizes: [2] }, 'validate', 'v2'))).err, `Warning: 1 ${kind}`)
  t.deepEqual(await specOf('warned'), { size: 2 })
  // it lets go what it is shown as it was
  const { code, err } = await cluster().kubectl(['delete', 'widget/warned'])
  t.is(code, 0, err)
})

withCluster('converts what is read and what is written, one, many, and as they change', async (t) => {
  const watch = await cluster().open(`${widgets('v2')}?watch=1`)
  const events = createInterface({ input: watch })[Symbol.asyncIterator]()
  t.deepEqual(await specOf('plain', 'v2'), { sizes: [3] })
  await applied(t, widget('second', { sizes: [5] }, 'mutate', 'v2'))
  t.deepEqual(await specOf('second'), { size: 5, colour: 'red' })
  t.deepEqual(await specOf('second', 'v2'), { sizes: [5], colour: 'red' })

  const large = widget('large', { size: 3 }).replace('"size":3', '"size":9007199254740993')
  t.is((await post(large)).status, 201)
  t.regex((await read('/large', 'v2')).text, /"sizes":\[9007199254740993\]/)

  const { items } = JSON.parse((await read('', 'v2')).text) as {
    readonly items: ReadonlyArray<{ readonly metadata: { readonly name: string }; readonly spec: object }>
  }
  t.deepEqual(
    items.map(({ metadata, spec }) => [metadata.name, 'sizes' in spec && !('size' in spec)]),
    ['green', 'large', 'plain', 'red', 'second'].map((name) => [name, true]),
  )
  const seen: string[] = []
  while (!seen.includes('large')) {
    const { object } = JSON.parse(String((await events.next()).value)) as {
      readonly object: { readonly apiVersion: string; readonly metadata: { readonly name: string } }
    }
    t.is(object.apiVersion, `${group}/v2`)
    t.true('sizes' in (object as unknown as { readonly spec: object }).spec)
    seen.push(object.metadata.name)
  }
  watch.destroy()
  t.true(seen.includes('second'))
})

withCluster('says of what cannot be converted which webhook failed, and why', async (t) => {
  t.is((await post(widget('odd', { fail: 'v2 has no word for it' }))).status, 201)
  const { status, text } = await read('/odd', 'v2')
  t.is(status, 500)
  t.regex(
    text,
    /conversion webhook for shop\.example\.com\/v1, Kind=Widget failed: plugin \\"interop\\" failed in conv/,
  )
  t.is((await read('/odd')).status, 200)
  t.is((await cluster().ask(`${widgets('v1')}/odd`, { method: 'DELETE' })).status, 200)
})

withCluster('loses no request when the plugin crashes', async (t) => {
  for (const name of ['first', 'second', 'third']) {
    killPlugin()
    await applied(t, widget(`crash-${name}`, { size: 1 }, 'mutate'))
    t.deepEqual(await specOf(`crash-${name}`), { size: 1, colour: 'red' })
    killPlugin()
    t.deepEqual(await specOf(`crash-${name}`, 'v2'), { sizes: [1], colour: 'red' })
  }
})

const untilState = (isReady: boolean) =>
  untilStatus(host().plugins, 'interop', ({ state }) => (state === 'ready') === isReady)

withCluster('leaves it to the failure policy while the plugin, or all of us, are down', async (t) => {
  const away = `${host().program}.away`
  const failed = (what: string): RegExp =>
    new RegExp(`failed calling webhook "strict\\.shop\\.example\\.com": .*${base}/admission/mutate.*${what}`)
  renameSync(host().program, away)
  killPlugin()
  await untilState(false)
  // it asks again for as long as it may
  t.regex(await refused(t, widget('strict', { size: 1 }, 'strict')), failed('context deadline exceeded'))
  await applied(t, widget('lax', { size: 1 }, 'lax'))
  t.deepEqual(await specOf('lax'), { size: 1 })
  renameSync(away, host().program)
  await untilState(true)
  await applied(t, widget('strict', { size: 1 }, 'strict'))
  t.deepEqual(await specOf('strict'), { size: 1, colour: 'red' })

  await host().leave()
  t.regex(await refused(t, widget('strict', { size: 2 }, 'strict')), failed('connection refused'))
  await applied(t, widget('lax', { size: 2 }, 'lax'))
  t.deepEqual(await specOf('lax'), { size: 2 })
  t.is((await read('/lax', 'v2')).status, 500)
  await host().comeBack()
  t.deepEqual(await specOf('lax', 'v2'), { sizes: [2] })
})

import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { createServer as createPlainServer, type Server } from 'node:http'
import { createServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import { createInterface, type Interface } from 'node:readline'
import { text } from 'node:stream/consumers'

import test from 'ava'
import express from 'express'

import {
  dataPlaneAggregator,
  inProcess,
  memorySource,
  pluginDirectory,
  pluginHosts,
  staticContexts,
} from '../../src/index.ts'
import type { AggregatorError } from '../../src/errors.ts'
import { TE } from '../../src/fp.ts'
import { createIdentity, type Identity } from '../../src/plugins/process/certificate.ts'
import { converter, installPlugin, pluginFolder, run, testWith } from './_setup.ts'

// The caller is the converter of Kubernetes' apiserver itself: what it makes of an answer is what an apiserver makes of it.
const withConverter = testWith('converter')

type Thing = Record<string, unknown> & { metadata: Record<string, unknown>; spec?: unknown }

const thing = (name: string, rest: object = {}, metadata: object = {}): Thing => ({
  apiVersion: 'x.example.com/v1',
  kind: 'Thing',
  metadata: { name, namespace: 'default', uid: `uid-${name}`, resourceVersion: '7', generation: 2, ...metadata },
  spec: { size: 3 },
  ...rest,
})
const listOf = (...items: ReadonlyArray<unknown>) => ({ apiVersion: 'x.example.com/v1', kind: 'ThingList', items })

const manifestOf = (pluginID: string): unknown => ({
  apiVersion: 'aggregation.grafana.app/v0alpha1',
  kind: 'DataPlaneService',
  metadata: { name: `v1.${pluginID}.example.com` },
  spec: {
    pluginID,
    pluginType: 'datasource',
    group: `${pluginID}.example.com`,
    version: 'v1',
    services: [{ type: 'conversion' }],
  },
})

/** What a plugin makes of converted objects, each by a name that the first of them has in its annotations. */
type Answer = (objects: ReadonlyArray<Thing>) => ReadonlyArray<unknown>
const first =
  (change: (thing: Thing) => unknown): Answer =>
  ([one, ...others]) => [one === undefined ? undefined : change(one), ...others]
const metadata = (change: object): Answer =>
  first((one) => ({ ...one, metadata: JSON.parse(JSON.stringify({ ...one.metadata, ...change })) as object }))

const right: Readonly<Record<string, Answer>> = {
  'what was asked for': (objects) => objects,
  'no spec': first(({ spec: _, ...rest }) => rest),
  'other labels': metadata({ labels: { 'app.kubernetes.io/Name': 'a_B.c-1', empty: '' } }),
  'no labels': metadata({ labels: null }),
  'no annotations': metadata({ annotations: undefined }),
  'annotations with capitals': metadata({ annotations: { 'EXAMPLE.com/A': '{"any": "text ü"}' } }),
  'a label that was wrong before': metadata({ labels: { 'wrong key': 'wrong value!' } }),
  'another resourceVersion': metadata({ resourceVersion: '8', generation: 5, managedFields: 3, finalizers: [7] }),
}
const wrong: Readonly<Record<string, Answer>> = {
  'one too few': (objects) => objects.slice(1),
  'one too many': (objects) => [...objects, ...objects],
  none: () => [],
  'another order': (objects) => objects.toReversed(),
  'the version that it had': first((one) => ({ ...one, apiVersion: 'x.example.com/v1' })),
  'another group': first((one) => ({ ...one, apiVersion: 'y.example.com/v2' })),
  'no apiVersion': first(({ apiVersion: _, ...rest }) => rest),
  'a number for apiVersion': first((one) => ({ ...one, apiVersion: 2 })),
  'no kind': first(({ kind: _, ...rest }) => rest),
  'another kind': first((one) => ({ ...one, kind: 'Other' })),
  'no metadata': first(({ metadata: _, ...rest }) => rest),
  'null for metadata': first((one) => ({ ...one, metadata: null })),
  'a text for metadata': first((one) => ({ ...one, metadata: 'm' })),
  'no name': metadata({ name: undefined }),
  'another name': metadata({ name: 'c' }),
  'a number for a name': metadata({ name: 1 }),
  'another namespace': metadata({ namespace: 'other' }),
  'no namespace': metadata({ namespace: undefined }),
  'another uid': metadata({ uid: 'another' }),
  'no uid': metadata({ uid: undefined }),
  'a text for labels': metadata({ labels: 'a=b' }),
  'a list of labels': metadata({ labels: ['a'] }),
  'a number for a label': metadata({ labels: { a: 1 } }),
  'null for a label': metadata({ labels: { a: null } }),
  'a label with a space': metadata({ labels: { 'a b': 'c' } }),
  'a label with two slashes': metadata({ labels: { 'a/b/c': 'c' } }),
  'a label with a prefix in capitals': metadata({ labels: { 'A.b/c': 'c' } }),
  'a label with an empty prefix': metadata({ labels: { '/c': 'c' } }),
  'a label with an empty name': metadata({ labels: { 'a/': 'c' } }),
  'a label of too long a value': metadata({ labels: { a: 'x'.repeat(64) } }),
  'a label of too long a name': metadata({ labels: { ['x'.repeat(64)]: 'a' } }),
  'a label of too long a prefix': metadata({ labels: { [`${'x.'.repeat(127)}x/a`]: 'a' } }),
  'a label of a wrong value': metadata({ labels: { a: '-b' } }),
  'one wrong label beside one that was before': metadata({ labels: { 'wrong key': 'wrong value!', b: '-' } }),
  'a number for an annotation': metadata({ annotations: { a: 1 } }),
  'an annotation with a space': metadata({ annotations: { 'a b': '' } }),
  'too large an annotation': metadata({ annotations: { a: 'ü'.repeat(128 * 1024) } }),
  'null for an object': first(() => null),
  'a text for an object': first(() => 'x'),
  'a list for an object': first((one) => [one]),
  'an empty object': first(() => ({})),
}
const answers = { ...right, ...wrong }

/** The objects as a good plugin converts them, spoilt in the way that the first of them names. */
const convert = (objects: ReadonlyArray<unknown>, apiVersion: string): ReadonlyArray<string> => {
  const things = objects as ReadonlyArray<Thing>
  const { annotations } = things[0]?.metadata as { readonly annotations: { readonly answer: keyof typeof answers } }
  const converted = things.map((one) => ({ ...one, apiVersion }))
  return (answers[annotations.answer]?.(converted) ?? []).map((one) => JSON.stringify(one))
}

interface Review {
  readonly request: {
    readonly uid: string
    readonly desiredAPIVersion: string
    readonly objects: ReadonlyArray<unknown>
  }
}

const ends: Array<() => unknown> = []
test.after.always(async () => {
  for (const end of ends.reverse()) await end()
})

const listen = async (server: Server, scheme = 'https'): Promise<string> => {
  server.listen(0, '127.0.0.1')
  ends.push(() => {
    server.closeAllConnections()
    server.close()
  })
  await once(server, 'listening')
  return `${scheme}://localhost:${String((server.address() as AddressInfo).port)}`
}

/** A webhook that checks nothing. */
const bareWebhook = ({ key, certificate: cert }: Identity): Promise<string> =>
  listen(
    createServer({ key, cert }, (request, response) => {
      void text(request).then((body) => {
        const { uid, desiredAPIVersion, objects } = (JSON.parse(body) as Review).request
        response.setHeader('content-type', 'application/json')
        response.end(
          `{"apiVersion":"apiextensions.k8s.io/v1","kind":"ConversionReview","response":{"uid":"${uid}",` +
            `"result":{"status":"Success"},"convertedObjects":[${convert(objects, desiredAPIVersion).join()}]}}`,
        )
      })
    }),
  )

interface Outcome {
  readonly object?: { readonly items?: ReadonlyArray<Thing>; readonly spec?: unknown }
  readonly error?: string
}

let caller: { readonly child: ChildProcess; readonly lines: Interface; readonly caBundle: string } | undefined
let bare = ''
let own = ''
let plain = ''
let isDown = false
let onAsked = (): void => undefined
const down: AggregatorError = {
  _tag: 'PluginUnavailable',
  message: 'the settings cannot be read',
  retryAfterSeconds: 10,
}

/** Texts, since a number of Go has more digits than one of ours. */
const convertedBy = async (url: string, object: string, to = 'v2'): Promise<string> => {
  if (caller === undefined) throw new Error('no converter')
  const { child, lines, caBundle } = caller
  const line = once(lines, 'line')
  child.stdin?.write(
    `{"url":${JSON.stringify(url)},"caBundle":${JSON.stringify(caBundle)},"to":"${to}","object":${object}}\n`,
  )
  return ((await line) as [string])[0]
}
const outcomeOf = async (url: string, object: unknown, to?: string): Promise<Outcome> =>
  JSON.parse(await convertedBy(url, JSON.stringify(object), to)) as Outcome

const webhookOf = (pluginID: string): string => `${own}/apis/${pluginID}.example.com/v1/conversion`

withConverter('serves a webhook over TLS', async (t) => {
  const identity = await createIdentity()
  bare = `${await bareWebhook(identity)}/`
  const root = pluginFolder()
  for (const id of ['go', 'queries']) installPlugin(root, id, 'plugin')
  const decoder = new TextDecoder()
  const contexts = staticContexts({ datasources: [{ uid: 'q1', type: 'queries' }] })
  const aggregator = dataPlaneAggregator({
    source: memorySource(['go', 'queries', 'spoilt', 'mute'].map(manifestOf)),
    plugins: pluginHosts(
      pluginDirectory(root, { settings: { queries: { converts: 'queries' } }, startWaitMs: 20_000 }),
      inProcess({
        spoilt: {
          convertObjects: ({ uid, objects, targetVersion: { group, version } }) => ({
            uid,
            objects: convert(
              objects.map(({ raw }): unknown => JSON.parse(decoder.decode(raw))),
              `${group}/${version}`,
            ).map((one) => ({ raw: Buffer.from(one), contentType: 'application/json' })),
          }),
        },
        mute: {},
      }),
    ),
    contexts: {
      getInstanceSettings: (request, signal) => {
        const answer = isDown ? TE.left(down) : contexts.getInstanceSettings(request, signal)
        onAsked()
        return answer
      },
    },
  })
  ends.push(() => aggregator.close())
  await aggregator.ready
  const app = express().use(aggregator)
  own = await listen(createServer({ key: identity.key, cert: identity.certificate }, app))
  plain = await listen(createPlainServer(app), 'http')
  const child = run({ teardown: (end) => ends.push(end) }, converter(), [], { stdio: ['pipe', 'pipe', 'inherit'] })
  if (child.stdout === null) throw new Error('no stdout')
  caller = { child, lines: createInterface({ input: child.stdout }), caBundle: identity.certificate }
  t.pass()
})

withConverter('converts what an apiserver holds through a Go plugin, there and back, digit for digit', async (t) => {
  const labels = { labels: { a: 'b' } }
  const object = JSON.stringify(thing('a', {}, labels)).replace('"size":3', '"size":9007199254740993,"ratio":1.5')
  const there = await convertedBy(webhookOf('go'), object)
  t.regex(there, /"apiVersion":"x\.example\.com\/v2".*"sizes":\[9007199254740993\]/)
  t.like(JSON.parse(there), { object: { metadata: { resourceVersion: '7', ...labels } } })
  const converted = there.slice('{"object":'.length, -1)
  const back = await convertedBy(webhookOf('go'), converted, 'v1')
  t.regex(back, /"size":9007199254740993/)
  t.deepEqual(JSON.parse(back), { object: JSON.parse(object) as unknown })

  const items = Array.from({ length: 500 }, (_, index) => thing(String(index)))
  const { object: list } = await outcomeOf(
    webhookOf('go'),
    listOf(...items, { ...thing('x'), apiVersion: 'x.example.com/v2' }),
  )
  t.is(list?.items?.length, 501)
  t.deepEqual(list?.items?.[499]?.spec, { sizes: [3] })
  t.deepEqual(list?.items?.[500]?.spec, { size: 3 })
})

const spoiltIn = (answer: string) => {
  const annotations = { annotations: { answer } }
  return listOf(thing('a', {}, { ...annotations, labels: { 'wrong key': 'wrong value!' } }), thing('b'))
}

for (const answer of Object.keys(right)) {
  withConverter(`lets pass what an apiserver takes: ${answer}`, async (t) => {
    const expected = await outcomeOf(bare, spoiltIn(answer))
    t.is(expected.error, undefined)
    t.deepEqual(await outcomeOf(webhookOf('spoilt'), spoiltIn(answer)), expected)
  })
}

for (const answer of Object.keys(wrong)) {
  withConverter(`finds what an apiserver refuses: ${answer}`, async (t) => {
    const { error } = await outcomeOf(bare, spoiltIn(answer))
    t.regex(error ?? '', /conversion webhook for x\.example\.com\/v1, Kind=ThingList (returned|failed: (?!the plugin))/)
    const own = await outcomeOf(webhookOf('spoilt'), spoiltIn(answer))
    t.regex(own.error ?? '', /^conversion webhook for .* failed: the plugin answered convertedObjects(\[0\])?[.:]/)
  })
}

const why = async (id: string, spec: object = {}): Promise<string> =>
  (await outcomeOf(webhookOf(id), thing('a', { spec }))).error ?? 'no error'
const failed = 'conversion webhook for x.example.com/v1, Kind=Thing failed: '

withConverter('tells an apiserver why nothing is converted', async (t) => {
  t.is(await why('mute'), `${failed}plugin "mute" does not implement convertObjects`)
  t.is(await why('go', { fail: 'v2 has no word for it' }), `${failed}plugin "go" failed in convertObjects`)
  isDown = true
  // it asks again every second, ten times
  t.is(await why('spoilt'), `${failed}the settings cannot be read`)
})

withConverter('is asked again by an apiserver while the plugin is down', async (t) => {
  isDown = true
  onAsked = () => {
    isDown = false
  }
  t.like(await outcomeOf(webhookOf('spoilt'), spoiltIn('what was asked for')), { object: { kind: 'ThingList' } })
})

withConverter('converts queries with a Go plugin as the frontend of Grafana asks for it', async (t) => {
  const query = { refId: 'A', datasource: { type: 'queries', uid: 'q1' }, query: 'up' }
  const url = `/apis/queries.example.com/v1/namespaces/default`
  for (const path of ['queryconvert', 'datasources/q1/query-convert']) {
    const response = await fetch(plain + url + '/' + path, {
      method: 'POST',
      body: JSON.stringify({ queries: [{ ...query, JSON: query }] }),
    })
    t.is(response.status, 200)
    const { query: expr, ...rest } = query
    t.like(await response.json(), { kind: 'QueryDataRequest', queries: { 0: { JSON: { ...rest, expr } } } })
  }
})

// What people do with kubectl, against a host without Kubernetes. The same for each kubectl; few commands, for each costs a process.
import test, { type ExecutionContext } from 'ava'

import {
  kubectlOf,
  linesOf,
  manifest,
  patch,
  settled,
  startHost,
  stored,
  type Host,
  type Kubectl,
  type Outcome,
} from './_kubectl.ts'
import { testWith, tools } from './_setup.ts'

const resource = 'dataplaneservice.aggregation.grafana.app'

interface Version {
  /** Minor: 28. */
  readonly minor: number
}

/** Declares the tests of one kubectl. */
export const kubectlSuite = (name: 'kubectl' | 'kubectl-older' | 'kubectl-oldest', { minor }: Version): void => {
  const withKubectl = testWith(name)
  let { url, asked }: Pick<Host, 'url' | 'asked'> = { url: '', asked: () => Promise.resolve() }
  let kubectl: Kubectl
  const teardowns: Array<() => unknown> = []

  test.before(async () => {
    if (tools[name].have === undefined) return
    const t = { teardown: (end: () => unknown) => void teardowns.push(end) }
    ;({ url, asked } = await startHost(t))
    kubectl = kubectlOf(t, name, url)
  })
  test.after.always(async () => {
    for (const end of teardowns.reverse()) await end()
  })

  /** What it printed, after it went well. */
  const good = async (t: ExecutionContext, ...[args, options]: Parameters<Kubectl>): Promise<string> => {
    const { code, out, err } = await kubectl(args, options)
    t.is(code, 0, `kubectl ${args.join(' ')}\n${out}${err}`)
    return out
  }
  const bad = async (t: ExecutionContext, ...[args, options]: Parameters<Kubectl>): Promise<Outcome> => {
    const outcome = await kubectl(args, options)
    t.not(outcome.code, 0, `kubectl ${args.join(' ')}\n${outcome.out}${outcome.err}`)
    return outcome
  }
  /** The object once its conditions speak of it: nobody writes it any more. */
  const object = (of: string) => settled(url, of)
  const managers = async (of: string): Promise<ReadonlyArray<string>> =>
    ((await object(of)).metadata.managedFields ?? []).map(({ manager, operation }) => `${manager} ${operation}`)
  const create = async (of: string, spec: object = {}, metadata: object = {}): Promise<void> => {
    const response = await fetch(`${url}/apis/aggregation.grafana.app/v0alpha1/dataplaneservices`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: manifest(of, spec, metadata),
    })
    if (!response.ok) throw new Error(await response.text())
  }

  withKubectl('applies a file, the same again, and another one', async (t) => {
    const whole = { services: [{ type: 'query', method: '', path: '' }] }
    const file = kubectl.file('applied.json', manifest('applied', whole, { labels: { team: 'a' } }))
    t.is(await good(t, ['apply', '-f', file]), `${resource}/applied created\n`)
    const first = await object('applied')
    t.is(first.metadata.generation, 1)
    t.true(first.metadata.annotations?.['kubectl.kubernetes.io/last-applied-configuration']?.includes('"testdata"'))
    t.is(await good(t, ['apply', '-f', file]), `${resource}/applied unchanged\n`)

    kubectl.file('applied.json', manifest('applied', { services: [{ type: 'stream' }] }))
    t.is(await good(t, ['apply', '-f', file]), `${resource}/applied configured\n`)
    const second = await object('applied')
    // it takes the defaults in the list for a change of somebody else's, and is wrong
    await good(t, ['apply', '-f', file])
    t.is((await object('applied')).metadata.resourceVersion, second.metadata.resourceVersion)
    t.deepEqual(second.spec['services'], [{ type: 'stream', method: '', path: '' }])
    t.is(second.metadata.labels, undefined)
    t.is(second.metadata.generation, 2)
    t.true((await managers('applied')).includes('kubectl-client-side-apply Update'))
  })

  withKubectl('says which field of an applied file is wrong', async (t) => {
    const unknown = await bad(t, ['apply', '-f', '-'], { input: manifest('wrong', { bogus: true }) })
    t.regex(unknown.err, /unknown field "(spec\.)?bogus"/)
    const invalid = await bad(t, ['apply', '-f', '-'], { input: manifest('wrong', { pluginType: 'zz' }) })
    t.regex(invalid.err, /spec\.pluginType: Unsupported value: "zz": supported values: "app", "datasource"/)
    t.is(await stored(url, 'wrong'), undefined)
  })

  withKubectl('applies on the server, and fights over a field', async (t) => {
    const apply = (manager: string, ...more: ReadonlyArray<string>) =>
      ['apply', '--server-side', `--field-manager=${manager}`, '-f', '-', ...more] as const
    const one = { input: manifest('fought') }
    const other = { input: manifest('fought', { version: 'v2' }) }
    t.is(await good(t, apply('one'), one), `${resource}/fought serverside-applied\n`)
    const { metadata } = await object('fought')
    t.is(await good(t, apply('one'), one), `${resource}/fought serverside-applied\n`)
    t.is((await object('fought')).metadata.resourceVersion, metadata.resourceVersion)

    const { err } = await bad(t, apply('two'), other)
    t.regex(err, /conflict with "one".*: \.spec\.version/)
    t.is((await object('fought')).spec['version'], 'v1')
    await good(t, apply('two', '--force-conflicts'), other)
    t.is((await object('fought')).spec['version'], 'v2')
    t.deepEqual([...(await managers('fought'))].filter((text) => text.endsWith('Apply')).sort(), [
      'one Apply',
      'two Apply',
    ])
  })

  withKubectl('applies on the server what it applied itself before', async (t) => {
    await good(t, ['apply', '-f', '-'], { input: manifest('moved') })
    const out = await good(t, ['apply', '--server-side', '-f', '-'], {
      input: manifest('moved', { pluginID: 'other' }),
    })
    t.is(out, `${resource}/moved serverside-applied\n`)
    t.is((await object('moved')).spec['pluginID'], 'other')
    t.true((await managers('moved')).includes('kubectl Apply'))
  })

  withKubectl('creates, and gets in every form', async (t) => {
    const [kept, brief] = [manifest('created', {}, { labels: { get: 'yes' } }), manifest('created-2')]
    t.is(
      await good(t, ['create', '-f', '-'], { input: `${kept}\n${brief}` }),
      `${resource}/created created\n${resource}/created-2 created\n`,
    )
    const again = await bad(t, ['create', '-f', '-'], { input: kept })
    t.regex(again.err, /AlreadyExists.*"created" already exists/)
    await patch(url, 'created-2', { metadata: { labels: { get: 'yes' } } })

    const list = await good(t, ['get', 'dps', '-l', 'get=yes'])
    t.regex(list, /^NAME +PLUGIN +SERVICES +AVAILABLE +AGE *\ncreated +\S.*\ncreated-2 +\S.*\n$/)
    t.regex(await good(t, ['get', 'dataplaneservices', 'created', '-o', 'wide']), /^NAME.*\ncreated .*\n$/)
    t.is(
      await good(t, ['get', 'dataplane', '-l', 'get=yes', '-o', 'name']),
      `${resource}/created\n${resource}/created-2\n`,
    )
    t.regex(await good(t, ['get', `${resource}/created`, '-o', 'yaml']), /^ {2}pluginID: testdata$/m)
    const json = JSON.parse(await good(t, ['get', 'dps', 'created', '-o', 'json'])) as { readonly spec: unknown }
    t.deepEqual(json.spec, (await object('created')).spec)
    t.is(await good(t, ['get', 'dps', 'created', '-o', 'jsonpath={.spec.services[*].type}']), 'query')
    t.regex((await bad(t, ['get', 'dps', 'nobody'])).err, /NotFound.*"nobody" not found/)
  })

  withKubectl('describes and explains', async (t) => {
    await create('described', {}, { labels: { told: 'of' } })
    const description = await good(t, ['describe', 'dps', 'described'])
    for (const line of [
      /^Name: +described$/m,
      /^Labels: +told=of$/m,
      /^Kind: +DataPlaneService$/m,
      /^ +Plugin ID: +testdata$/m,
    ])
      t.regex(description, line)
    const explained = await good(t, ['explain', 'dataplaneservices.spec.services'])
    t.regex(explained, /KIND: +DataPlaneService/)
    t.regex(explained, /What the plugin offers under group and version\./)
    t.regex(explained, /^ {2,}method\s+<string>/m)
    t.regex(await good(t, ['explain', 'dps', '--recursive']), /^ {6,}caBundle\s+<string>/m)
  })

  withKubectl('edits', async (t) => {
    await create('edited')
    const editor = kubectl.file('editor', '#!/bin/sh\nsed -i -e s/pluginID:.*/pluginID:\\ changed/ "$1"\n')
    t.is(await good(t, ['edit', 'dps', 'edited'], { env: { KUBE_EDITOR: editor } }), `${resource}/edited edited\n`)
    t.is((await object('edited')).spec['pluginID'], 'changed')
    t.true((await managers('edited')).includes('kubectl-edit Update'))
  })

  withKubectl('patches in three ways', async (t) => {
    await create('patched', {}, { finalizers: ['example.com/a'] })
    const patched = (type: string | undefined, change: unknown) =>
      good(t, [
        'patch',
        'dps',
        'patched',
        ...(type === undefined ? [] : [`--type=${type}`]),
        '-p',
        JSON.stringify(change),
      ])
    t.is(await patched('merge', { spec: { pluginID: 'merged' } }), `${resource}/patched patched\n`)
    t.is((await object('patched')).spec['pluginID'], 'merged')
    await patched('json', [{ op: 'add', path: '/spec/services/-', value: { type: 'health' } }])
    t.deepEqual((await object('patched')).spec['services'], [
      { type: 'query', method: '', path: '' },
      { type: 'health', method: '', path: '' },
    ])
    // without a type: strategic, which Grafana's own server takes and one of CustomResourceDefinitions does not
    await patched(undefined, { metadata: { finalizers: ['example.com/b'] }, spec: { pluginID: 'strategic' } })
    const { metadata, spec } = await object('patched')
    t.is(spec['pluginID'], 'strategic')
    t.deepEqual([...(metadata['finalizers'] as ReadonlyArray<string>)].sort(), ['example.com/a', 'example.com/b'])
    t.is(await patched('merge', { spec: { pluginID: 'strategic' } }), `${resource}/patched patched (no change)\n`)
    t.is((await object('patched')).metadata.resourceVersion, metadata.resourceVersion)
    await patch(url, 'patched', { metadata: { finalizers: null } })
  })

  if (minor >= 24)
    withKubectl('patches a status', async (t) => {
      await create('judged')
      const condition = {
        type: 'Checked',
        status: 'True',
        lastTransitionTime: '2026-01-02T03:04:05Z',
        reason: 'Passed',
        message: 'by hand',
      }
      const change = [{ op: 'add', path: '/status', value: { conditions: [condition] } }]
      await good(t, ['patch', 'dps', 'judged', '--subresource=status', '--type=json', '-p', JSON.stringify(change)])
      t.regex(await good(t, ['get', 'dps', 'judged', '--subresource=status', '-o', 'yaml']), /^ {4}message: by hand$/m)
      await good(t, ['wait', 'dps/judged', '--for=condition=Checked', '--timeout=10s'])
    })

  withKubectl('labels, annotates and replaces', async (t) => {
    await create('labelled')
    t.is(await good(t, ['label', 'dps', 'labelled', 'team=blue']), `${resource}/labelled labeled\n`)
    t.is(await good(t, ['annotate', 'dps', 'labelled', 'note=a b']), `${resource}/labelled annotated\n`)
    const before = await object('labelled')
    t.deepEqual(before.metadata.labels, { team: 'blue' })
    t.is(before.metadata.annotations?.['note'], 'a b')
    t.is(before.metadata.generation, 1)

    const replacement = { input: manifest('labelled', { version: 'v9' }) }
    t.is(await good(t, ['replace', '-f', '-'], replacement), `${resource}/labelled replaced\n`)
    const after = await object('labelled')
    t.is(after.spec['version'], 'v9')
    t.is(after.metadata.labels, undefined)
    t.is(after.metadata['uid'], before.metadata['uid'])
    await good(t, ['replace', '--force', '-f', kubectl.file('forced.json', manifest('labelled'))])
    t.not((await object('labelled')).metadata['uid'], before.metadata['uid'])
  })

  withKubectl('deletes one, waits for its end, and deletes all of a label', async (t) => {
    await create('deleted')
    t.regex(await good(t, ['delete', 'dps', 'deleted', '--timeout=20s']), /"deleted" deleted/)
    t.is(await stored(url, 'deleted'), undefined)

    await create('slow', {}, { finalizers: ['example.com/a'] })
    await good(t, ['delete', 'dps', 'slow', '--wait=false'])
    const watching = asked(/metadata\.name%3Dslow.*watch=true/)
    const waited = good(t, ['wait', 'dps/slow', '--for=delete', '--timeout=20s'])
    await watching
    t.is(typeof (await object('slow')).metadata['deletionTimestamp'], 'string')
    await patch(url, 'slow', { metadata: { finalizers: null } })
    await waited
    t.is(await stored(url, 'slow'), undefined)

    await create('many-1', {}, { labels: { many: 'yes' } })
    await create('many-2', {}, { labels: { many: 'yes' } })
    const out = await good(t, ['delete', 'dps', '-l', 'many=yes', '--wait=true', '--timeout=20s'])
    t.is(out.trimEnd().split('\n').length, 2)
    t.deepEqual([await stored(url, 'many-1'), await stored(url, 'many-2')], [undefined, undefined])
  })

  withKubectl('waits until it is available', async (t) => {
    await create('waited-for')
    const out = await good(t, ['wait', 'dps/waited-for', '--for=condition=Available', '--timeout=20s'])
    t.is(out, `${resource}/waited-for condition met\n`)
    t.regex(await good(t, ['get', 'dps', 'waited-for', '--no-headers']), /^waited-for +testdata +query +True +\d+s\n$/)
    t.regex((await bad(t, ['wait', 'dps/waited-for', '--for=condition=Never', '--timeout=1s'])).err, /timed out/)
  })

  withKubectl('tells what would change, and changes nothing', async (t) => {
    await good(t, ['apply', '-f', '-'], { input: manifest('kept') })
    const before = await object('kept')
    const other = { input: manifest('kept', { pluginID: 'other' }) }
    const difference = await kubectl(['diff', '-f', '-'], other)
    t.is(difference.code, 1, difference.err)
    t.regex(difference.out, /^- +pluginID: testdata\n\+ +pluginID: other$/m)
    t.is((await kubectl(['diff', '-f', '-'], { input: manifest('kept') })).code, 0)

    t.regex(await good(t, ['apply', '--dry-run=server', '-f', '-'], other), /kept configured \(server dry run\)/)
    t.regex(
      await good(t, ['create', '--dry-run=server', '-f', '-'], { input: manifest('never') }),
      /never created \(server dry run\)/,
    )
    t.regex(
      await good(t, ['delete', 'dps', 'kept', '--dry-run=server']),
      /"kept" deleted .*\(server dry run\)|"kept" deleted \(server dry run\)/,
    )
    t.deepEqual(await object('kept'), before)
    t.is(await stored(url, 'never'), undefined)
  })

  withKubectl('lists what there is', async (t) => {
    await create('claimed')
    const resources = await good(t, ['api-resources', '--api-group=aggregation.grafana.app', '-o', 'wide'])
    t.regex(
      resources,
      /^dataplaneservices +dps +aggregation\.grafana\.app\/v0alpha1 +false +DataPlaneService .*deletecollection/m,
    )
    const versions = await good(t, ['api-versions'])
    t.true(versions.split('\n').includes('aggregation.grafana.app/v0alpha1'), versions)
    t.true(versions.split('\n').includes('claimed.example.com/v1'), versions)
  })

  withKubectl('watches', async (t) => {
    await create('watched', {}, { labels: { watch: 'yes' } })
    await object('watched')
    // its first event it takes for the object that it has got already
    const watching = [asked(/labelSelector=.*watch=true/), asked(/metadata\.name%3Dwatched&.*watch=true/)]
    const names = linesOf(kubectl.start(t, ['get', 'dps', '-l', 'watch=yes', '-w', '-o', 'name']))
    t.is(await names(), `${resource}/watched`)
    const events = linesOf(kubectl.start(t, ['get', 'dps', 'watched', '-w', '--output-watch-events']))
    t.regex(await events(), /^EVENT +NAME +PLUGIN +SERVICES +AVAILABLE +AGE/)
    t.regex(await events(), /^ADDED +watched /)
    await Promise.all(watching)
    await patch(url, 'watched', { metadata: { labels: { more: 'x' } } })
    t.is(await names(), `${resource}/watched`)
    t.regex(await events(), /^MODIFIED +/)
    await create('watched-2', {}, { labels: { watch: 'yes' } })
    await object('watched-2')
    t.is(await names(), `${resource}/watched-2`)
    await fetch(`${url}/apis/aggregation.grafana.app/v0alpha1/dataplaneservices/watched`, { method: 'DELETE' })
    // its conditions were written
    t.is(await names(), `${resource}/watched-2`)
    t.is(await names(), `${resource}/watched`)
    t.regex(await events(), /^DELETED +/)
  })

  withKubectl('deletes all', async (t) => {
    await create('last')
    t.regex(await good(t, ['delete', 'dps', '--all', '--timeout=20s']), /"last" deleted/)
    const { err } = await kubectl(['get', 'dps'])
    t.regex(err, /^No resources found/)
  })
}

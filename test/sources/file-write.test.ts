import { link, open, rename, unlink } from 'node:fs/promises'
import { chmod, mkdir, mkdtemp, readdir, readFile, rm, stat, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import test, { type ExecutionContext } from 'ava'

import type { StoredObject } from '../../src/api/object.ts'
import type { WritableSource } from '../../src/source.ts'
import { createFileSource, type FileSourceOptions, type FileSourceParts } from '../../src/sources/file.ts'
import { parseYaml } from '../../src/yaml.ts'
import { E } from '../../src/fp.ts'
import { createdAs, done, eventsOf, failed, live, withVersion, writeStatus } from './objects-contract.ts'
import { manifest, record, serves, versionOf, type Recorder } from './recorder.ts'

interface World {
  readonly dir: string
  readonly source: WritableSource
  readonly recorder: Recorder
  readonly read: (file: string) => Promise<string>
  readonly write: (file: string, text: string) => Promise<void>
}

/** Watches tell nothing for a while: these tests are about writes, and what is read after them. */
const slow = { debounceMs: 5000 }

const begin = async (
  t: ExecutionContext,
  files: Readonly<Record<string, string>>,
  options: FileSourceOptions = slow,
  parts: FileSourceParts = {},
): Promise<World> => {
  const dir = await mkdtemp(join(tmpdir(), 'file-write-'))
  t.teardown(() => rm(dir, { recursive: true, force: true }))
  const write = async (file: string, text: string): Promise<void> => {
    // in one step: between truncation and write, a reader would find the file empty
    await writeFile(join(dir, `.${file}.new`), text)
    await rename(join(dir, `.${file}.new`), join(dir, file))
  }
  for (const [file, text] of Object.entries(files)) await write(file, text)
  const source = createFileSource(dir, options, parts)
  const recorder = record(source)
  t.teardown(recorder.unsubscribe)
  await recorder.snapshotAt(0)
  return { dir, source, recorder, read: (file) => readFile(join(dir, file), 'utf8'), write }
}

/** What somebody sees who reads the directory for the first time. */
const readAgain = async (t: ExecutionContext, dir: string): Promise<WritableSource> => {
  const source = createFileSource(dir, slow)
  const recorder = record(source)
  t.teardown(recorder.unsubscribe)
  await recorder.snapshotAt(0)
  return source
}

const withLabels = (object: StoredObject, labels: Readonly<Record<string, string>>): StoredObject => ({
  ...object,
  metadata: { ...object.metadata, labels },
})

const handWritten = `# The team's services.
apiVersion: aggregation.grafana.app/v0alpha1
kind: DataPlaneService # ours
metadata:   { name: a }
spec:
    pluginID: 'testds'   # as in plugin.json
    pluginType: datasource
    group: a.grafana.app
    version: v1
    services:
    # all of it
    - type: query

    - {type: route,   path: /x}
---
{"apiVersion": "v1",   "kind": "ConfigMap", "metadata": {"name": "a"}}
---
# a list
apiVersion: v1
kind: List
items:
  - # the first
    ${JSON.stringify(manifest('l1'))}
  - ${JSON.stringify(manifest('l2'))}   # the second
`

test('writes a new object into a file of its own name, without its status and resourceVersion', async (t) => {
  const { dir, source, read } = await begin(t, {})
  const managedFields = [
    { manager: 'kubectl', operation: 'Apply', fieldsV1: { 'f:spec': {} } },
    { manager: 'us', operation: 'Update', subresource: 'status', fieldsV1: { 'f:status': {} } },
  ] as const
  const { metadata, ...rest } = createdAs('a.b-c')
  const books = { labels: { no: 'on' }, finalizers: ['example.com/x'], managedFields }
  const created = { ...rest, metadata: { ...metadata, ...books }, status: { conditions: [] } }
  const stored = await done(source.objects.commit('a.b-c', undefined, created))
  t.deepEqual(
    { ...stored, metadata: { ...stored.metadata, resourceVersion: '' } },
    {
      ...created,
      metadata: { ...created.metadata, resourceVersion: '' },
    },
  )
  const written = { ...rest, metadata: { ...metadata, ...books, managedFields: [managedFields[0]] } }
  t.deepEqual(parseYaml(await read('a.b-c.yaml')), E.right([written]))
  t.deepEqual(await readdir(dir), ['a.b-c.yaml'])
  const { metadata: again } = live(await readAgain(t, dir), 'a.b-c')
  t.deepEqual({ ...again, resourceVersion: '' }, { ...written.metadata, resourceVersion: '' })
})

test('changes a hand-written object where it stands, and no other byte', async (t) => {
  const { dir, source, read } = await begin(t, { 'team.yml': handWritten })
  const events = eventsOf(source)
  const old = live(source, 'a')
  t.is(old.metadata.creationTimestamp, undefined)
  t.regex(old.metadata.uid ?? '', /^[0-9a-f]{8}-[0-9a-f]{4}-8[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/)
  const books = { generation: 2, managedFields: [{ manager: 'kubectl' }] }
  const changed = withVersion({ ...old, metadata: { ...old.metadata, ...books } }, 'v2')
  const stored = await done(source.objects.commit('a', old, changed))
  t.like(stored.metadata, books)
  t.is(await read('team.yml'), handWritten.replace('version: v1\n    serv', 'version: v2\n    serv'))
  const labelled = await done(source.objects.commit('a', stored, withLabels(stored, { team: 'one' })))
  t.true((await read('team.yml')).includes('metadata:   {"name":"a","labels":{"team":"one"}}\nspec:'))
  t.deepEqual(
    events.map(({ object }) => object),
    [stored, labelled],
  )
  t.is(live(await readAgain(t, dir), 'a').metadata.uid, old.metadata.uid)
})

test('takes an object out of its file, its item out of a list, and the file away with the last', async (t) => {
  const { dir, source, read, recorder } = await begin(t, {
    'team.yml': handWritten,
    'single.json': JSON.stringify(manifest('s'), undefined, 4),
  })
  const remove = (name: string): Promise<unknown> => done(source.objects.commit(name, live(source, name), undefined))
  await remove('l1')
  const [head = '', ...others] = handWritten.split('---\n')
  t.is(
    await read('team.yml'),
    [
      head,
      others[0],
      `# a list\napiVersion: v1\nkind: List\nitems:\n  - ${JSON.stringify(manifest('l2'))}   # the second\n`,
    ].join('---\n'),
  )
  await remove('l2')
  await remove('a')
  t.is(await read('team.yml'), `# The team's services.\n---\n${others[0] ?? ''}`)
  await remove('s')
  t.deepEqual(await readdir(dir), ['team.yml'])
  t.deepEqual(source.objects.list(), [])
  await recorder.snapshot(serves())
})

test('keeps JSON JSON, mode and all', async (t) => {
  const text = `{\n    "kind": "List",\n    "items": [\n        ${JSON.stringify(manifest('a'))},\n        {"kind": "Other",  "n": 1.0}\n    ]\n}`
  const { dir, source, read } = await begin(t, { 'all.json': text })
  await chmod(join(dir, 'all.json'), 0o640)
  const stored = await done(source.objects.commit('a', live(source, 'a'), withVersion(live(source, 'a'), 'v2')))
  t.is(await read('all.json'), text.replace('"version":"v1"', '"version":"v2"'))
  await done(source.objects.commit('a', stored, withLabels(stored, { x: '7' })))
  t.like(JSON.parse(await read('all.json')), { items: { 0: { metadata: { name: 'a', labels: { x: '7' } } } } })
  t.is((await stat(join(dir, 'all.json'))).mode & 0o777, 0o640)
})

test('reads what it wrote without a second event, and follows people after it', async (t) => {
  const { source, recorder, read, write } = await begin(t, {}, { debounceMs: 10 })
  const events = eventsOf(source)
  const created = await done(source.objects.commit('a', undefined, createdAs('a')))
  await done(source.objects.commit('a', created, withVersion(created, 'v2')))
  await write('b.yml', JSON.stringify(manifest('b')))
  await recorder.snapshot(serves('a', 'b'))
  t.deepEqual(
    events.map(({ type, object }) => [type, object.metadata.name]),
    [
      ['ADDED', 'a'],
      ['MODIFIED', 'a'],
      ['ADDED', 'b'],
    ],
  )
  await write('a.yaml', (await read('a.yaml')).replace('v2', 'v3'))
  await recorder.snapshot((snapshot) => versionOf(snapshot, 'a') === 'v3')
  t.like(live(source, 'a').metadata, { uid: 'uid-of-a', generation: 2 })
})

test('takes another uid in a file for another object', async (t) => {
  const { source, recorder, read, write } = await begin(t, {}, { debounceMs: 10 })
  await done(source.objects.commit('a', undefined, createdAs('a')))
  await done(writeStatus(source, 'a', () => ({ conditions: [] })))
  const events = eventsOf(source)
  await write('a.yaml', (await read('a.yaml')).replace('uid-of-a', 'uid-2').replace('v1\n', 'v9\n'))
  await recorder.snapshot((snapshot) => snapshot.services[0]?.metadata.uid === 'uid-2')
  t.deepEqual(
    events.map(({ type, object }) => [type, object.metadata.uid, object.status]),
    [
      ['DELETED', 'uid-of-a', { conditions: [] }],
      ['ADDED', 'uid-2', undefined],
    ],
  )
})

test('refuses to write over an edit that nobody has read yet, and shows it', async (t) => {
  const { source, read, write, dir } = await begin(t, { 'a.yml': handWritten })
  const [old, l1] = [live(source, 'a'), live(source, 'l1')]
  const edited = handWritten.replace('version: v1', 'version: v5')
  await write('a.yml', edited)
  t.is((await failed(source.objects.commit('a', old, withVersion(old, 'v2'))))._tag, 'Conflict')
  t.is(await read('a.yml'), edited)
  t.like(live(source, 'a'), { spec: { version: 'v5' }, metadata: { generation: 2 } })
  await rename(join(dir, 'a.yml'), join(dir, 'z.yml'))
  await done(source.objects.commit('l1', l1, withVersion(l1, 'v2')))
  t.is(await read('z.yml'), edited.replace('"version":"v1"', '"version":"v2"'))
  await unlink(join(dir, 'z.yml'))
  const l2 = live(source, 'l2')
  t.is((await failed(source.objects.commit('l2', l2, withVersion(l2, 'v2'))))._tag, 'Conflict')
  t.deepEqual(source.objects.list(), [])
  t.deepEqual(await readdir(dir), [])
})

test('refuses to write over an edit that falls between its own reading and writing', async (t) => {
  const edits: Array<() => Promise<void>> = []
  const openAfterEdit: typeof open = async (...file) => {
    await edits.pop()?.()
    return open(...file)
  }
  const { source, read, write } = await begin(t, { 'a.yml': handWritten }, slow, {
    calls: { open: openAfterEdit, rename, link, unlink },
  })
  const edited = handWritten.replace('version: v1', 'version: v5')
  edits.push(() => write('a.yml', edited))
  const old = live(source, 'a')
  t.is((await failed(source.objects.commit('a', old, withVersion(old, 'v2'))))._tag, 'Conflict')
  t.is(await read('a.yml'), edited)
  t.like(live(source, 'a'), { spec: { version: 'v5' } })
})

test('never takes the place of a file that holds something else, known or not', async (t) => {
  const { source, read, write, dir } = await begin(t, { 'b.yaml': JSON.stringify(manifest('a')) })
  const taken = await failed(source.objects.commit('b', undefined, createdAs('b')))
  t.deepEqual(taken, {
    _tag: 'Forbidden',
    message:
      'dataplaneservices.aggregation.grafana.app "b" is forbidden: "b.yaml" is there already, and holds something else',
    details: { name: 'b', group: 'aggregation.grafana.app', kind: 'dataplaneservices' },
  })
  t.is(await read('b.yaml'), JSON.stringify(manifest('a')))
  await write('c.yaml', JSON.stringify(manifest('c', 'v7')))
  t.is((await failed(source.objects.commit('c', undefined, createdAs('c'))))._tag, 'Conflict')
  t.like(live(source, 'c'), { spec: { version: 'v7' } })
  await symlink('/etc/hostname', join(dir, 'd.yaml'))
  t.is((await failed(source.objects.commit('d', undefined, createdAs('d'))))._tag, 'Forbidden')
  t.deepEqual((await readdir(dir)).toSorted(), ['b.yaml', 'c.yaml', 'd.yaml'])
})

test('leaves the old file and nothing else when a write breaks off, and changes nothing in memory', async (t) => {
  const codes = ['EIO', 'ENOSPC', 'EROFS', 'EACCES']
  const fail = (): Promise<never> => {
    const [code = 'EIO'] = codes
    return Promise.reject(Object.assign(new Error(`${code}: /secret/path`), { code }))
  }
  const { source, read, dir, recorder } = await begin(t, { 'a.yml': handWritten }, slow, {
    calls: {
      open,
      rename: fail,
      link: fail,
      unlink: (path) => (String(path).endsWith('.tmp') ? unlink(path) : fail()),
    },
  })
  const events = eventsOf(source)
  const old = live(source, 'a')
  const said: string[] = []
  for (; codes.length > 0; codes.shift()) {
    for (const change of [
      source.objects.commit('a', old, withVersion(old, 'v2')),
      source.objects.commit('n', undefined, createdAs('n')),
    ]) {
      const error = await failed(change)
      said.push(`${error._tag} ${'message' in error ? error.message.replace(/^.* is forbidden: /, '') : ''}`)
    }
  }
  t.deepEqual(said, [
    'StoreFailed expected to write "a.yml", got EIO',
    'StoreFailed expected to write "n.yaml", got EIO',
    'StoreFailed expected to write "a.yml", got ENOSPC: the disk is full',
    'StoreFailed expected to write "n.yaml", got ENOSPC: the disk is full',
    'Forbidden expected to write "a.yml", got EROFS: it is read-only',
    'Forbidden expected to write "n.yaml", got EROFS: it is read-only',
    'Forbidden expected to write "a.yml", got EACCES: it is read-only',
    'Forbidden expected to write "n.yaml", got EACCES: it is read-only',
  ])
  t.is(await read('a.yml'), handWritten)
  t.deepEqual(await readdir(dir), ['a.yml'])
  t.is(live(source, 'a'), old)
  t.deepEqual([events.length, recorder.snapshots.length], [0, 1])
})

test('creates without overwriting where the file system has no links', async (t) => {
  const noLink = (): Promise<never> => Promise.reject(Object.assign(new Error('no'), { code: 'EPERM' }))
  const { source, write, read } = await begin(t, {}, slow, { calls: { open, rename, link: noLink, unlink } })
  await done(source.objects.commit('a', undefined, createdAs('a')))
  await write('b.yaml', 'kind: Other\n')
  t.is((await failed(source.objects.commit('b', undefined, createdAs('b'))))._tag, 'Forbidden')
  t.is(await read('b.yaml'), 'kind: Other\n')
})

test('writes nothing through a link, nor into a mounted ConfigMap', async (t) => {
  const elsewhere = await mkdtemp(join(tmpdir(), 'file-write-target-'))
  t.teardown(() => rm(elsewhere, { recursive: true, force: true }))
  const text = JSON.stringify(manifest('a'))
  await writeFile(join(elsewhere, 'target.yml'), text)
  const { source, dir, recorder } = await begin(t, {}, { debounceMs: 10 })
  await symlink(join(elsewhere, 'target.yml'), join(dir, 'a.yml'))
  await recorder.snapshot(serves('a'))
  const old = live(source, 'a')
  for (const next of [withVersion(old, 'v2'), undefined]) {
    t.like(await failed(source.objects.commit('a', old, next)), { _tag: 'Forbidden', details: { name: 'a' } })
  }
  await mkdir(join(dir, '..2026'))
  await symlink('..2026', join(dir, '..data'))
  const refused = await failed(source.objects.commit('n', undefined, createdAs('n')))
  t.like(refused, { _tag: 'Forbidden' })
  t.true('message' in refused && refused.message.endsWith('got a mounted ConfigMap or Secret: it is read-only'))
  t.is(await readFile(join(elsewhere, 'target.yml'), 'utf8'), text)
  t.deepEqual((await readdir(dir)).toSorted(), ['..2026', '..data', 'a.yml'])
})

test('refuses what cannot be changed safely, and says in which file', async (t) => {
  const anchored = `x-labels: &labels { team: one }
apiVersion: aggregation.grafana.app/v0alpha1
kind: DataPlaneService
metadata: { name: a, labels: *labels }
spec: ${JSON.stringify(manifest('a').spec)}
`
  const { source, write, read } = await begin(t, {
    'a.yml': anchored,
    'b.yml': JSON.stringify(manifest('b')),
    'c.yml': JSON.stringify(manifest('b', 'v2')),
    'd.yml': JSON.stringify(manifest('d')),
  })
  const [a, b, d] = [live(source, 'a'), live(source, 'b'), live(source, 'd')]
  const refused = await failed(source.objects.commit('a', a, withLabels(a, { team: 'two' })))
  t.true('message' in refused && refused.message.endsWith('"a.yml": expected YAML that can be changed in place'))
  t.is(await read('a.yml'), anchored)
  await done(source.objects.commit('a', a, withVersion(a, 'v2')))
  t.is(await read('a.yml'), anchored.replace('"v1"', '"v2"'))
  t.like(await failed(source.objects.commit('b', b, undefined)), { _tag: 'Forbidden' })
  await write('d.yml', '{"kind": ')
  t.like(await failed(source.objects.commit('d', d, withVersion(d, 'v2'))), { _tag: 'Forbidden' })
  t.is(live(source, 'd'), d)
  const long = createdAs(`${'n'.repeat(240)}.${'n'.repeat(12)}`)
  t.is((await done(source.objects.commit(long.metadata.name, undefined, long))).metadata.uid, long.metadata.uid)
})

test('writes no file that it would not read again for its size', async (t) => {
  const { source, dir } = await begin(t, {}, { ...slow, fileLimitBytes: 500 })
  const large = withLabels(createdAs('a'), { x: 'y'.repeat(500) })
  t.like(await failed(source.objects.commit('a', undefined, large)), { _tag: 'Forbidden' })
  t.deepEqual(await readdir(dir), [])
})

test('creates many in a row while it follows the directory, each with one event', async (t) => {
  const { source, dir, recorder } = await begin(t, {}, { debounceMs: 10 })
  const events = eventsOf(source)
  const names = Array.from({ length: 300 }, (_, index) => `n${String(index).padStart(4, '0')}`)
  await Promise.all(names.map((name) => done(source.objects.commit(name, undefined, createdAs(name)))))
  await writeFile(join(dir, 'last.yml'), JSON.stringify(manifest('last')))
  await recorder.snapshot((snapshot) => snapshot.services.some(({ metadata }) => metadata.name === 'last'))
  t.is(events.length, 301)
  t.deepEqual(
    source.objects.list().map(({ metadata }) => metadata.name),
    ['last', ...names],
  )
})

test('writes while nobody follows, on the state of that very moment', async (t) => {
  const { source, recorder, dir, write } = await begin(t, { 'a.yml': JSON.stringify(manifest('a')) })
  const old = live(source, 'a')
  await recorder.unsubscribe()
  await write('a.yml', JSON.stringify(manifest('a', 'v5')))
  t.is((await failed(source.objects.commit('a', old, withVersion(old, 'v2'))))._tag, 'Conflict')
  await done(source.objects.commit('b', undefined, createdAs('b')))
  const later = record(source)
  t.teardown(later.unsubscribe)
  t.is(versionOf(await later.snapshotAt(0), 'a'), 'v5')
  t.deepEqual((await readdir(dir)).toSorted(), ['a.yml', 'b.yaml'])
})

test('tells whoever comes late what is wrong', async (t) => {
  const { source, recorder } = await begin(t, { 'a.yml': '{', 'b.yml': JSON.stringify(manifest('b')) })
  const late = record(source)
  t.teardown(late.unsubscribe)
  const [first] = recorder.snapshots
  t.true((await late.snapshotAt(0)) === first)
  t.deepEqual(late.errors, recorder.errors)
  t.is(late.errors.length, 1)
})

test('says what is missing when its directory is', async (t) => {
  const { source, dir } = await begin(t, { 'a.yml': JSON.stringify(manifest('a')) })
  await rm(dir, { recursive: true })
  const old = live(source, 'a')
  for (const change of [
    source.objects.commit('a', old, withVersion(old, 'v2')),
    source.objects.commit('b', undefined, createdAs('b')),
  ]) {
    const error = await failed(change)
    t.is(error._tag, 'StoreFailed')
    t.false('message' in error && error.message.includes(tmpdir()))
  }
  t.is(live(source, 'a'), old)
})

test('changes the objects of a single file, and creates none beside it', async (t) => {
  const { dir, read } = await begin(t, { 'only.yml': handWritten, 'other.yml': JSON.stringify(manifest('other')) })
  const source = createFileSource(join(dir, 'only.yml'), slow)
  const recorder = record(source)
  t.teardown(recorder.unsubscribe)
  t.true(serves('a', 'l1', 'l2')(await recorder.snapshotAt(0)))
  await done(source.objects.commit('a', live(source, 'a'), withVersion(live(source, 'a'), 'v2')))
  t.is(await read('only.yml'), handWritten.replace('version: v1\n', 'version: v2\n'))
  t.is((await failed(source.objects.commit('n', undefined, createdAs('n'))))._tag, 'Forbidden')
  t.deepEqual((await readdir(dir)).toSorted(), ['only.yml', 'other.yml'])
})

import { execFileSync } from 'node:child_process'
import { mkdir, mkdtemp, rename, rm, symlink, unlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import test, { type ExecutionContext } from 'ava'

import { fileSource, type FileSourceOptions } from '../../src/sources/index.ts'
import { createWatch } from '../../src/watch.ts'
import { testContract } from './contract.ts'
import { testObjects } from './objects-contract.ts'
import { badManifest, manifest, namesOf, record, serves, versionOf, type Recorder } from './recorder.ts'

const makeDirectory = async (t: ExecutionContext): Promise<string> => {
  const dir = await mkdtemp(join(tmpdir(), 'file-source-'))
  t.teardown(() => rm(dir, { recursive: true, force: true }))
  return dir
}

/** In one step: a read that falls between the truncation and the write of a plain `writeFile` sees an empty file. */
const place = async (dir: string, name: string, text: string): Promise<void> => {
  await writeFile(join(dir, `.${name}.new`), text)
  await rename(join(dir, `.${name}.new`), join(dir, name))
}

const toText = (...objects: ReadonlyArray<unknown>): string =>
  objects.map((object) => JSON.stringify(object, undefined, 2)).join('\n---\n')

const quick = { debounceMs: 10 }

/** Watches are what these tests are about: a rescan within the test's time would hide that one is deaf. */
const watched = (t: ExecutionContext, dir: string, options: FileSourceOptions = quick): Recorder => {
  const recorder = record(fileSource(dir, options))
  t.teardown(recorder.unsubscribe)
  return recorder
}

/** A directory with these files, and a recorder that has its first snapshot. */
const begin = async (t: ExecutionContext, files: Readonly<Record<string, string>>, options?: FileSourceOptions) => {
  const dir = await makeDirectory(t)
  const put = (name: string, text: string): Promise<void> => place(dir, name, text)
  for (const [name, text] of Object.entries(files)) await put(name, text)
  const recorder = watched(t, dir, options)
  return { dir, put, recorder, first: await recorder.snapshotAt(0) }
}

const create = async (t: ExecutionContext, initial: ReadonlyArray<unknown>) => {
  const dir = await makeDirectory(t)
  const replace = (objects: ReadonlyArray<unknown>): Promise<void> => place(dir, 'objects.yml', toText(...objects))
  await replace(initial)
  return { source: fileSource(dir, quick), replace }
}

testContract(test, 'fileSource', create)
testObjects(test, 'fileSource', create)

test('reads .yml, .yaml and .json, several documents and lists, and nothing else', async (t) => {
  const { dir, first, recorder } = await begin(t, {
    'a.yml': `# two\n---\n${toText(manifest('a1'), manifest('a2'))}\n---\n---\n`,
    'b.yaml': JSON.stringify({ kind: 'List', apiVersion: 'v1', items: [manifest('b1'), badManifest('b2')] }),
    'c.json': JSON.stringify({ kind: 'DataPlaneServiceList', items: [manifest('c')] }),
    '.hidden.yml': toText(manifest('hidden')),
    'd.yml~': toText(manifest('backup')),
    'empty.yml': '',
  })
  await mkdir(join(dir, 'sub'))
  await writeFile(join(dir, 'sub', 'e.yml'), toText(manifest('sub')))
  t.deepEqual(namesOf(first), ['a1', 'a2', 'b1', 'c'])
  t.deepEqual(
    first.rejected.map(({ origin, name }) => [origin, name]),
    [['b.yaml#2', 'b2']],
  )
  t.deepEqual(recorder.errors, [])
})

test('drops the objects of a deleted file', async (t) => {
  const { dir, recorder } = await begin(t, { 'a.yml': toText(manifest('a')), 'b.yml': toText(manifest('b')) })
  await unlink(join(dir, 'a.yml'))
  t.deepEqual(namesOf(await recorder.snapshotAt(1)), ['b'])
})

test('lets an object go though one of another API has its name', async (t) => {
  const other = 'apiVersion: v1\nkind: ConfigMap\nmetadata: { name: a }\n'
  const { put, recorder } = await begin(t, { 'a.yml': `${other}---\n${toText(manifest('a'))}` })
  await put('a.yml', other)
  await recorder.snapshot(serves())
  t.pass()
})

test('keeps the very object when its file is renamed', async (t) => {
  const { dir, recorder, first, put } = await begin(t, { 'a.yml': toText(manifest('a')) })
  await rename(join(dir, 'a.yml'), join(dir, 'z.yml'))
  await put('b.yml', toText(manifest('b')))
  const next = await recorder.snapshot(serves('a', 'b'))
  t.is(first.services.length, 1)
  t.true(first.services.every((service) => next.services.includes(service)))
})

test('follows an editor that writes a new file and renames it onto the old one, again and again', async (t) => {
  const { recorder, put } = await begin(t, { 'a.yml': toText(manifest('a', 'v1')) })
  for (const version of ['v2', 'v3', 'v4']) {
    await put('a.yml', toText(manifest('a', version)))
    await recorder.snapshot((snapshot) => versionOf(snapshot, 'a') === version)
  }
  t.deepEqual(recorder.errors, [])
})

test('follows edits in place that leave size and times as they were', async (t) => {
  const { dir, recorder } = await begin(t, { 'a.yml': toText(manifest('a', 'v1')) })
  for (const version of ['v2', 'v3', 'v4', 'v5']) {
    await writeFile(join(dir, 'a.yml'), toText(manifest('a', version)))
    await recorder.snapshot((snapshot) => versionOf(snapshot, 'a') === version)
  }
  t.pass()
})

test('serves the last good objects of a half-written file, reports it once, and follows its completion', async (t) => {
  const text = toText(manifest('a', 'v2'), manifest('b', 'v2'))
  const { recorder, put } = await begin(t, { 'x.yml': toText(manifest('a'), manifest('b')) })
  await put('x.yml', text.slice(0, -20))
  const error = await recorder.error(() => true)
  t.is(error.origin, 'x.yml')
  t.regex(error.message, /^expected YAML, got "[a-z ]+" at \d+:\d+$/)
  await put('other.yml', toText(manifest('other')))
  const during = await recorder.snapshot(serves('a', 'b', 'other'))
  t.is(versionOf(during, 'b'), 'v1')
  await put('x.yml', text)
  await recorder.snapshot((snapshot) => versionOf(snapshot, 'b') === 'v2')
  t.is(recorder.errors.length, 1)
})

test('waits with a file that is being written until it is quiet', async (t) => {
  const text = toText(manifest('a'))
  const { dir, recorder } = await begin(t, {}, { debounceMs: 500 })
  for (let length = 0; length < text.length; length += 40) await writeFile(join(dir, 'a.yml'), text.slice(0, length))
  await writeFile(join(dir, 'a.yml'), text)
  await recorder.snapshot(serves('a'))
  t.deepEqual(recorder.errors, [])
})

test('reports a directory, a pipe and a dangling link in the place of a file, and takes the file when it comes', async (t) => {
  const dir = await makeDirectory(t)
  await mkdir(join(dir, 'dir.yml'))
  await symlink('nowhere.yml', join(dir, 'link.yml'))
  execFileSync('mkfifo', [join(dir, 'pipe.yml')])
  await writeFile(join(dir, 'good.yml'), toText(manifest('good')))
  const recorder = watched(t, dir)
  t.deepEqual(namesOf(await recorder.snapshotAt(0)), ['good'])
  t.deepEqual(
    recorder.errors.map(({ origin, message }) => [origin, message]),
    [
      ['dir.yml', 'expected a regular file'],
      ['link.yml', 'expected a readable file, got ENOENT'],
      ['pipe.yml', 'expected a regular file'],
    ],
  )
  await writeFile(join(dir, 'nowhere.yml'), '')
  await unlink(join(dir, 'link.yml'))
  await writeFile(join(dir, 'link.yml'), toText(manifest('late')))
  await recorder.snapshot(serves('good', 'late'))
})

test('serves the last good objects of a file that became a directory', async (t) => {
  const { dir, recorder, put } = await begin(t, { 'a.yml': toText(manifest('a')) })
  await symlink('.', join(dir, '.a.yml'))
  await rename(join(dir, '.a.yml'), join(dir, 'a.yml'))
  await recorder.error(({ origin }) => origin === 'a.yml')
  await put('b.yml', toText(manifest('b')))
  await recorder.snapshot(serves('a', 'b'))
  t.pass()
})

test('refuses a file over the limit, and one that is not UTF-8', async (t) => {
  const dir = await makeDirectory(t)
  await writeFile(join(dir, 'big.yml'), toText(manifest('big')).padEnd(2001))
  await writeFile(join(dir, 'full.yml'), toText(manifest('full')).padEnd(2000))
  await writeFile(join(dir, 'latin1.yml'), Buffer.from([0x61, 0x3a, 0x20, 0xe4]))
  const recorder = watched(t, dir, { ...quick, fileLimitBytes: 2000 })
  t.deepEqual(namesOf(await recorder.snapshotAt(0)), ['full'])
  t.deepEqual(
    recorder.errors.map(({ origin, message }) => [origin, message]),
    [
      ['big.yml', 'expected at most 2000 bytes (option fileLimitBytes), got 2001'],
      ['latin1.yml', 'expected UTF-8 text'],
    ],
  )
})

test('follows the swap of a mounted ConfigMap, and the deletion of the old one', async (t) => {
  const dir = await makeDirectory(t)
  const swapTo = async (generation: string, files: Readonly<Record<string, string>>): Promise<void> => {
    await mkdir(join(dir, generation))
    for (const [name, text] of Object.entries(files)) await writeFile(join(dir, generation, name), text)
    await symlink(generation, join(dir, '..data_tmp'))
    await rename(join(dir, '..data_tmp'), join(dir, '..data'))
  }
  await swapTo('..2026_01', { 'a.yml': toText(manifest('a', 'v1')) })
  await symlink('..data/a.yml', join(dir, 'a.yml'))
  const recorder = watched(t, dir)
  t.is(versionOf(await recorder.snapshotAt(0), 'a'), 'v1')
  for (const [generation, old] of [
    [2, 1],
    [3, 2],
  ]) {
    const version = `v${String(generation)}`
    await swapTo(`..2026_0${String(generation)}`, { 'a.yml': toText(manifest('a', version)) })
    await rm(join(dir, `..2026_0${String(old)}`), { recursive: true })
    await recorder.snapshot((snapshot) => versionOf(snapshot, 'a') === version)
  }
  t.deepEqual(recorder.errors, [])
})

test('serves on when its directory is gone, and follows it when it comes back', async (t) => {
  const parent = await makeDirectory(t)
  const dir = join(parent, 'services')
  const fill = async (version: string): Promise<void> => {
    await mkdir(dir)
    await writeFile(join(dir, 'a.yml'), toText(manifest('a', version)))
  }
  await fill('v1')
  const recorder = watched(t, dir)
  await recorder.snapshotAt(0)
  await rename(dir, join(parent, 'old'))
  t.deepEqual(await recorder.error(() => true), {
    message: 'expected a readable file or directory, got ENOENT',
    origin: 'services',
  })
  t.is(recorder.snapshots.length, 1)
  await fill('v2')
  await recorder.snapshot((snapshot) => versionOf(snapshot, 'a') === 'v2')
})

test('follows a directory that is deleted and made again, which may get the old inode number', async (t) => {
  const dir = join(await makeDirectory(t), 'services')
  await mkdir(dir)
  const recorder = watched(t, dir)
  await recorder.snapshotAt(0)
  for (const version of ['v1', 'v2', 'v3']) {
    await rm(dir, { recursive: true })
    await mkdir(dir)
    await writeFile(join(dir, 'a.yml'), toText(manifest('a', version)))
    await recorder.snapshot((snapshot) => versionOf(snapshot, 'a') === version)
    await writeFile(join(dir, 'b.yml'), toText(manifest(`b-${version}`)))
    await recorder.snapshot((snapshot) => versionOf(snapshot, `b-${version}`) === 'v1')
  }
  t.pass()
})

test('begins empty without its directory, reports that once, and follows it when it is created', async (t) => {
  const parent = await makeDirectory(t)
  const dir = join(parent, 'services')
  const recorder = watched(t, dir)
  const missing = { message: 'expected a readable file or directory, got ENOENT', origin: 'services' }
  t.deepEqual(await recorder.snapshotAt(0), { services: [], rejected: [], errors: [missing] })
  t.deepEqual(
    recorder.errors.map(({ origin }) => origin),
    ['services'],
  )
  await mkdir(dir)
  await writeFile(join(dir, 'a.yml'), toText(manifest('a')))
  await recorder.snapshot(serves('a'))
  t.is(recorder.errors.length, 1)
})

test('tells in a snapshot when a file is whole again, though its objects are those that served on', async (t) => {
  const dir = await makeDirectory(t)
  await writeFile(join(dir, 'a.yml'), toText(manifest('a')))
  const recorder = watched(t, dir)
  await recorder.snapshotAt(0)
  await writeFile(join(dir, 'a.yml'), 'a: [')
  const broken = await recorder.snapshotAt(1)
  t.is(broken.errors?.[0]?.origin, 'a.yml')
  await writeFile(join(dir, 'a.yml'), toText(manifest('a')))
  const whole = await recorder.snapshotAt(2)
  t.is(whole.errors, undefined)
  t.deepEqual(whole.services, broken.services)
})

test('reports a missing directory once, however often it looks', async (t) => {
  const dir = join(await makeDirectory(t), 'services')
  const recorder = watched(t, dir, { ...quick, rescanMs: 15 })
  await recorder.snapshotAt(0)
  await new Promise<void>((resolve) => {
    let looks = 0
    const read = (): Promise<void> => {
      looks += 1
      if (looks === 6) resolve()
      return Promise.resolve()
    }
    const [onReadError, onWatchError] = [() => t.fail(), () => undefined]
    const twin = createWatch({ path: dir, debounceMs: 10, rescanMs: 15, read, onReadError, onWatchError })
    t.teardown(() => twin.close())
  })
  t.is(recorder.errors.length, 1)
})

test('follows a directory link that is swapped for another', async (t) => {
  const parent = await makeDirectory(t)
  for (const name of ['one', 'two']) {
    await mkdir(join(parent, name))
    await writeFile(join(parent, name, 'a.yml'), toText(manifest(name)))
  }
  await symlink('one', join(parent, 'live'))
  const recorder = watched(t, join(parent, 'live'))
  t.deepEqual(namesOf(await recorder.snapshotAt(0)), ['one'])
  await symlink('two', join(parent, 'next'))
  await rename(join(parent, 'next'), join(parent, 'live'))
  await recorder.snapshot(serves('two'))
  await writeFile(join(parent, 'two', 'b.yml'), toText(manifest('three')))
  await recorder.snapshot(serves('two', 'three'))
  t.pass()
})

test('finds by rescan what no watch tells', async (t) => {
  const elsewhere = await makeDirectory(t)
  const target = join(elsewhere, 'target.yml')
  await writeFile(target, toText(manifest('a', 'v1')))
  const dir = await makeDirectory(t)
  await symlink(target, join(dir, 'a.yml'))
  const recorder = watched(t, dir, { ...quick, rescanMs: 50 })
  await recorder.snapshotAt(0)
  await writeFile(target, toText(manifest('a', 'v2')))
  await recorder.snapshot((snapshot) => versionOf(snapshot, 'a') === 'v2')
  t.pass()
})

test('serves the first file of two that define one name, and the second when the first is gone', async (t) => {
  const { dir, recorder, first } = await begin(t, {
    'b.yml': toText(manifest('x', 'v2')),
    'a.yml': toText(manifest('y'), manifest('x', 'v1')),
  })
  t.is(versionOf(first, 'x'), 'v1')
  t.deepEqual(first.rejected, [
    {
      origin: 'b.yml',
      name: 'x',
      causes: [{ reason: 'FieldValueDuplicate', field: 'metadata.name', message: '"x" is already defined in a.yml#2' }],
    },
  ])
  await unlink(join(dir, 'a.yml'))
  const next = await recorder.snapshotAt(1)
  t.is(versionOf(next, 'x'), 'v2')
  t.deepEqual(next.rejected, [])
})

test('reports what its subscriber throws, and reads on', async (t) => {
  const dir = await makeDirectory(t)
  const errors: unknown[] = []
  await new Promise<void>((resolve) => {
    const unsubscribe = fileSource(dir, quick).subscribe({
      next: ({ services }) => {
        if (services.length === 0) throw new Error('not ready')
        resolve()
      },
      error: ({ message, cause }) => {
        errors.push(message, cause)
        void place(dir, 'a.yml', toText(manifest('a')))
      },
    })
    t.teardown(unsubscribe)
  })
  t.deepEqual(errors, ['expected a subscriber that takes every snapshot, got an error', new Error('not ready')])
})

test('lets a __proto__ key harm nobody', async (t) => {
  const text = `${toText(manifest('a'))}\n---\n__proto__: { kind: DataPlaneService, metadata: { name: ghost } }\n`
  const { first } = await begin(t, { 'a.yml': text })
  t.deepEqual(namesOf(first), ['a'])
  t.deepEqual(
    first.rejected.map(({ name }) => name),
    [undefined],
  )
  t.false('metadata' in {})
})

test('names no path of the host in what it says', async (t) => {
  const dir = await makeDirectory(t)
  await symlink('nowhere', join(dir, 'a.yml'))
  await writeFile(join(dir, 'b.yml'), 'a: [')
  await writeFile(join(dir, 'c.yml'), toText(badManifest('c')))
  const recorder = watched(t, dir)
  await recorder.snapshotAt(0)
  const lost = watched(t, join(dir, 'gone'))
  await lost.snapshotAt(0)
  const said = JSON.stringify([recorder.errors, recorder.snapshots, lost.errors])
  t.is(recorder.errors.length + lost.errors.length, 3)
  t.false(said.includes(tmpdir()))
})

test('tells that the operating system grants no watch', async (t) => {
  const recorder = watched(t, join(await makeDirectory(t), 'x'.repeat(300)))
  const error = await recorder.error(({ message }) => message.includes('watch'))
  t.is(error.message, 'expected a watch from the operating system, got ENAMETOOLONG: changes are found at rescans only')
  t.deepEqual((await recorder.snapshotAt(0)).services, [])
})

test('refuses options that would read without pause', (t) => {
  for (const options of [{ rescanMs: 0 }, { rescanMs: Infinity }, { debounceMs: -1 }, { fileLimitBytes: NaN }]) {
    t.throws(() => fileSource('.', options), { instanceOf: TypeError, message: /^expected option \w+ to be / })
  }
})

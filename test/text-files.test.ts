import { rmSync, writeFileSync } from 'node:fs'
import { mkdtemp, rename, rm, stat, utimes, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import test, { type ExecutionContext } from 'ava'

import { E } from '../src/fp.ts'
import { createTextFiles, type TextFile } from '../src/text-files.ts'

const makeDirectory = async (t: ExecutionContext): Promise<string> => {
  const dir = await mkdtemp(join(tmpdir(), 'text-files-'))
  t.teardown(() => rm(dir, { recursive: true, force: true }))
  return dir
}

/** Its steps are some ms long; `.probe` is no accepted file. */
const untilClockOfFilesSteps = async (dir: string): Promise<void> => {
  const touch = async (): Promise<number> => {
    await writeFile(join(dir, '.probe'), '')
    return (await stat(join(dir, '.probe'))).ctimeMs
  }
  const before = await touch()
  while ((await touch()) === before);
}

const reader = (path: string, now = Date.now) => {
  const read = createTextFiles({ path, accepts: (name) => name.endsWith('.txt'), fileLimitBytes: 100, now })
  return async (): Promise<ReadonlyArray<TextFile>> =>
    E.getOrElse((error: string): ReadonlyArray<TextFile> => [{ name: error, text: E.left('') }])(await read())
}

test('gives the accepted files sorted by name', async (t) => {
  const dir = await makeDirectory(t)
  for (const name of ['b.txt', 'a.txt', 'B.txt', 'a.md', '.a.txt']) await writeFile(join(dir, name), name)
  t.deepEqual(await reader(dir)(), [
    { name: 'B.txt', text: E.right('B.txt') },
    { name: 'a.txt', text: E.right('a.txt') },
    { name: 'b.txt', text: E.right('b.txt') },
  ])
})

test('gives a single file, whatever its name, and tells when it is gone', async (t) => {
  const path = join(await makeDirectory(t), 'one.md')
  await writeFile(path, '\uFEFFtext')
  const read = reader(path)
  t.deepEqual(await read(), [{ name: 'one.md', text: E.right('text') }])
  await rm(path)
  t.is((await read())[0]?.name, 'expected a readable file or directory, got ENOENT')
})

test('does without a file that is deleted while it reads', async (t) => {
  const dir = await makeDirectory(t)
  for (const name of ['a.txt', 'b.txt']) await writeFile(join(dir, name), name)
  const read = reader(dir, () => {
    rmSync(join(dir, 'b.txt'), { force: true })
    return Date.now()
  })
  t.deepEqual(await read(), [{ name: 'a.txt', text: E.right('a.txt') }])
})

test('gives the same object as long as the text is the same', async (t) => {
  const dir = await makeDirectory(t)
  for (const name of ['a.txt', 'b.txt', 'c.txt']) await writeFile(join(dir, name), 'same')
  const read = reader(dir)
  const first = await read()
  await writeFile(join(dir, 'b.txt'), 'else')
  await writeFile(join(dir, '.c'), 'same')
  await rename(join(dir, '.c'), join(dir, 'c.txt'))
  const second = await read()
  t.deepEqual(
    first.map((file, index) => file === second[index]),
    [true, false, true],
  )
})

test('finds a change right after the last read, within one step of the clock of files', async (t) => {
  const dir = await makeDirectory(t)
  const path = join(dir, 'a.txt')
  const read = reader(dir)
  for (let round = 0; round < 300; round++) {
    const text = `round ${String(round).padStart(3)}`
    writeFileSync(path, text)
    t.deepEqual((await read())[0]?.text, E.right(text))
  }
})

test('finds a later change that leaves size and modification time as they were', async (t) => {
  const dir = await makeDirectory(t)
  const path = join(dir, 'a.txt')
  const read = reader(dir, () => Date.now() + 3_600_000)
  for (const text of ['one', 'two', 'six']) {
    await writeFile(path, text)
    await utimes(path, 1, 1)
    // Within one step of the clock that stamps it, nobody could tell: the hour above takes our own caution away.
    await untilClockOfFilesSteps(dir)
    t.deepEqual((await read())[0]?.text, E.right(text))
  }
})

test('reads a great many files', async (t) => {
  const dir = await makeDirectory(t)
  const names = Array.from({ length: 1000 }, (_, index) => `${String(index).padStart(4, '0')}.txt`)
  await Promise.all(names.map((name) => writeFile(join(dir, name), name)))
  const files = await reader(dir)()
  t.deepEqual(
    files.map(({ name, text }) => [name, text]),
    names.map((name) => [name, E.right(name)]),
  )
})

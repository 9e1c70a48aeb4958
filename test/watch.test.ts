import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import test, { type ExecutionContext } from 'ava'

import { createWatch, type Watch } from '../src/watch.ts'

const makeDirectory = async (t: ExecutionContext): Promise<string> => {
  const dir = await mkdtemp(join(tmpdir(), 'watch-'))
  t.teardown(() => rm(dir, { recursive: true, force: true }))
  return dir
}

const quiet = { debounceMs: 5, onReadError: () => undefined, onWatchError: () => undefined }

const fail = (): never => {
  throw new Error('broken')
}

/** A watch whose reads are counted; each waits for `work`, and `count` resolves when that many have begun. */
const createCounted = (path: string, rescanMs: number, work: (count: number) => Promise<void>) => {
  const waiting = new Map<number, () => void>()
  const state = { reads: 0, atATime: 0, most: 0 }
  const watch: Watch = createWatch({
    ...quiet,
    path,
    rescanMs,
    read: async () => {
      state.reads += 1
      state.atATime += 1
      state.most = Math.max(state.most, state.atATime)
      waiting.get(state.reads)?.()
      await work(state.reads)
      state.atATime -= 1
    },
  })
  const count = (wanted: number): Promise<void> =>
    new Promise((resolve) => {
      if (state.reads >= wanted) resolve()
      else waiting.set(wanted, resolve)
    })
  return { watch, state, count }
}

test('reads once at the start, not inside the call', async (t) => {
  const { watch, state, count } = createCounted(await makeDirectory(t), 60_000, () => Promise.resolve())
  t.is(state.reads, 0)
  await count(1)
  await watch.close()
  t.is(state.reads, 1)
})

test('reads again for what happened during a read, and never twice at a time', async (t) => {
  const path = await makeDirectory(t)
  const other = createCounted(path, 60_000, () => Promise.resolve())
  t.teardown(() => other.watch.close())
  await other.count(1)
  const { watch, state, count } = createCounted(path, 60_000, async (reads) => {
    if (reads > 1) return
    // The other watch has seen the write, and has had its debounce: so has this one.
    await writeFile(join(path, 'a'), 'x')
    await other.count(2)
    await writeFile(join(path, 'b'), 'x')
    await other.count(3)
  })
  await count(2)
  await watch.close()
  t.is(state.most, 1)
})

test('reads now and then without any event', async (t) => {
  const { watch, count } = createCounted(await makeDirectory(t), 10, () => Promise.resolve())
  await count(4)
  await watch.close()
  t.pass()
})

test('waits for the read under way when it is closed, and reads no more', async (t) => {
  const path = await makeDirectory(t)
  const steps: string[] = []
  let finish = (): void => undefined
  const { watch, count, state } = createCounted(path, 10, async () => {
    await new Promise<void>((resolve) => {
      finish = resolve
    })
    steps.push('read')
  })
  await count(1)
  const closing = watch.close().then(() => steps.push('closed'))
  finish()
  await closing
  t.deepEqual(steps, ['read', 'closed'])
  t.is(state.reads, 1)
})

test('may be closed before its first read, and twice', async (t) => {
  const { watch, state } = createCounted(await makeDirectory(t), 10, () => Promise.resolve())
  await Promise.all([watch.close(), watch.close()])
  t.is(state.reads, 0)
})

for (const [how, read] of [
  ['throws', () => fail()],
  ['rejects', () => Promise.reject(new Error('broken'))],
] as const) {
  test(`reports a read that ${how} to a callback that may throw itself, and reads on`, async (t) => {
    const path = await makeDirectory(t)
    const causes: unknown[] = []
    await new Promise<void>((resolve) => {
      const onReadError = (cause: unknown): never => {
        causes.push(cause)
        if (causes.length === 3) resolve()
        throw new Error('nor do I work')
      }
      const watch = createWatch({ ...quiet, path, rescanMs: 10, read, onReadError })
      t.teardown(() => watch.close())
    })
    t.deepEqual(causes.slice(0, 3), Array(3).fill(new Error('broken')))
  })
}

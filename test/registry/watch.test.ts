import test, { type ExecutionContext } from 'ava'
import fc from 'fast-check'

import { E } from '../../src/fp.ts'
import type { ObjectStore } from '../../src/object-store.ts'
import { createManualClock, settle } from '../plugins/_setup.ts'
import {
  brief,
  createObjects,
  parse,
  read,
  runner,
  watching,
  type Asked,
  type Objects,
  type Watching,
} from './_reads.ts'

const watch = async (objects: ObjectStore, query: string, { clock, random, ...asked }: Asked = {}): Promise<Watching> =>
  watching(await runner(objects, clock, random)(`?watch=true${query}`, asked))

/** a, b and c at the revisions 1 to 3. */
const three = (historyLimit?: number): Objects => {
  const objects = createObjects(historyLimit === undefined ? {} : { historyLimit })
  for (const name of ['a', 'b', 'c']) objects.put(name, { at: name })
  return objects
}

/** Tells who listens to the store. */
const counted = (objects: Objects): Objects & { readonly listeners: () => number } => {
  let count = 0
  return {
    ...objects,
    listeners: () => count,
    subscribe: (listener) => {
      const end = objects.subscribe(listener)
      count++
      return () => {
        count--
        end()
      }
    },
  }
}

/** The first lines of a watch of `three`, in which d comes at 4, b goes at 5, and a changes at 6. */
const rows: ReadonlyArray<readonly [query: string, expected: ReadonlyArray<string>]> = [
  ['', ['ADDED a@1', 'ADDED b@2', 'ADDED c@3', 'ADDED d@4', 'DELETED b@5', 'MODIFIED a@6']],
  ['&resourceVersion=', ['ADDED a@1', 'ADDED b@2', 'ADDED c@3', 'ADDED d@4', 'DELETED b@5', 'MODIFIED a@6']],
  ['&resourceVersion=0', ['ADDED a@1', 'ADDED b@2', 'ADDED c@3', 'ADDED d@4', 'DELETED b@5', 'MODIFIED a@6']],
  ['&resourceVersion=2', ['ADDED c@3', 'ADDED d@4', 'DELETED b@5', 'MODIFIED a@6']],
  ['&resourceVersion=3', ['ADDED d@4', 'DELETED b@5', 'MODIFIED a@6']],
  ['&resourceVersion=5', ['MODIFIED a@6']],
  ['&sendInitialEvents=false&resourceVersionMatch=NotOlderThan', ['ADDED d@4', 'DELETED b@5', 'MODIFIED a@6']],
  ['&sendInitialEvents=false&resourceVersionMatch=NotOlderThan&resourceVersion=2', ['ADDED c@3', 'ADDED d@4']],
  [
    '&sendInitialEvents=true&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true',
    ['ADDED a@1', 'ADDED b@2', 'ADDED c@3', 'BOOKMARK@3', 'ADDED d@4', 'DELETED b@5', 'MODIFIED a@6'],
  ],
  [
    '&sendInitialEvents=true&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true&resourceVersion=2',
    ['ADDED a@1', 'ADDED b@2', 'ADDED c@3', 'BOOKMARK@3', 'ADDED d@4'],
  ],
  ['&sendInitialEvents=1&resourceVersionMatch=NotOlderThan', ['ADDED a@1', 'ADDED b@2', 'ADDED c@3', 'ADDED d@4']],
  ['&fieldSelector=metadata.name%3Da&resourceVersion=0', ['ADDED a@1', 'MODIFIED a@6']],
  ['&labelSelector=at+in+(b,d)', ['ADDED b@2', 'ADDED d@4', 'DELETED b@5']],
  ['&limit=1', ['ADDED a@1', 'ADDED b@2', 'ADDED c@3', 'ADDED d@4']],
]
for (const [query, expected] of rows) {
  test(`tells at "${query}" ${expected.join(', ')}`, async (t) => {
    const objects = three()
    const { take, leave } = await watch(objects, query)
    const taken = take(expected.length)
    await settle()
    objects.put('d', { at: 'd' })
    objects.remove('b')
    objects.put('a', { at: 'a' }, { spec: {} })
    t.deepEqual(await taken, expected)
    await leave()
  })
}

const refusals: ReadonlyArray<readonly [query: string, status: number]> = [
  ['&resourceVersion=x', 400],
  ['&timeoutSeconds=soon', 400],
  ['&limit=x', 400],
  ['&labelSelector=%3D', 400],
  ['&fieldSelector=spec.group%3Dx', 400],
  ['&sendInitialEvents=true', 422],
  ['&sendInitialEvents=false', 422],
  ['&sendInitialEvents=true&resourceVersionMatch=Exact', 422],
  ['&resourceVersionMatch=NotOlderThan', 422],
  ['&sendInitialEvents=true&resourceVersionMatch=NotOlderThan&continue=x', 422],
]
for (const [query, status] of refusals) {
  test(`answers ${String(status)} to a watch of "${query}"`, async (t) => {
    t.is(read(await runner(three())(`?watch=true${query}`)).status, status)
  })
}

test('takes anything but false and 0 for a watch', async (t) => {
  const run = runner(three())
  for (const value of ['true', '1', 'maybe', '']) t.is((await run(`?watch=${value}`))._tag, 'Stream')
  for (const value of ['false', 'False', '0']) t.is((await run(`?watch=${value}`))._tag, 'Bytes')
})

test('marks the end of what there is, also where there is nothing', async (t) => {
  const query = '&sendInitialEvents=true&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true'
  const { next, leave } = await watch(three(), `${query}&labelSelector=none`)
  t.deepEqual(await next(), {
    type: 'BOOKMARK',
    object: {
      kind: 'DataPlaneService',
      apiVersion: 'aggregation.grafana.app/v0alpha1',
      metadata: { resourceVersion: '3', annotations: { 'k8s.io/initial-events-end': 'true' } },
    },
  })
  await leave()
})

test('tells what begins and what ceases to be selected', async (t) => {
  const objects = three()
  const { take, next, leave } = await watch(objects, '&resourceVersion=3&labelSelector=on')
  objects.put('a', { at: 'a', on: '1' })
  objects.put('b', { on: '2' })
  objects.put('b', { on: '3' })
  objects.put('c', { other: 'x' })
  objects.put('b', { off: '1' })
  objects.put('b', { off: '2' })
  objects.remove('b')
  t.deepEqual(await take(3), ['ADDED a@4', 'ADDED b@5', 'MODIFIED b@6'])
  t.like(await next(), {
    type: 'DELETED',
    object: { metadata: { name: 'b', resourceVersion: '8', labels: { on: '3' } } },
  })
  objects.remove('a')
  t.like(await next(), {
    type: 'DELETED',
    object: { metadata: { resourceVersion: '11', labels: { at: 'a', on: '1' } } },
  })
  await leave()
})

test('tells within the stream that a version is too old, and ends', async (t) => {
  const objects = three(2)
  const { answer, next } = await watch(objects, '&resourceVersion=0')
  t.is(answer.status, 200)
  const expired = await watch(objects, '&resourceVersion=0')
  t.deepEqual(await expired.take(1), ['ADDED a@1'])
  await next()
  const { next: nextOld, take } = await watch(three(1), '&resourceVersion=1')
  t.like(await nextOld(), {
    type: 'ERROR',
    object: { kind: 'Status', code: 410, reason: 'Expired', message: 'too old resource version: 1 (3)' },
  })
  t.deepEqual(await take(1), ['end'])
})

test('is silent until a version that is not there yet', async (t) => {
  const { clock, advance } = createManualClock()
  const objects = three()
  const { take, leave } = await watch(objects, '&resourceVersion=5&allowWatchBookmarks=true', { clock })
  const taken = take(2)
  await advance(2000)
  objects.put('d')
  objects.put('e')
  await advance(2000)
  objects.put('f')
  await settle()
  await advance(60_000)
  t.deepEqual(await taken, ['ADDED f@6', 'BOOKMARK@6'])
  await leave()
})

test('tells who waits for a version that does not come, such as one of another process, to list again', async (t) => {
  const { clock, advance, timers } = createManualClock()
  const { next, take } = await watch(three(), '&resourceVersion=1790000000000000', { clock })
  const told = next()
  await advance(3000)
  t.like(await told, {
    type: 'ERROR',
    object: { code: 410, reason: 'Expired', message: 'too large resource version: 1790000000000000 (3)' },
  })
  t.deepEqual(await take(1), ['end'])
  t.is(timers.size, 0)
})

test('cannot list what is not there yet', async (t) => {
  const { clock, advance } = createManualClock()
  const query = '?watch=1&sendInitialEvents=true&resourceVersionMatch=NotOlderThan&resourceVersion=9'
  const asked = runner(three(), clock)(query)
  await advance(0)
  await advance(3000)
  t.is(read(await asked).status, 504)
})

test('sends a bookmark every minute, also of what is not selected, and one before its time is over', async (t) => {
  const { clock, advance, timers } = createManualClock()
  const objects = counted(three())
  const query = '&allowWatchBookmarks=true&timeoutSeconds=150&resourceVersion=3&labelSelector=none'
  const { take, next } = await watch(objects, query, { clock })
  const first = take(2)
  await settle()
  objects.put('d')
  await advance(60_000)
  objects.put('e')
  await advance(60_000)
  t.deepEqual(await first, ['BOOKMARK@4', 'BOOKMARK@5'])
  const last = next()
  await advance(29_999)
  objects.put('f')
  await advance(1)
  const { kind, apiVersion } = (await last)?.object ?? {}
  t.is(`${String(kind)} ${String(apiVersion)}`, 'DataPlaneService aggregation.grafana.app/v0alpha1')
  t.is(brief((await last) ?? {}), 'BOOKMARK@5')
  t.deepEqual(await take(2), ['end', 'end'])
  t.is(timers.size + objects.listeners(), 0)
})

test('goes on to where the store is, also where nothing has changed on the way', async (t) => {
  const { clock, advance } = createManualClock()
  const objects = three()
  const query = '&allowWatchBookmarks=true&resourceVersion=2'
  const { take, leave } = await watch({ ...objects, revision: () => 9 }, query, { clock })
  const taken = take(2)
  await advance(60_000)
  t.deepEqual(await taken, ['ADDED c@3', 'BOOKMARK@9'])
  await leave()
})

test('sends no bookmarks to whom did not ask', async (t) => {
  const { clock, advance } = createManualClock()
  const { take } = await watch(three(), '&resourceVersion=3&timeoutSeconds=90', { clock })
  const taken = take(1)
  await advance(60_000)
  await advance(30_000)
  t.deepEqual(await taken, ['end'])
})

const times: ReadonlyArray<readonly [query: string, limitMs: number, random: number, expectedMs: number]> = [
  ['', 7_200_000, 0, 1_800_000],
  ['', 7_200_000, 0.5, 2_700_000],
  ['&timeoutSeconds=0', 7_200_000, 0.5, 2_700_000],
  ['', 1_802_000, 0, 900_000],
  ['', 1_802_000, 1, 1_800_000],
  ['&timeoutSeconds=10', 1_802_000, 0, 10_000],
  ['&timeoutSeconds=99999999', 1_802_000, 0, 1_800_000],
  ['&timeoutSeconds=10', 1000, 0, 900],
  ['&timeoutSeconds=-1', 1000, 0, 0],
]
for (const [query, timeoutMs, random, expectedMs] of times) {
  test(`ends "${query}" after ${String(expectedMs)} of ${String(timeoutMs)} ms by the die ${String(random)}`, async (t) => {
    const { clock, timers } = createManualClock()
    const { take, leave } = await watch(three(), `&resourceVersion=3${query}`, {
      clock,
      random: () => random,
      env: { timeoutMs },
    })
    void take(1)
    await settle()
    t.deepEqual(
      [...timers].map(({ at }) => at - clock.now()),
      [expectedMs],
    )
    await leave()
  })
}

test('tells of columns once, and of each object as a row', async (t) => {
  const accept = 'application/json;as=Table;v=v1;g=meta.k8s.io'
  const objects = three()
  const { next, take, leave } = await watch(objects, '&fieldSelector=metadata.name!%3Dc', { headers: { accept } })
  const first = await next()
  t.is(first?.object?.kind, 'Table')
  t.is(first?.object?.metadata?.resourceVersion, '1')
  t.is(first?.object?.columnDefinitions?.[0]?.name, 'Name')
  t.is(first?.object?.rows?.[0]?.cells[0], 'a')
  t.deepEqual((await next())?.object?.columnDefinitions, [])
  objects.remove('a')
  t.deepEqual(await take(1), ['DELETED a@4'])
  await leave()
})

test('tells of columns in the first change where nothing is there to begin with', async (t) => {
  const accept = 'application/json;as=Table;v=v1beta1;g=meta.k8s.io'
  const objects = three()
  const query = '&resourceVersion=3&includeObject=None'
  const watches = [
    await watch(objects, query, { headers: { accept } }),
    await watch(objects, query, { headers: { accept } }),
  ]
  objects.put('d')
  for (const { next, leave } of watches) {
    const { columnDefinitions, rows: found } = (await next())?.object ?? {}
    t.is(columnDefinitions?.length, 8)
    t.is(found?.[0]?.object, null)
    await leave()
  }
})

test('tells of metadata alone', async (t) => {
  const accept = 'application/json;as=PartialObjectMetadata;v=v1;g=meta.k8s.io'
  const { clock, advance } = createManualClock()
  const { next, leave } = await watch(three(), '&resourceVersion=2&allowWatchBookmarks=1', {
    clock,
    headers: { accept },
  })
  const meta = { kind: 'PartialObjectMetadata', apiVersion: 'meta.k8s.io/v1' }
  const metadata = { name: 'c', labels: { at: 'c' }, resourceVersion: '3' }
  t.deepEqual(await next(), { type: 'ADDED', object: { ...meta, metadata } })
  const bookmark = next()
  await advance(60_000)
  t.deepEqual(await bookmark, { type: 'BOOKMARK', object: { ...meta, metadata: { resourceVersion: '3' } } })
  await leave()
})

test('writes each change once for all who read it alike', async (t) => {
  const objects = three()
  const run = runner(objects)
  const accept = 'application/json;as=Table;v=v1;g=meta.k8s.io'
  const all = await Promise.all(
    Array.from({ length: 200 }, async (_, index) =>
      watching(await run('?watch=1&resourceVersion=3', { headers: index % 2 === 0 ? {} : { accept } })),
    ),
  )
  let written = 0
  const spec = { toJSON: () => String(++written) }
  const changes = all.map(({ nextBytes }) => nextBytes())
  objects.put('d', {}, { spec })
  const [whole, table, ...rest] = await Promise.all(changes)
  t.true(rest.every((bytes, index) => bytes === (index % 2 === 0 ? whole : table)))
  t.not(whole, table)
  t.is(written, 1)
  objects.put('d', { changed: '1' }, { spec })
  const again = await Promise.all(all.map(({ nextBytes }) => nextBytes()))
  t.is(new Set(again).size, 2)
  for (const { leave } of all) await leave()
})

test('holds nothing for a reader that takes nothing, and tells him to list again', async (t) => {
  const objects = three(1000)
  const { take, leave } = await watch(objects, '&resourceVersion=3')
  const other = await watch(objects, '&resourceVersion=3')
  const first = take(1)
  const otherFirst = other.take(1)
  await settle()
  objects.put('d')
  await first
  await otherFirst
  for (let i = 0; i < 1000; i++) objects.put('d', { i: String(i) })
  t.is((await other.take(1000)).at(-1), 'MODIFIED d@1004')
  objects.put('e')
  t.deepEqual(await other.take(1), ['ADDED e@1005'])
  t.deepEqual(await take(2), ['ERROR 410', 'end'])
  await leave()
  await other.leave()
})

test('begins nothing before it is read', async (t) => {
  const { clock, timers } = createManualClock()
  const objects = counted(three())
  await watch(objects, '&allowWatchBookmarks=1', { clock })
  t.is(timers.size + objects.listeners(), 0)
})

test('begins nothing for a client that is gone already', async (t) => {
  const { clock, timers } = createManualClock()
  const objects = counted(three())
  const { take } = await watch(objects, '&resourceVersion=0', { clock, env: { signal: AbortSignal.abort() } })
  t.deepEqual(await take(1), ['end'])
  t.is(timers.size + objects.listeners(), 0)
})

const ends: ReadonlyArray<readonly [how: string, end: (watching: Watching, leaving: AbortController) => unknown]> = [
  ['is left', ({ leave }) => leave()],
  ['is left twice', ({ leave }) => Promise.all([leave(), leave()])],
  ['is aborted', (_watching, leaving) => leaving.abort()],
]
for (const [how, end] of ends) {
  test(`gives everything back when it ${how}`, async (t) => {
    const { clock, timers } = createManualClock()
    const objects = counted(three())
    const leaving = new AbortController()
    const asked = { clock, env: { signal: leaving.signal } }
    const watched = await watch(objects, '&resourceVersion=3&allowWatchBookmarks=1', asked)
    const taken = watched.take(2)
    await settle()
    t.is(timers.size + objects.listeners(), 3)
    await end(watched, leaving)
    t.deepEqual(await taken, ['end', 'end'])
    t.is(timers.size + objects.listeners(), 0)
    objects.put('d')
    t.deepEqual(await watched.take(1), ['end'])
  })
}

test('ends at an object that cannot be written, with the cause', async (t) => {
  const objects = three()
  const answer = await runner(objects)('?watch=1&resourceVersion=3')
  if (answer._tag !== 'Stream') throw new Error('expected a stream')
  const iterator = answer.chunks[Symbol.asyncIterator]()
  const step = iterator.next()
  objects.put('d', {}, { spec: 1n })
  t.like(await step, { value: { left: { _tag: 'Unexpected' } } })
  t.like(await iterator.next(), { done: true })
  const farewell = answer.farewell?.({ _tag: 'Unexpected', cause: 'x' })
  t.is(brief(parse(Buffer.from(farewell ?? []).toString())), 'ERROR 500')
  t.is(answer.farewell?.({ _tag: 'PluginUnavailable', message: 'closing', retryAfterSeconds: 1 }).length, 0)
})

test('answers those who ask at once in order', async (t) => {
  const objects = three()
  const { next, leave } = await watch(objects, '&resourceVersion=2')
  const asked = [next(), next(), next(), next()]
  await settle()
  objects.put('d')
  objects.put('e')
  await settle()
  await leave()
  const lines = await Promise.all(asked)
  t.deepEqual(
    lines.map((line) => line && brief(line)),
    ['ADDED c@3', 'ADDED d@4', 'ADDED e@5', undefined],
  )
})

/** What a client makes of a list and the lines after it. */
const follow = (state: Map<string, string>, line: string): void => {
  const [type = '', rest = ''] = line.split(' ')
  const [name = '', version = ''] = rest.split('@')
  if (type === 'DELETED') state.delete(name)
  else if (type === 'ADDED' || type === 'MODIFIED') state.set(name, version)
}

const stateOf = (objects: Objects, selects: (labels: Readonly<Record<string, string>>) => boolean) =>
  objects
    .list()
    .filter(({ metadata }) => selects(metadata.labels ?? {}))
    .map(({ metadata }) => [metadata.name, metadata.resourceVersion])

const converges = async (t: ExecutionContext, isSelective: boolean): Promise<void> => {
  const name = fc.constantFrom('a', 'b', 'c', 'd')
  const step = fc.oneof(
    fc.record({ put: name, on: fc.boolean() }),
    fc.record({ remove: name }),
    fc.record({ read: fc.integer({ min: 1, max: 3 }) }),
    fc.constant('turn' as const),
    fc.constant('resume' as const),
  )
  const selector = isSelective ? '&labelSelector=on' : ''
  const selects = (labels: Readonly<Record<string, string>>) => !isSelective || 'on' in labels
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 40 }), fc.boolean(), async (steps, isWatchList) => {
      const objects = createObjects()
      const run = runner(objects)
      const state = new Map<string, string>()
      let version = '0'
      const open = async (): Promise<Watching> => watching(await run(`?watch=1&resourceVersion=${version}${selector}`))
      const apply = (one: (typeof steps)[number]): void => {
        if (typeof one === 'string' || 'read' in one) return
        if ('put' in one) objects.put(one.put, one.on ? { on: '1' } : {})
        else if (objects.get(one.remove) !== undefined) objects.remove(one.remove)
      }
      for (const one of steps.slice(0, 5)) apply(one)
      if (!isWatchList) {
        const list = JSON.parse(read(await run(`?x${selector}`)).text) as {
          items: Objects['list'] extends () => infer L ? L : never
        }
        for (const { metadata } of list.items) state.set(metadata.name, metadata.resourceVersion ?? '')
        version = String(objects.revision())
      }
      let watched = await open()
      let under: Promise<unknown> = Promise.resolve()
      const takeOne = async (): Promise<void> => {
        const line = state.has('last') ? undefined : await watched.next()
        if (line === undefined) return
        follow(state, brief(line))
        const told = line.object?.metadata?.resourceVersion ?? '0'
        if (version !== '0' || line.type !== 'ADDED') version = told
      }
      for (const one of steps.slice(5)) {
        apply(one)
        if (one === 'turn') await settle()
        else if (typeof one === 'object' && 'read' in one) {
          for (let i = 0; i < one.read; i++) under = under.then(takeOne)
        } else if (one === 'resume' && version !== '0') {
          await watched.leave()
          await under
          under = Promise.resolve()
          watched = await open()
        }
      }
      objects.put('last', { on: '1' })
      await under.then(async () => {
        while (!state.has('last')) await takeOne()
      })
      await watched.leave()
      t.deepEqual([...state].sort(), stateOf(objects, selects))
    }),
    { numRuns: 150 },
  )
}

test('leads from a list to the present state, however changes and reads meet', (t) => converges(t, false))
test('leads to what is selected at present, however changes and reads meet', (t) => converges(t, true))

test('tells a lot of objects without holding up others for long', async (t) => {
  const objects = createObjects()
  for (let i = 0; i < 10_000; i++) objects.put(`o${String(i)}`)
  const answer = await runner(objects)('?watch=1')
  if (answer._tag !== 'Stream') throw new Error('expected a stream')
  let count = 0
  for await (const chunk of answer.chunks) {
    if (E.isLeft(chunk)) break
    t.true(chunk.right.length < 500)
    if (++count === 10_000) break
  }
  t.is(count, 10_000)
})

import test from 'ava'

import { collection, follow } from './_following.ts'
import { type Asked, bookmark, dps, event, failure, listOf, scriptedApiserver, status } from './_scripted-apiserver.ts'

const added = (name: string, resourceVersion: number, uid?: string) => event('ADDED', dps(name, resourceVersion, uid))
const gone = (name: string, resourceVersion: number, uid?: string) => event('DELETED', dps(name, resourceVersion, uid))

/** Follows up to where `a` at 5 was told of, and the watch goes on. */
const followed = async (t: Parameters<typeof follow>[0], tunables = {}) => {
  const apiserver = await scriptedApiserver(t)
  const all = follow(t, apiserver.url, tunables)
  const watch = await apiserver.next()
  watch.send(added('a', 5), bookmark(7, true))
  t.is(await all.told.next(), 'a@5')
  return { apiserver, watch, ...all }
}

test('takes in all objects and their changes by one watch', async (t) => {
  const apiserver = await scriptedApiserver(t)
  const { told, following } = follow(
    t,
    apiserver.url,
    {},
    { ...collection, labelSelector: 'a=b', fieldSelector: 'c=d' },
  )
  t.is(following.lastHeardMs(), undefined)
  const watch = await apiserver.next()
  t.is(watch.path, collection.path)
  t.deepEqual(watch.query, {
    watch: 'true',
    allowWatchBookmarks: 'true',
    timeoutSeconds: '120',
    labelSelector: 'a=b',
    fieldSelector: 'c=d',
    sendInitialEvents: 'true',
    resourceVersionMatch: 'NotOlderThan',
  })
  watch.send(added('a', 5), added('b', 3))
  watch.send(event('MODIFIED', dps('b', 8)), gone('a', 9))
  watch.send(bookmark(9, true), added('c', 10))
  t.is(await told.next(), 'b@8 c@10')
  t.is(following.lastHeardMs(), 1_000_000)
  watch.send(event('MODIFIED', dps('c', 11)), gone('b', 12), added('b', 13, 'another'))
  t.is(await told.next(), 'c@11 -b b@13')
  t.is(apiserver.requests.length, 1)
})

test('tells of a collection without objects, once', async (t) => {
  const apiserver = await scriptedApiserver(t)
  const { told } = follow(t, apiserver.url)
  const watch = await apiserver.next()
  watch.send(bookmark(4, true))
  t.is(await told.next(), '')
  watch.send(bookmark(5), failure(410, 'Expired'))
  const again = await apiserver.next()
  again.send(bookmark(6, true))
  again.send(added('a', 7))
  t.is(await told.next(), 'a@7')
})

test('keeps no managedFields', async (t) => {
  const apiserver = await scriptedApiserver(t)
  const { told } = follow(t, apiserver.url)
  const watch = await apiserver.next()
  watch.send(
    event('ADDED', dps('a', 1, 'u', { managedFields: [{ manager: 'm' }], labels: { x: 'y' } })),
    bookmark(1, true),
  )
  await told.next()
  t.deepEqual(told.objects.get('a')?.metadata, { name: 'a', uid: 'u', resourceVersion: '1', labels: { x: 'y' } })
})

for (const [title, refuse] of [
  ['422', (watch) => watch.answer(422, status(422, 'Invalid'))],
  ['400', (watch) => watch.answer(400, 'bad request')],
  ['500 within the watch', (watch) => watch.send(failure(500, 'InternalError'))],
  ['a watch that ends', (watch) => (watch.send(added('x', 1)), watch.end())],
] satisfies ReadonlyArray<[string, (watch: Asked) => void]>) {
  test(`lists where a watch cannot begin with all objects: ${title}`, async (t) => {
    const apiserver = await scriptedApiserver(t)
    const { told } = follow(t, apiserver.url)
    refuse(await apiserver.next())
    const list = await apiserver.next()
    t.deepEqual(list.query, { resourceVersion: '0', limit: '500' })
    list.answer(200, listOf(5, [dps('a', 2)], 'more'))
    const page = await apiserver.next()
    t.deepEqual(page.query, { limit: '500', continue: 'more' })
    page.answer(200, listOf(5, [dps('b', 3)]))
    t.is(await told.next(), 'a@2 b@3')
    const watch = await apiserver.next()
    t.deepEqual(watch.query, {
      watch: 'true',
      allowWatchBookmarks: 'true',
      timeoutSeconds: '120',
      resourceVersion: '5',
    })
    watch.send(bookmark(6), failure(410, 'Expired'))
    watch.end()
    // what refuses a question is not asked it again; what failed is
    const again = await apiserver.next()
    t.deepEqual([again.isWatch, again.query.resourceVersion], title.startsWith('4') ? [false, '6'] : [true, undefined])
    t.deepEqual(told.all, ['a@2 b@3'])
    t.is(apiserver.mostOpen(), 1)
  })
}

test('lists where the initial events have no end', async (t) => {
  const apiserver = await scriptedApiserver(t)
  const { told, advance, logger } = follow(t, apiserver.url)
  const watch = await apiserver.next()
  watch.send(added('a', 5))
  while (told.heard() === undefined) await new Promise((resolve) => setImmediate(resolve))
  await advance(10_000)
  await watch.gone
  const list = await apiserver.next()
  t.false(list.isWatch)
  list.answer(200, listOf(5, [dps('a', 5)]))
  t.is(await told.next(), 'a@5')
  t.is(logger.lines.length, 1)
})

test('goes on from the last resourceVersion, whatever a watch ended of', async (t) => {
  const { apiserver, watch, told } = await followed(t)
  watch.send(bookmark(20))
  watch.end()
  const second = await apiserver.next()
  t.is(second.query.resourceVersion, '20')
  t.is(second.query.sendInitialEvents, undefined)
  const line = JSON.stringify(added('b', 22))
  second.send(`${JSON.stringify(added('é', 21))}\n`, line)
  t.is(await told.next(), 'é@21')
  // a whole event, but for its line feed
  second.reset()
  const third = await apiserver.next()
  t.is(third.query.resourceVersion, '21')
  for (const byte of Buffer.from(`${line}\n`)) third.send(Buffer.from([byte]))
  t.is(await told.next(), 'b@22')
  t.deepEqual(told.all, ['a@5', 'é@21', 'b@22'])
})

test('tells only of what changed while it was away, and of who took a name', async (t) => {
  const { apiserver, watch, told } = await followed(t)
  watch.send(added('b', 8), added('c', 9), added('d', 10))
  await told.next()
  watch.send(failure(410, 'Expired'))
  const again = await apiserver.next()
  again.send(added('a', 5), added('b', 12), added('c', 13, 'another'), bookmark(14, true))
  t.is(await told.next(), '-d b@12 -c c@13')
})

test('tells nothing twice, nothing older, and of no end of another', async (t) => {
  const { watch, told } = await followed(t)
  watch.send(added('b', 20), added('b', 20), event('MODIFIED', dps('b', 19)), gone('b', 18, 'before'), gone('z', 21))
  t.is(await told.next(), 'b@20')
  watch.send(gone('b', 20), added('c', 22))
  t.is(await told.next(), '-b c@22')
})

test('skips what no collection holds, and says so once for each kind of it', async (t) => {
  const { watch, told, logger, apiserver } = await followed(t)
  const secret = { apiVersion: 'v1', kind: 'Secret', metadata: { name: 's', resourceVersion: '99' } }
  const other = { ...dps('o', 98), kind: 'Other' }
  watch.send(event('ADDED', secret), event('ADDED', secret), event('ADDED', other), { type: 'NEW', object: {} }, '\n')
  watch.send('{}\n', event('ADDED', { metadata: {} }), '[1]\n', added('b', 8))
  t.is(await told.next(), 'b@8')
  watch.reset()
  t.is((await apiserver.next()).query.resourceVersion, '8')
  t.deepEqual(
    logger.lines.map(({ fields }) => fields.what),
    [
      'an object of "v1, Secret"',
      'an object of kind "Other"',
      'an event of type "NEW"',
      'no event',
      'no object of ", "',
    ],
  )
})

for (const [title, spoil, told1] of [
  ['410', (watch) => watch.send(bookmark(8), failure(410, 'Expired')), undefined],
  ['another failure', (watch) => watch.send(failure(400, 'BadRequest')), 'failed: 400 BadRequest'],
  ['no JSON', (watch) => watch.send('<html>\n'), 'failed: Garbled'],
  ['a line without an end', (watch) => watch.send(' '.repeat(2000)), 'failed: Garbled'],
] satisfies ReadonlyArray<[string, (watch: Asked) => void, string | undefined]>) {
  test(`takes all in anew after a watch that told of ${title}`, async (t) => {
    const { apiserver, watch, told, advance } = await followed(t, { maxLineBytes: 1000 })
    spoil(watch)
    if (told1 !== undefined) {
      t.is(await told.next(), told1)
      await advance(799)
      t.is(apiserver.requests.length, 1)
      await advance(1)
    }
    const again = await apiserver.next()
    t.is(again.query.sendInitialEvents, 'true')
    again.send(added('a', 9), bookmark(10, true))
    t.is(await told.next(), 'a@9')
    if (told1 !== undefined) t.is(await told.next(), 'recovered')
  })
}

for (const [code, reason] of [
  [429, 'TooManyRequests'],
  [500, 'InternalError'],
] as const) {
  test(`goes on after a watch that told of ${String(code)}, not at once`, async (t) => {
    const { apiserver, watch, told, advance } = await followed(t)
    watch.send(added('b', 8), { type: 'ERROR', object: status(code, reason, { retryAfterSeconds: 3 }) })
    t.is(await told.next(), 'b@8')
    t.is(await told.next(), `failed: ${String(code)} ${reason}`)
    await advance(2999)
    t.is(apiserver.requests.length, 1)
    await advance(1)
    const again = await apiserver.next()
    t.is(again.query.resourceVersion, '8')
    again.begin()
    while (told.heard() !== 1_003_000) await new Promise((resolve) => setImmediate(resolve))
    t.is(told.all.at(-1), `failed: ${String(code)} ${reason}`)
    await advance(1000)
    t.is(await told.next(), 'recovered')
  })
}

test('waits longer and longer for an apiserver that refuses, keeps what it knows, and says why when the reason is another', async (t) => {
  const { apiserver, watch, told, advance } = await followed(t)
  watch.end()
  t.is(await told.next(), 'failed: Unreachable')
  const answers = [403, 403, 401, 404, 503].map((code) => [code, status(code, `R${String(code)}`)] as const)
  let waitMs = 800
  for (const [code, body] of answers) {
    await advance(waitMs - 1)
    const before = apiserver.requests.length
    await advance(1)
    const asked = await apiserver.next()
    t.is(before, apiserver.requests.length - 1)
    const isWatchList = asked.query.sendInitialEvents === 'true'
    t.is(isWatchList, waitMs > 800)
    asked.answer(code, body)
    if (code === 503) break
    waitMs *= 2
    // the second 403 is told to nobody
    if (apiserver.requests.length === 3) await asked.gone
    else t.is(await told.next(), `failed: ${String(code)} R${String(code)}`)
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
  const list = await apiserver.next()
  t.false(list.isWatch)
  list.answer(200, listOf(30, [dps('a', 5), dps('b', 29)]))
  t.is(await told.next(), 'b@29')
  t.is(told.all.at(-1), 'b@29')
  const last = await apiserver.next()
  last.begin()
  t.is(await told.next(), 'recovered')
})

test('asks for the present where the resourceVersion is of no history any more', async (t) => {
  const apiserver = await scriptedApiserver(t)
  const { told } = follow(t, apiserver.url)
  ;(await apiserver.next()).answer(422, status(422, 'Invalid'))
  ;(await apiserver.next()).answer(200, listOf(50, [dps('a', 49)]))
  await told.next()
  const watch = await apiserver.next()
  watch.send(bookmark(60), failure(410, 'Expired'))
  const list = await apiserver.next()
  t.deepEqual(list.query, { resourceVersion: '60' })
  list.answer(504, status(504, 'Timeout'))
  const present = await apiserver.next()
  t.deepEqual(present.query, { limit: '500' })
  present.answer(200, listOf(30, [dps('a', 20)]))
  t.is(await told.next(), 'a@20')
  t.is((await apiserver.next()).query.resourceVersion, '30')
})

test('does not go on from a history that is no more after contact was lost', async (t) => {
  const { apiserver, watch, told, advance } = await followed(t)
  watch.send(bookmark(50))
  watch.end()
  ;(await apiserver.next()).reset()
  // a request that found nobody is made once more by the transport
  t.is(await told.next(), 'failed: Unreachable')
  await advance(800)
  let probe = await apiserver.next()
  while (probe.isWatch) probe = await apiserver.next()
  t.deepEqual(probe.query, { limit: '1' })
  probe.answer(200, listOf(30, []))
  const again = await apiserver.next()
  t.is(again.query.sendInitialEvents, 'true')
  again.send(added('a', 5), added('b', 29), bookmark(30, true))
  t.deepEqual([await told.next(), await told.next()], ['b@29', 'recovered'])
})

test('gives up a silent watch, and asks for all anew', async (t) => {
  const { apiserver, watch, told, advance } = await followed(t)
  await advance(149_999)
  t.is(apiserver.open(), 1)
  await advance(1)
  await watch.gone
  const again = await apiserver.next()
  t.is(again.query.sendInitialEvents, 'true')
  again.send(added('a', 5), bookmark(30, true), added('b', 31))
  t.is(await told.next(), 'b@31')
})

test('asks for all anew where two minutes of watches have confirmed nothing', async (t) => {
  const { apiserver, watch, told, advance } = await followed(t)
  await advance(119_999)
  watch.end()
  const second = await apiserver.next()
  t.is(second.query.resourceVersion, '7')
  second.begin()
  while (told.heard() !== 1_119_999) await new Promise((resolve) => setImmediate(resolve))
  await advance(5000)
  second.end()
  t.is((await apiserver.next()).query.sendInitialEvents, 'true')
})

test('follows on when the follower throws', async (t) => {
  const { watch, told, logger } = await followed(t)
  told.throwNext()
  watch.send(added('b', 8))
  t.is(await told.next(), 'b@8')
  watch.send(added('c', 9))
  t.is(await told.next(), 'c@9')
  t.is(logger.lines[0]?.message, 'follower of a collection threw')
})

test('leaves nothing behind wherever it is closed', async (t) => {
  const stations = ['nothing', 'asked', 'initial', 'live', 'waiting', 'listing'] as const
  await Promise.all(
    stations.map(async (station) => {
      const apiserver = await scriptedApiserver(t)
      const { told, following, timers, advance } = follow(t, apiserver.url)
      if (station !== 'nothing') {
        const watch = await apiserver.next()
        if (station === 'initial') watch.send(added('a', 1))
        if (station === 'live') watch.send(added('a', 1), bookmark(1, true))
        if (station === 'waiting') watch.answer(403, '')
        if (station === 'live' || station === 'waiting') await told.next()
        if (station === 'listing') {
          watch.answer(400, '')
          await apiserver.next()
        }
      }
      const before = told.all.length
      await following.close()
      await following.close()
      t.is(timers.size, 0, station)
      await advance(600_000)
      while (apiserver.open() > 0) await new Promise((resolve) => setImmediate(resolve))
      t.is(told.all.length, before, station)
      t.true(apiserver.requests.length <= 2, station)
    }),
  )
})

test('ends with its connection', async (t) => {
  const { watch, told, timers, closeTransport, advance, apiserver } = await followed(t)
  await closeTransport()
  await watch.gone
  t.is(await told.next(), 'failed: Unreachable')
  await advance(800)
  await advance(600_000)
  t.is(timers.size, 0)
  t.is(told.all.length, 2)
  t.is(apiserver.requests.length, 1)
})

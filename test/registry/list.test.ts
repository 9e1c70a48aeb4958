import test from 'ava'
import fc from 'fast-check'

import { createManualClock } from '../plugins/_setup.ts'
import { ask, createObjects, read, runner, type Body, type Objects } from './_reads.ts'

const names = ({ items }: Body): string => (items ?? []).map(({ metadata }) => metadata?.name).join(' ')

/** a, b, c, d and e at the revisions 1 to 5. */
const five = (historyLimit?: number): Objects => {
  const objects = createObjects(historyLimit === undefined ? {} : { historyLimit })
  for (const name of ['b', 'd', 'a', 'e', 'c']) objects.put(name, { at: name })
  return objects
}

const tokenOf = (value: unknown): string => Buffer.from(JSON.stringify(value)).toString('base64url')

test('lists all objects in the order of their names', async (t) => {
  const { status, body } = await ask(five(), '')
  t.is(status, 200)
  t.like(body, { kind: 'DataPlaneServiceList', apiVersion: 'aggregation.grafana.app/v0alpha1' })
  t.deepEqual(body.metadata, { resourceVersion: '5', continue: '' })
  t.is(names(body), 'a b c d e')
})

test('lists nothing as no items', async (t) => {
  t.deepEqual((await ask(createObjects(), '')).body.items, [])
})

test('waits for the first state', async (t) => {
  const objects = createObjects()
  let begin = (): void => undefined
  const ready = new Promise<void>((resolve) => (begin = resolve))
  const asked = ask({ ...objects, ready }, '')
  const got = ask({ ...objects, ready }, '/a')
  objects.put('a')
  begin()
  t.is(names((await asked).body), 'a')
  t.is((await got).status, 200)
})

test('serves the pages of a list as of its first one, whatever happens meanwhile', async (t) => {
  const objects = five()
  const first = await ask(objects, '?limit=2')
  t.like(first.body.metadata, { resourceVersion: '5', remainingItemCount: 3 })
  t.is(names(first.body), 'a b')
  objects.put('aa')
  objects.put('c', { changed: 'yes' })
  objects.remove('d')
  objects.put('dd')
  objects.put('z')
  objects.remove('a')
  const second = await ask(objects, `?limit=2&continue=${String(first.body.metadata?.continue)}`)
  t.like(second.body.metadata, { resourceVersion: '5', remainingItemCount: 1 })
  t.is(names(second.body), 'c d')
  t.deepEqual(second.body.items?.[0]?.metadata?.labels, { at: 'c' })
  const third = await ask(objects, `?limit=2&resourceVersion=0&continue=${String(second.body.metadata?.continue)}`)
  t.deepEqual(third.body.metadata, { resourceVersion: '5', continue: '' })
  t.is(names(third.body), 'e')
  t.is(names((await ask(objects, '')).body), 'aa b c dd e z')
})

test('counts nothing that would have to be looked for, and gives no token for nothing', async (t) => {
  const { body } = await ask(five(), '?limit=2&labelSelector=at+in+(a,c,e)')
  t.is(names(body), 'a c')
  t.false(Object.hasOwn(body.metadata ?? {}, 'remainingItemCount'))
  const rest = await ask(five(), `?limit=2&labelSelector=at+in+(a,c,e)&continue=${String(body.metadata?.continue)}`)
  t.is(names(rest.body), 'e')
  t.is((await ask(five(), '?limit=2&labelSelector=at+in+(a,c)')).body.metadata?.continue, '')
})

test('hands on a token for the rest where the state of the first page is forgotten', async (t) => {
  const objects = five(3)
  const first = await ask(objects, '?limit=2')
  for (let i = 0; i < 4; i++) objects.put('d', { i: String(i) })
  const { status, body } = await ask(objects, `?limit=2&continue=${String(first.body.metadata?.continue)}`)
  t.is(status, 410)
  t.is(body.reason, 'Expired')
  const second = await ask(objects, `?limit=2&continue=${String(body.metadata?.continue)}`)
  t.is(names(second.body), 'c d')
  t.is(second.body.metadata?.resourceVersion, '9')
  objects.remove('e')
  const third = await ask(objects, `?limit=2&continue=${String(second.body.metadata?.continue)}`)
  t.is(names(third.body), 'e')
})

test('pages as the objects were, however they were changed meanwhile', async (t) => {
  const name = fc.constantFrom('a', 'b', 'c', 'd', 'e', 'f', 'g')
  const change = fc.record({ name, isRemoved: fc.boolean() })
  const changes = fc.array(change, { maxLength: 12 })
  await fc.assert(
    fc.asyncProperty(
      changes,
      fc.array(changes, { maxLength: 8 }),
      fc.integer({ min: 1, max: 4 }),
      async (before, between, limit) => {
        const objects = createObjects()
        const apply = (list: typeof before) => {
          for (const { name: which, isRemoved } of list) {
            if (!isRemoved) objects.put(which)
            else if (objects.get(which) !== undefined) objects.remove(which)
          }
        }
        apply(before)
        const expected = objects.list()
        const found: unknown[] = []
        let token = ''
        for (let page = 0; page === 0 || token !== ''; page++) {
          const { body } = await ask(objects, `?limit=${String(limit)}&continue=${token}`)
          found.push(...(body.items ?? []))
          token = body.metadata?.continue ?? ''
          t.is(body.metadata?.remainingItemCount, token === '' ? undefined : expected.length - found.length)
          apply(between[page] ?? [])
        }
        t.deepEqual(found, [...expected])
      },
    ),
    { numRuns: 60 },
  )
})

test('pages through many objects at a cost by the page', async (t) => {
  const objects = createObjects()
  for (let i = 0; i < 10_000; i++) objects.put(`o${String(i).padStart(5, '0')}`)
  const all = objects.list()
  let looked = 0
  const counted: Objects = {
    ...objects,
    list: () =>
      new Proxy(all, { get: (target, key, receiver) => (looked++, Reflect.get(target, key, receiver) as unknown) }),
  }
  let token = ''
  let count = 0
  do {
    const { body } = await ask(counted, `?limit=500&continue=${token}`)
    count += body.items?.length ?? 0
    token = body.metadata?.continue ?? ''
  } while (token !== '')
  t.is(count, 10_000)
  t.true(looked < 15_000, `looked ${String(looked)} times`)
})

test('makes a long list piece by piece', async (t) => {
  const objects = createObjects()
  for (let i = 0; i < 2000; i++) objects.put(`o${String(i)}`)
  const answer = await runner(objects)('')
  if (answer._tag !== 'Bytes') throw new Error('expected bytes')
  const lengths = [...answer.chunks].map(({ length }) => length)
  t.true(lengths.length > 5 && Math.max(...lengths) < 40_000, String(lengths))
})

/** `rows`: what a list of `five`, with c changed at 6 and e gone at 7, says. */
const rows: ReadonlyArray<readonly [query: string, expected: string]> = [
  ['', '200 a b c d @7'],
  ['?resourceVersion=', '200 a b c d @7'],
  ['?resourceVersion=0', '200 a b c d @7'],
  ['?resourceVersion=0&limit=2', '200 a b c d @7'],
  ['?resourceVersion=5', '200 a b c d @7'],
  ['?resourceVersion=5&limit=10', '200 a b c d e @5'],
  ['?resourceVersion=5&limit=2', '200 a b @5 …'],
  ['?resourceVersion=5&limit=2&resourceVersionMatch=NotOlderThan', '200 a b @7 …'],
  ['?resourceVersion=5&resourceVersionMatch=NotOlderThan', '200 a b c d @7'],
  ['?resourceVersion=5&resourceVersionMatch=Exact', '200 a b c d e @5'],
  ['?resourceVersion=7&resourceVersionMatch=Exact', '200 a b c d @7'],
  ['?resourceVersion=2&resourceVersionMatch=Exact', '410 Expired'],
  ['?resourceVersion=2&limit=2', '410 Expired'],
  ['?resourceVersion=2', '200 a b c d @7'],
  ['?resourceVersion=0&resourceVersionMatch=NotOlderThan', '200 a b c d @7'],
  ['?limit=0', '200 a b c d @7'],
  ['?limit=-1', '200 a b c d @7'],
  ['?limit=', '200 a b c d @7'],
  ['?limit=2', '200 a b @7 …'],
  ['?limit=4', '200 a b c d @7'],
  ['?limit=abc', '400 BadRequest'],
  ['?limit=1e3', '400 BadRequest'],
  ['?limit=99999999999999999999', '400 BadRequest'],
  ['?timeoutSeconds=x', '400 BadRequest'],
  ['?timeout=10s', '200 a b c d @7'],
  ['?timeout=ten', '400 BadRequest'],
  ['?resourceVersion=abc', '400 BadRequest'],
  ['?resourceVersion=-1', '400 BadRequest'],
  ['?resourceVersion=18446744073709551616', '400 BadRequest'],
  ['?resourceVersionMatch=Exact', '422 Invalid'],
  ['?resourceVersionMatch=NotOlderThan', '422 Invalid'],
  ['?resourceVersion=0&resourceVersionMatch=Exact', '422 Invalid'],
  ['?resourceVersion=5&resourceVersionMatch=Newest', '422 Invalid'],
  ['?resourceVersion=5&resourceVersionMatch=NotOlderThan&continue=x', '422 Invalid'],
  ['?sendInitialEvents=true', '422 Invalid'],
  ['?sendInitialEvents=false', '422 Invalid'],
  ['?watch=false', '200 a b c d @7'],
  ['?watch=0&allowWatchBookmarks=true', '200 a b c d @7'],
  ['?continue=x', '400 BadRequest'],
  [`?continue=${tokenOf({ v: 'v2', rv: 5, start: 'a' })}`, '400 BadRequest'],
  [`?continue=${tokenOf({ v: 'meta.k8s.io/v1', rv: 0, start: 'a' })}`, '400 BadRequest'],
  [`?continue=${tokenOf({ v: 'meta.k8s.io/v1', rv: 1.5, start: 'a' })}`, '400 BadRequest'],
  [`?continue=${tokenOf({ v: 'meta.k8s.io/v1', rv: 5, start: '' })}`, '400 BadRequest'],
  [`?continue=${tokenOf(null)}`, '400 BadRequest'],
  [`?continue=${tokenOf({ v: 'meta.k8s.io/v1', rv: 5, start: 'c' })}`, '200 c d e @5'],
  [`?continue=${tokenOf({ v: 'meta.k8s.io/v1', rv: -1, start: 'c' })}`, '200 c d @7'],
  [`?continue=${tokenOf({ v: 'meta.k8s.io/v1', rv: 5, start: 'c' })}&resourceVersion=5`, '400 BadRequest'],
  ['?labelSelector=at%3Da', '200 a @7'],
  ['?labelSelector=%3D', '400 BadRequest'],
  ['?fieldSelector=metadata.name%3Db', '200 b @7'],
  ['?fieldSelector=spec.group%3Db', '400 BadRequest'],
  ['?unknown=x&pretty', '200 a b c d @7'],
]
for (const [query, expected] of rows) {
  test(`lists at "${query}": ${expected}`, async (t) => {
    const objects = five(4)
    objects.put('c', { at: 'c', changed: 'yes' })
    objects.remove('e')
    const { status, body } = await ask(objects, query)
    const { resourceVersion, continue: next } = body.metadata ?? {}
    const found = `${names(body)} @${String(resourceVersion)}${next === '' ? '' : ' …'}`
    t.is(`${String(status)} ${body.reason ?? found}`, expected)
  })
}

test('says what does not go together', async (t) => {
  const { body } = await ask(five(), '?resourceVersion=0&resourceVersionMatch=Exact&sendInitialEvents=true')
  t.is(
    body.message,
    'ListOptions.meta.k8s.io "" is invalid: [resourceVersionMatch: Forbidden: resourceVersionMatch "exact" is forbidden for ' +
      'resourceVersion "0", sendInitialEvents: Forbidden: sendInitialEvents is forbidden for list]',
  )
  t.like(body.details, { group: 'meta.k8s.io', kind: 'ListOptions' })
})

for (const path of ['', '/a', '/a/status']) {
  test(`waits at "${path}" for a version that is not there yet`, async (t) => {
    const { clock, timers } = createManualClock()
    const objects = five()
    const asked = ask(objects, `${path}?resourceVersion=6`, { clock })
    await new Promise(setImmediate)
    objects.put('f')
    t.is((await asked).status, 200)
    t.is(timers.size, 0)
  })

  test(`waits at "${path}" no longer than three seconds`, async (t) => {
    const { clock, advance } = createManualClock()
    const asked = ask(five(), `${path}?resourceVersion=7`, { clock })
    await advance(0)
    await advance(3000)
    const { status, body } = await asked
    t.is(status, 504)
    t.like(body, { reason: 'Timeout', message: 'Too large resource version: 7, current: 5' })
    const causes = [{ reason: 'ResourceVersionTooLarge', field: '', message: 'Too large resource version' }]
    t.deepEqual(body.details, { causes, retryAfterSeconds: 1 })
  })
}

test('waits no longer for a version than its client does', async (t) => {
  const { clock, timers } = createManualClock()
  const leaving = new AbortController()
  const asked = ask(five(), '?resourceVersion=7', { clock, env: { signal: leaving.signal } })
  await new Promise(setImmediate)
  leaving.abort()
  t.is((await asked).status, 499)
  t.is(timers.size, 0)
})

test('gives one object, and says which one is not there', async (t) => {
  const objects = five()
  t.deepEqual((await ask(objects, '/a')).body, { ...objects.get('a') })
  t.deepEqual((await ask(objects, '/a/status')).body, { ...objects.get('a') })
  const { status, body } = await ask(objects, '/x')
  t.is(status, 404)
  t.is(body.message, 'dataplaneservices.aggregation.grafana.app "x" not found')
  t.is((await ask(objects, '/a?resourceVersion=x')).status, 400)
  t.is((await ask(objects, '/constructor')).status, 404)
})

test('answers HEAD as GET', async (t) => {
  const run = runner(five())
  for (const path of ['', '/a']) t.is(read(await run(path, { method: 'HEAD' })).status, 200)
})

test('answers any query with one of its own answers', async (t) => {
  const keys = ['labelSelector', 'fieldSelector', 'limit', 'continue', 'resourceVersion', 'resourceVersionMatch']
  const key = fc.constantFrom(
    ...keys,
    'sendInitialEvents',
    'allowWatchBookmarks',
    'timeoutSeconds',
    'pretty',
    'timeout',
  )
  const value = fc.oneof(fc.constantFrom('0', '1', '5', 'true', 'Exact', 'NotOlderThan', 'a=b', '-1', ''), fc.string())
  const query = fc.array(fc.tuple(key, value), { maxLength: 5 })
  const objects = five(3)
  const { clock } = createManualClock()
  // a version that is not there yet is somebody else's test
  const impatient: typeof clock = { ...clock, setTimeout: (callback) => (queueMicrotask(callback), () => undefined) }
  await fc.assert(
    fc.asyncProperty(query, fc.boolean(), async (pairs, watches) => {
      const parameters = new URLSearchParams(pairs)
      if (watches) parameters.set('watch', '1')
      const { status } = await runner(objects, impatient)(`?${parameters.toString()}`)
      t.true([200, 400, 410, 422, 504].includes(status), `${String(status)} at ${parameters.toString()}`)
    }),
    { numRuns: 300 },
  )
})

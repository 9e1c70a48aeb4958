import test from 'ava'
import fc from 'fast-check'

import { base, createProxy } from './_proxy.ts'

/** What paths are made of by those who want to get elsewhere. */
const atoms = [
  ...['/', '//', '%2f', '%2F', '%252f', '%25252F', '\\', '%5c', '%255c'],
  ...['.', '..', '%2e', '%2E%2e', '.%2e', '%252e', '%252E%252e', '%25%32%65', '..;', '..;x', '..%3b', '%2e%2e%253b'],
  ...['admin', 'Admin', '%61dmin', '%2561dmin', 'admin;x', 'admin%3bx', 'adminx', 'a', 'b', 'é', '%C3%A9', '%C0%AE'],
  ...['', '%', '%00', '%2500', '%0a', '?', '#', ':', '@', '~', '%20', '+'],
]
const tails = fc.array(fc.constantFrom(...atoms), { maxLength: 8 }).map((list) => list.join(''))

const decodeOnce = (text: string): string => text.replace(/%[0-7][0-9a-f]/gi, decodeURIComponent)

/** What servers make of a path: decoded as often as they like, before or after they cut off parameters. */
const readings = (path: string): ReadonlyArray<ReadonlyArray<string>> => {
  const texts = [path]
  for (let round = 0; round < 4; round++) texts.push(decodeOnce(texts.at(-1) ?? ''))
  return texts.flatMap((text) => [text, text.replace(/;[^/\\]*/g, '')]).map((text) => text.split(/[/\\]/))
}

/** As it was sent, behind the host. */
const pathOf = (url: string): string => /^http:\/\/[^/]*\/([^?]*)/.exec(url)?.[1] ?? ''

test('never leaves the base of the datasource, whatever the path (S4)', async (t) => {
  const { ask, sent } = createProxy({ settings: { url: 'http://db:9090/a/' } })
  await fc.assert(
    fc.asyncProperty(tails, async (tail) => {
      sent.length = 0
      const { status } = await ask('GET', `/proxy/${tail}`)
      const [first] = sent
      if (first === undefined) {
        t.is(status, 400)
        return
      }
      const { origin, pathname } = new URL(first.url)
      t.is(origin, 'http://db:9090')
      t.true(pathname.startsWith('/a/'), first.url)
      const outside = readings(pathOf(first.url)).find((segments) =>
        segments.some((one) => one === '.' || one === '..'),
      )
      t.is(outside, undefined, first.url)
    }),
    { numRuns: 2000 },
  )
})

test('sends nothing past a route that somebody may not use, however its path is spelled (S1)', async (t) => {
  const { ask, sent } = createProxy({ routes: [{ path: 'admin', reqRole: 'Admin' }, { path: '' }] })
  const counts = { sent: 0, refused: 0 }
  await fc.assert(
    fc.asyncProperty(tails, async (tail) => {
      sent.length = 0
      const { status } = await ask('GET', `/proxy/${tail}`, { user: { name: 'jane', role: 'Viewer' } })
      const [first] = sent
      if (first === undefined) {
        counts.refused++
        t.true(status === 400 || status === 403, String(status))
        return
      }
      counts.sent++
      const read = readings(pathOf(first.url)).map((segments) => segments.filter((one) => one !== '')[0]?.toLowerCase())
      t.false(read.includes('admin'), first.url)
      t.is(new URL(first.url).origin, 'http://db:9090')
    }),
    { numRuns: 2000 },
  )
  t.true(counts.sent > 100 && counts.refused > 100, JSON.stringify(counts))
})

const spellings: ReadonlyArray<readonly [path: string, status: number]> = [
  ['/admin', 403],
  ['/admin/', 403],
  ['/%61dmin/x', 403],
  ['/admin/%2e%2e%2fother', 400],
  ['//admin', 400],
  ['/./admin', 400],
  ['/x/../admin', 400],
  ['/%2e%2e/admin', 400],
  ['/%252e%252e/admin', 400],
  ['/admin%2Fx', 400],
  ['/admin%252Fx', 400],
  ['/admin;x', 400],
  ['/admin%5Cx', 400],
  ['/ADMIN', 400],
  ['/admin%00', 400],
  ['/adminx', 200],
  ['/x/admin', 200],
  ['/x%2Fadmin', 200],
]
for (const [path, status] of spellings) {
  test(`answers ${String(status)} to ${path}, where /admin is for others (S1)`, async (t) => {
    const { ask } = createProxy({ routes: [{ path: '/admin/', reqRole: 'Admin' }, { path: '' }] })
    t.is((await ask('GET', `/proxy${path}`, { user: { name: 'jane', role: 'Viewer' } })).status, status)
  })
}

interface Redirect {
  readonly location: string
  /** Where a client that follows it comes to, below the proxied path; `undefined`: nowhere. */
  readonly to: string | undefined
  readonly path?: string
  readonly status?: number
}

const redirects: ReadonlyArray<Redirect> = [
  { location: 'c', to: '/a/c' },
  { location: './c?x=1#y', to: '/a/c?x=1#y' },
  { location: '../c', to: '/c' },
  { location: '/base/c', to: '/c' },
  { location: '/base', to: '/' },
  { location: '?page=2', to: '/a/b?page=2' },
  { location: 'http://db:9090/base/d%2Fe', to: '/d%2Fe', status: 307 },
  { location: 'http://joe:pw@db:9090/base/d:e', to: '/d:e' },
  { location: '//db:9090/base/d', to: '/d', status: 303 },
  { location: '/base/c', to: '/c', path: '' },
  { location: '/base/x:y', to: '/x:y', path: '/' },
  { location: '/base/c', to: '/c', path: '/a/b/c/' },
  { location: '/', to: undefined },
  { location: '/basement', to: undefined },
  { location: '../../c', to: undefined },
  { location: '/base/../c', to: undefined },
  { location: '/base/%2e%2e/c', to: undefined },
  { location: '/base/..%2fc', to: undefined },
  { location: '/base/%252e%252e/c', to: undefined },
  { location: 'https://db:9090/base/c', to: undefined },
  { location: 'http://db/base/c', to: undefined },
  { location: 'http://db.evil:9090/base/c', to: undefined },
  { location: '//evil/base/c', to: undefined },
  { location: '\\\\evil\\base', to: undefined },
  { location: 'javascript:alert(1)', to: undefined },
  { location: 'http://', to: undefined },
]
for (const { location, to, path = '/a/b', status = 302 } of redirects) {
  test(`follows ${String(status)} from "${path}" to ${location} ${to === undefined ? 'nowhere' : `no further than "${to}"`} (S12)`, async (t) => {
    const { ask, sent } = createProxy({
      // what WHATWG calls the path of this base, too
      settings: { url: 'http://db:9090/base' },
      answer: { status, headers: { location, 'set-cookie': 'a=1' } },
    })
    const answer = await ask('GET', `/proxy${path}`)
    t.is(sent.length, 1)
    if (to === undefined) {
      t.is(answer.status, 502)
      t.is(answer.headers['location'], undefined)
      t.notRegex(answer.body, /evil|alert/)
      return
    }
    t.is(answer.status, status)
    // whatever the app is mounted at
    for (const mount of ['', '/mounted/here']) {
      const followed = new URL(String(answer.headers['location']), `http://client${mount}${base}/proxy${path}`)
      t.is(followed.href, `http://client${mount}${base}/proxy${to}`)
    }
  })
}

test('leads a redirect of a route back to the route (S12)', async (t) => {
  const given = {
    routes: [{ path: 'v1', url: 'http://h/api' }],
    answer: { status: 301, headers: { location: '/api/x' } },
  }
  const answer = await createProxy(given).ask('GET', '/proxy/v1/a/b')
  t.is(new URL(String(answer.headers['location']), `http://client${base}/proxy/v1/a/b`).pathname, `${base}/proxy/v1/x`)
  const away = await createProxy({ ...given, answer: { status: 301, headers: { location: '/other' } } }).ask(
    'GET',
    '/proxy/v1/a',
  )
  t.is(away.status, 502)
})

test('drops a location that is no redirect and leads away, and keeps one that does not', async (t) => {
  const away = createProxy({ answer: { status: 201, headers: { location: 'http://inside:1/x' } } })
  t.like(await away.ask('POST', '/proxy/a'), { status: 201, headers: { location: undefined } })
  const own = createProxy({ answer: { status: 201, headers: { location: '/a/1' } } })
  t.like(await own.ask('POST', '/proxy/a'), { status: 201, headers: { location: './a/1' } })
})

test('tells no secret that a server echoes in Location or Link (S30)', async (t) => {
  const secret = 'k3y/of us'
  const ask = (location: string, status = 301, more = {}) =>
    createProxy({
      settings: { url: 'http://db:9090/base', secureJsonData: { key: secret } },
      routes: [{ path: '', urlParams: [{ name: 'api key', content: '{{ .SecureJsonData.key }}' }] }],
      answer: { status, headers: { location, ...more } },
    }).ask('GET', '/proxy/a?x=%31&y')
  // as nginx and Go's mux send them: with the query that they were asked with
  const echoed = await ask('/base/a/?api+key=k3y%2Fof+us&x=%31&%61pi%20key=2&y#f')
  t.like(echoed, { status: 301, headers: { location: './a/?x=%31&y#f' } })
  t.like(await ask('?api+key=k3y%2Fof+us'), { status: 301, headers: { location: './a' } })
  for (const nested of ['login?to=%2Fa%3Fkey%3Dk3y%252Fof%20us', 'k3y%2Fof%20us/x', 'x#k3y/of%20us']) {
    t.like(await ask(`/base/${nested}`), {
      status: 502,
      message: 'what stands behind this path answered 301 with a location that tells a secret',
    })
  }
  const links = { link: ['<http://db:9090/base/a?k=k3y%2Fof%20us&page=2>; rel=next', '</x>; rel=self'], etag: '"1"' }
  t.like(await ask('/base/k3y%2Fof%20us', 201, links), {
    status: 201,
    headers: { location: undefined, link: undefined, etag: '"1"' },
  })
  t.like(await ask('/base/b', 201, { link: '</x>; rel=self' }), {
    headers: { location: './b', link: '</x>; rel=self' },
  })
})

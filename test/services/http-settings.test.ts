import test from 'ava'
import fc from 'fast-check'

import { E } from '../../src/fp.ts'
import { fingerprint } from '../../src/services/fingerprint.ts'
import { httpWayOf } from '../../src/services/http-settings.ts'

const defaults = {
  tls: { skipVerify: false },
  timeoutMs: 30_000,
  dialTimeoutMs: 10_000,
  tlsHandshakeTimeoutMs: 10_000,
  idleTimeoutMs: 90_000,
  maxIdle: 100,
}
const secrets = { tlsCACert: 'ca', tlsClientCert: 'cert', tlsClientKey: 'key' }
const all = { ca: 'ca', cert: 'cert', key: 'key', serverName: 's', skipVerify: false }

/** Source: http_settings.go of the plugin SDK. */
const rows: ReadonlyArray<readonly [jsonData: Readonly<Record<string, unknown>>, expected: object]> = [
  [{}, {}],
  [
    { timeout: 5, dialTimeout: 1.5, httpTLSHandshakeTimeout: 2, httpIdleConnTimeout: 3 },
    { timeoutMs: 5000, dialTimeoutMs: 1500, tlsHandshakeTimeoutMs: 2000, idleTimeoutMs: 3000 },
  ],
  [
    { timeout: 0, httpIdleConnTimeout: 0 },
    { timeoutMs: 0, idleTimeoutMs: 2_147_483_000 },
  ],
  [{ timeout: null, tlsSkipVerify: null, serverName: null }, {}],
  [{ httpMaxIdleConns: 5 }, { maxIdle: 5 }],
  [{ httpMaxIdleConnsPerHost: 7 }, { maxIdle: 7 }],
  [{ httpMaxIdleConns: 0, httpMaxIdleConnsPerHost: 0 }, { maxIdle: 2 }],
  [{ serverName: 's' }, {}],
  [{ tlsSkipVerify: true }, { tls: { skipVerify: true } }],
  [{ tlsAuth: true, serverName: 's' }, { tls: all }],
  [{ tlsAuthWithCACert: true, serverName: 's' }, { tls: all }],
  [{ other: ['what it likes'] }, {}],
]
for (const [jsonData, expected] of rows) {
  test(`reads ${JSON.stringify(jsonData)}`, (t) => {
    const read = httpWayOf('o', jsonData, secrets)
    if (E.isLeft(read)) return t.fail(read.left)
    const { pool, ...rest } = read.right.transport
    t.deepEqual<object, object>(rest, { ...defaults, ...expected })
    t.is(pool.owner, 'o')
    t.regex(pool.settings, /^[0-9a-f]{32}$/)
  })
}

const settingsOf = (
  jsonData: Readonly<Record<string, unknown>>,
  secureJsonData: Readonly<Record<string, string>>,
): string => {
  const read = httpWayOf('o', jsonData, secureJsonData)
  return E.isLeft(read) ? read.left : read.right.transport.pool.settings
}

test('gives connections to another pool when something changes that they depend on, and only then', (t) => {
  const on = { tlsAuth: true }
  const first = settingsOf(on, secrets)
  t.is(settingsOf({ ...on, other: 1, httpHeaderName1: 'x' }, { ...secrets, httpHeaderValue1: 'y' }), first)
  const others = [
    settingsOf(on, { ...secrets, tlsClientKey: 'key2' }),
    settingsOf(on, { ...secrets, tlsCACert: 'ca2' }),
    settingsOf({ ...on, serverName: 's' }, secrets),
    settingsOf({ ...on, tlsSkipVerify: true }, secrets),
    settingsOf({ ...on, dialTimeout: 1 }, secrets),
  ]
  t.is(new Set([first, ...others]).size, 6)
})

test('gives each text a fingerprint of its own, which does not hold the text', (t) => {
  const texts = fc.uniqueArray(fc.string({ maxLength: 12 }), { minLength: 300, maxLength: 300 })
  fc.assert(
    fc.property(texts, (list) => new Set(list.map(fingerprint)).size === list.length),
    { numRuns: 20 },
  )
  const numbers = Array.from({ length: 20_000 }, (_, index) => fingerprint(`key ${String(index)}`))
  // each quarter by itself spreads as 32 bits do
  for (const start of [0, 8, 16, 24]) t.true(new Set(numbers.map((text) => text.slice(start, start + 8))).size > 19_980)
})

import test from 'ava'
import fc from 'fast-check'

import type { AppInstanceSettings, PluginContext } from '../../../src/plugin.ts'
import { createSecrets } from '../../../src/plugins/process/secrets.ts'
import { pluginContext } from '../_setup.ts'

const appWith = (decryptedSecureJsonData: Readonly<Record<string, string>>): AppInstanceSettings => ({
  jsonData: Buffer.from('{}'),
  decryptedSecureJsonData,
  lastUpdatedMS: 0,
})
const contextWith = (secrets: Readonly<Record<string, string>>): PluginContext => ({
  ...pluginContext,
  appInstanceSettings: appWith(secrets),
})
const strike = (secret: string, text: string): string => createSecrets([secret]).strike(text)
const base64 = (text: string): string => Buffer.from(text).toString('base64')

const secret = 'p&ss "wörd"\\<1>'
const forms: ReadonlyArray<readonly [string, string, string]> = [
  ['itself', `a ${secret} b`, 'a [redacted] b'],
  ['JSON', JSON.stringify({ secret }), '{"secret":"[redacted]"}'],
  [
    'JSON as Go writes it',
    JSON.stringify(secret).replace(/[<>&]/g, (c) => `\\u00${c.charCodeAt(0).toString(16)}`),
    '"[redacted]"',
  ],
  ['a URL', `postgres://me:${encodeURIComponent(secret)}@db`, 'postgres://me:[redacted]@db'],
]
for (const [what, text, expected] of forms) {
  test(`strikes a secret as ${what} writes it`, (t) => {
    t.is(strike(secret, text), expected)
  })
}

test('strikes a secret in base64, alone and behind a name of any length', (t) => {
  t.is(strike('opensesame!!', base64('opensesame!!')), '[redacted]')
  for (const name of ['', 'u:', 'us:', 'use:', 'user:']) {
    const struck = strike('opensesame!!', `Basic ${base64(`${name}opensesame!!`)}`)
    t.true(struck.includes('[redacted]'), struck)
    t.false(Buffer.from(struck.replace('Basic ', ''), 'base64').toString().includes('sesame'), struck)
  }
})

const key = '-----BEGIN EC PRIVATE KEY-----\nAAAABBBBCCCCDDDD\r\nEEEEFFFFGGGG\nHH==\n-----END EC PRIVATE KEY-----\n'

test('strikes each line of a key, with real line feeds and with those of JSON, but not its frame', (t) => {
  for (const given of [key, key.replaceAll('\n', '\\n')]) {
    t.is(strike(given, 'a AAAABBBBCCCCDDDD b EEEEFFFFGGGG HH=='), 'a [redacted] b [redacted] HH==')
    t.is(strike(given, '-----BEGIN EC PRIVATE KEY-----'), '-----BEGIN EC PRIVATE KEY-----')
  }
})

test('leaves values of less than four characters alone', (t) => {
  t.is(strike('abc', 'abc'), 'abc')
  t.is(strike('abcd', 'abc abcd'), 'abc [redacted]')
})

test('strikes secrets that overlap as one, and the longer of two that begin alike', (t) => {
  const secrets = createSecrets(['abcdef', 'defghi', 'abcdefxy'])
  t.is(secrets.strike('_abcdefghi_'), '_[redacted]_')
  t.is(secrets.strike('abcdefxyz'), '[redacted]z')
  t.is(secrets.strike('abcdefabcdef'), '[redacted][redacted]')
})

test('learns the secrets of app and datasource settings, with one look at those it knows', (t) => {
  const secrets = createSecrets([])
  t.is(secrets.strike('hush-app hush-ds'), 'hush-app hush-ds')
  let reads = 0
  const own = (): Array<string> => {
    reads += 1
    return ['password']
  }
  const watched = new Proxy({ password: 'hush-app' }, { ownKeys: own })
  const context: PluginContext = {
    ...contextWith(watched),
    dataSourceInstanceSettings: {
      ...appWith({ token: 'hush-ds' }),
      id: 1,
      uid: 'u',
      name: 'n',
      url: '',
      user: '',
      database: '',
      basicAuthEnabled: false,
      basicAuthUser: '',
    },
  }
  secrets.learn(context)
  secrets.learn({ ...context, orgId: 2 })
  t.is(reads, 1)
  t.is(secrets.strike('hush-app hush-ds'), '[redacted] [redacted]')
  secrets.learn(pluginContext)
})

test('forgets the older half of very many secrets until a call has them again, and never those that were given', (t) => {
  const secrets = createSecrets(['the-given-one'])
  const early = contextWith({ token: 'the-very-first' })
  const many = Array.from({ length: 20_000 }, (_, i) => [`k${String(i)}`, `secret-number-${String(i)}`] as const)
  secrets.learn(early)
  secrets.learn(contextWith(Object.fromEntries<string>(many)))
  t.is(secrets.strike('the-very-first'), 'the-very-first')
  t.is(secrets.strike('secret-number-19999'), '[redacted]')
  t.is(secrets.strike('the-given-one'), '[redacted]')
  secrets.learn(early)
  t.is(secrets.strike('the-very-first'), '[redacted]')
})

test('strikes a long secret as one, and each long part of it', (t) => {
  for (const length of [31, 32, 33, 62, 63, 64, 94, 95, 1000]) {
    const long = Array.from({ length }, (_, i) => String.fromCharCode(0x4e00 + i)).join('')
    t.is(strike(long, `a ${long} b`), 'a [redacted] b', String(length))
  }
  t.is(strike('0123456789'.repeat(10), `a ${'0123456789'.repeat(7)} b`).length, 'a [redacted] b'.length)
})

test('is done with any text at once, whatever the secrets have in common with it', (t) => {
  // each of them was looked for at each place: minutes
  const almost = Array.from({ length: 10_000 }, (_, i) => `aaaaaaaa${String(i)}`)
  const secrets = createSecrets([...almost, `${'a'.repeat(16_000)}b`])
  const text = 'a'.repeat(64 * 1024)
  t.is(secrets.strike(text), '[redacted]')
  t.is(createSecrets(almost).strike(text), text)
})

test('takes any text for a secret', (t) => {
  t.is(strike('half a \ud800', 'half a \ud800!'), '[redacted]!')
  const long = `${'x'.repeat(20_000)}\nsecond line`
  t.is(strike(long, 'the second line'), 'the [redacted]')
})

test('lets no secret through, wherever it stands', (t) => {
  const value = fc.string({ unit: fc.constantFrom('a', 'b', '"', '\\', '\n'), minLength: 4, maxLength: 8 })
  fc.assert(
    fc.property(
      fc.array(value, { minLength: 1, maxLength: 4 }),
      fc.array(fc.string({ maxLength: 3 })),
      (values, noise) => {
        const secrets = createSecrets(values)
        const text = values.map((secret, i) => `${noise[i] ?? ''}${secret}${JSON.stringify({ secret })}`).join('')
        const struck = secrets.strike(text)
        t.deepEqual(
          values.filter((secret) => struck.includes(secret)),
          [],
        )
      },
    ),
  )
})

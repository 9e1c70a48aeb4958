import test from 'ava'
import fc from 'fast-check'

import { forwardedQuery } from '../../src/services/forwarded-query.ts'

const queries: ReadonlyArray<readonly [query: string, forwarded: string]> = [
  ['', ''],
  ['a=1&b=2', 'a=1&b=2'],
  ['auth_token=s', ''],
  ['access_token=s', ''],
  ['auth_token', ''],
  ['a=1&auth_token=s&b=2&access_token=s&auth_token=s', 'a=1&b=2'],
  ['Auth_Token=s&ACCESS_TOKEN=s', ''],
  ['auth%5Ftoken=s&%61ccess_token=s&access%5ftoken', ''],
  ['access_token[]=s&access_token[x][y]=s&auth_token%5B%5D=s', ''],
  ['+&%20access_token=s', '+'],
  [
    'access_token%3Ds=1&x_access_token=1&access_tokens=1&token=1',
    'access_token%3Ds=1&x_access_token=1&access_tokens=1&token=1',
  ],
  ['q=access_token=1&q=a%26auth_token%3D1', 'q=access_token=1&q=a%26auth_token%3D1'],
  ['&&b=&=c&%zz=%&a=%2F%2f+%C3%A9&auth_token=s&%', '&&b=&=c&%zz=%&a=%2F%2f+%C3%A9&%'],
  ['?a;b=1#', '?a;b=1#'],
  ['a=\u00e9\u0126\ud83d\ude00 "\u0000', 'a=%E9%C4%A6%F0%9F%98%80%20"%00'],
]
for (const [query, forwarded] of queries) {
  test(`forwards of ${JSON.stringify(query)} what logs nobody in (S8)`, (t) => {
    t.is(forwardedQuery(query), forwarded)
  })
}

test('changes no query of characters that may stand in one, and forwards nothing twice in a different way', (t) => {
  const plain = fc.string({ unit: fc.constantFrom(...'abc%=&+[];/?20_') })
  fc.assert(fc.property(plain, (query) => forwardedQuery(query) === query))
  fc.assert(
    fc.property(fc.string({ unit: 'binary' }), (query) => {
      const forwarded = forwardedQuery(query)
      return /^[\x21-\x7e]*$/.test(forwarded) && forwardedQuery(forwarded) === forwarded
    }),
  )
  t.pass()
})

import test from 'ava'

import { expandVariables } from '../../src/contexts/expand.ts'
import { E } from '../../src/fp.ts'

const env = { HOST: 'db', PORT: '5432', _x1: 'x', PRICE: '$HOST ${PORT} $$', EMPTY: '' }
const readFile = (path: string) =>
  Promise.resolve(path === '/run/secret' ? E.right('  s3cr$HOST\n') : E.left('expected a readable file, got ENOENT'))

const expand = (value: unknown, field = 'f') => expandVariables(value, field, { env, readFile })

const cases: ReadonlyArray<readonly [string, string]> = [
  ['$HOST:$PORT', 'db:5432'],
  ['${HOST}${PORT}', 'db5432'],
  ['$HOST$PORT', 'db5432'],
  ['$HOSTNAME2', ''],
  ['$_x1-$EMPTY', 'x-'],
  ['$__env{HOST}', 'db'],
  ['<$__file{/run/secret}>', '<s3cr$HOST>'],
  ['$$HOST', '$HOST'],
  ['$$$HOST', '$db'],
  ['pa$$word', 'pa$word'],
  ['$PRICE', '$HOST ${PORT} $$'],
  ['$1abc$-', 'abc'],
  ['100 $ and $. and $', '100 $ and $. and $'],
  ['${}', ''],
  ['${constructor}$toString', ''],
]
for (const [text, expected] of cases) {
  test(`expands ${text} to ${JSON.stringify(expected)}`, async (t) => {
    const expanded = await expand(text)
    t.is(E.isRight(expanded) && expanded.right.value, expected)
  })
}

test('expands strings at any depth, and neither keys nor anything else', async (t) => {
  const value = { $HOST: ['$HOST', { deep: '${PORT}' }], n: 1, b: true, nothing: null }
  const expanded = await expand(value)
  t.deepEqual(E.isRight(expanded) && expanded.right.value, {
    $HOST: ['db', { deep: '5432' }],
    n: 1,
    b: true,
    nothing: null,
  })
})

test('lets a __proto__ key pass as a key', async (t) => {
  const expanded = await expand(JSON.parse('{"__proto__":{"a":"$HOST"}}'))
  t.is(E.isRight(expanded) && JSON.stringify(expanded.right.value), '{"__proto__":{"a":"db"}}')
})

test('tells which variables are not set, and where', async (t) => {
  const expanded = await expand({ list: ['$HOST', '${NOPE}'], url: '$GONE' }, 'datasources[0]')
  t.deepEqual(E.isRight(expanded) && expanded.right.unset, [
    { field: 'datasources[0].list[1]', name: 'NOPE' },
    { field: 'datasources[0].url', name: 'GONE' },
  ])
})

test('fails with the field of a file that cannot be read, and not with its path', async (t) => {
  const expanded = await expand({ a: { b: '$__file{/etc/hidden}' } }, 'apps[1]')
  t.deepEqual(expanded, E.left('apps[1].a.b: expected a readable file, got ENOENT'))
})

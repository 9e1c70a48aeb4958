import test from 'ava'

import { userOf } from '../../src/express/user.ts'

test('takes a user by any of its spellings, without what is wrong', (t) => {
  const user = {
    username: 'jane',
    groups: ['a', 5],
    email: 5,
    role: 'Viewer',
    tokens: { access: 'a1', id: 5, other: 'x' },
  }
  t.deepEqual(userOf({ user }), { name: 'jane', groups: ['a'], role: 'Viewer', tokens: { access: 'a1' } })
})

test('takes tokens from the user alone, never from headers', (t) => {
  t.deepEqual(userOf({ user: { name: 'joe' }, headers: { authorization: 'Bearer x' } }), { name: 'joe' })
})

test('knows nobody who has no name', (t) => {
  for (const user of [undefined, null, 5, {}, { name: 5, tokens: { access: 'a' } }]) t.is(userOf({ user }), undefined)
})

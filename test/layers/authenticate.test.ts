import test from 'ava'

import { TE } from '../../src/fp.ts'
import { askFor, type Authenticate } from '../../src/express/user.ts'
import type { User } from '../../src/http.ts'
import { authenticate } from '../../src/layers/authenticate.ts'
import type { Handle } from '../../src/service.ts'
import { envOf, requestOf } from '../telemetry/requests.ts'
import { answer, messageOf, ok, tagOf } from './answers.ts'

const message = { url: '/x' } as never

const seeing = () => {
  const seen: Array<User | undefined> = []
  const handle: Handle = ({ user }) => {
    seen.push(user)
    return TE.right(answer)
  }
  return { handle, seen }
}

test('takes whoever the hook names, a user of any spelling, and asks it once', async (t) => {
  const asked: unknown[] = []
  const { handle, seen } = seeing()
  const hook: Authenticate = async (request) => {
    asked.push(request)
    await Promise.resolve()
    return { login: 'jane', groups: ['a', 5], role: 'Admin' } as unknown as User
  }
  const run = authenticate(handle)(requestOf({ authenticate: askFor(hook, message) }), envOf())
  t.deepEqual(asked, [])
  t.is(tagOf(await run()), '200')
  t.deepEqual(seen, [{ name: 'jane', groups: ['a'], role: 'Admin' }])
  t.deepEqual(asked, [message])
})

test('leaves the user of the request where there is no hook', async (t) => {
  const { handle, seen } = seeing()
  for (const user of [{ name: 'joe' }, undefined]) await authenticate(handle)(requestOf({ user }), envOf())()
  t.deepEqual(seen, [{ name: 'joe' }, undefined])
})

const refusals: Readonly<Record<string, readonly [hook: () => unknown, tag: string]>> = {
  nobody: [() => undefined, 'Unauthorized'],
  'nobody, later': [() => Promise.resolve(undefined), 'Unauthorized'],
  null: [() => null, 'Unauthorized'],
  'a user without a name': [() => ({ name: '', groups: ['system:masters'] }), 'Unauthorized'],
  'no user at all': [() => true, 'Unauthorized'],
  'a text': [() => 'admin', 'Unauthorized'],
  'a throw': [
    () => {
      throw new Error('secret')
    },
    'Unexpected',
  ],
  'a rejection': [() => Promise.reject(new Error('secret')), 'Unexpected'],
  'a rejection in a turn to come (S18)': [
    () => new Promise((_resolve, reject) => setImmediate(reject, new Error('secret'))),
    'Unexpected',
  ],
  'what throws when it is looked at': [
    () => ({
      get name() {
        throw new Error('secret')
      },
    }),
    'Unexpected',
  ],
}
for (const [what, [hook, tag]] of Object.entries(refusals)) {
  test(`serves nobody when the hook gives ${what}: ${tag}`, async (t) => {
    const { handle, seen } = seeing()
    const user = { name: 'whoever the host left there' }
    const request = requestOf({ user, authenticate: askFor(hook as Authenticate, message) })
    t.is(tagOf(await authenticate(handle)(request, envOf())()), tag)
    t.deepEqual(seen, [])
  })
}

test('waits for a hook no longer than a request may take, nor than its client does', async (t) => {
  const forever = askFor(() => new Promise(() => undefined), message)
  const late = await authenticate(ok)(requestOf({ authenticate: forever }), envOf({ timeoutMs: 5 }))()
  t.is(tagOf(late), 'PluginTimeout')
  t.is(messageOf(late), 'the request took longer than 5 ms (option limits.requestTimeoutMs)')
  const client = new AbortController()
  const left = authenticate(ok)(requestOf({ authenticate: forever }), envOf({ signal: client.signal }))()
  client.abort()
  t.is(tagOf(await left), 'Cancelled')
})

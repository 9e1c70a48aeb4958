import test from 'ava'

import { E } from '../../src/fp.ts'
import { total } from '../../src/layers/total.ts'
import { envOf, requestOf } from '../telemetry/requests.ts'
import { answer, broken, ok } from './answers.ts'

for (const [how, handle] of Object.entries(broken)) {
  test(`makes an Unexpected of a service that ${how}`, async (t) => {
    const outcome = await total(handle)(requestOf(), envOf())()
    t.deepEqual(outcome, E.left({ _tag: 'Unexpected', cause: new Error('boom') }))
  })
}

test('takes what is no promise, and no result at all, for a failure too', async (t) => {
  for (const handle of [() => () => 1, () => 1, () => undefined] as unknown as ReadonlyArray<typeof ok>) {
    t.like(await total(handle)(requestOf(), envOf())(), { left: { _tag: 'Unexpected' } })
  }
})

test('hands on what a service gives, and runs nothing before it is run', async (t) => {
  let calls = 0
  const result = total((request, env) => {
    calls++
    return ok(request, env)
  })(requestOf(), envOf())
  t.is(calls, 0)
  t.deepEqual(await result(), E.right(answer))
})

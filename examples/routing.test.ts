import { fileURLToPath } from 'node:url'

import test from 'ava'
import { readFixtures, route } from 'dataplane-aggregator/testing'

import hello from '../fixtures/dataplane-services/hello.json' with { type: 'json' }

const folder = fileURLToPath(new URL('../fixtures/query', import.meta.url))
const fixtures = await readFixtures(folder, { services: [hello] })

test('takes queries to the plugin and leaves objects alone', (t) => {
  const base = '/apis/hello.example.com/v1/namespaces/default/datasources/h1'
  t.like(route([hello], 'POST', `${base}/query`), { to: 'plugin', pluginID: 'hello', params: { uid: 'h1' } })
  t.deepEqual(route([hello], 'GET', base), { to: 'next' })
})

for (const { name, check } of fixtures) {
  test(name, async (t) => {
    await check()
    t.pass()
  })
}

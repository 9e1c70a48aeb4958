import { readFile } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'

import test from 'ava'

import { readFixtures } from '../../src/testing/index.ts'

const path = (name: string): string => fileURLToPath(new URL(`../../fixtures/${name}`, import.meta.url))

const services = await Promise.all(
  ['hello', 'hello-app'].map(
    async (name) => JSON.parse(await readFile(path(`dataplane-services/${name}.json`), 'utf8')) as unknown,
  ),
)
const record = process.env['RECORD_FIXTURES'] === 'true'

for (const { name, check } of await readFixtures(path('.'), { services, record })) {
  test(`tells the story of ${name}`, async (t) => {
    await check()
    t.pass()
  })
}

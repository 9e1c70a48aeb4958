import test from 'ava'

import {
  parseProvisioningText,
  readEntries,
  unknownEntries,
  type FileEntries,
} from '../../src/contexts/provisioning-file.ts'
import { E } from '../../src/fp.ts'

const surroundings = { env: {}, readFile: () => Promise.resolve(E.left('expected a readable file, got ENOENT')) }

const read = (...entries: ReadonlyArray<string>): Promise<FileEntries> =>
  readEntries(
    parseProvisioningText(
      `apiVersion: 1\ndatasources:\n${entries.map((entry) => `  - { type: p, ${entry} }\n`).join('')}`,
    ),
    unknownEntries,
    surroundings,
  )

const repeat = (count: number, text: (index: string) => string): ReadonlyArray<string> =>
  Array.from({ length: count }, (_, index) => text(String(index)))

test('takes a text of more unset variables than a call has arguments, and names each once', async (t) => {
  const { datasources, warnings } = await read(`name: n, url: "${'$a$b'.repeat(65_000)}"`)
  t.is(datasources.length, 1)
  t.deepEqual(warnings, ['datasources[0].url: variable "a" is not set', 'datasources[0].url: variable "b" is not set'])
})

test('reports some of many unset variables, and cuts long names', async (t) => {
  const { warnings } = await read(
    `name: n, url: "\${${'x'.repeat(1000)}}${repeat(149, (index) => `$a${index}`).join('')}"`,
  )
  t.is(warnings.length, 101)
  t.true((warnings[0] ?? '').length < 150)
  t.is(warnings[100], 'and 50 more warnings')
})

test('reports some of many wrong entries, and some of many files that cannot be read', async (t) => {
  const files = repeat(150, () => '"$__file{/nowhere}"').join()
  const { problems, datasources } = await read(
    `name: m, jsonData: { a: [${files}], b: "${'$__file{/nowhere}'.repeat(1000)}" }`,
    ...repeat(149, () => 'name: n, url: 5'),
    'name: good',
  )
  t.is(datasources.length, 1)
  t.is(problems.length, 101)
  t.is(problems[0]?.split('; ').length, 101)
  t.true(problems[0]?.endsWith('; and 51 more'))
  t.is(problems[100], 'and 50 more wrong entries')
})

test('keeps the last good version of the first of two entries with one key', async (t) => {
  const last = await read('name: n, uid: p1, url: first', 'name: n, uid: p1, url: second')
  const text = 'apiVersion: 1\ndatasources: [{ type: p, name: n, uid: p1, url: 5 }]'
  const { datasources } = await readEntries(parseProvisioningText(text), last, surroundings)
  t.deepEqual(
    datasources.map(({ value }) => value.url),
    ['first'],
  )
})

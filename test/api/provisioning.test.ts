import test from 'ava'

import { parseApp, parseDatasource, parseProvisioningFile } from '../../src/api/provisioning.ts'
import { describeCauses } from '../../src/decode.ts'
import { E } from '../../src/fp.ts'

const problem = (parsed: E.Either<Parameters<typeof describeCauses>[0], unknown>): string =>
  E.isLeft(parsed) ? describeCauses(parsed.left) : 'no problem'

test('takes a file of version 1, with or without its lists', (t) => {
  t.deepEqual(parseProvisioningFile({ apiVersion: 1 }), E.right({ datasources: [], apps: [] }))
  t.deepEqual(
    parseProvisioningFile({ apiVersion: 1, datasources: [1], apps: null, prune: true, deleteDatasources: [] }),
    E.right({ datasources: [1], apps: [] }),
  )
})

test('refuses a file of another shape or version', (t) => {
  t.is(problem(parseProvisioningFile({})), 'apiVersion: expected the number 1, got nothing')
  t.is(problem(parseProvisioningFile({ apiVersion: 2 })), 'apiVersion: expected the number 1, got a number')
  t.is(
    problem(parseProvisioningFile({ apiVersion: 1, datasources: {} })),
    'datasources: expected an array, got an object',
  )
  t.not(problem(parseProvisioningFile('text')), 'no problem')
})

test("fills in Grafana's defaults, and takes an empty value for none", (t) => {
  const expected = {
    orgId: 1,
    uid: undefined,
    name: 'n',
    type: 't',
    url: '',
    user: '',
    database: '',
    basicAuth: false,
    basicAuthUser: '',
    jsonData: {},
    secureJsonData: {},
  }
  const empty = { uid: null, orgId: null, url: null, user: null, database: null, basicAuth: null, basicAuthUser: null }
  t.deepEqual(parseDatasource({ name: 'n', type: 't' }, ''), E.right(expected))
  t.deepEqual(
    parseDatasource({ name: 'n', type: 't', ...empty, jsonData: null, secureJsonData: null }, ''),
    E.right(expected),
  )
  t.deepEqual(
    parseApp({ type: 't', org_id: 3, secureJsonData: { token: null } }, ''),
    E.right({ orgId: 3, type: 't', jsonData: {}, secureJsonData: { token: '' } }),
  )
})

test('takes flags and numbers as text too, since variables are text', (t) => {
  const parsed = parseDatasource({ name: 'n', type: 't', basicAuth: 'true', orgId: '7' }, '')
  t.like(E.isRight(parsed) && parsed.right, { basicAuth: true, orgId: 7 })
})

const wrong: ReadonlyArray<readonly [object, string]> = [
  [{ url: 123 }, 'datasources[1].url: expected string, got a number'],
  [{ uid: 123 }, 'datasources[1].uid: expected string, got a number'],
  [{ name: undefined }, 'datasources[1].name: expected string, got nothing'],
  [{ basicAuth: 'yes' }, 'datasources[1].basicAuth: expected true or false, got a string'],
  [{ orgId: 0 }, 'datasources[1].orgId: expected a positive whole number, got a number'],
  [{ orgId: 'main' }, 'datasources[1].orgId: expected a positive whole number, got a string'],
  [{ jsonData: ['a'] }, 'datasources[1].jsonData: expected a map, got an array'],
  [{ secureJsonData: { password: 7 } }, 'datasources[1].secureJsonData.password: expected a string, got a number'],
]
for (const [fields, message] of wrong) {
  test(`refuses ${JSON.stringify(fields)} by its field`, (t) => {
    t.is(problem(parseDatasource({ name: 'n', type: 't', ...fields }, 'datasources[1]')), message)
  })
}

test('names the place of an entry that is no map at all', (t) => {
  t.regex(problem(parseDatasource('text', 'datasources[3]')), /^datasources\[3\]: expected .*, got a string$/)
  t.regex(problem(parseApp(null, 'apps[0]')), /^apps\[0\]: expected .*, got null$/)
})

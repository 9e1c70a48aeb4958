import test from 'ava'
import fc from 'fast-check'

import { E, TE } from '../../src/fp.ts'
import { recordingPlugins } from '../../src/testing/recording-plugin.ts'
import { service } from '../api/manifests.ts'
import { bytesOf, recordingContexts, serve } from './serve.ts'

// What is answered is told in fixtures/settings.

const of = service([{ type: 'settings' }])
const app = { ...of, spec: { ...of.spec, pluginType: 'app' as const } }
const path = '/namespaces/org-2/settings'

const settingsOf = async (jsonData: string, decryptedSecureJsonData: Readonly<Record<string, string>>) => {
  const { host, calls } = recordingPlugins({})
  const appInstanceSettings = { jsonData: Buffer.from(jsonData), decryptedSecureJsonData, lastUpdatedMS: 0 }
  const contexts = {
    getInstanceSettings: () => TE.right({ orgId: 2, grafanaConfig: { GF_SECRET: 'of-grafana' }, appInstanceSettings }),
  }
  const outcome = await serve(path, undefined, { plugins: host, contexts, of: app, method: 'GET' })
  if (calls.length > 0) throw new Error('the plugin was called')
  return outcome
}
const textOf = async (...given: Parameters<typeof settingsOf>): Promise<string> => {
  const outcome = await settingsOf(...given)
  if (E.isLeft(outcome)) throw new Error(JSON.stringify(outcome.left))
  return (await bytesOf(outcome.right)).toString()
}

test('tells of each secret that it is there, and never what it is (S30)', async (t) => {
  const secrets = fc.dictionary(fc.string(), fc.stringMatching(/^secret-[a-z0-9"\\]{8,20}$/), { minKeys: 1 })
  await fc.assert(
    fc.asyncProperty(secrets, async (given) => {
      const text = await textOf('{}', given)
      const { secureJsonFields } = JSON.parse(text) as { readonly secureJsonFields: object }
      t.deepEqual(
        Object.entries(secureJsonFields).toSorted(),
        Object.keys(given)
          .map((key): [string, boolean] => [key, true])
          .toSorted(),
      )
      t.false(text.includes('secret-'))
      t.false(text.includes('of-grafana'))
    }),
    { numRuns: 50 },
  )
})

test('tells the settings as they are, digit for digit', async (t) => {
  t.true(
    (await textOf('{ "n":12345678901234567890,"x":1.0 }', {})).includes(
      '"jsonData":{ "n":12345678901234567890,"x":1.0 }',
    ),
  )
  t.true((await textOf('', {})).includes('"jsonData":{}'))
  t.like(await settingsOf('{', {}), { left: { _tag: 'Unexpected' } })
})

test('asks for the settings of the plugin in the namespace of the path', async (t) => {
  const contexts = recordingContexts()
  await serve(path, undefined, { plugins: recordingPlugins({}).host, contexts, of, method: 'GET' })
  t.deepEqual(contexts.asked, [{ pluginId: 'p', pluginType: 'datasource', uid: undefined, namespace: 'org-2' }])
})

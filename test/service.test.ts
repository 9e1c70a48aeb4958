import { setImmediate } from 'node:timers/promises'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'

import test from 'ava'

import { TE } from '../src/fp.ts'
import type { PluginHost } from '../src/plugin.ts'
import { recordingPlugins } from '../src/testing/index.ts'
import { service } from './api/manifests.ts'
import { serve } from './services/serve.ts'

setFlagsFromString('--expose-gc')
const collectGarbage = runInNewContext('gc') as () => void

const admission = (verb: string) => ({
  path: `/admission/${verb}`,
  text: JSON.stringify({
    apiVersion: 'admission.k8s.io/v1',
    kind: 'AdmissionReview',
    request: { uid: 'u', operation: 'CREATE', kind: { group: 'g', version: 'v', kind: 'K' }, object: { large: 1 } },
  }),
})
const requests = [
  admission('mutate'),
  admission('validate'),
  { path: '/namespaces/n/datasources/p1/query', text: '{"queries":[{"datasource":"p1","large":1}]}' },
]
for (const { path, text } of requests) {
  test(`lets the body go before the plugin answers ${path}`, async (t) => {
    let large: WeakRef<object> | undefined
    const readJson = () => {
      const value: unknown = JSON.parse(text, (_key, inner: unknown) => {
        if (typeof inner === 'object' && inner !== null && 'large' in inner) large = new WeakRef(inner)
        return inner
      })
      return TE.right({ value, text })()
    }
    let isHeld: boolean | undefined
    const call = () => async () => {
      await setImmediate()
      collectGarbage()
      isHeld = large?.deref() !== undefined
      return TE.left({ _tag: 'Cancelled' } as const)()
    }
    const { host } = recordingPlugins({ error: { _tag: 'Cancelled' } })
    const other = host.plugin('hello')
    if (other === undefined) throw new Error('expected a plugin')
    const client = { ...other.client, queryData: call, mutateAdmission: call, validateAdmission: call }
    const plugins: PluginHost = {
      plugin: (id) => ({ id, version: '1.0.0', client }),
      close: () => Promise.resolve(),
    }
    const of = service([{ type: 'query' }, { type: 'admission' }])
    const headers = { 'content-type': 'application/json' }
    await serve(path, text, { plugins, of, request: { readJson, headers } })
    t.is(isHeld, false)
  })
}

import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { runInNewContext } from 'node:vm'

import test from 'ava'

import { apiServer, kubernetesContexts, type PluginContextProvider } from '../../src/index.ts'
import { fetchWhenUp, freePort, root, runExample } from './_run.ts'

const readme = await readFile(join(root, 'README.md'), 'utf8')
const blocks = [...readme.matchAll(/^```(\w+)(?: (\S+))?\n([\s\S]*?)^```$/gm)].map(([, language, file, text]) => ({
  language,
  file,
  text,
}))

test('shows each example as it stands in its file', async (t) => {
  const named = blocks.filter(({ file }) => file !== undefined)
  t.deepEqual(
    named.map(({ file }) => file),
    [
      'examples/dataplaneservices/datasource.yml',
      'examples/quick-start.ts',
      'examples/replica.ts',
      'examples/in-memory.ts',
      'examples/routing.test.ts',
    ],
  )
  for (const { file = '', text } of named) t.is(text, await readFile(join(root, file), 'utf8'), file)
})

test('names commands that exist, and the line that the example prints', async (t) => {
  const commands = blocks.filter(({ language }) => language === 'sh').map(({ text = '' }) => text.trim())
  t.deepEqual(commands.toSpliced(1, 1), [
    'npm ci && npm start',
    'npm ci && npm test',
    'npm install dataplane-aggregator express',
    // typed in test/interop, where there is a kubectl
    [
      'export KUBECONFIG=examples/kubeconfig.yml',
      'kubectl apply -f examples/datasource.yml --validate=false',
      'kubectl wait --for=condition=Available dps --all',
      'kubectl get dps',
    ].join('\n'),
    // as test/examples/replica.test.ts runs it
    [
      'export KUBECONFIG=examples/kubeconfig.yml',
      'node --conditions=dataplane-aggregator:source --import tsx examples/replica.ts',
    ].join('\n'),
  ])
  const { scripts } = JSON.parse(await readFile(join(root, 'package.json'), 'utf8')) as {
    scripts: Record<string, string>
  }
  t.truthy(scripts['start'])
  t.truthy(scripts['test'])
  const { line } = runExample(t, 'examples/apiserver/main.ts', { PORT: '0' })
  const [listening, curl] = [await line(/^listening on /), await line(/^curl /)]
  t.is(commands[1], curl.replace(listening.slice('listening on '.length), 'http://127.0.0.1:3000'))
})

const query = (type: string, uid: string): RequestInit => ({
  method: 'POST',
  body: JSON.stringify({ queries: [{ refId: 'A', datasource: { type, uid } }], from: 'now-1m', to: 'now' }),
})

test('runs the first snippet', async (t) => {
  const port = await freePort()
  const { stop } = runExample(t, 'examples/quick-start.ts', { PORT: String(port) })
  const url = `http://127.0.0.1:${String(port)}`
  const response = await fetchWhenUp(
    `${url}/apis/testdata.grafana.app/v0alpha1/namespaces/default/datasources/example/query`,
    query('testdata', 'example'),
  )
  t.is(response.status, 200)
  t.regex(await response.text(), /^\{"results":\{"A":\{"status":200,"frames":\[\{"schema":/)
  t.is(await (await fetch(`${url}/other`)).text(), 'the apiserver that you already have\n')
  t.is(await stop(), 0)
})

test('runs the snippet with everything in the process', async (t) => {
  const port = await freePort()
  const { stop } = runExample(t, 'examples/in-memory.ts', { PORT: String(port) })
  const path = '/apis/hello.example.com/v1/namespaces/default/datasources/h1/query'
  const response = await fetchWhenUp(`http://127.0.0.1:${String(port)}${path}`, query('hello', 'h1'))
  t.is(await response.text(), '{"results":{"A":{"status":200,"frames":[]}}}\n')
  t.is(await stop(), 0)
})

test('lets nobody but an admin write, by the lines that it shows', (t) => {
  const lines = blocks.find(({ text = '' }) => text.startsWith('authorize: '))?.text ?? ''
  const { authorize } = runInNewContext(`({ ${lines} })`) as {
    authorize: (attributes: { group: string; verb: string; user?: { name: string } }) => boolean
  }
  const group = 'aggregation.grafana.app'
  t.true(authorize({ group, verb: 'watch' }))
  t.true(authorize({ group, verb: 'create', user: { name: 'admin' } }))
  t.false(authorize({ group, verb: 'create', user: { name: 'bob' } }))
  t.true(authorize({ group: 'testdata.grafana.app', verb: 'create', user: { name: 'bob' } }))
})

test('takes instance settings from a cluster as the line of the README does', async (t) => {
  const line = blocks.find(({ text = '' }) => text.startsWith('contexts: '))?.text ?? ''
  const asked: unknown[] = []
  const { contexts } = runInNewContext(`({ ${line} })`, {
    inCluster: () => apiServer('http://127.0.0.1:1'),
    kubernetesContexts: (...args: Parameters<typeof kubernetesContexts>) => {
      asked.push(args[1])
      return kubernetesContexts(...args)
    },
  }) as { contexts: PluginContextProvider }
  t.like(asked, [{ namespace: 'team-a' }])
  t.is(typeof contexts.getInstanceSettings, 'function')
  await contexts.close?.()
})

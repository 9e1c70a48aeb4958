// The example as its README has it typed, with the newest kubectl.
import { readFile, rm } from 'node:fs/promises'
import { join } from 'node:path'

import { root, runExample } from '../examples/_run.ts'
import { kubectlOf, stored } from './_kubectl.ts'
import { testWith } from './_setup.ts'

const name = 'v0alpha1.prometheus.grafana.app'

testWith('kubectl')('applies a service to the example, and queries it', async (t) => {
  // what is applied there is kept there, in a file
  t.teardown(() => rm(join(root, `examples/dataplaneservices/${name}.yaml`), { force: true }))
  const { line, stop } = runExample(t, 'examples/apiserver/main.ts', { PORT: '0' })
  const url = (await line(/^listening on /)).slice('listening on '.length)
  const kubectl = kubectlOf(t, 'kubectl', url)
  const typed = async (command: string): Promise<string> => {
    const { code, out, err } = await kubectl(command.split(' '), { cwd: root })
    t.is(code, 0, `kubectl ${command}\n${out}${err}`)
    return out
  }

  const applied = await typed('apply -f examples/datasource.yml --validate=false')
  t.is(applied, `dataplaneservice.aggregation.grafana.app/${name} created\n`)
  t.is((await stored(url, name))?.spec['group'], 'prometheus.grafana.app')
  const waited = await typed('wait --for=condition=Available dps --all')
  t.true(waited.includes(`${name} condition met`), waited)
  t.regex(await typed('get dps'), /^v0alpha1\.prometheus\.grafana\.app +testdata +query +True +\d+s$/m)

  const query = `${url}/apis/prometheus.grafana.app/v0alpha1/namespaces/default/connections/example/query`
  const post = async (): Promise<unknown> => {
    const response = await fetch(query, {
      method: 'POST',
      headers: { 'content-type': 'application/x-www-form-urlencoded' },
      body: await readFile(join(root, 'examples/datasource-query.json')),
    })
    return response.json()
  }
  const { results } = (await post()) as { readonly results: Readonly<Record<string, unknown>> }
  t.like(results, { A: { status: 200 } })

  await typed('delete -f examples/datasource.yml')
  t.like(await post(), { handler: 'kube-aggregator' })
  t.is(await stop(), 0)
})

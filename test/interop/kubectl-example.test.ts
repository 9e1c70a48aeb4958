// The example as its README has it typed, with the newest kubectl.
import { execFile } from 'node:child_process'
import { readFile, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'

import { root, runExample } from '../examples/_run.ts'
import { kubectlOf, stored } from './_kubectl.ts'
import { testWith } from './_setup.ts'

const run = promisify(execFile)

const name = 'v0alpha1.prometheus.grafana.app'

testWith('kubectl', 'curl')('applies a service to the example, and queries it', async (t) => {
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

  const readme = await readFile(join(root, 'README.md'), 'utf8')
  const lines = /^export KUBECONFIG=.*\n((?:kubectl .*\n)+)/m.exec(readme)?.[1]?.trimEnd().split('\n') ?? []
  const [apply = '', wait = '', get = '', ...more] = lines.map((each) => each.slice('kubectl '.length))
  t.is(apply, 'apply -f examples/datasource.yml --validate=false')
  t.deepEqual(more, [])
  t.is(await typed(apply), `dataplaneservice.aggregation.grafana.app/${name} created\n`)
  t.is((await stored(url, name))?.spec['group'], 'prometheus.grafana.app')
  const waited = await typed(wait)
  t.true(waited.includes(`${name} condition met`), waited)
  t.regex(await typed(get), /^v0alpha1\.prometheus\.grafana\.app +testdata +query +True +\d+s$/m)

  // upstream's own words, but for the place of the server and of its examples
  const query = `${url.replace('http://', 'http://admin:admin@')}/apis/prometheus.grafana.app/v0alpha1/namespaces/default/connections/example/query`
  const curl = `curl '${query}' -X POST -d '@examples/datasource-query.json' --silent`
  const post = async (): Promise<unknown> => JSON.parse((await run('sh', ['-c', curl], { cwd: root })).stdout)
  const { results } = (await post()) as { readonly results: Readonly<Record<string, unknown>> }
  t.like(results, { A: { status: 200 } })

  await typed('delete -f examples/datasource.yml')
  t.like(await post(), { handler: 'kube-aggregator' })
  t.is(await stop(), 0)
})

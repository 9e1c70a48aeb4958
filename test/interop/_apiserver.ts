import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import type { ExecutionContext } from 'ava'
import { parse } from 'yaml'

import { collection } from './_kubectl.ts'
import { firstLine, run, tools, until } from './_setup.ts'

/** Kubernetes' own apiserver, with our CustomResourceDefinition in it. Resolves with its URL, once it serves the objects. */
export const startApiserver = async (t: Pick<ExecutionContext, 'teardown'>): Promise<string> => {
  const { have: program = '' } = tools.apiserver
  const directory = mkdtempSync(join(tmpdir(), 'apiserver-'))
  t.teardown(() => {
    rmSync(directory, { recursive: true, force: true })
  })
  const child = run(t, program, [directory], { stdio: ['pipe', 'pipe', 'ignore'] })
  const { url } = JSON.parse(await firstLine(child)) as { readonly url: string }
  const definition: unknown = parse(readFileSync(new URL('../../examples/kubernetes/crd.yml', import.meta.url), 'utf8'))
  const response = await fetch(`${url}/apis/apiextensions.k8s.io/v1/customresourcedefinitions`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(definition),
  })
  if (!response.ok) throw new Error(await response.text())
  // it tells nobody when a definition has become an API; for a while it asks to come again
  await until(async () => (await fetch(`${url}${collection}`)).ok)
  return url
}

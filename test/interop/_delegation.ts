import type { ExecutionContext } from 'ava'

import type { Kubectl } from './_kubectl.ts'
import type { Kubernetes } from './_kubernetes.ts'

/** What `startTlsHost` claims. */
export const group = 'interop.example.com'
export const base = `/apis/${group}/v1`
export const instance = `${base}/namespaces/default/datasources/one`

/** Resource `reports` is there to be listed: of datasources and connections we claim nothing but what lies below them. */
export const services = [
  { type: 'query' },
  { type: 'stream' },
  { type: 'health' },
  { type: 'route' },
  { type: 'route', method: 'GET', path: '/reports/{name}' },
]

export const aggregated = { accept: 'application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList' }

/** What tests that come one after another start for each other. */
export const have = <A>(value: A | undefined): A => {
  if (value === undefined) throw new Error('it was not started')
  return value
}

/** What kubectl printed, after it went well. */
export const good = async (t: ExecutionContext, kubectl: Kubectl, ...[args, options]: Parameters<Kubectl>) => {
  const { code, out, err } = await kubectl(args, options)
  t.is(code, 0, `kubectl ${args.join(' ')}\n${out}${err}`)
  return out
}

/** Lets a group of users do this in namespace default. */
export const grant = async (
  cluster: Kubernetes,
  subject: string,
  resources: ReadonlyArray<string>,
  verb: string,
): Promise<void> => {
  const rbac = '/apis/rbac.authorization.k8s.io/v1/namespaces/default'
  const apiGroup = 'rbac.authorization.k8s.io'
  const name = subject.replaceAll(/\W/g, '-')
  const rules = [{ apiGroups: [group], resources, verbs: [verb] }]
  await cluster.create(`${rbac}/roles`, { metadata: { name }, rules })
  await cluster.create(`${rbac}/rolebindings`, {
    metadata: { name },
    roleRef: { apiGroup, kind: 'Role', name },
    subjects: [{ apiGroup, kind: 'Group', name: subject }],
  })
}

/** Of the Kubernetes manifests, as much as tests ask. */
export interface Manifest {
  readonly apiVersion: string
  readonly kind: string
  readonly metadata: { readonly name: string; readonly namespace?: string }
  readonly [field: string]: unknown
}

interface Rule {
  readonly apiGroups: ReadonlyArray<string>
  readonly resources: ReadonlyArray<string>
  readonly verbs: ReadonlyArray<string>
  readonly resourceNames?: ReadonlyArray<string>
}

interface Binding extends Manifest {
  readonly roleRef: { readonly kind: string; readonly name: string }
  readonly subjects: ReadonlyArray<{ readonly kind: string; readonly name: string; readonly namespace: string }>
}

/** What a request wants, in the words of RBAC. */
export interface Asked {
  readonly verb: string
  readonly group: string
  /** With its subresource: `dataplaneservices/status`. */
  readonly resource: string
  /** Empty: of all namespaces, or of none. */
  readonly namespace: string
  readonly name: string
}

/** One thing that is allowed, in one namespace or (`undefined`) in all. */
export interface Grant extends Omit<Asked, 'name' | 'namespace'> {
  readonly names: ReadonlyArray<string> | undefined
  readonly namespace: string | undefined
}

/** Kubernetes' own, made by kube-apiserver when it starts. */
const own: ReadonlyArray<Manifest> = [
  {
    apiVersion: 'rbac.authorization.k8s.io/v1',
    kind: 'Role',
    metadata: { name: 'extension-apiserver-authentication-reader', namespace: 'kube-system' },
    rules: [
      {
        apiGroups: [''],
        resources: ['configmaps'],
        resourceNames: ['extension-apiserver-authentication'],
        verbs: ['get', 'list', 'watch'],
      },
    ],
  },
]

const rulesOf = ({ rules }: Manifest): ReadonlyArray<Rule> => rules as ReadonlyArray<Rule>

export const toGrants = (role: Manifest, namespace: string | undefined): ReadonlyArray<Grant> =>
  rulesOf(role).flatMap(({ apiGroups, resources, verbs, resourceNames: names }) =>
    apiGroups.flatMap((group) =>
      resources.flatMap((resource) => verbs.map((verb) => ({ verb, group, resource, namespace, names }))),
    ),
  )

/** All that a service account is bound to, one by one. Throws when a role is bound that is not there. */
export const grantsOf = (manifests: ReadonlyArray<Manifest>, account: Manifest): ReadonlyArray<Grant> =>
  manifests
    .filter((manifest): manifest is Binding => manifest.kind.endsWith('Binding'))
    .filter(({ subjects }) =>
      subjects.some(
        ({ kind, name, namespace }) =>
          kind === 'ServiceAccount' && name === account.metadata.name && namespace === account.metadata.namespace,
      ),
    )
    .flatMap(({ roleRef, metadata: { namespace } }) => {
      const role = [...manifests, ...own].find(
        ({ kind, metadata }) =>
          kind === roleRef.kind &&
          metadata.name === roleRef.name &&
          metadata.namespace === (kind === 'Role' ? namespace : undefined),
      )
      if (role === undefined) throw new Error(`there is no ${roleRef.kind} ${roleRef.name}`)
      return toGrants(role, namespace)
    })

export const allows = ({ verb, group, resource, namespace, names }: Grant, asked: Asked): boolean =>
  verb === asked.verb &&
  group === asked.group &&
  resource === asked.resource &&
  (namespace === undefined || namespace === asked.namespace) &&
  (names === undefined || names.includes(asked.name))

const verbs: Readonly<Record<string, string>> = { POST: 'create', PUT: 'update', PATCH: 'patch', DELETE: 'delete' }

/** Source: RequestInfo of the Kubernetes apiserver, as far as tests ask. */
export const toAsked = (method: string, url: string): Asked => {
  const { pathname, searchParams } = new URL(url, 'http://host')
  const [, prefix, ...segments] = pathname.split('/').map(decodeURIComponent)
  const group = prefix === 'api' ? '' : (segments.shift() ?? '')
  segments.shift()
  const namespace = segments[0] === 'namespaces' && segments.length > 2 ? segments.splice(0, 2)[1] : ''
  const [resource = '', inPath = '', ...rest] = segments
  const name =
    inPath === '' ? (/^metadata\.name=(.+)$/.exec(searchParams.get('fieldSelector') ?? '')?.[1] ?? '') : inPath
  const reading = searchParams.get('watch') === 'true' || searchParams.get('watch') === '1' ? 'watch' : 'list'
  return {
    verb: verbs[method] ?? (inPath === '' ? reading : 'get'),
    group,
    resource: [resource, ...rest.slice(0, 1)].join('/'),
    namespace: namespace ?? '',
    name,
  }
}

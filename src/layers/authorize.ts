import type { DataPlaneService } from '../api/dataplane-service.ts'
import type { Authorize, Decision, RequestAttributes, RouteAccess } from '../authorization.ts'
import { unexpected, type AggregatorError, type Result } from '../errors.ts'
import { pipe, TE } from '../fp.ts'
import type { HttpRequest } from '../http.ts'
import type { CallEnv, Layer } from '../service.ts'
import { inTime } from './deadline.ts'

const verbOf = (method: string, hasName: boolean): string => {
  switch (method) {
    case 'POST':
      return 'create'
    case 'GET':
    case 'HEAD':
      return hasName ? 'get' : 'list'
    case 'PUT':
      return 'update'
    case 'PATCH':
      return 'patch'
    case 'DELETE':
      return hasName ? 'delete' : 'deletecollection'
    default:
      return ''
  }
}

/** A refused path may hold what cannot be decoded; it is asked about as well. */
const decode = (segment: string): string => {
  try {
    return decodeURIComponent(segment)
  } catch {
    return segment
  }
}

/** Of a document that tells which APIs there are: a path, and no resource. */
const ofDocument = ({ method, path, user }: HttpRequest): RequestAttributes => ({
  user,
  verb: method.toLowerCase(),
  group: '',
  version: '',
  namespace: '',
  resource: '',
  name: '',
  subresource: '',
  path,
})

/** Anything but false and 0 watches, as in Kubernetes. */
const isWatch = ({ query }: HttpRequest): boolean => {
  const watch = new URLSearchParams(query).get('watch')
  return watch !== null && !['false', '0'].includes(watch.toLowerCase())
}

/** A list of one name is a request for that one. */
const selectedName = ({ query }: HttpRequest): string =>
  /^metadata\.name==?([^,!=]+)$/.exec(new URLSearchParams(query).get('fieldSelector') ?? '')?.[1] ?? ''

/**
 * Of the objects themselves: a list may be a watch, or name the one object that it is about. A new one has the name that its body says,
 * whatever the path does: nobody gets leave for another.
 */
const ofRegistry = (request: HttpRequest, attributes: RequestAttributes): RequestAttributes => {
  const { verb } = attributes
  if (verb === 'create') return { ...attributes, name: '' }
  return {
    ...attributes,
    verb: verb === 'list' && isWatch(request) ? 'watch' : verb,
    name: attributes.name === '' ? selectedName(request) : attributes.name,
  }
}

const ofResource = ({ method, path, user }: HttpRequest, service: DataPlaneService): RequestAttributes => {
  const { group, version } = service.spec
  const segments = path.split('/').slice(4, 9).map(decode)
  const namespace = segments[0] === 'namespaces' ? (segments[1] ?? '') : ''
  const [resource = '', name = '', subresource = ''] =
    segments[0] === 'namespaces' && segments.length > 2 ? segments.slice(2) : segments
  return { user, verb: verbOf(method, name !== ''), group, version, namespace, resource, name, subresource, path }
}

/** Read off the canonical path, the one that is sent on, by the rules of Kubernetes' RequestInfo. */
export const attributesOf = (request: HttpRequest, { service, type }: CallEnv): RequestAttributes => {
  if (type === 'discovery') return ofDocument(request)
  const attributes = ofResource(request, service)
  return type === 'registry' ? ofRegistry(request, attributes) : attributes
}

const forbidden = (
  { user, verb, resource, subresource, group, name, namespace, path }: RequestAttributes,
  reason?: string,
): AggregatorError => {
  const what = resource === '' ? 'forbidden' : `${resource}.${group} ${JSON.stringify(name)} is forbidden`
  const wanted =
    resource === ''
      ? `path ${JSON.stringify(path)}`
      : `resource "${subresource === '' ? resource : `${resource}/${subresource}`}" in API group "${group}"` +
        (namespace === '' ? ' at the cluster scope' : ` in the namespace ${JSON.stringify(namespace)}`)
  const who = JSON.stringify(user?.name ?? 'system:anonymous')
  return {
    _tag: 'Forbidden',
    message: `${what}: User ${who} cannot ${verb} ${wanted}${reason === undefined ? '' : `: ${reason}`}`,
  }
}

const answerOf = async (hook: Authorize, attributes: RequestAttributes): Promise<Exclude<Decision, boolean>> => {
  const decision = await hook(attributes)
  if (typeof decision === 'boolean') return { allowed: decision }
  if (typeof decision.allowed === 'boolean') return decision
  throw new TypeError(`expected authorize to give a boolean or { allowed }, got ${typeof decision}`)
}

const decide = (hook: Authorize, attributes: RequestAttributes): Result<void> =>
  pipe(
    TE.tryCatch(() => answerOf(hook, attributes), unexpected),
    TE.flatMap(({ allowed, reason }) => (allowed ? TE.right(undefined) : TE.left(forbidden(attributes, reason)))),
  )

/** Each role may do what those before it may. Source: RoleType of Grafana. */
const roles: ReadonlyArray<string | undefined> = ['Viewer', 'Editor', 'Admin']

/** Without a hook nobody knows what an action means: only a role can be told from the user himself. */
const byRole = ({ user, ...attributes }: RequestAttributes, { reqAction, reqRole }: RouteAccess): Result<void> => {
  if (reqAction !== undefined) {
    return TE.left(forbidden({ user, ...attributes }, `action "${reqAction}" needs option authorize`))
  }
  const isEnough = roles.includes(reqRole) && roles.indexOf(user?.role) >= roles.indexOf(reqRole)
  return isEnough ? TE.right(undefined) : TE.left(forbidden({ user, ...attributes }, `needs role "${reqRole ?? ''}"`))
}

/**
 * Asks the host's hook with the full attributes, for no longer than a request may take, and once more for what a route of a
 * plugin.json asks for. Without a hook, authorization is the business of what stands before us, but for such routes, which it
 * knows nothing of.
 */
export const authorize =
  (hook: Authorize | undefined): Layer =>
  (next) => {
    if (hook === undefined) {
      return (request, env) =>
        next(request, { ...env, mayAccess: (access) => byRole(attributesOf(request, env), access) })
    }
    const ask =
      (attributes: RequestAttributes, env: CallEnv): Result<void> =>
      () =>
        inTime(env, env.timeoutMs, decide(hook, attributes))
    return (request, env) => {
      const attributes = attributesOf(request, env)
      const mayAccess = (access: RouteAccess): Result<void> => ask({ ...attributes, access }, env)
      const mayCreate: Result<void> = () => ask({ ...attributes, verb: 'create' }, env)()
      return pipe(
        ask(attributes, env),
        TE.flatMap(() => next(request, { ...env, mayAccess, mayCreate })),
      )
    }
  }

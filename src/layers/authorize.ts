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

/** Read off the canonical path, the one that is sent on, by the rules of Kubernetes' RequestInfo. */
export const attributesOf = ({ method, path, user }: HttpRequest, { service }: CallEnv): RequestAttributes => {
  const { group, version } = service.spec
  const segments = path.split('/').slice(4, 9).map(decode)
  const namespace = segments[0] === 'namespaces' ? (segments[1] ?? '') : ''
  const [resource = '', name = '', subresource = ''] =
    segments[0] === 'namespaces' && segments.length > 2 ? segments.slice(2) : segments
  return { user, verb: verbOf(method, name !== ''), group, version, namespace, resource, name, subresource, path }
}

const forbidden = (
  { user, verb, resource, subresource, group, name, namespace }: RequestAttributes,
  reason?: string,
): AggregatorError => ({
  _tag: 'Forbidden',
  message:
    `${resource}.${group} ${JSON.stringify(name)} is forbidden: User ${JSON.stringify(user?.name ?? 'system:anonymous')} cannot ${verb} resource ` +
    `"${subresource === '' ? resource : `${resource}/${subresource}`}" in API group "${group}"` +
    (namespace === '' ? ' at the cluster scope' : ` in the namespace ${JSON.stringify(namespace)}`) +
    (reason === undefined ? '' : `: ${reason}`),
})

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
      return pipe(
        ask(attributes, env),
        TE.flatMap(() => next(request, { ...env, mayAccess })),
      )
    }
  }

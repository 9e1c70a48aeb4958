import { resource } from '../api/dataplane-service.ts'
import { TE } from '../fp.ts'
import type { Logger } from '../logger.ts'
import type { ObjectStore } from '../object-store.ts'
import type { Handle, ServiceRoute } from '../service.ts'
import { amend } from './amend.ts'
import { create } from './create.ts'
import { forbidden, notFound } from './failures.ts'
import { readRoutes } from './read-routes.ts'
import { removeAll } from './remove-all.ts'
import { remove } from './remove.ts'
import { update } from './update.ts'

export interface RegistryOptions {
  readonly objects: ObjectStore
  /** Refuses what would change something. */
  readonly isReadOnly: boolean
  readonly logger: Logger
  /** The clock behind times in metadata, ms since the epoch. Default: Date.now. */
  readonly now?: () => number
}

/** Every change there is; a wrong method is refused before it comes here. */
const writeRoutes = (objects: ObjectStore, now: () => number): ReadonlyArray<ServiceRoute> => {
  const all = `/${resource}`
  const one = `${all}/{name}`
  const changes = (path: string, subresource: 'status' | undefined): ReadonlyArray<ServiceRoute> => {
    const target = () => ({ objects, subresource, timeMs: now() })
    return [
      { method: 'PUT', path, handle: (request, env) => update(request, env, target()) },
      { method: 'PATCH', path, handle: (request, env) => amend(request, env, target()) },
    ]
  }
  const creates: Handle = (request, env) => create(request, env, objects, now())
  return [
    { method: 'POST', path: all, handle: creates },
    // Kubernetes takes it there, too, and goes by the name in the body.
    { method: 'POST', path: one, handle: creates },
    { method: 'DELETE', path: all, handle: (request, env) => removeAll(request, env, objects, now()) },
    { method: 'DELETE', path: one, handle: (request, env) => remove(request, env, objects, now()) },
    ...changes(one, undefined),
    ...changes(`${one}/status`, 'status'),
  ]
}

const methodsOf = (routes: ReadonlyArray<ServiceRoute>, path: string): ReadonlyArray<string> =>
  routes
    .filter((route) => route.path === path)
    .flatMap(({ method }) => (method === 'GET' ? ['GET', 'HEAD'] : [method]))
    .toSorted()

/** What no segment decodes to is told as it came. */
const decoded = (segment: string): string => {
  try {
    return decodeURIComponent(segment)
  } catch {
    return segment
  }
}

/** The paths below the objects that nobody else answers: another method of theirs, or a subresource that there is not. */
const missRoute = (routes: ReadonlyArray<ServiceRoute>): ServiceRoute => ({
  method: '*',
  path: `/${resource}/*`,
  handle: ({ method, tail }) => {
    const [name = '', subresource, ...more] = tail.split('/')
    const below = name === '' ? '' : subresource === undefined ? '/{name}' : `/{name}/${subresource}`
    const allow = more.length > 0 ? [] : methodsOf(routes, `/${resource}${below}`)
    return TE.left(
      allow.length === 0 || allow.includes(method)
        ? notFound(decoded(name))
        : { _tag: 'MethodNotAllowed', method, allow },
    )
  },
})

const refuse: Handle = ({ params: { name = '' } }) =>
  TE.left(forbidden(name, "the objects cannot be changed here (option registry: 'read-only')"))

/** The objects as a Kubernetes API: routes below `/apis/aggregation.grafana.app/v0alpha1`. */
export const registryRoutes = ({
  objects,
  isReadOnly,
  now = Date.now,
}: RegistryOptions): ReadonlyArray<ServiceRoute> => {
  const writes = writeRoutes(objects, now)
  const routes = [
    ...readRoutes(objects),
    ...(isReadOnly ? writes.map((route) => ({ ...route, handle: refuse })) : writes),
  ]
  return [...routes, missRoute(routes)]
}

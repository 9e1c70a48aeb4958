import { pluginTypes, serviceTypes, type DataPlaneService, type ServiceType } from '../../src/api/dataplane-service.ts'
import { parseDataPlaneService } from '../../src/api/validation.ts'
import type { RouteAccess } from '../../src/authorization.ts'
import { encodeFrame, encodeQueryData } from '../../src/frames/index.ts'
import { E } from '../../src/fp.ts'
import type { InFlightLimits } from '../../src/layers/limits.ts'
import type { PluginClient } from '../../src/plugin.ts'
import { serviceDefinitions } from '../../src/services/index.ts'

/** What a request may come to. `settings`: nothing but the provider of instance settings. */
export type Reached = keyof PluginClient | 'upstream' | 'settings'

/** How an answer goes out, and how it ends when it cannot be whole. */
export type Form = 'whole' | 'events' | 'lines' | 'messages' | 'piecemeal'

/** One way to ask for a route. */
interface Way {
  /** Where the route takes any. */
  readonly method?: string
  readonly form: Form
  /** In which of the limits it is counted, where that is not said by its method. */
  readonly limit?: keyof InFlightLimits
  readonly reaches: ReadonlyArray<Reached>
  /** What stands for `*`. */
  readonly tail?: string
  readonly access?: RouteAccess
  readonly body?: string
}

const accepts: Readonly<Partial<Record<Form, string>>> = { events: 'text/event-stream', lines: 'application/jsonl' }

const query = JSON.stringify({ queries: [{ refId: 'A', datasource: { type: 'p', uid: 'd1' } }] })
const admission = JSON.stringify({
  kind: 'AdmissionReview',
  apiVersion: 'admission.k8s.io/v1',
  request: { uid: 'u1', operation: 'CREATE', kind: { group: 'g', version: 'v1', kind: 'K' }, object: { a: 1 } },
})
const conversion = JSON.stringify({
  kind: 'ConversionReview',
  apiVersion: 'apiextensions.k8s.io/v1',
  request: { uid: 'u1', desiredAPIVersion: 'g/v2', objects: [{ apiVersion: 'g/v1', kind: 'K' }] },
})

const whole = (call: Reached, body?: string): Way => ({
  form: 'whole',
  reaches: [call],
  ...(body === undefined ? {} : { body }),
})
const longRunning = 'longRunning' as const
const stream = (form: Form): Way => ({ form, limit: longRunning, reaches: ['subscribeStream', 'runStream'] })
const chunked = (form: Form): Way => ({ form, limit: longRunning, reaches: ['queryChunkedData'], body: query })
const piecemeal = (reached: Reached, method: string, given: Partial<Way> = {}): Way => ({
  form: 'piecemeal',
  reaches: [reached],
  method,
  ...(method === 'GET' ? {} : { body: '{}' }),
  ...given,
})
const resource = [piecemeal('callResource', 'GET'), piecemeal('callResource', 'PUT')]
const proxied = [piecemeal('upstream', 'GET'), piecemeal('upstream', 'PUT')]

/**
 * All routes that there are, and all ways to ask for each. A route that is not here is named by the test of this list: say how it is
 * asked for, and every promise is tried on it. Of routes with a `spec.backend` the forms of the plugin's answers stand for Accept headers.
 */
const ways: Readonly<Record<ServiceType, Readonly<Record<string, ReadonlyArray<Way>>>>> = {
  admission: {
    'POST /admission/mutate': [whole('mutateAdmission', admission)],
    'POST /admission/validate': [whole('validateAdmission', admission)],
  },
  conversion: {
    'POST /conversion': [whole('convertObjects', conversion)],
    'POST /query-convert': [whole('convertObjects', query)],
    'POST /queryconvert': [whole('convertObjects', query)],
  },
  query: { 'POST /query': [whole('queryData', query), chunked('events'), chunked('lines')] },
  stream: {
    'GET /stream/*': [stream('events'), stream('lines'), stream('messages')],
    'POST /stream/*': [whole('publishStream', '{}')],
  },
  route: {
    // who asks for events means to stay
    '* /resources/*': [...resource, piecemeal('callResource', 'GET', { form: 'events', limit: longRunning })],
    'GET /reports/{id}': [piecemeal('callResource', 'GET')],
    '* /files/*': resource,
  },
  'datasource-proxy': {
    '* /proxy': proxied,
    '* /proxy/*': [...proxied, piecemeal('upstream', 'GET', { tail: 'guarded', access: { reqAction: 'p:write' } })],
  },
  settings: { 'GET /settings': [whole('settings')] },
  health: { 'GET /health': [whole('checkHealth')] },
  metrics: { 'GET /plugins/p/metrics': [whole('collectMetrics')] },
}

const services = [
  ...serviceTypes.map((type) => ({ type })),
  { type: 'route', method: 'GET', path: '/reports/{id}' },
  { type: 'route', path: '/files/*' },
]

export const objectNames = ['datasource', 'app', 'backend'] as const
export type ObjectName = (typeof objectNames)[number]

/** One object for each type of plugin, and one that has a `spec.backend`; each with every service type. */
export const manifests = (upstream: string): ReadonlyArray<unknown> =>
  objectNames.map((name) => ({
    apiVersion: 'aggregation.grafana.app/v0alpha1',
    kind: 'DataPlaneService',
    metadata: { name },
    spec: {
      pluginID: 'p',
      pluginType: pluginTypes.find((type) => type === name) ?? 'datasource',
      group: `${name}.example.com`,
      version: 'v1',
      services,
      ...(name === 'backend' ? { backend: { type: 'http', baseURL: `${upstream}/backend` } } : {}),
    },
  }))

/** One request, and what is to become of it. */
export interface Ask extends Required<Pick<Way, 'method' | 'form' | 'limit' | 'reaches'>> {
  /** Shape: `app query POST …/namespaces/default/query events`. */
  readonly title: string
  readonly object: ObjectName
  readonly type: ServiceType
  readonly path: string
  /** Shape: `/apis/app.example.com/v1/namespaces/{namespace}/query`. */
  readonly template: string
  readonly access: RouteAccess | undefined
  readonly body: string | undefined
  readonly accept: string | undefined
  readonly upgrades: boolean
}

/** A route that nobody said how to ask for, or a way to ask for what is no route. */
export interface Gap {
  readonly type: ServiceType
  readonly route: string
}

const definitions = serviceDefinitions({ encodeQueryData, encodeFrame })

const parsed: ReadonlyArray<DataPlaneService> = manifests('http://upstream').map((manifest) => {
  const service = parseDataPlaneService(manifest)
  if (E.isLeft(service)) throw new Error(JSON.stringify(service.left))
  return service.right
})

/** Shape: `/query`, whatever the instance. */
const restOf = (path: string): string =>
  path.replace('/namespaces/{namespace}', '').replace(/^\/(connections|datasources)\/\{uid\}/, '')

const limitOf = (method: string): keyof InFlightLimits => (method === 'GET' ? 'reads' : 'writes')

/** Of an object whose backend answers: no WebSockets, and no rules of a plugin.json. */
const throughBackend = (way: Way): ReadonlyArray<Way> =>
  way.form === 'messages' || way.access !== undefined ? [] : [{ ...way, reaches: ['upstream'] }]

const routes = parsed.flatMap((service) =>
  service.spec.services.flatMap((entry) =>
    definitions[entry.type].routes(entry, service).map((route) => ({ service, type: entry.type, route })),
  ),
)

const known = routes.map(({ type, route }) => ({ type, route: `${route.method} ${restOf(route.path)}` }))

/** Both ways: what nobody asks for, and what is asked for and is not there. */
export const gaps: ReadonlyArray<Gap> = [
  ...known.filter(({ type, route }) => ways[type][route] === undefined),
  ...serviceTypes.flatMap((type) =>
    Object.keys(ways[type])
      .filter((route) => !known.some((other) => other.type === type && other.route === route))
      .map((route) => ({ type, route })),
  ),
]

let lastTail = 0

/** Every way to ask for every route of every object. No two streams among them are the same. */
export const asks: ReadonlyArray<Ask> = routes.flatMap(({ service, type, route }) => {
  const name = objectNames.find((object) => object === service.metadata.name) ?? 'datasource'
  const given = ways[type][`${route.method} ${restOf(route.path)}`] ?? []
  return (name === 'backend' ? given.flatMap(throughBackend) : given).map((way): Ask => {
    const { form, reaches, access, body, tail = `t${String(++lastTail)}` } = way
    const method = way.method ?? route.method
    const template = `/apis/${service.spec.group}/${service.spec.version}${route.path}`
    const path = template.replace('{namespace}', 'default').replace('{uid}', 'd1').replace('{id}', 'r1')
    return {
      title: [name, type, method, route.path, form, ...(access === undefined ? [] : [tail])].join(' '),
      object: name,
      type,
      method,
      path: path.replace('*', tail),
      template,
      form: name === 'backend' ? 'piecemeal' : form,
      limit: way.limit ?? limitOf(method),
      reaches,
      access,
      body,
      accept: accepts[form],
      upgrades: form === 'messages',
    }
  })
})

/** Where the answer of a plugin or of what stands behind a path decides about headers. */
export const isFree = ({ reaches }: Ask): boolean => reaches.includes('callResource') || reaches.includes('upstream')

/** Where there is more to come when the first of the answer is out. */
export const isStreamed = ({ form }: Ask): boolean => form !== 'whole'

import { capCauses, decodeWith, quote } from '../decode.ts'
import { E, pipe } from '../fp.ts'
import {
  apiVersion,
  DataPlaneServiceShape,
  group as ownGroup,
  kind,
  pluginTypes,
  type Backend,
  serviceTypes,
  type DataPlaneService,
  type PluginType,
  type Service,
  type ServiceType,
} from './dataplane-service.ts'
import { parsePathTemplate } from './path-template.ts'
import type { CauseReason, StatusCause } from './status.ts'

type Causes = ReadonlyArray<StatusCause>

/** RFC 1123 subdomain and RFC 1035 label, as Kubernetes checks names, groups and versions. Linear; the length is checked first. */
const subdomain = /^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$/
const label = /^[a-z]([-a-z0-9]*[a-z0-9])?$/
const pluginId = /^[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?$/
const timestamp = /^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(\.\d+)?(Z|[+-]\d{2}:\d{2})$/

/** Groups that belong to Kubernetes itself, or to us: nobody's plugin may take them over. */
const reservedGroups = new Set(['apps', 'autoscaling', 'batch', 'events', 'extensions', 'policy', ownGroup])
const reservedSuffixes = ['k8s.io', 'kubernetes.io']

const methods = ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS']

/** Methods of the types whose paths are fixed; `undefined`: any, also for `route`, which names its own. */
const methodsOfType: Readonly<Record<ServiceType, ReadonlyArray<string> | undefined>> = {
  admission: ['POST'],
  conversion: ['POST'],
  query: ['POST'],
  stream: ['GET', 'POST'],
  route: undefined,
  'datasource-proxy': undefined,
  settings: ['GET'],
  health: ['GET'],
  metrics: ['GET'],
}

const cause = (reason: CauseReason, field: string, message: string): StatusCause => ({ reason, field, message })

const unsupported = (field: string, value: string, supported: ReadonlyArray<string>): StatusCause =>
  cause(
    'FieldValueNotSupported',
    field,
    `Unsupported value: ${quote(value)}: supported values: ${supported.map(quote).join(', ')}`,
  )

const matches = (field: string, value: string, pattern: RegExp, maxLength: number, what: string): Causes => {
  if (value === '') return [cause('FieldValueRequired', field, `expected ${what}, got nothing`)]
  if (value.length > maxLength)
    return [cause('FieldValueTooLong', field, `must not be longer than ${String(maxLength)} characters`)]
  return pattern.test(value) ? [] : [cause('FieldValueInvalid', field, `expected ${what}, got ${quote(value)}`)]
}

const isReserved = (group: string): boolean =>
  reservedGroups.has(group) || reservedSuffixes.some((suffix) => group === suffix || group.endsWith(`.${suffix}`))

const checkGroup = (group: string): Causes => {
  const field = 'spec.group'
  const wrong = matches(field, group, subdomain, 253, 'a DNS subdomain such as "prometheus.grafana.app"')
  if (wrong.length > 0) return wrong
  return isReserved(group) ? [cause('FieldValueForbidden', field, `group ${quote(group)} is reserved`)] : []
}

/** Grafana's Go constant lacked an "a" for a long time, so stored objects do too. */
const isServiceType = (value: string): value is ServiceType => serviceTypes.some((type) => type === value)
const toServiceType = (value: string): ServiceType | undefined => {
  const type = value === 'datsource-proxy' ? 'datasource-proxy' : value
  return isServiceType(type) ? type : undefined
}

const isPluginType = (value: string): value is PluginType => pluginTypes.some((type) => type === value)

const checkService = (service: DataPlaneServiceShape['spec']['services'][number], field: string): Causes => {
  const type = toServiceType(service.type)
  if (type === undefined) return [unsupported(`${field}.type`, service.type, serviceTypes)]
  const causes: StatusCause[] = []
  const { method = '', path } = service
  const allowed = methodsOfType[type] ?? methods
  if (method !== '' && !allowed.includes(method)) causes.push(unsupported(`${field}.method`, method, allowed))
  if (path !== undefined && path !== '' && type !== 'route') {
    causes.push(
      cause(
        'FieldValueForbidden',
        `${field}.path`,
        `only a service of type "route" has a path of its own, not "${type}"`,
      ),
    )
  }
  if (path !== undefined && path !== '' && type === 'route') {
    // Below the namespace, whose parameter it must not bind again.
    const template = parsePathTemplate(path.startsWith('/') ? `/namespaces/{namespace}${path}` : path)
    if (E.isLeft(template)) causes.push(cause('FieldValueInvalid', `${field}.path`, template.left))
  }
  return causes
}

const toService = ({ type, method, path }: DataPlaneServiceShape['spec']['services'][number]): Service => ({
  type: toServiceType(type) ?? 'route',
  ...(method === undefined || method === '' ? {} : { method }),
  ...(path === undefined || path === '' ? {} : { path }),
})

/** Identity in a text: parameters and wildcards are equal whatever their name, since they claim the same paths. */
const identity = ({ type, method, path = '' }: Service): string =>
  `${type} ${method ?? methodsOfType[type]?.join() ?? '*'} ${path.replace(/\{\w+\}/g, '{}').replace(/\{\w+\.\.\.\}$/, '*')}`

const checkDuplicates = (services: ReadonlyArray<Service>): Causes => {
  const first = new Map<string, number>()
  return services.flatMap((service, index) => {
    const seen = first.get(identity(service))
    if (seen === undefined) first.set(identity(service), index)
    return seen === undefined
      ? []
      : [
          cause(
            'FieldValueDuplicate',
            `spec.services[${String(index)}]`,
            `same type, method and path as spec.services[${String(seen)}]`,
          ),
        ]
  })
}

/** Of what a URL parser would forgive, too: nothing may follow it, and an empty query is one. */
const isBaseUrl = (text: string): boolean =>
  text.length <= 2048 && /^https?:\/\/[^/\s\\?#@][^\s\\?#@]*$/i.test(text) && URL.canParse(text)

const isPem = (base64: string): boolean => /-----BEGIN CERTIFICATE-----/.test(Buffer.from(base64, 'base64').toString())

const checkBackend = ({ backend }: DataPlaneServiceShape['spec']): Causes => {
  if (backend === undefined) return []
  const { type, baseURL, caBundle } = backend
  return [
    ...(type === 'http' ? [] : [unsupported('spec.backend.type', type, ['http'])]),
    ...(isBaseUrl(baseURL)
      ? []
      : [
          cause(
            'FieldValueInvalid',
            'spec.backend.baseURL',
            'expected a URL with http or https, without user, query and fragment',
          ),
        ]),
    ...(caBundle === undefined || caBundle === '' || isPem(caBundle)
      ? []
      : [cause('FieldValueInvalid', 'spec.backend.caBundle', 'expected certificates in PEM, in base64')]),
  ]
}

const toBackend = ({ baseURL, caBundle }: NonNullable<DataPlaneServiceShape['spec']['backend']>): Backend => ({
  type: 'http',
  baseURL,
  ...(caBundle === undefined || caBundle === '' ? {} : { caBundle }),
})

const checkMetadata = ({ name, creationTimestamp }: DataPlaneServiceShape['metadata']): Causes => [
  ...matches('metadata.name', name, subdomain, 253, 'a DNS subdomain such as "v0alpha1.prometheus.grafana.app"'),
  ...(typeof creationTimestamp === 'string'
    ? matches('metadata.creationTimestamp', creationTimestamp, timestamp, 40, 'a time of RFC 3339')
    : []),
]

const check = (shape: DataPlaneServiceShape): Causes => {
  const { spec } = shape
  const services = spec.services.flatMap((service, index) => checkService(service, `spec.services[${String(index)}]`))
  return [
    ...(shape.apiVersion === apiVersion ? [] : [unsupported('apiVersion', shape.apiVersion, [apiVersion])]),
    ...(shape.kind === kind ? [] : [unsupported('kind', shape.kind, [kind])]),
    ...checkMetadata(shape.metadata),
    ...matches('spec.pluginID', spec.pluginID, pluginId, 128, 'a plugin id such as "prometheus"'),
    ...(isPluginType(spec.pluginType) ? [] : [unsupported('spec.pluginType', spec.pluginType, pluginTypes)]),
    ...checkGroup(spec.group),
    ...matches('spec.version', spec.version, label, 63, 'a version such as "v0alpha1"'),
    ...checkBackend(spec),
    ...services,
    ...(services.length > 0 ? [] : checkDuplicates(spec.services.map(toService))),
  ]
}

/**
 * Decodes and validates one object of unknown origin. Left: every field of a wrong type, or else every wrong value, with
 * paths such as `spec.services[1].path`. The rules are ours: upstream had none, and a bad object could bring its server down.
 */
export const parseDataPlaneService = (value: unknown): E.Either<Causes, DataPlaneService> =>
  pipe(
    decodeWith(DataPlaneServiceShape)(value),
    E.flatMap((shape) => {
      const causes = check(shape)
      const { pluginType, backend, ...spec } = shape.spec
      if (causes.length > 0 || !isPluginType(pluginType)) return E.left(capCauses(causes))
      const services = shape.spec.services.map(toService)
      return E.right({
        ...shape,
        spec: { ...spec, pluginType, services, ...(backend === undefined ? {} : { backend: toBackend(backend) }) },
      })
    }),
  )

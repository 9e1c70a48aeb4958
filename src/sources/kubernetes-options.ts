import { randomUUID } from 'node:crypto'
import { hostname } from 'node:os'

import { safeLogger, silentLogger, type Logger } from '../logger.ts'
import { isObjectName } from './accept.ts'

/** The Lease that tells which replica writes. */
export interface LeaseOptions {
  /** Default `dataplane-aggregator`. Replicas of one registry have the same. */
  readonly name?: string
  /** Default: the namespace of the kubeconfig's context, or of the service account. */
  readonly namespace?: string
  /** Of this replica, and of no other. Default: the host's name, and a UUID. */
  readonly identity?: string
}

export interface KubernetesSourceOptions {
  /** Only these objects are served. Shape: `team=a,env in (test, prod)`. Default: all. */
  readonly labelSelector?: string
  /** How long nothing may be heard of the apiserver before `readyz` says so, ms; `Infinity`: however long. Default 300000. */
  readonly maxStalenessMs?: number
  /** Who writes what became of objects into their status. Default `lease`: one of the replicas that share the Lease; `always`: each. */
  readonly statusWriter?: 'lease' | 'always' | 'never'
  readonly lease?: LeaseOptions
  /** Default: says nothing. What is wrong with the source, the aggregator's own logger tells. */
  readonly logger?: Logger
}

export interface KubernetesSettings {
  readonly labelSelector: string | undefined
  readonly maxStalenessMs: number
  readonly statusWriter: 'lease' | 'always' | 'never'
  readonly lease: { readonly name: string; readonly namespace: string | undefined; readonly identity: string }
  readonly logger: Logger
}

const isText = (value: unknown): boolean => typeof value === 'string' && value !== ''
const isFields = (value: unknown): value is object => typeof value === 'object' && value !== null

type Kinds = Readonly<Record<string, readonly [expected: string, is: (value: unknown) => boolean]>>

const kinds: Kinds = {
  labelSelector: ['a text', isText],
  maxStalenessMs: ['ms or Infinity', (value) => typeof value === 'number' && value >= 0],
  statusWriter: [
    '"lease", "always" or "never"',
    (value) => ['lease', 'always', 'never'].some((writer) => writer === value),
  ],
  lease: ['an object', isFields],
  logger: [
    'a logger',
    (value) =>
      isFields(value) &&
      ['debug', 'info', 'warn', 'error'].every((level) => typeof Reflect.get(value, level) === 'function'),
  ],
}

const isName = (value: unknown): boolean => typeof value === 'string' && isObjectName(value)

const leaseKinds: Kinds = {
  name: ['a DNS subdomain', isName],
  namespace: ['a DNS label', (value) => isName(value) && String(value).length <= 63 && !String(value).includes('.')],
  identity: ['a text', isText],
}

const check = (options: object, table: Kinds, prefix: string): void => {
  for (const [name, value] of Object.entries(options)) {
    const kind = Object.hasOwn(table, name) ? table[name] : undefined
    if (kind === undefined)
      throw new TypeError(`unknown option ${prefix}${name}, known: ${Object.keys(table).join(', ')}`)
    const [expected, is] = kind
    if (value === undefined || is(value)) continue
    const text = typeof value === 'string' ? JSON.stringify(value) : String(value)
    const got = ['string', 'number'].includes(typeof value) ? text : typeof value
    throw new TypeError(`expected option ${prefix}${name} to be ${expected}, got ${got}`)
  }
}

/** Throws a TypeError that names a wrong option. */
export const toKubernetesSettings = (options: KubernetesSourceOptions): KubernetesSettings => {
  check(options, kinds, '')
  const { labelSelector, maxStalenessMs = 300_000, statusWriter = 'lease', lease = {}, logger = silentLogger } = options
  check(lease, leaseKinds, 'lease.')
  const { name = 'dataplane-aggregator', namespace, identity = `${hostname()}_${randomUUID()}` } = lease
  return {
    labelSelector,
    maxStalenessMs,
    statusWriter,
    lease: { name, namespace, identity },
    logger: safeLogger(logger),
  }
}

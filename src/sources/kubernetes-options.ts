import { randomUUID } from 'node:crypto'
import { hostname } from 'node:os'

import { safeLogger, silentLogger, type Logger } from '../logger.ts'

const statusWriters = ['lease', 'always', 'never'] as const

export interface LeaseOptions {
  /** Default `dataplane-aggregator`. Replicas of one registry have the same. */
  readonly name?: string
  /** Default: the namespace of the kubeconfig's context, or of the service account. */
  readonly namespace?: string
  /** Of this replica, and of no other. Default: the host's name and a random part. */
  readonly identity?: string
}

export interface KubernetesSourceOptions {
  /** Follows only objects with these labels. Shape: `team=a,env!=dev`. Default: all. */
  readonly labelSelector?: string
  /** How long the apiserver may be away before `readyz` says so, ms; `Infinity`: however long. Default 300 000. */
  readonly maxStalenessMs?: number
  /**
   * Who writes conditions into the status of objects: whichever replica holds a Lease (the default), this one in any case, or none.
   */
  readonly statusWriter?: (typeof statusWriters)[number]
  readonly lease?: LeaseOptions
  /** Default: says nothing. What is wrong with the source, the aggregator's own logger tells. */
  readonly logger?: Logger
}

export interface KubernetesSourceSettings {
  readonly labelSelector: string | undefined
  readonly maxStalenessMs: number
  readonly statusWriter: (typeof statusWriters)[number]
  readonly lease: { readonly name: string; readonly namespace: string | undefined; readonly identity: string }
  readonly logger: Logger
}

const known: ReadonlyArray<string> = ['labelSelector', 'maxStalenessMs', 'statusWriter', 'lease', 'logger']
const knownOfLease: ReadonlyArray<string> = ['name', 'namespace', 'identity']

const refuseUnknown = (prefix: string, given: object, names: ReadonlyArray<string>): void => {
  const unknown = Object.keys(given).find((name) => !names.includes(name))
  if (unknown !== undefined) throw new TypeError(`unknown option ${prefix}${unknown}, known: ${names.join(', ')}`)
}

const text = (option: string, value: unknown): string | undefined => {
  if (value === undefined || (typeof value === 'string' && value !== '')) return value
  throw new TypeError(`expected option ${option} to be a text, got ${value === '' ? 'an empty one' : typeof value}`)
}

const duration = (option: string, value: unknown, fallback: number): number => {
  if (value === undefined) return fallback
  if (typeof value === 'number' && value >= 0) return value
  const got = typeof value === 'number' ? String(value) : typeof value
  throw new TypeError(`expected option ${option} to be ms or Infinity, got ${got}`)
}

/** Checks options and fills in defaults. Throws a TypeError that names the option. */
export const toKubernetesSettings = (options: KubernetesSourceOptions): KubernetesSourceSettings => {
  refuseUnknown('', options, known)
  const { labelSelector, maxStalenessMs, statusWriter = 'lease', lease = {}, logger = silentLogger } = options
  refuseUnknown('lease.', lease, knownOfLease)
  if (!statusWriters.includes(statusWriter))
    throw new TypeError(`expected option statusWriter to be one of ${statusWriters.join(', ')}`)
  return {
    labelSelector: text('labelSelector', labelSelector),
    maxStalenessMs: duration('maxStalenessMs', maxStalenessMs, 300_000),
    statusWriter,
    lease: {
      name: text('lease.name', lease.name) ?? 'dataplane-aggregator',
      namespace: text('lease.namespace', lease.namespace),
      identity: text('lease.identity', lease.identity) ?? `${hostname()}_${randomUUID()}`,
    },
    logger: safeLogger(logger),
  }
}

import { X509Certificate } from 'node:crypto'

import type { Clock } from '../clock.ts'
import type { Logger } from '../logger.ts'
import type { CachedContextsOptions } from './cached.ts'
import type { InstanceTableOptions } from './instance-table.ts'

/** `orgOfNamespace` by default: `org-<n>` is n, every other namespace is 1. */
export interface HttpContextsOptions extends InstanceTableOptions, Pick<CachedContextsOptions, 'ttlMs' | 'maxEntries'> {
  /** Sent with each request. Shape: `{ authorization: 'Bearer …' }`. */
  readonly headers?: Readonly<Record<string, string>>
  /** Whom to trust, PEM. Default: the authorities that Node knows. */
  readonly ca?: string
  /** For a whole answer, ms, default 5000. */
  readonly timeoutMs?: number
  /** Default 1 MiB. */
  readonly answerLimitBytes?: number
  readonly logger?: Logger
  /** Default: the system's. */
  readonly clock?: Clock
}

/** By which `checkOptionNames` knows them. */
export const httpOptionNames: Readonly<Record<keyof HttpContextsOptions, true>> = {
  headers: true,
  ca: true,
  timeoutMs: true,
  answerLimitBytes: true,
  ttlMs: true,
  maxEntries: true,
  orgOfNamespace: true,
  grafanaConfig: true,
  logger: true,
  clock: true,
}

/** What belongs to the connection, to the body, or to what is asked. */
const ownHeaders =
  /^(host|connection|keep-alive|content-.*|transfer-encoding|te|trailer|upgrade|expect|proxy-.*|accept|accept-encoding)$/i

/** RFC 9110, 5.1 and 5.5. */
const token = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/
const fieldValue = /^[\t\x20-\x7e\x80-\xff]*$/

/** None of the messages holds the value: it may log in. */
const refuse = (what: string): never => {
  throw new TypeError(`httpContexts: ${what}`)
}

/** Throws a TypeError, as all of these do. */
export const toUrl = (given: string): URL => {
  const url = URL.canParse(given) ? new URL(given) : refuse('expected a URL')
  if (url.protocol !== 'http:' && url.protocol !== 'https:') refuse('expected a URL of http: or https:')
  if (url.username !== '' || url.password !== '')
    refuse('expected a URL without a login: that belongs in option headers')
  return url
}

/** What may be sent with each request. */
export const checkHeaders = (headers: Readonly<Record<string, unknown>>): Readonly<Record<string, string>> => {
  const checked = Object.entries(headers).map(([name, value]): [string, string] => {
    if (ownHeaders.test(name))
      refuse(`expected option headers without ${JSON.stringify(name)}, which is not for others`)
    if (typeof value !== 'string') return refuse(`expected header ${JSON.stringify(name)} to be a text`)
    if (!token.test(name) || !fieldValue.test(value)) refuse(`expected header ${JSON.stringify(name)} to be sendable`)
    return [name, value]
  })
  return Object.fromEntries(checked)
}

/** Of option `ca`. */
export const checkCa = (ca: string): string => {
  try {
    // A text without a certificate would mean to Node that nobody is trusted.
    new X509Certificate(ca)
    return ca
  } catch {
    return refuse('expected option ca to be a certificate in PEM')
  }
}

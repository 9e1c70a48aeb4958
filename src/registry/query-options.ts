import type { StatusCause } from '../api/status.ts'
import { quote } from '../decode.ts'
import { badRequest, type AggregatorError } from '../errors.ts'
import { E } from '../fp.ts'
import type { HttpRequest } from '../http.ts'
import { invalidOptions, type OptionsKind } from './failures.ts'

export type FieldValidation = 'Ignore' | 'Warn' | 'Strict'

/** What a write is asked with. Source: metav1.CreateOptions, UpdateOptions, PatchOptions. */
export interface WriteOptions {
  readonly isDryRun: boolean
  /** Who writes: the query's `fieldManager`, else the User-Agent up to its first `/`. May be empty. */
  readonly manager: string
  readonly fieldValidation: FieldValidation
  readonly isForced: boolean
}

type Causes = ReadonlyArray<StatusCause>

/** Anything but false and 0 is true, as in Kubernetes. */
export const isTrue = (text: string): boolean => !['false', '0'].includes(text.toLowerCase())

/** `given`: as often as it was given. */
export const checkDryRun = (given: ReadonlyArray<string>): Causes =>
  given.every((value) => value === 'All')
    ? []
    : [
        {
          reason: 'FieldValueNotSupported',
          field: 'dryRun',
          message: `Unsupported value: [${given.slice(0, 5).map(quote).join(',')}]: supported values: "All"`,
        },
      ]

const maxManagerBytes = 128
const unprintable = /[^\p{L}\p{M}\p{N}\p{P}\p{S} ]/u

const codeOf = (character: string): string =>
  `U+${(character.codePointAt(0) ?? 0).toString(16).toUpperCase().padStart(4, '0')}`

const checkManager = (manager: string): Causes => {
  const field = 'fieldManager'
  if (Buffer.byteLength(manager) > maxManagerBytes) {
    const message = `Too long: may not be more than ${String(maxManagerBytes)} bytes`
    return [{ reason: 'FieldValueTooLong', field, message }]
  }
  const bad = unprintable.exec(manager)
  if (bad === null) return []
  const text = `invalid character ${codeOf(bad[0])} (at position ${String(bad.index)})`
  return [{ reason: 'FieldValueInvalid', field, message: `Invalid value: ${JSON.stringify(manager)}: ${text}` }]
}

const fieldValidations: ReadonlyMap<string, FieldValidation> = new Map<string, FieldValidation>([
  ['', 'Warn'],
  ['Ignore', 'Ignore'],
  ['Strict', 'Strict'],
  ['Warn', 'Warn'],
])

const checkFieldValidation = (given: string): Causes =>
  fieldValidations.has(given)
    ? []
    : [
        {
          reason: 'FieldValueNotSupported',
          field: 'fieldValidation',
          message: `Unsupported value: ${quote(given)}: supported values: "", "Ignore", "Strict", "Warn"`,
        },
      ]

const checkApply = (query: URLSearchParams, isApply: boolean): Causes => {
  if (isApply && (query.get('fieldManager') ?? '') === '') {
    return [
      { reason: 'FieldValueRequired', field: 'fieldManager', message: 'Required value: is required for apply patch' },
    ]
  }
  if (isApply || !query.has('force')) return []
  return [
    { reason: 'FieldValueForbidden', field: 'force', message: 'Forbidden: may not be specified for non-apply patch' },
  ]
}

/** Go's durations. */
const duration = /^[-+]?(?:0|(?:(?:\d+(?:\.\d*)?|\.\d+)(?:ns|us|µs|μs|ms|s|m|h))+)$/

/** How long a client waits is its own affair; what it says of it must be understood all the same. */
export const checkTimeout = (query: URLSearchParams): E.Either<AggregatorError, void> => {
  const timeout = query.get('timeout') ?? ''
  return timeout === '' || (timeout.length <= 64 && duration.test(timeout))
    ? E.right(undefined)
    : E.left(badRequest(`invalid timeout specified in the request URL - expected a duration, got ${quote(timeout)}`))
}

/** Source: prefixFromUserAgent of apiserver. */
const managerOf = ({ headers }: HttpRequest): string => {
  const agent = headers['user-agent']
  const [name = ''] = (typeof agent === 'string' ? agent : '').split('/', 1)
  const printable = [...name.slice(0, 1024)].filter((character) => !unprintable.test(character)).join('')
  return printable.slice(0, maxManagerBytes)
}

/** Unknown parameters say nothing. `isApply`: of server-side apply. Fails with BadRequest, Invalid. */
export const parseWriteOptions = (
  kind: OptionsKind,
  request: HttpRequest,
  isApply = false,
): E.Either<AggregatorError, WriteOptions> => {
  const query = new URLSearchParams(request.query)
  const dryRun = query.getAll('dryRun')
  const manager = query.get('fieldManager') ?? ''
  const fieldValidation = query.get('fieldValidation') ?? ''
  const force = query.get('force')
  const causes = [
    ...(kind === 'PatchOptions' ? checkApply(query, isApply) : []),
    ...checkManager(manager),
    ...checkDryRun(dryRun),
    ...checkFieldValidation(fieldValidation),
  ]
  const timeout = checkTimeout(query)
  if (E.isLeft(timeout)) return timeout
  if (causes.length > 0) return E.left(invalidOptions(kind, causes))
  return E.right({
    isDryRun: dryRun.length > 0,
    manager: manager === '' ? managerOf(request) : manager,
    fieldValidation: fieldValidations.get(fieldValidation) ?? 'Warn',
    isForced: force !== null && isTrue(force),
  })
}

import type { StatusCause } from '../api/status.ts'
import { badRequest, type AggregatorError } from '../errors.ts'
import { E, pipe } from '../fp.ts'
import { invalidOptions } from './failures.ts'
import { checkTimeout, isTrue } from './query-options.ts'
import { parseRevision } from './revision.ts'
import { parseSelection, type Selection } from './selectors.ts'

/** What a list is asked with. Source: metav1.ListOptions. */
export interface ListOptions {
  readonly selects: Selection
  /** Largest page; 0: no limit. */
  readonly limit: number
  /** Empty: from the beginning. */
  readonly continue: string
  readonly resourceVersion: number | undefined
  readonly match: 'Exact' | 'NotOlderThan' | undefined
}

/** What a watch is asked with. Source: metav1.ListOptions. */
export interface WatchOptions {
  readonly selects: Selection
  readonly resourceVersion: number | undefined
  readonly sendInitialEvents: boolean | undefined
  readonly allowsBookmarks: boolean
  /** 0: as long as the server likes. */
  readonly timeoutSeconds: number
}

const flagOf = (query: URLSearchParams, name: string): boolean | undefined => {
  const text = query.get(name)
  return text === null ? undefined : isTrue(text)
}

/** Whether a request for a list is one for its changes. */
export const isWatch = (query: URLSearchParams): boolean => flagOf(query, 'watch') === true

/** A 64-bit integer; 0 where there is none. */
const parseInteger = (query: URLSearchParams, name: string): E.Either<AggregatorError, number> => {
  const text = query.get(name) ?? ''
  if (text === '') return E.right(0)
  return /^[+-]?\d{1,18}$/.test(text)
    ? E.right(Number(text))
    : E.left(badRequest(`expected query parameter ${name} to be an integer, got ${JSON.stringify(text)}`))
}

const matchField = 'resourceVersionMatch'

const forbidden = (field: string, text: string): StatusCause => ({
  reason: 'FieldValueForbidden',
  field,
  message: `Forbidden: ${text}`,
})

const notSupported = (match: string, supported: string): StatusCause => ({
  reason: 'FieldValueNotSupported',
  field: matchField,
  message: `Unsupported value: ${JSON.stringify(match)}: supported values: ${supported}`,
})

const faultsOfList = (query: URLSearchParams, match: string): ReadonlyArray<StatusCause> => {
  const faults: StatusCause[] = []
  const resourceVersion = query.get('resourceVersion') ?? ''
  if (match !== '') {
    if (resourceVersion === '') faults.push(forbidden(matchField, `${matchField} needs resourceVersion`))
    if ((query.get('continue') ?? '') !== '') {
      faults.push(forbidden(matchField, `${matchField} is forbidden when continue is provided`))
    }
    if (!['Exact', 'NotOlderThan'].includes(match)) faults.push(notSupported(match, '"Exact", "NotOlderThan", ""'))
    if (match === 'Exact' && resourceVersion === '0') {
      faults.push(forbidden(matchField, `${matchField} "exact" is forbidden for resourceVersion "0"`))
    }
  }
  if (query.has('sendInitialEvents')) {
    faults.push(forbidden('sendInitialEvents', 'sendInitialEvents is forbidden for list'))
  }
  return faults
}

const faultsOfWatch = (query: URLSearchParams, match: string): ReadonlyArray<StatusCause> => {
  const faults: StatusCause[] = []
  const isListed = query.has('sendInitialEvents')
  if (isListed && match !== 'NotOlderThan') {
    faults.push(forbidden(matchField, `sendInitialEvents requires setting ${matchField} to NotOlderThan`))
  }
  if (match !== '') {
    if (!isListed) {
      faults.push(forbidden(matchField, `${matchField} is forbidden for watch unless sendInitialEvents is provided`))
    }
    if (match !== 'NotOlderThan') faults.push(notSupported(match, '"NotOlderThan"'))
    if ((query.get('continue') ?? '') !== '') {
      faults.push(forbidden(matchField, `${matchField} is forbidden when continue is provided`))
    }
  }
  return faults
}

const check = (faults: ReadonlyArray<StatusCause>): E.Either<AggregatorError, void> =>
  faults.length === 0 ? E.right(undefined) : E.left(invalidOptions('ListOptions', faults))

/** Fails with BadRequest, and Invalid for what does not go together. */
export const parseListOptions = (query: URLSearchParams): E.Either<AggregatorError, ListOptions> => {
  const match = query.get('resourceVersionMatch') ?? ''
  return pipe(
    E.Do,
    E.bind('limit', () => parseInteger(query, 'limit')),
    E.bind('timeoutSeconds', () => parseInteger(query, 'timeoutSeconds')),
    E.tap(() => checkTimeout(query)),
    E.tap(() => check(faultsOfList(query, match))),
    E.bind('resourceVersion', () => parseRevision(query.get('resourceVersion') ?? '')),
    E.bind('selects', () => parseSelection(query)),
    E.map(({ limit, resourceVersion, selects }) => ({
      selects,
      limit: Math.max(0, limit),
      continue: query.get('continue') ?? '',
      resourceVersion,
      match: match === 'Exact' || match === 'NotOlderThan' ? match : undefined,
    })),
  )
}

/** Fails with BadRequest, and Invalid for what does not go together. */
export const parseWatchOptions = (query: URLSearchParams): E.Either<AggregatorError, WatchOptions> =>
  pipe(
    E.Do,
    E.bind('limit', () => parseInteger(query, 'limit')),
    E.bind('timeoutSeconds', () => parseInteger(query, 'timeoutSeconds')),
    E.tap(() => check(faultsOfWatch(query, query.get('resourceVersionMatch') ?? ''))),
    E.bind('resourceVersion', () => parseRevision(query.get('resourceVersion') ?? '')),
    E.bind('selects', () => parseSelection(query)),
    E.map(({ timeoutSeconds, resourceVersion, selects }) => ({
      selects,
      resourceVersion,
      sendInitialEvents: flagOf(query, 'sendInitialEvents'),
      allowsBookmarks: flagOf(query, 'allowWatchBookmarks') === true,
      timeoutSeconds,
    })),
  )

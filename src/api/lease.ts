import * as t from 'io-ts'

import { decodeWith } from '../decode.ts'
import { E, pipe } from '../fp.ts'
import type { StatusCause } from './status.ts'

/** Who does what only one may do, and until when. Source: LeaseSpec of coordination.k8s.io/v1. */
export interface LeaseSpec {
  /** Left out, or empty: nobody. */
  readonly holderIdentity?: string | undefined
  readonly leaseDurationSeconds?: number | undefined
  /** RFC 3339 with microseconds. */
  readonly acquireTime?: string | undefined
  /** RFC 3339 with microseconds, by the holder's clock. */
  readonly renewTime?: string | undefined
  /** So often the holder was another than before. */
  readonly leaseTransitions?: number | undefined
}

export interface Lease {
  /** As it came. */
  readonly metadata: Readonly<Record<string, unknown>> & { readonly resourceVersion: string }
  /** What of it is of the right type. A holder that is no text is one all the same. */
  readonly spec: LeaseSpec
  /** The spec as it came, to see whether it has changed. */
  readonly record: unknown
}

/** A holder that cannot be read: somebody, and surely none of us. */
const unreadable = '?'

const given = <A>(is: (value: unknown) => value is A, value: unknown): A | undefined => (is(value) ? value : undefined)

const isTime = (value: unknown): value is string => typeof value === 'string' && !Number.isNaN(Date.parse(value))
const isCount = (value: unknown): value is number =>
  typeof value === 'number' && Number.isInteger(value) && value >= 0 && value < 2 ** 31
const isDuration = (value: unknown): value is number => isCount(value) && value > 0

const toHolder = (value: unknown): string | undefined =>
  typeof value === 'string' ? value : value === undefined || value === null ? undefined : unreadable

const toSpec = (record: unknown): LeaseSpec => {
  const spec = t.UnknownRecord.is(record) ? record : {}
  return {
    holderIdentity: toHolder(spec['holderIdentity']),
    leaseDurationSeconds: given(isDuration, spec['leaseDurationSeconds']),
    acquireTime: given(isTime, spec['acquireTime']),
    renewTime: given(isTime, spec['renewTime']),
    leaseTransitions: given(isCount, spec['leaseTransitions']),
  }
}

/** An empty one would have a PUT overwrite whatever there is: two would lead. */
const version = t.refinement(t.string, (text) => text !== '', 'a resourceVersion')

const Shape = t.type({
  metadata: t.intersection([t.UnknownRecord, t.type({ resourceVersion: version })]),
  spec: t.unknown,
})

/** Left: it has no resourceVersion to write by. What of its spec is wrong counts as left out: others may have written it. Pure. */
export const parseLease = (value: unknown): E.Either<ReadonlyArray<StatusCause>, Lease> =>
  pipe(
    decodeWith(Shape)(value),
    E.map(({ metadata, spec }) => ({ metadata, spec: toSpec(spec), record: spec })),
  )

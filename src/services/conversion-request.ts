import { conversionApiVersion, ConversionReview } from '../api/conversion-review.ts'
import { depthOf, elementsOf, membersOf, startOfText } from '../api/raw-json.ts'
import type { StatusCause } from '../api/status.ts'
import { decodeWith, describeCauses, quote } from '../decode.ts'
import { badRequest, type AggregatorError } from '../errors.ts'
import { E, pipe } from '../fp.ts'
import type { HttpRequest, JsonBody, User } from '../http.ts'
import type { ConversionRequest, RawObject } from '../plugin.ts'
import { expectJson, maxDepth } from './review.ts'

/** What of an object no conversion may change. */
export interface Identity {
  readonly kind: string
  readonly name: string
  readonly namespace: string
  readonly uid: string
}

/** A review, read. Its objects are texts only: as values they would be many times that size. */
export interface ConversionCall {
  readonly reviewUid: string
  readonly user: User | undefined
  /** Shape: `example.com/v2`; `v1` for the core group. */
  readonly desiredAPIVersion: string
  readonly targetVersion: ConversionRequest['targetVersion']
  readonly objects: ReadonlyArray<RawObject>
  /** Of each object, in the same order. */
  readonly identities: ReadonlyArray<Identity>
}

export const isRecord = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

const textOf = (value: unknown): string => (typeof value === 'string' ? value : '')

/** What is there but no text counts as empty, as in apimachinery. */
export const identityOf = (object: Readonly<Record<string, unknown>>): Identity => {
  const metadata = isRecord(object['metadata']) ? object['metadata'] : {}
  return {
    kind: textOf(object['kind']),
    name: textOf(metadata['name']),
    namespace: textOf(metadata['namespace']),
    uid: textOf(metadata['uid']),
  }
}

const invalid = (causes: ReadonlyArray<StatusCause>): AggregatorError =>
  badRequest(`invalid ConversionReview: ${describeCauses(causes)}`, causes)

const wrong = (reason: StatusCause['reason'], field: string, message: string): E.Either<AggregatorError, never> =>
  E.left(invalid([{ reason, field, message }]))

/** Source: ParseGroupVersion of apimachinery. */
const parseVersion = (text: string): E.Either<AggregatorError, ConversionRequest['targetVersion']> => {
  const [, group = '', version] = /^(?:([^/]*)\/)?([^/]+)$/.exec(text) ?? []
  return version === undefined
    ? wrong('FieldValueInvalid', 'request.desiredAPIVersion', `expected group/version, got ${quote(text)}`)
    : E.right({ group, version })
}

/** The objects' own texts: what goes to the plugin is what the apiserver holds, digit for digit. */
const rawObjects = (text: string): E.Either<AggregatorError, ReadonlyArray<RawObject>> => {
  const request = membersOf(text, startOfText(text)).get('request')
  const array = request && membersOf(text, request.start).get('objects')
  const objects: RawObject[] = []
  for (const { start, end } of array === undefined ? [] : elementsOf(text, array.start)) {
    const raw = text.slice(start, end)
    const depth = depthOf(raw)
    if (depth > maxDepth) {
      const message = `expected at most ${String(maxDepth)} levels, got ${String(depth)}`
      return wrong('FieldValueTooLong', `request.objects[${String(objects.length)}]`, message)
    }
    objects.push({ raw: Buffer.from(raw), contentType: 'application/json' })
  }
  return E.right(objects)
}

/** Reads a ConversionReview; refuses what is none with 400, 415. Pure. */
export const decodeConversion = (
  { headers, user }: HttpRequest,
  body: JsonBody,
): E.Either<AggregatorError, ConversionCall> =>
  pipe(
    E.Do,
    E.chainFirst(() => expectJson(headers)),
    E.bind('review', () => E.mapLeft(invalid)(decodeWith(ConversionReview)(body.value))),
    E.filterOrElse(
      ({ review }) => review.kind === 'ConversionReview' && review.apiVersion === conversionApiVersion,
      () => badRequest(`expected ConversionReview of ${conversionApiVersion}`),
    ),
    E.bind('targetVersion', ({ review }) => parseVersion(review.request.desiredAPIVersion)),
    E.bind('objects', () => rawObjects(body.text)),
    E.map(({ review: { request }, targetVersion, objects }) => ({
      reviewUid: request.uid,
      user,
      desiredAPIVersion: request.desiredAPIVersion,
      targetVersion,
      objects,
      identities: request.objects.map(identityOf),
    })),
  )

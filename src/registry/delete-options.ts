import { apiVersion } from '../api/dataplane-service.ts'
import type { StatusCause } from '../api/status.ts'
import { quote } from '../decode.ts'
import { badRequest, type AggregatorError } from '../errors.ts'
import { E, pipe } from '../fp.ts'
import type { HttpRequest } from '../http.ts'
import { invalidOptions } from './failures.ts'
import { decodeBody, type BodySyntax } from './input.ts'
import { isArray, isObject, own, type JsonObject } from './json-value.ts'
import { checkDryRun, checkTimeout, isTrue } from './query-options.ts'

/**
 * What a delete is asked with. What becomes of dependents is understood, and ignored: there is no garbage collector here, and its finalizers
 * would stay for ever. Source: metav1.DeleteOptions.
 */
export interface DeleteOptions {
  readonly isDryRun: boolean
  /** The object has to be this one, and as it was then. */
  readonly preconditions: { readonly uid?: string; readonly resourceVersion?: string }
}

interface Given {
  readonly dryRun: ReadonlyArray<string>
  readonly propagationPolicy: string | undefined
  readonly orphanDependents: boolean | undefined
  readonly preconditions: DeleteOptions['preconditions']
}

const nothing: Given = { dryRun: [], propagationPolicy: undefined, orphanDependents: undefined, preconditions: {} }

const parseQuery = (query: URLSearchParams): E.Either<AggregatorError, Given> => {
  const grace = query.get('gracePeriodSeconds') ?? ''
  if (grace !== '' && !/^[+-]?\d{1,18}$/.test(grace)) {
    return E.left(badRequest(`expected query parameter gracePeriodSeconds to be an integer, got ${quote(grace)}`))
  }
  const orphan = query.get('orphanDependents')
  return E.right({
    ...nothing,
    dryRun: query.getAll('dryRun'),
    propagationPolicy: query.get('propagationPolicy') ?? undefined,
    orphanDependents: orphan === null ? undefined : isTrue(orphan),
  })
}

const isText = (value: unknown): value is string | undefined => value === undefined || typeof value === 'string'
const isTexts = (value: unknown): value is ReadonlyArray<string> =>
  isArray(value) && value.every((item) => typeof item === 'string')

const wrongType = (field: string, expected: string): E.Either<AggregatorError, never> =>
  E.left(badRequest(`expected ${field} of DeleteOptions to be ${expected}`))

/** What is `null` was not given. */
const at = (object: JsonObject, key: string): unknown => own(object, key) ?? undefined

const parsePreconditions = (value: unknown): E.Either<AggregatorError, DeleteOptions['preconditions']> => {
  if (value === undefined) return E.right({})
  if (!isObject(value)) return wrongType('preconditions', 'an object')
  const [uid, resourceVersion] = [at(value, 'uid'), at(value, 'resourceVersion')]
  if (!isText(uid) || !isText(resourceVersion)) return wrongType('preconditions', 'texts')
  return E.right({
    ...(uid === undefined ? {} : { uid }),
    ...(resourceVersion === undefined ? {} : { resourceVersion }),
  })
}

/** Source: the versions that metav1.AddToGroupVersion registers it for. */
const apiVersions: ReadonlyArray<unknown> = [undefined, '', 'v1', 'meta.k8s.io/v1', apiVersion]

const checkKind = (object: JsonObject): E.Either<AggregatorError, void> => {
  const [kind, of] = [at(object, 'kind'), at(object, 'apiVersion')]
  const isRight = (kind === undefined || kind === '' || kind === 'DeleteOptions') && apiVersions.includes(of)
  return isRight ? E.right(undefined) : E.left(badRequest('expected DeleteOptions of v1 in the body, got another kind'))
}

const parseObject = (value: unknown): E.Either<AggregatorError, Given> => {
  if (!isObject(value)) return E.left(badRequest('expected DeleteOptions in the body, got no object'))
  const grace = at(value, 'gracePeriodSeconds')
  const propagationPolicy = at(value, 'propagationPolicy')
  const orphanDependents = at(value, 'orphanDependents')
  const dryRun = at(value, 'dryRun') ?? []
  if (grace !== undefined && !Number.isSafeInteger(grace)) return wrongType('gracePeriodSeconds', 'an integer')
  if (!isText(propagationPolicy)) return wrongType('propagationPolicy', 'a text')
  if (orphanDependents !== undefined && typeof orphanDependents !== 'boolean') {
    return wrongType('orphanDependents', 'true or false')
  }
  if (!isTexts(dryRun)) return wrongType('dryRun', 'a list of texts')
  return pipe(
    checkKind(value),
    E.flatMap(() => parsePreconditions(at(value, 'preconditions'))),
    E.map((preconditions) => ({ dryRun, propagationPolicy, orphanDependents, preconditions })),
  )
}

const policies = ['Foreground', 'Background', 'Orphan']

const checkPolicy = ({ propagationPolicy, orphanDependents }: Given): ReadonlyArray<StatusCause> => {
  const field = 'propagationPolicy'
  if (propagationPolicy === undefined) return []
  if (orphanDependents !== undefined) {
    const text = 'orphanDependents and deletionPropagation cannot be both set'
    return [{ reason: 'FieldValueInvalid', field, message: `Invalid value: ${quote(propagationPolicy)}: ${text}` }]
  }
  if (policies.includes(propagationPolicy)) return []
  const supported = [...policies, 'nil'].map(quote).join(', ')
  const message = `Unsupported value: ${quote(propagationPolicy)}: supported values: ${supported}`
  return [{ reason: 'FieldValueNotSupported', field, message }]
}

const toOptions = (given: Given): E.Either<AggregatorError, DeleteOptions> => {
  const causes = [...checkPolicy(given), ...checkDryRun(given.dryRun)]
  if (causes.length > 0) return E.left(invalidOptions('DeleteOptions', causes))
  return E.right({ isDryRun: given.dryRun.length > 0, preconditions: given.preconditions })
}

/**
 * A body stands, and the query beside it says nothing, but for `dryRun`: who asks for it in either place wants nothing deleted. Fails with
 * BadRequest, Invalid.
 */
export const parseDeleteOptions = (
  request: HttpRequest,
  body: Uint8Array,
  syntax: BodySyntax,
): E.Either<AggregatorError, DeleteOptions> => {
  const query = new URLSearchParams(request.query)
  const dryRun = query.getAll('dryRun')
  return pipe(
    checkTimeout(query),
    E.flatMap(() =>
      body.length === 0
        ? parseQuery(query)
        : pipe(
            decodeBody(body, syntax),
            E.mapLeft((reason) => badRequest(`the body of a delete is no DeleteOptions: ${reason}`)),
            E.flatMap(({ value }) => parseObject(value)),
            E.map((given) => ({ ...given, dryRun: [...given.dryRun, ...dryRun] })),
          ),
    ),
    E.flatMap(toOptions),
  )
}

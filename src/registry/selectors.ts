import type { StoredObject } from '../api/object.ts'
import { badRequest, type AggregatorError } from '../errors.ts'
import { E, pipe } from '../fp.ts'
import { parseFieldSelector } from './field-selector.ts'
import { parseLabelSelector } from './label-selector.ts'

/** Whether an object is meant. */
export type Selection = (object: StoredObject) => boolean

/** What a query that selects nothing selects: always this very function. */
export const everything: Selection = () => true

/** Far more than anybody asks for; each one is tried on each object. */
const requirementLimit = 1000

const allOf = (requirements: ReadonlyArray<Selection>): E.Either<AggregatorError, Selection> => {
  if (requirements.length > requirementLimit) {
    const count = String(requirements.length)
    return E.left(badRequest(`expected selectors of at most ${String(requirementLimit)} requirements, got ${count}`))
  }
  if (requirements.length === 0) return E.right(everything)
  return E.right((object) => requirements.every((requirement) => requirement(object)))
}

/**
 * Which objects the `labelSelector` and the `fieldSelector` of a query mean. Fails with BadRequest, in the words of Kubernetes. Takes
 * time by the length of the query only.
 */
export const parseSelection = (query: URLSearchParams): E.Either<AggregatorError, Selection> =>
  pipe(
    E.Do,
    E.bind('labels', () => parseLabelSelector(query.get('labelSelector') ?? '')),
    E.bind('fields', () => parseFieldSelector(query.get('fieldSelector') ?? '')),
    E.mapLeft((message) => badRequest(message)),
    E.flatMap(({ labels, fields }) => allOf([...labels, ...fields])),
  )

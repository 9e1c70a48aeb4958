import { group, kind, resource } from '../api/dataplane-service.ts'
import type { CauseReason, StatusCause } from '../api/status.ts'
import { capCauses } from '../decode.ts'
import type { AggregatorError } from '../errors.ts'

/** What clients of the objects' API read when something is wrong, in the words of Kubernetes. Source: api/errors of apimachinery. */

/** Shape: `dataplaneservices.aggregation.grafana.app "a"`. */
const named = (name: string): string => `${resource}.${group} ${JSON.stringify(name)}`

const detailsOf = (name: string) => ({ name, group, kind: resource })

export const notFound = (name: string): AggregatorError => ({
  _tag: 'NotFound',
  message: `${named(name)} not found`,
  details: detailsOf(name),
})

/** Somebody has the name; `isTerminating`: for as long as its finalizers stay. */
export const alreadyExists = (name: string, isTerminating = false): AggregatorError => ({
  _tag: 'AlreadyExists',
  message: `${isTerminating ? 'object is being deleted: ' : ''}${named(name)} already exists`,
  details: detailsOf(name),
})

/** No name could be made that is not taken. */
export const namesAreTaken = (name: string): AggregatorError => ({
  _tag: 'AlreadyExists',
  message: `${named(name)} already exists, the server was not able to generate a unique name for the object`,
  details: { ...detailsOf(name), retryAfterSeconds: 1 },
})

export const conflictOf = (name: string, text: string): AggregatorError => ({
  _tag: 'Conflict',
  message: `Operation cannot be fulfilled on ${named(name)}: ${text}`,
  details: detailsOf(name),
})

/** The object is not the one that its author saw last. */
export const modified = (name: string): AggregatorError =>
  conflictOf(name, 'the object has been modified; please apply your changes to the latest version and try again')

export const forbidden = (name: string, text: string): AggregatorError => ({
  _tag: 'Forbidden',
  message: `${named(name)} is forbidden: ${text}`,
  details: detailsOf(name),
})

/** Source: field.ErrorType. */
const titles: Readonly<Partial<Record<CauseReason, string>>> = {
  FieldValueInvalid: 'Invalid value',
  FieldValueTypeInvalid: 'Invalid value',
  FieldValueRequired: 'Required value',
  FieldValueNotSupported: 'Unsupported value',
  FieldValueForbidden: 'Forbidden',
  FieldValueTooLong: 'Too long',
  FieldValueDuplicate: 'Duplicate value',
}

/** Our own checks say what is wrong; Kubernetes' begin with what kind of wrong that is. */
const titled = (cause: StatusCause): StatusCause => {
  const title = titles[cause.reason]
  const hasTitle = title === undefined || cause.message === title || cause.message.startsWith(`${title}: `)
  return hasTitle ? cause : { ...cause, message: `${title}: ${cause.message}` }
}

const textOf = ({ field, message }: StatusCause): string => (field === '' ? message : `${field}: ${message}`)

const invalidOf = (
  asked: { readonly name: string; readonly group: string; readonly kind: string },
  given: ReadonlyArray<StatusCause>,
): AggregatorError => {
  // one that is too long to be a name is not told twice more
  const what = { ...asked, name: asked.name.slice(0, 320) }
  const causes = capCauses(given.map(titled))
  const texts = causes.map(textOf)
  const text = texts.length === 1 ? (texts[0] ?? '') : `[${texts.join(', ')}]`
  const { name, ...type } = what
  return {
    _tag: 'Invalid',
    message: `${what.kind}.${what.group} ${JSON.stringify(name)} is invalid: ${text}`,
    causes,
    details: name === '' ? type : what,
  }
}

/** The object breaks rules. Shape of a message: `DataPlaneService.aggregation.grafana.app "a" is invalid: spec.version: Required value`. */
export const invalid = (name: string, causes: ReadonlyArray<StatusCause>): AggregatorError =>
  invalidOf({ name, group, kind }, causes)

/** The same of an object whose resource is named in the place of its kind: where the store refuses, and no rule of the kind. */
export const invalidResource = (name: string, causes: ReadonlyArray<StatusCause>): AggregatorError =>
  invalidOf({ name, group, kind: resource }, causes)

/** Which options of a request there are. Source: metav1. */
export type OptionsKind = 'CreateOptions' | 'UpdateOptions' | 'PatchOptions' | 'DeleteOptions' | 'ListOptions'

/** What a request asks for beside the object is wrong. Shape: `CreateOptions.meta.k8s.io "" is invalid: dryRun: …`. */
export const invalidOptions = (options: OptionsKind, causes: ReadonlyArray<StatusCause>): AggregatorError =>
  invalidOf({ name: '', group: 'meta.k8s.io', kind: options }, causes)

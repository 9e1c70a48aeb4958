import { badRequest, type AggregatorError } from '../errors.ts'
import { E } from '../fp.ts'
import { isArray, isObject, own, type JsonObject } from './json-value.ts'

/** Keys from the root on, unescaped. Shape: `['metadata', 'labels', 'a/b']` for `/metadata/labels/a~1b`. */
export type Pointer = ReadonlyArray<string>

/** One step of RFC 6902. */
export type Step =
  | { readonly op: 'add' | 'replace' | 'test'; readonly path: Pointer; readonly value: unknown }
  | { readonly op: 'remove'; readonly path: Pointer }
  | { readonly op: 'move' | 'copy'; readonly path: Pointer; readonly from: Pointer }

/** As in Kubernetes: so many steps take a while, one after the other. */
const maxSteps = 10_000

const unescape = (key: string): string => key.replaceAll('~1', '/').replaceAll('~0', '~')

const toPointer = (text: unknown): Pointer | undefined => {
  if (text === '') return []
  return typeof text === 'string' && text.startsWith('/') ? text.slice(1).split('/').map(unescape) : undefined
}

const toMove = (op: 'move' | 'copy', path: Pointer, operation: JsonObject): Step | string => {
  const from = toPointer(own(operation, 'from'))
  return from === undefined ? 'from, a pointer' : { op, path, from }
}

const toValueStep = (op: 'add' | 'replace' | 'test', path: Pointer, operation: JsonObject): Step | string => {
  // Kubernetes reads a test without a value as one for null.
  if (Object.hasOwn(operation, 'value') || op === 'test') return { op, path, value: own(operation, 'value') ?? null }
  return 'a value'
}

/** A step, or what is wanted of one. */
const toStep = (operation: unknown): Step | string => {
  if (!isObject(operation)) return 'an object'
  const path = toPointer(own(operation, 'path'))
  if (path === undefined) return 'path, a pointer'
  const op = own(operation, 'op')
  switch (op) {
    case 'add':
    case 'replace':
    case 'test':
      return toValueStep(op, path, operation)
    case 'remove':
      return { op, path }
    case 'move':
    case 'copy':
      return toMove(op, path, operation)
    default:
      return 'op, one of add, remove, replace, move, copy, test'
  }
}

/** The steps of a JSON patch. Fails with BadRequest, BodyTooLarge. Source: RFC 6902, and jsonPatcher of apiserver for the limit. */
export const toSteps = (operations: unknown): E.Either<AggregatorError, ReadonlyArray<Step>> => {
  if (!isArray(operations)) return E.left(badRequest('error decoding patch: expected an array, got something else'))
  if (operations.length > maxSteps) {
    return E.left({ _tag: 'BodyTooLarge', limitBytes: maxSteps, option: 'operations of one JSON patch' })
  }
  const steps: Step[] = []
  for (const [index, operation] of operations.entries()) {
    const step = toStep(operation)
    if (typeof step === 'string') {
      return E.left(
        badRequest(`error decoding patch: expected ${step}, got something else in operation ${String(index)}`),
      )
    }
    steps.push(step)
  }
  return E.right(steps)
}

import type { StoredObject } from '../api/object.ts'
import { badRequest, type AggregatorError } from '../errors.ts'
import { E, pipe } from '../fp.ts'
import { decodeBody } from './input.ts'
import { applyJsonPatch } from './json-patch-apply.ts'
import { isObject, own, parseJson, textOf, type JsonObject } from './json-value.ts'
import { mergePatch } from './merge-patch.ts'
import { strategicPatch } from './strategic-patch.ts'

/** The patches that say what to change; server-side apply ('apply') says what is wanted. */
export type PatchType = 'json' | 'merge' | 'strategic'

const patchTypes: ReadonlyMap<string, PatchType | 'apply'> = new Map<string, PatchType | 'apply'>([
  ['application/json-patch+json', 'json'],
  ['application/merge-patch+json', 'merge'],
  ['application/strategic-merge-patch+json', 'strategic'],
  ['application/apply-patch+yaml', 'apply'],
])

/** What a Content-Type asks for; its parameters say nothing. Fails with UnsupportedMediaType. Source: PatchResource of apiserver. */
export const patchTypeOf = (contentType: string | undefined): E.Either<AggregatorError, PatchType | 'apply'> => {
  const [mediaType = ''] = (contentType ?? '').split(';', 1)
  const known = [...patchTypes.keys()].join(', ')
  return E.fromNullable<AggregatorError>({
    _tag: 'UnsupportedMediaType',
    message: `the body of the request was in an unknown format - accepted media types include: ${known}`,
  })(patchTypes.get(mediaType.trim().toLowerCase()))
}

const undecodable = (reason: string): AggregatorError => badRequest(`error decoding patch: ${reason}`)

const decodeJson = (body: Uint8Array): E.Either<AggregatorError, unknown> =>
  E.mapLeft(undecodable)(E.flatMap(parseJson)(textOf(body)))

const decodeObject = (body: Uint8Array): E.Either<AggregatorError, JsonObject> =>
  E.flatMap((value: unknown) =>
    isObject(value) ? E.right(value) : E.left(undecodable('expected an object, got something else')),
  )(decodeJson(body))

/**
 * The live object, patched: what its author asks for, checked by nobody yet. Fails with BadRequest (undecodable), Invalid (does not
 * fit the object), BodyTooLarge. Pure.
 */
export const applyPatch = (
  type: PatchType,
  body: Uint8Array,
  live: StoredObject,
): E.Either<AggregatorError, unknown> => {
  switch (type) {
    case 'json':
      return E.flatMap((operations: unknown) => applyJsonPatch(live, operations))(decodeJson(body))
    case 'merge':
      return E.map((patch: JsonObject) => mergePatch(live, patch))(decodeObject(body))
    case 'strategic':
      return E.flatMap((patch: JsonObject) => strategicPatch({ ...live }, patch))(decodeObject(body))
  }
}

const named = (applied: JsonObject, name: string): JsonObject => {
  const metadata = own(applied, 'metadata') ?? {}
  return isObject(metadata) && (own(metadata, 'name') ?? '') === ''
    ? { ...applied, metadata: { ...metadata, name } }
    : applied
}

/** The object in the body of a server-side apply, YAML or JSON, with the name of the URL if it has none. Fails with BadRequest. */
export const parseApplied = (body: Uint8Array, name: string): E.Either<AggregatorError, JsonObject> =>
  pipe(
    decodeBody(body, 'yaml'),
    E.mapLeft(undecodable),
    E.flatMap(({ value }) =>
      isObject(value) ? E.right(named(value, name)) : E.left(undecodable('expected an object, got something else')),
    ),
  )

import { kind, version } from '../api/dataplane-service.ts'
import { badRequest, type AggregatorError } from '../errors.ts'
import { E, pipe } from '../fp.ts'
import type { HttpRequest } from '../http.ts'
import { parseYaml } from '../yaml.ts'
import { duplicateFields } from './duplicate-fields.ts'
import { isDeeperThan, isObject, maxDepth, own, parseJson, textOf, type JsonObject } from './json-value.ts'

export type BodySyntax = 'json' | 'yaml'

const syntaxes: ReadonlyMap<string, BodySyntax> = new Map<string, BodySyntax>([
  ['', 'json'],
  ['application/json', 'json'],
  ['application/yaml', 'yaml'],
])

/** How a body is written, by its Content-Type; JSON when it has none. Fails with UnsupportedMediaType. */
export const syntaxOf = ({ headers }: HttpRequest): E.Either<AggregatorError, BodySyntax> => {
  const given = headers['content-type']
  const [mediaType = ''] = (typeof given === 'string' ? given : '').split(';', 1)
  return E.fromNullable<AggregatorError>({
    _tag: 'UnsupportedMediaType',
    message:
      'the body of the request was in an unknown format - accepted media types include: application/json, application/yaml',
  })(syntaxes.get(mediaType.trim().toLowerCase()))
}

/** What a body says, and which of its fields it says twice. */
export interface Decoded {
  readonly value: unknown
  readonly duplicates: ReadonlyArray<string>
}

const decodeJson = (text: string): E.Either<string, Decoded> =>
  pipe(
    parseJson(text),
    E.map((value) => ({ value, duplicates: duplicateFields(text) })),
  )

/** Characters. More of it would take seconds to read, and nobody else would be served meanwhile. */
const maxYaml = 128 * 1024

const oneDocument = (documents: ReadonlyArray<unknown>): E.Either<string, Decoded> => {
  const [value] = documents
  if (documents.length > 1) return E.left('expected one YAML document, got several')
  if (isDeeperThan(value, maxDepth)) return E.left(`expected at most ${String(maxDepth)} levels of arrays and objects`)
  return E.right({ value, duplicates: [] })
}

const decodeYaml = (text: string): E.Either<string, Decoded> => {
  // JSON is YAML, and reads a hundred times faster as what it is.
  const json = decodeJson(text)
  if (E.isRight(json)) return json
  if (text.length > maxYaml) return E.left(`expected at most ${String(maxYaml)} characters of YAML: send JSON`)
  return pipe(parseYaml(text), E.flatMap(oneDocument))
}

/** The value of a body. Left: one sentence that quotes nothing of it. */
export const decodeBody = (body: Uint8Array, syntax: BodySyntax): E.Either<string, Decoded> =>
  pipe(textOf(body), E.flatMap(syntax === 'json' ? decodeJson : decodeYaml))

const unrecognized = (reason: string): AggregatorError =>
  badRequest(`the object provided is unrecognized (must be of type ${kind}): ${reason}`)

/** Begins what is said of an object that is no object of ours. */
export const cannotBeHandled = (reason: string): AggregatorError =>
  badRequest(`${kind} in version "${version}" cannot be handled as a ${kind}: ${reason}`)

const toObject = ({ value, duplicates }: Decoded): E.Either<AggregatorError, DecodedObject> => {
  if (!isObject(value)) return E.left(unrecognized('expected an object, got something else'))
  const given = own(value, 'kind')
  if (given === undefined || given === null || given === '') return E.left(unrecognized("Object 'Kind' is missing"))
  return E.right({ value, duplicates })
}

export interface DecodedObject extends Decoded {
  readonly value: JsonObject
}

/** The object in a body; it says of what kind it is. Fails with BadRequest. */
export const decodeObject = (body: Uint8Array, syntax: BodySyntax): E.Either<AggregatorError, DecodedObject> =>
  pipe(decodeBody(body, syntax), E.mapLeft(unrecognized), E.flatMap(toObject))

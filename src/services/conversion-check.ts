import { areAnnotations, areLabels } from '../api/labels.ts'
import { depthOf } from '../api/raw-json.ts'
import { quote } from '../decode.ts'
import { E, pipe } from '../fp.ts'
import type { ConversionResponse, RawObject } from '../plugin.ts'
import { identityOf, isRecord, type ConversionCall, type Identity } from './conversion-request.ts'
import { excessOf } from './conversion-result.ts'
import { isJsonType, maxDepth } from './review.ts'

/**
 * Finds what an apiserver would refuse in converted objects, and says where: its own words name neither the field nor what it
 * expected. Source: webhook_converter.go of apiextensions-apiserver.
 */

type JsonObject = Readonly<Record<string, unknown>>

const parse = (text: string): JsonObject | undefined => {
  const parsed = E.tryCatch(
    (): unknown => JSON.parse(text),
    () => undefined,
  )
  return E.isRight(parsed) && isRecord(parsed.right) ? parsed.right : undefined
}

/** Throws on half a character: the apiserver would read another object. A BOM stays, and is no JSON. */
const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

/** What an answered object says. Left: what is wrong with it, as the end of a sentence about it. */
export const parseObject = ({ raw, contentType }: RawObject): E.Either<string, JsonObject> => {
  if (contentType !== '' && !isJsonType(contentType)) {
    return E.left(`: expected content type "application/json", got ${quote(contentType)}`)
  }
  const text = E.tryCatch(
    () => decoder.decode(raw),
    () => ': expected UTF-8',
  )
  if (E.isLeft(text)) return text
  const depth = depthOf(text.right)
  if (depth > maxDepth) return E.left(`: expected at most ${String(maxDepth)} levels, got ${String(depth)}`)
  const object = parse(text.right)
  return object === undefined ? E.left(': expected a JSON object') : E.right(object)
}

const differs = (field: string, expected: string, got: string): string | undefined =>
  got === expected ? undefined : `.${field}: expected ${quote(expected)}, got ${got === '' ? 'nothing' : quote(got)}`

const wrongIdentity = (expected: Identity, got: Identity): string | undefined =>
  differs('kind', expected.kind, got.kind) ??
  differs('metadata.name', expected.name, got.name) ??
  differs('metadata.namespace', expected.namespace, got.namespace) ??
  differs('metadata.uid', expected.uid, got.uid)

const texts = (value: unknown): Readonly<Record<string, string>> | undefined => {
  if (!isRecord(value)) return undefined
  const entries = Object.entries(value).filter((entry): entry is [string, string] => typeof entry[1] === 'string')
  return entries.length === Object.keys(value).length ? Object.fromEntries(entries) : undefined
}

const isSame = (a: Readonly<Record<string, string>>, b: Readonly<Record<string, string>>): boolean =>
  Object.keys(a).length === Object.keys(b).length && Object.entries(a).every(([key, value]) => b[key] === value)

/** The only two that a conversion may change; those that were wrong before may stay so. */
const wrongMap = (
  member: 'labels' | 'annotations',
  metadata: JsonObject,
  original: () => JsonObject | undefined,
): string | undefined => {
  const given = metadata[member] ?? undefined
  if (given === undefined) return undefined
  const field = `.metadata.${member}`
  const got = texts(given)
  if (got === undefined) return `${field}: expected a map of strings`
  if (member === 'labels' ? areLabels(got) : areAnnotations(got)) return undefined
  const before = original()?.['metadata']
  const old = isRecord(before) ? texts(before[member]) : undefined
  return old !== undefined && isSame(old, got) ? undefined : `${field}: expected ${member} that Kubernetes takes`
}

const wrongObject = (
  object: JsonObject,
  { desiredAPIVersion }: ConversionCall,
  identity: Identity,
  original: RawObject,
): string | undefined => {
  const { apiVersion, metadata } = object
  const given = typeof apiVersion === 'string' ? apiVersion : ''
  const wrong = differs('apiVersion', desiredAPIVersion, given) ?? wrongIdentity(identity, identityOf(object))
  if (wrong !== undefined) return wrong
  if (!isRecord(metadata)) return '.metadata: expected an object'
  const parsed = (): JsonObject | undefined => parse(Buffer.from(original.raw).toString())
  return wrongMap('labels', metadata, parsed) ?? wrongMap('annotations', metadata, parsed)
}

/** Left: the first thing that is wrong. Shape: `convertedObjects[3].metadata.name: expected "a", got "b"`. Pure. */
export const checkConverted = (
  { objects }: ConversionResponse,
  call: ConversionCall,
): E.Either<string, ReadonlyArray<RawObject>> => {
  const expected = call.objects.length
  if (objects.length !== expected) {
    return E.left(`convertedObjects: expected ${String(expected)} objects, got ${String(objects.length)}`)
  }
  const excess = excessOf(objects)
  if (excess !== undefined) return E.left(`convertedObjects: ${excess}`)
  for (const [index, object] of objects.entries()) {
    const identity = call.identities[index]
    const original = call.objects[index]
    if (identity === undefined || original === undefined) break
    const wrong = pipe(
      parseObject(object),
      E.match(
        (fault): string | undefined => fault,
        (parsed) => wrongObject(parsed, call, identity, original),
      ),
    )
    if (wrong !== undefined) return E.left(`convertedObjects[${String(index)}]${wrong}`)
  }
  return E.right(objects)
}

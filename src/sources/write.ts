import { createHash } from 'node:crypto'
import { isDeepStrictEqual } from 'node:util'

import { group, resource } from '../api/dataplane-service.ts'
import type { StoredObject } from '../api/object.ts'
import type { AggregatorError } from '../errors.ts'
import { E } from '../fp.ts'
import { editYaml, formatYaml } from '../yaml-edit.ts'
import { parseYaml } from '../yaml.ts'
import { isObjectName } from './accept.ts'
import type { Definition } from './catalog.ts'
import { changeDocument, newDocument } from './document.ts'
import { itemsOf } from './manifest.ts'

/** The text of one file before and after a change; without `before` it is new, without `after` it goes. */
export interface TextChange {
  readonly file: string
  readonly before: string | undefined
  readonly after: string | undefined
}

export const forbiddenFor = (name: string, why: string): AggregatorError => ({
  _tag: 'Forbidden',
  message: `${resource}.${group} "${name}" is forbidden: ${why}`,
  details: { name, group, kind: resource },
})

/** No file system takes longer names than 255 bytes. */
const fileOf = (name: string): string =>
  name.length <= 250
    ? `${name}.yaml`
    : `${name.slice(0, 200)}-${createHash('sha256').update(name).digest('hex').slice(0, 16)}.yaml`

/** The file of an object that has none yet. Pure. */
export const textOfNew = (object: StoredObject): E.Either<AggregatorError, TextChange> => {
  const { name } = object.metadata
  if (!isObjectName(name)) return E.left(forbiddenFor(name, 'expected a name that is a DNS subdomain'))
  const document = newDocument(object)
  const text = formatYaml(document)
  return E.filterOrElse(
    () => isDeepStrictEqual(parseYaml(text), E.right([document])),
    () => forbiddenFor(name, 'expected an object that can be written as YAML'),
  )(E.right({ file: fileOf(name), before: undefined, after: text }))
}

const changeItems = (document: unknown, items: ReadonlyArray<unknown>): unknown =>
  typeof document === 'object' && document !== null ? { ...document, items } : document

/** The whole document after a change of one object in it; `undefined`: nothing is left of it. */
const changed = (document: unknown, index: number | undefined, next: StoredObject | undefined): unknown => {
  if (index === undefined) return next && changeDocument(document, next)
  const items = itemsOf(document)
  if (next === undefined && items.length === 1) return undefined
  const rest = items.flatMap((item, i) =>
    i !== index ? [item] : next === undefined ? [] : [changeDocument(item, next)],
  )
  return changeItems(document, rest)
}

/** The file that defines an object with another state of it, or without it. Left: why it cannot be. Pure. */
export const textOfChange = (
  name: string,
  { manifest, object }: Definition,
  next: StoredObject | undefined,
): E.Either<AggregatorError, TextChange> => {
  const file = manifest.file.name
  const refuse = (why: string): E.Either<AggregatorError, never> => E.left(forbiddenFor(name, `"${file}": ${why}`))
  const { text } = manifest.file
  if (E.isLeft(text)) return refuse(text.left)
  if (manifest.error !== undefined) return refuse(manifest.error)
  const documents = parseYaml(text.right)
  const place = manifest.places[object.index]
  if (E.isLeft(documents) || place === undefined || object.object === undefined) {
    return refuse('expected an object that can be changed')
  }
  const document = documents.right[place.document]
  const value = changed(document, place.item, next)
  const change = { file, before: text.right }
  if (value === undefined && documents.right.length === 1) return E.right({ ...change, after: undefined })
  const after = isDeepStrictEqual(document, value) ? E.right(text.right) : editYaml(text.right, place.document, value)
  return E.isLeft(after) ? refuse(after.left) : E.right({ ...change, after: after.right })
}

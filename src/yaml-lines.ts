import { isCollection, isMap, isPair, isScalar, LineCounter, parseAllDocuments, type Document } from 'yaml'

import { E } from './fp.ts'
import { parseYaml, yamlSchema } from './yaml.ts'

/** Keys and indices from the top of a document to a value. Shape: `['spec', 'services', 1, 'path']`. */
export type YamlPath = ReadonlyArray<string | number>

/** Says in which line of a text a value stands, counted from 1; where it is missing, that of what should hold it. */
export type LineOf = (document: number, path: YamlPath) => number

interface Place {
  readonly node: unknown
  readonly offset: number
}

const offsetOf = (node: unknown, otherwise: number): number =>
  (isScalar(node) || isCollection(node)) && node.range ? node.range[0] : otherwise

/** One step further in: the place of a key is where its pair begins, so that an empty value has a line, too. */
const stepInto = ({ node, offset }: Place, key: string | number): Place | undefined => {
  if (isMap(node)) {
    const pair = node.items.find((item) => isPair(item) && isScalar(item.key) && String(item.key.value) === String(key))
    return pair && { node: pair.value, offset: offsetOf(pair.key, offset) }
  }
  if (!isCollection(node)) return undefined
  const item = node.items[Number(key)]
  return item === undefined ? undefined : { node: item, offset: offsetOf(item, offset) }
}

const placeOf = (document: Document, path: YamlPath): Place => {
  let place: Place = { node: document.contents, offset: offsetOf(document.contents, document.range?.[0] ?? 0) }
  for (const key of path) {
    const next = stepInto(place, key)
    if (next === undefined) break
    place = next
  }
  return place
}

/** Lines of the values of a text that `parseYaml` reads, whose empty documents do not count. Of any other text: the first. */
export const yamlLines = (text: string): LineOf => {
  if (E.isLeft(parseYaml(text))) return () => 1
  const lineCounter = new LineCounter()
  const documents = parseAllDocuments(text, { ...yamlSchema, uniqueKeys: false, lineCounter })
  const full = documents.filter(({ contents }) => contents !== null && !(isScalar(contents) && contents.value === null))
  return (index, path) => {
    const document = full[index]
    return document === undefined ? 1 : lineCounter.linePos(placeOf(document, path).offset).line
  }
}

import { formatYaml } from '../yaml.ts'

/** One way to write values as bytes. */
export interface TextFormat {
  readonly contentType: string
  readonly document: (value: unknown) => Uint8Array
  /** An object whose last field is a list that is made as it is taken: so a long one is never one text. */
  readonly collection: (head: object, key: string, entries: Iterable<unknown>) => Iterable<Uint8Array>
}

/** Enough for one write, little enough to leave turns to others. */
const chunkLength = 32 * 1024

/** The same text in fewer pieces. */
function* inChunks(pieces: Iterable<string>): Iterable<Uint8Array> {
  let text = ''
  for (const piece of pieces) {
    text += piece
    if (text.length < chunkLength) continue
    yield Buffer.from(text)
    text = ''
  }
  if (text !== '') yield Buffer.from(text)
}

function* jsonPieces(head: object, key: string, entries: Iterable<unknown>): Iterable<string> {
  yield `${JSON.stringify(head).slice(0, -1)},${JSON.stringify(key)}:[`
  let separator = ''
  for (const entry of entries) {
    yield `${separator}${JSON.stringify(entry)}`
    separator = ','
  }
  yield ']}\n'
}

export const jsonText: TextFormat = {
  contentType: 'application/json',
  document: (value) => Buffer.from(JSON.stringify(value)),
  collection: (head, key, entries) => inChunks(jsonPieces(head, key, entries)),
}

/** Two steps further in. Strings hold no line feeds in JSON. */
const indented = (value: unknown): string => `    ${JSON.stringify(value, null, 2).replaceAll('\n', '\n    ')}`

function* prettyPieces(head: object, key: string, entries: Iterable<unknown>): Iterable<string> {
  yield `${JSON.stringify(head, null, 2).slice(0, -2)},\n  ${JSON.stringify(key)}: [`
  let isEmpty = true
  for (const entry of entries) {
    yield `${isEmpty ? '' : ','}\n${indented(entry)}`
    isEmpty = false
  }
  yield `${isEmpty ? '' : '\n  '}]\n}\n`
}

/** For people. */
export const prettyText: TextFormat = {
  contentType: 'application/json',
  document: (value) => Buffer.from(`${JSON.stringify(value, null, 2)}\n`),
  collection: (head, key, entries) => inChunks(prettyPieces(head, key, entries)),
}

function* yamlPieces(head: object, key: string, entries: Iterable<unknown>): Iterable<string> {
  yield formatYaml(head)
  let isEmpty = true
  for (const entry of entries) {
    yield `${isEmpty ? `${key}:\n` : ''}${formatYaml([entry])}`
    isEmpty = false
  }
  if (isEmpty) yield `${key}: []\n`
}

export const yamlText: TextFormat = {
  contentType: 'application/yaml',
  document: (value) => Buffer.from(formatYaml(value)),
  collection: (head, key, entries) => inChunks(yamlPieces(head, key, entries)),
}

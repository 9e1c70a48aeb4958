import { isDeepStrictEqual } from 'node:util'

import { isAlias, isCollection, isMap, isScalar, isSeq, parseAllDocuments, stringify, visit } from 'yaml'
import type { Document, Node, Pair, Scalar, YAMLMap, YAMLSeq } from 'yaml'

import { E, O, pipe } from './fp.ts'
import { parseYaml, yamlSchema } from './yaml.ts'

/** One stretch of a text, and what comes in its place. */
interface Splice {
  readonly start: number
  readonly end: number
  readonly text: string
}

/** `undefined`: not in place; whoever holds the value has to write the whole of it anew. */
type Splices = ReadonlyArray<Splice> | undefined

type Fields = Readonly<Record<string, unknown>>

const isFields = (value: unknown): value is Fields =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

/** A value as the text of a new file: block style, and no word that another YAML version takes for something else. */
export const formatYaml = (value: unknown): string =>
  stringify(value, { schema: 'core', compat: 'yaml-1.1', lineWidth: 0, aliasDuplicateObjects: false })

const indented = (value: unknown, column: number): string => formatYaml(value).replace(/^(?=.)/gm, ' '.repeat(column))

/** Fit for block and flow. Quotes stay as they are where they can. */
const formatScalar = (value: unknown, type: string | undefined): string => {
  const json = JSON.stringify(value)
  if (typeof value !== 'string' || type === 'QUOTE_DOUBLE') return json
  if (type === 'QUOTE_SINGLE' && /^[ -&(-~]*$/.test(value)) return `'${value}'`
  const plain = formatYaml(value).trimEnd()
  return type === 'PLAIN' && plain === value && /^[\w./:@-]*\w$/.test(value) ? plain : json
}

type Placed = Scalar | YAMLMap | YAMLSeq

const isPlaced = (node: unknown): node is Placed => isScalar(node) || isCollection(node)

const startOf = (node: unknown): number => (isPlaced(node) && node.range?.[0]) || 0

/** What is written anew must not be what an alias stands for, or an alias: its author meant one thing in two places. */
const isFree = (node: unknown): boolean => {
  let isFound = isAlias(node)
  if (isPlaced(node)) {
    visit(node, {
      Node: (_key, inner: Node) => {
        isFound ||= isAlias(inner) || inner.anchor !== undefined
      },
    })
  }
  return !isFound
}

const keysOf = (map: YAMLMap): string[] => map.items.map(({ key }) => String(key))

/** What both lists begin and end with: only what is between is to change. */
const commonEnds = (
  a: ReadonlyArray<unknown>,
  b: ReadonlyArray<unknown>,
): { readonly start: number; readonly end: number } => {
  const shorter = Math.min(a.length, b.length)
  let start = 0
  while (start < shorter && isDeepStrictEqual(a[start], b[start])) start++
  let end = 0
  while (end < shorter - start && isDeepStrictEqual(a.at(-1 - end), b.at(-1 - end))) end++
  return { start, end }
}

/** All of them, or nothing. */
const together = (parts: ReadonlyArray<Splices>): Splices => {
  const all: Splice[] = []
  for (const part of parts) {
    if (part === undefined) return undefined
    all.push(...part)
  }
  return all
}

/** Comment lines and blank ones, the dash of an item, and what may stand between it and the item. */
const dash = /^((?:[ \t]*(?:#.*)?\r?\n)*)( *)-(?:[ \t]*(?:#.*)?\r?\n)*[ \t]*$/

/** Turns the text of one document into that of another value, and leaves alone what is equal in both. */
const createEditor = (text: string, document: Document) => {
  const { contents } = document
  const isJson = isCollection(contents) && contents.flow === true
  const valueOf = (node: unknown): unknown => (isPlaced(node) || isAlias(node) ? node.toJS(document) : node)
  const lineStart = (offset: number): number => text.lastIndexOf('\n', offset - 1) + 1
  const lineEnd = (offset: number): number => {
    if (offset > 0 && text[offset - 1] === '\n') return offset
    const end = text.indexOf('\n', offset)
    return end === -1 ? text.length : end + 1
  }
  const endOf = (node: unknown): number => (isPlaced(node) || isAlias(node) ? lineEnd(node.range?.[1] ?? 0) : 0)
  const endOfPair = ({ key, value }: Pair): number => Math.max(endOf(key), endOf(value))
  const insertion = (offset: number, inserted: string): Splice => {
    const isOpen = offset > 0 && text[offset - 1] !== '\n'
    return { start: offset, end: offset, text: isOpen ? `\n${inserted}` : inserted }
  }

  /** On several lines where it was so, in a text that is JSON; flow style within block style needs other indents. */
  const formatFlow = (value: unknown, start: number, end: number): string => {
    if (!isJson || !text.slice(start, end).includes('\n')) return JSON.stringify(value)
    const [, unit] = /\n([ \t]+)/.exec(text.slice(startOf(contents))) ?? []
    const [indent = ''] = /^[ \t]*/.exec(text.slice(lineStart(start))) ?? []
    return JSON.stringify(value, undefined, unit).replaceAll('\n', `\n${indent}`)
  }

  const editFlow = (node: unknown, value: unknown): Splices => {
    if (isDeepStrictEqual(valueOf(node), value)) return []
    if (!isPlaced(node) || !node.range) return undefined
    if (isSeq(node) && Array.isArray(value) && node.items.length === value.length) {
      return together(node.items.map((item, index) => editFlow(item, value[index])))
    }
    if (isMap(node) && isFields(value) && isDeepStrictEqual(keysOf(node).sort(), Object.keys(value).sort())) {
      return together(node.items.map((pair) => editFlow(pair.value, value[String(pair.key)])))
    }
    const [start, end] = node.range
    if (!isFree(node)) return undefined
    const isQuoted = isScalar(node) && node.type === 'QUOTE_SINGLE'
    return [{ start, end, text: isQuoted ? formatScalar(value, node.type) : formatFlow(value, start, end) }]
  }

  const editPair = (pair: Pair, key: string, value: unknown): Splices => {
    const inner = edit(pair.value, value)
    if (inner !== undefined || !isFree(pair.value)) return inner
    const start = startOf(pair.key)
    return [{ start, end: endOfPair(pair), text: indented({ [key]: value }, start - lineStart(start)).trimStart() }]
  }

  const removePair = (pair: Pair, before: Pair | undefined): Splices => {
    const [start, line] = [startOf(pair.key), lineStart(startOf(pair.key))]
    if (text.slice(line, start).trim() !== '' || !isFree(pair.value)) return undefined
    return [{ start: before === undefined ? line : endOfPair(before), end: endOfPair(pair), text: '' }]
  }

  const editPairs = ({ items }: YAMLMap, fields: Fields): Splices => {
    const [first, last] = [items[0], items.at(-1)]
    const known = items.map(({ key }) => (isScalar(key) && typeof key.value === 'string' ? key.value : undefined))
    if (first === undefined || last === undefined || Object.keys(fields).length === 0) return undefined
    const parts = items.map((pair, index) => {
      const key = known[index]
      if (key === undefined) return undefined
      return Object.hasOwn(fields, key) ? editPair(pair, key, fields[key]) : removePair(pair, items[index - 1])
    })
    const old = new Set(known)
    const added = Object.entries(fields).filter(([key]) => !old.has(key))
    const column = startOf(first.key) - lineStart(startOf(first.key))
    const end = added.length === 0 ? [] : [insertion(endOfPair(last), indented(Object.fromEntries(added), column))]
    return together([...parts, end])
  }

  /** Where the lines of the items' dashes begin. */
  const dashLines = (items: ReadonlyArray<unknown>, start: number): ReadonlyArray<number> | undefined => {
    const lines: number[] = []
    for (const [index, item] of items.entries()) {
      const from = index === 0 ? lineStart(start) : endOf(items[index - 1])
      const found = dash.exec(text.slice(from, startOf(item)))
      if (found === null) return undefined
      lines.push(from + (found[1] ?? '').length)
    }
    return lines
  }

  const editItems = (seq: YAMLSeq, values: ReadonlyArray<unknown>): Splices => {
    const { items } = seq
    const lines = dashLines(items, startOf(seq))
    const first = lines?.[0]
    if (lines === undefined || first === undefined || values.length === 0) return undefined
    const column = text.indexOf('-', first) - first
    const { start, end } = commonEnds(items.map(valueOf), values)
    const old = items.slice(start, items.length - end)
    const young = values.slice(start, values.length - end)
    const endAt = (index: number): number => (index < 0 ? first : endOf(items[index]))
    const parts = old.map((item, index): Splices => {
      const inner = index < young.length ? edit(item, young[index]) : undefined
      if (inner !== undefined || !isFree(item)) return inner
      const place = start + index
      // An item that goes takes along what is said above it.
      return index < young.length
        ? [{ start: lines[place] ?? 0, end: endAt(place), text: indented([young[index]], column) }]
        : [{ start: endAt(place - 1), end: endAt(place), text: '' }]
    })
    const added = young.slice(old.length)
    const more = added.length === 0 ? [] : [insertion(endAt(start + old.length - 1), indented(added, column))]
    return together([...parts, more])
  }

  const editScalar = (node: Scalar, value: unknown): Splices => {
    const [start, end] = node.range ?? [0, 0]
    const isBlock = node.type === 'BLOCK_LITERAL' || node.type === 'BLOCK_FOLDED'
    if (isBlock || start === end || !isFree(node) || (typeof value === 'object' && value !== null)) return undefined
    return [{ start, end, text: formatScalar(value, node.type) }]
  }

  const edit = (node: unknown, value: unknown): Splices => {
    if (isDeepStrictEqual(valueOf(node), value)) return []
    if (isCollection(node) && node.flow === true) return editFlow(node, value)
    if (isMap(node) && isFields(value)) return editPairs(node, value)
    if (isSeq(node) && Array.isArray(value)) return editItems(node, value)
    return isScalar(node) ? editScalar(node, value) : undefined
  }

  return (value: unknown): Splices => {
    const splices = edit(contents, value)
    if (splices !== undefined || contents === null || !isFree(contents)) return splices
    return [{ start: startOf(contents), end: endOf(contents), text: formatYaml(value) }]
  }
}

/** In pieces: a copy of the whole text for each splice would take the square of their number. */
const applyAll = (text: string, splices: ReadonlyArray<Splice>): string => {
  const sorted = splices.toReversed().sort((a, b) => b.start - a.start || b.end - a.end)
  const pieces = sorted.map((splice, index) => splice.text + text.slice(splice.end, sorted[index - 1]?.start))
  return text.slice(0, sorted.at(-1)?.start) + pieces.reverse().join('')
}

const documentsOf = (text: string): ReadonlyArray<Document> =>
  parseAllDocuments(text, { ...yamlSchema, uniqueKeys: false }).filter((document) => document.toJS() !== null)

/**
 * The text with another value in one document, counted from 0 without the empty ones; `undefined` takes the document away. Comments,
 * order and every byte of what stays equal are kept as they are. Left: a sentence; aliases and tags may stand in the way.
 */
export const editYaml = (text: string, index: number, value: unknown): E.Either<string, string> => {
  const before = parseYaml(text)
  if (E.isLeft(before)) return before
  const document = documentsOf(text)[index]
  const [start, , end] = document?.range ?? [0, 0, 0]
  const splices =
    document === undefined
      ? undefined
      : value === undefined
        ? [{ start, end, text: '' }]
        : createEditor(text, document)(value)
  const after = applyAll(text, splices ?? [])
  const wanted = before.right.flatMap((each, i) => (i === index ? (value === undefined ? [] : [value]) : [each]))
  // Whatever a parser and an editor may disagree on: nothing is written that does not read as it should.
  return pipe(
    O.fromEither(parseYaml(after)),
    O.filter((found) => splices !== undefined && isDeepStrictEqual(found, wanted)),
    E.fromOption(() => 'expected YAML that can be changed in place'),
    E.map(() => after),
  )
}

import { isDeepStrictEqual } from 'node:util'

import { isAlias, isCollection, isMap, isScalar, isSeq, parseAllDocuments, stringify, visit } from 'yaml'
import type { Document, Node, Pair, YAMLMap, YAMLSeq } from 'yaml'

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

/** Turns the text of one document into that of another value, and leaves alone what is equal in both. */
const createEditor = (text: string, document: Document) => {
  const lineStart = (offset: number): number => text.lastIndexOf('\n', offset - 1) + 1
  const lineEnd = (offset: number): number => {
    if (offset > 0 && text[offset - 1] === '\n') return offset
    const end = text.indexOf('\n', offset)
    return end === -1 ? text.length : end + 1
  }
  const startOf = (node: unknown): number => ((isScalar(node) || isCollection(node)) && node.range?.[0]) || 0
  const isBlank = (start: number, end: number, pattern = /^ *$/): boolean => pattern.test(text.slice(start, end))
  const endOf = (node: unknown): number =>
    isScalar(node) || isCollection(node) || isAlias(node) ? lineEnd(node.range?.[1] ?? 0) : 0
  const endOfPair = ({ key, value }: Pair): number => Math.max(endOf(key), endOf(value))
  const insertion = (offset: number, inserted: string): Splice => {
    const isOpen = offset > 0 && text[offset - 1] !== '\n'
    return { start: offset, end: offset, text: isOpen ? `\n${inserted}` : inserted }
  }

  /** What is written anew must not be what an alias stands for, or an alias: its author meant one thing in two places. */
  const isFree = (node: unknown): boolean => {
    let isFound = false
    if (isScalar(node) || isCollection(node) || isAlias(node)) {
      visit(node, {
        Node: (_key, inner: Node) => {
          isFound ||= isAlias(inner) || inner.anchor !== undefined
        },
      })
    }
    return !isFound
  }

  /** On several lines where it was so, in a text that is JSON; flow style within block style needs other indents. */
  const formatFlow = (value: unknown, start: number, end: number): string => {
    const { contents } = document
    if (!isCollection(contents) || contents.flow !== true || !text.slice(start, end).includes('\n')) {
      return JSON.stringify(value)
    }
    const [, unit] = /\n([ \t]+)/.exec(text.slice(startOf(contents))) ?? []
    const [indent = ''] = /^[ \t]*/.exec(text.slice(lineStart(start))) ?? []
    return JSON.stringify(value, undefined, unit).replaceAll('\n', `\n${indent}`)
  }

  const editPairs = (map: YAMLMap, fields: Fields): Splices => {
    const splices: Splice[] = []
    const column = startOf(map.items[0]?.key) - lineStart(startOf(map.items[0]?.key))
    for (const [index, pair] of map.items.entries()) {
      const { key, value } = pair
      if (!isScalar(key) || typeof key.value !== 'string') return undefined
      if (!Object.hasOwn(fields, key.value)) {
        const before = map.items[index - 1]
        if (map.flow === true || !isBlank(lineStart(startOf(key)), startOf(key)) || !isFree(value)) return undefined
        const start = before === undefined ? lineStart(startOf(key)) : endOfPair(before)
        splices.push({ start, end: endOfPair(pair), text: '' })
        continue
      }
      const inner = edit(value, fields[key.value], map.flow === true)
      if (inner === undefined && (map.flow === true || !isFree(value))) return undefined
      if (inner !== undefined) splices.push(...inner)
      else {
        const whole = indented({ [key.value]: fields[key.value] }, column).trimStart()
        splices.push({ start: startOf(key), end: endOfPair(pair), text: whole })
      }
    }
    const known = new Set(map.items.map(({ key }) => (isScalar(key) ? key.value : undefined)))
    const added = Object.entries(fields).filter(([key]) => !known.has(key))
    if (added.length === 0) return known.size > 0 && Object.keys(fields).length === 0 ? undefined : splices
    const last = map.items.at(-1)
    if (map.flow === true || last === undefined) return undefined
    return [...splices, insertion(endOfPair(last), indented(Object.fromEntries(added), column))]
  }

  const editItems = (seq: YAMLSeq, values: ReadonlyArray<unknown>): Splices => {
    const { items } = seq
    if (items.length === 0 || values.length === 0) return undefined
    const isSame = (item: unknown, value: unknown): boolean => isDeepStrictEqual(valueOf(item), value)
    let start = 0
    while (start < Math.min(items.length, values.length) && isSame(items[start], values[start])) start++
    let end = 0
    const rest = Math.min(items.length, values.length) - start
    while (end < rest && isSame(items[items.length - 1 - end], values[values.length - 1 - end])) end++
    const [old, young] = [items.slice(start, items.length - end), values.slice(start, values.length - end)]
    if (seq.flow === true && old.length !== young.length) return undefined
    const lines = items.map((item) => lineStart(startOf(item)))
    if (seq.flow !== true && !items.every((item, i) => isBlank(lines[i] ?? 0, startOf(item), /^ *- +$/)))
      return undefined
    const column = text.indexOf('-', lines[0]) - (lines[0] ?? 0)
    const endAt = (index: number): number => (index < 0 ? (lines[0] ?? 0) : endOf(items[index]))
    const splices: Splice[] = []
    for (const [index, item] of old.entries()) {
      const inner = index < young.length ? edit(item, young[index], seq.flow === true) : undefined
      if (inner === undefined && (seq.flow === true || !isFree(item))) return undefined
      if (inner !== undefined) splices.push(...inner)
      else if (index >= young.length)
        splices.push({ start: endAt(start + index - 1), end: endAt(start + index), text: '' })
      else
        splices.push({
          start: lines[start + index] ?? 0,
          end: endAt(start + index),
          text: indented([young[index]], column),
        })
    }
    const added = young.slice(old.length)
    if (added.length === 0) return splices
    return [...splices, insertion(endAt(start + old.length - 1), indented(added, column))]
  }

  const valueOf = (node: unknown): unknown =>
    isScalar(node) || isCollection(node) || isAlias(node) ? node.toJS(document) : node

  const edit = (node: unknown, value: unknown, isFlow: boolean): Splices => {
    if (isDeepStrictEqual(valueOf(node), value)) return []
    const inner =
      isMap(node) && isFields(value)
        ? editPairs(node, value)
        : isSeq(node) && Array.isArray(value)
          ? editItems(node, value)
          : undefined
    if (inner !== undefined) return inner
    if ((!isScalar(node) && !isCollection(node)) || !node.range || !isFree(node)) return undefined
    const [start, end] = node.range
    const isFlowNode = isFlow || (isCollection(node) && node.flow === true)
    if (isFlowNode && !(isScalar(node) && node.type === 'QUOTE_SINGLE'))
      return [{ start, end, text: formatFlow(value, start, end) }]
    const isLine = isScalar(node) && node.type !== 'BLOCK_LITERAL' && node.type !== 'BLOCK_FOLDED' && end > start
    if (!isLine || (typeof value === 'object' && value !== null)) return undefined
    return [{ start, end, text: formatScalar(value, node.type) }]
  }

  return (value: unknown): Splices => {
    const { contents } = document
    const splices = edit(contents, value, false)
    if (splices !== undefined || contents === null || !isFree(contents)) return splices
    return [{ start: startOf(contents), end: endOf(contents), text: formatYaml(value) }]
  }
}

const documentsOf = (text: string): ReadonlyArray<Document> =>
  parseAllDocuments(text, yamlSchema).filter((document) => document.toJS() !== null)

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
  const after = (splices ?? [])
    .toReversed()
    .sort((a, b) => b.start - a.start || b.end - a.end)
    .reduce((result, splice) => result.slice(0, splice.start) + splice.text + result.slice(splice.end), text)
  const wanted = before.right.flatMap((each, i) => (i === index ? (value === undefined ? [] : [value]) : [each]))
  // Whatever a parser and an editor may disagree on: nothing is written that does not read as it should.
  return pipe(
    O.fromEither(parseYaml(after)),
    O.filter((found) => splices !== undefined && isDeepStrictEqual(found, wanted)),
    E.fromOption(() => 'expected YAML that can be changed in place'),
    E.map(() => after),
  )
}

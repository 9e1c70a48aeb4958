import {
  Composer,
  isMap,
  isScalar,
  LineCounter,
  Parser,
  stringify,
  visit,
  type CST,
  type Document,
  type Node,
} from 'yaml'

import { E } from './fp.ts'

export interface YamlOptions {
  /** Scalars directly in a mapping of this key stay the very text they were written as: a password `007` is not the number 7. */
  readonly textBelow?: string
}

/** Why a document is no use. Never quotes the text: it may hold secrets, and so may the messages of the parser. */
type Fault = { readonly what: string; readonly offset: number | undefined }

/** An anchor that holds its own alias makes an object that contains itself, and whoever walks it never ends. */
const findBadAlias = (document: Document): Fault | undefined => {
  const anchors = new Map<string, Node>()
  let fault: Fault | undefined
  visit(document, {
    Value: (_key, node) => {
      if (node.anchor !== undefined) anchors.set(node.anchor, node)
    },
    Alias: (_key, node, path) => {
      const target = anchors.get(node.source)
      if (target !== undefined && !path.includes(target)) return undefined
      fault = { what: target === undefined ? 'unknown alias' : 'alias inside its own anchor', offset: node.range?.[0] }
      return visit.BREAK
    },
  })
  return fault
}

/** The parser would compare each key with all before it: the square of their number, seconds for 100 KiB. */
const findDuplicateKey = (document: Document): Fault | undefined => {
  let fault: Fault | undefined
  visit(document, {
    Map: (_key, { items }) => {
      const seen = new Set<unknown>()
      for (const { key } of items) {
        if (!isScalar(key)) continue
        if (seen.has(key.value)) {
          fault = { what: 'duplicate key', offset: key.range?.[0] }
          return visit.BREAK
        }
        seen.add(key.value)
      }
      return undefined
    },
  })
  return fault
}

const keepText = (document: Document, key: string): void => {
  visit(document, {
    Pair: (_key, pair) => {
      if (!isScalar(pair.key) || pair.key.value !== key || !isMap(pair.value)) return
      for (const { value } of pair.value.items) {
        if (isScalar(value) && value.value !== null && value.source !== undefined) value.value = value.source
      }
    },
  })
}

const faultOf = (document: Document): Fault | undefined => {
  const [error] = document.errors
  return error === undefined
    ? (findBadAlias(document) ?? findDuplicateKey(document))
    : { what: error.code.toLowerCase().replaceAll('_', ' '), offset: error.pos[0] }
}

const describe = ({ what, offset }: Fault, lines: LineCounter): string => {
  if (offset === undefined) return `expected YAML, got "${what}"`
  const { line, col } = lines.linePos(offset)
  return `expected YAML, got "${what}" at ${String(line)}:${String(col)}`
}

/** How every text is read. */
export const yamlSchema = {
  prettyErrors: false,
  schema: 'core',
  merge: false,
  resolveKnownTags: false,
  stringKeys: true,
} as const

/** Far more levels than anybody writes; ten times as many end the stack. */
const maxDepth = 100

/** What is directly within a token. */
const tokensIn = (token: CST.Token): ReadonlyArray<CST.Token> => {
  const inner = token.type === 'document' ? [token.value] : []
  const entries = 'items' in token ? token.items.flatMap(({ key, value }) => [key, value]) : []
  return [...inner, ...entries].filter((entry) => entry !== null && entry !== undefined)
}

/** Never recurses: depth is the author's choice. */
const isTooDeep = (document: CST.Token): boolean => {
  let level: ReadonlyArray<CST.Token> = [document]
  for (let depth = 0; level.length > 0; depth++) {
    if (depth > maxDepth) return true
    level = level.flatMap(tokensIn)
  }
  return false
}

/**
 * Tokens are made without recursion, what is composed of them with it. To run out of stack and catch that is no way: a regular expression
 * that is compiled just before the end of the stack ends the whole process.
 */
function* shallow(tokens: Iterable<CST.Token>): Generator<CST.Token, void, unknown> {
  for (const token of tokens) {
    if (isTooDeep(token)) throw new RangeError('too deep nesting')
    yield token
  }
}

const composed = (text: string, lineCounter: LineCounter): Iterable<Document.Parsed> =>
  new Composer({ ...yamlSchema, uniqueKeys: false, lineCounter }).compose(
    shallow(new Parser(lineCounter.addNewLine).parse(text)),
  )

/**
 * The documents of a YAML 1.2 or JSON text as plain values; empty ones are left out. Core schema even under a `%YAML 1.1`
 * directive (`no` and `on` are strings), no merge keys, duplicate keys are errors, `__proto__` is a key like any other, no
 * value contains itself. Takes about half a second per MiB. Left: one sentence with `line:column`, which quotes nothing.
 */
export const parseYaml = (text: string, options: YamlOptions = {}): E.Either<string, ReadonlyArray<unknown>> => {
  const lines = new LineCounter()
  try {
    const values: unknown[] = []
    for (const document of composed(text, lines)) {
      const fault = faultOf(document)
      if (fault !== undefined) return E.left(describe(fault, lines))
      if (options.textBelow !== undefined) keepText(document, options.textBelow)
      const value: unknown = document.toJS({ maxAliasCount: 100 })
      if (value !== null) values.push(value)
    }
    return E.right(values)
  } catch (cause) {
    const what = cause instanceof ReferenceError ? 'too many aliases' : 'too deep nesting'
    return E.left(describe({ what, offset: undefined }, lines))
  }
}

/**
 * A plain value as YAML, in block style, its last line ended. Texts are quoted, so that no reader of any version of YAML takes one for
 * something else: `no`, `1e3`. Takes about a third of a millisecond per KiB.
 */
export const formatYaml = (value: unknown): string =>
  stringify(value, {
    schema: 'core',
    defaultStringType: 'QUOTE_DOUBLE',
    defaultKeyType: 'PLAIN',
    aliasDuplicateObjects: false,
    lineWidth: 0,
  })

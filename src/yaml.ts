import { isMap, isScalar, LineCounter, parseAllDocuments, stringify, visit, type Document, type Node } from 'yaml'

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
    ? findBadAlias(document)
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

/**
 * The documents of a YAML 1.2 or JSON text as plain values; empty ones are left out. Core schema even under a `%YAML 1.1`
 * directive (`no` and `on` are strings), no merge keys, duplicate keys are errors, `__proto__` is a key like any other, no
 * value contains itself. Takes about half a second per MiB. Left: one sentence with `line:column`, which quotes nothing.
 */
export const parseYaml = (text: string, options: YamlOptions = {}): E.Either<string, ReadonlyArray<unknown>> => {
  const lines = new LineCounter()
  try {
    const values: unknown[] = []
    for (const document of parseAllDocuments(text, {
      ...yamlSchema,
      lineCounter: lines,
    })) {
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

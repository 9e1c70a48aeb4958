import type { HeaderMap } from './http.ts'

/** One thing that a client takes. */
export interface AcceptClause {
  /** Lower-case. Shape: `application/json`, `text/*`. */
  readonly range: string
  /** By lower-case name, without quotes; the weight is not among them. */
  readonly parameters: ReadonlyMap<string, string>
  /** From 0, which refuses, to 1. */
  readonly weight: number
}

// Nothing follows what these repeat, so they never go back: their time grows with the header only.
const listed = /(?:[^,"]|"(?:[^"\\]|\\.)*"?)+/g
const parted = /(?:[^;"]|"(?:[^"\\]|\\.)*"?)+/g

const unquote = (text: string): string =>
  text.startsWith('"') ? text.replace(/^"|"$/g, '').replace(/\\(.)/g, '$1') : text

const toParameter = (text: string): readonly [string, string] => {
  const end = text.indexOf('=')
  return end === -1
    ? [text.trim().toLowerCase(), '']
    : [text.slice(0, end).trim().toLowerCase(), unquote(text.slice(end + 1).trim())]
}

/** What cannot be read counts as 1, as it does in Kubernetes. */
const toWeight = (text: string | undefined): number => {
  const weight = parseFloat(text ?? '')
  return Number.isNaN(weight) ? 1 : Math.min(1, Math.max(0, weight))
}

const toClauses = (element: string): ReadonlyArray<AcceptClause> => {
  const [first = '', ...rest] = element.match(parted) ?? []
  const name = first.trim().toLowerCase()
  if (name === '') return []
  const parameters = new Map(rest.map(toParameter))
  const weight = toWeight(parameters.get('q'))
  parameters.delete('q')
  // Java's own client has always sent the short form
  return [{ range: name === '*' ? '*/*' : name, parameters, weight }]
}

const wildness = ({ range }: AcceptClause): number => (range === '*/*' ? 2 : range.endsWith('/*') ? 1 : 0)

/**
 * What a client takes, the best liked first: by weight, then the specific before the wild, then in its own order. Empty: it does not say.
 * Source: RFC 9110, section 12.5.1; the order is that of the Kubernetes apiserver.
 */
export const parseAccept = (accept: HeaderMap[string]): ReadonlyArray<AcceptClause> => {
  const header = typeof accept === 'string' ? accept : (accept ?? []).join(',')
  const clauses = (header.match(listed) ?? []).flatMap(toClauses)
  return clauses.toSorted((a, b) => b.weight - a.weight || wildness(a) - wildness(b))
}

import {
  decodeAscii,
  encodeSegment,
  endOfPath,
  endOfPlain,
  faultOfSegment,
  faultOfTail,
  isPlain,
  originForm,
  readLoosely,
  readStrictly,
  type Reading,
} from './path.ts'
import type { Claim, RouteTable } from './table.ts'
import { hits, type Hit, type Leaf, type Node } from './trie.ts'

/** What the table says of a request. `undefined` stands for: nobody claims it. */
export type Match =
  | {
      readonly _tag: 'Claimed'
      readonly claim: Claim
      readonly path: string
      readonly query: string
      readonly params: Readonly<Record<string, string | undefined>>
      readonly tail: string
    }
  | {
      readonly _tag: 'OtherMethods'
      readonly claim: Claim
      readonly path: string
      readonly allow: ReadonlyArray<string>
    }
  | { readonly _tag: 'Ambiguous'; readonly claim: Claim; readonly path: string; readonly fault: string }

const prefix = '/apis/'
/** Segments before those that a template names: `apis`, group, version. */
const depth = 3

/** RFC 9110: whoever answers GET answers HEAD. */
const claimFor = (leaf: Leaf<Claim>, method: string): Claim | undefined =>
  leaf.get(method) ?? (method === 'HEAD' ? leaf.get('GET') : undefined) ?? leaf.get('*')

const firstClaim = (leaf: Leaf<Claim>): Claim | undefined => leaf.values().next().value

const allowOf = (leaf: Leaf<Claim>): ReadonlyArray<string> =>
  [...leaf.keys()].flatMap((m) => (m === 'GET' ? ['GET', 'HEAD'] : [m]))

const canonicalPath = ({ raw, decoded }: Reading, taken: number): string =>
  `/${raw.map((text, i) => (i < taken && !isPlain(text, text.length) ? encodeSegment(decoded[i] ?? '') : text)).join('/')}`

const faultIn = ({ raw, decoded }: Reading, taken: number): string | undefined => {
  for (let i = 0; i < raw.length; i++) {
    const text = raw[i] ?? ''
    const fault = i < taken ? faultOfSegment(text, decoded[i]) : faultOfTail(text, decoded[i], i === raw.length - 1)
    if (fault !== undefined) return fault
  }
  return undefined
}

const paramsOf = (claim: Claim, segments: ReadonlyArray<string | undefined>): Record<string, string | undefined> => {
  const params: Record<string, string | undefined> = {}
  Object.setPrototypeOf(params, null)
  for (const [index, name] of claim.names) params[name] = segments[depth + index]
  return params
}

const toMatch = (claim: Claim, hit: Hit<Claim>, reading: Reading, query: string): Match => {
  const path = canonicalPath(reading, hit.taken)
  const fault = faultIn(reading, hit.taken)
  if (fault !== undefined) return { _tag: 'Ambiguous', claim, path, fault }
  const tail = reading.raw.slice(hit.taken).join('/')
  return { _tag: 'Claimed', claim, path, query, params: paramsOf(claim, reading.decoded), tail }
}

/** The best claim on a reading: the most specific template that has the method, else what other methods there are. */
const matchIn = (root: Node<Claim>, method: string, reading: Reading, query: string): Match | undefined => {
  const allow = new Set<string>()
  let other: Match | undefined
  for (const hit of hits(root, reading.decoded, depth)) {
    const claim = claimFor(hit.leaf, method)
    if (claim !== undefined) return toMatch(claim, hit, reading, query)
    for (const allowed of allowOf(hit.leaf)) allow.add(allowed)
    const first = firstClaim(hit.leaf)
    other ??= first && toMatch(first, hit, reading, query)
  }
  if (other?._tag !== 'Claimed') return other
  return { _tag: 'OtherMethods', claim: other.claim, path: other.path, allow: [...allow].toSorted() }
}

const matchReading = (table: RouteTable, method: string, reading: Reading, query: string): Match | undefined => {
  const [root, group = '', version = ''] = reading.decoded
  const known = root === 'apis' ? table.get(`${group}/${version}`) : undefined
  return known && matchIn(known.root, method, reading, query)
}

/** The query that begins at the end of the path, if any; a fragment is none of the server's business. */
const queryAt = (url: string, end: number): string =>
  url.charAt(end) === '?' ? (url.slice(end + 1).split('#', 1)[0] ?? '') : ''

/** Some other reader of this path would end at a claim. */
const matchLoosely = (table: RouteTable, method: string, path: string): Match | undefined => {
  if (!decodeAscii(path).includes('apis')) return undefined
  for (const decoded of readLoosely(path)) {
    const match = matchReading(table, method, { raw: decoded, decoded }, '')
    if (match === undefined) continue
    return {
      _tag: 'Ambiguous',
      claim: match.claim,
      path: match.path,
      fault: 'an empty, dot or encoded segment, or parameters',
    }
  }
  return undefined
}

/**
 * Finds who claims a request, at a cost by the length of its path. Pure. `target` is a request target relative to the mount:
 * `/apis/prometheus.grafana.app/v0alpha1/namespaces/default/connections/p1/query?x=y`.
 */
export const match = (table: RouteTable, method: string, target: string): Match | undefined => {
  const url = originForm(target)
  const plainEnd = endOfPlain(url)
  const end = plainEnd + endOfPath(url.slice(plainEnd))
  if (plainEnd < end) {
    if (!url.startsWith('/')) return undefined
    const path = url.slice(0, end)
    return matchReading(table, method, readStrictly(path), queryAt(url, end)) ?? matchLoosely(table, method, path)
  }
  // The way of nearly all requests that are not ours: two comparisons and one lookup.
  if (!url.startsWith(prefix)) return undefined
  const afterGroup = url.indexOf('/', prefix.length)
  if (afterGroup === -1 || afterGroup >= end) return undefined
  const next = url.indexOf('/', afterGroup + 1)
  const afterVersion = next === -1 || next > end ? end : next
  const known = table.get(url.slice(prefix.length, afterVersion))
  if (known === undefined) return undefined
  const raw = url.slice(1, end).split('/')
  return matchIn(known.root, method, { raw, decoded: raw }, queryAt(url, end))
}

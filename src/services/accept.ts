import type { AggregatorError } from '../errors.ts'
import { E } from '../fp.ts'
import type { HeaderMap } from '../http.ts'

/** One of the client's list. Shape: `{ range: 'text/*', weight: 0.5, index: 2 }`. */
interface Accepted {
  readonly range: string
  /** From 0, which refuses, to 1. */
  readonly weight: number
  readonly index: number
}

const refused: Accepted = { range: '', weight: 0, index: 0 }

// Nothing follows what these repeat, so they never go back: their time grows with the header only.
const listed = /(?:[^,"]|"(?:[^"\\]|\\.)*"?)+/g
const parted = /(?:[^;"]|"(?:[^"\\]|\\.)*"?)+/g

const isWeight = (parameter: string): boolean => /^\s*q\s*=/i.test(parameter)

/** What cannot be read counts as 1, as it does in Kubernetes. */
const weightOf = (parameter: string | undefined): number => {
  const weight = parseFloat(parameter?.slice(parameter.indexOf('=') + 1) ?? '')
  return Number.isNaN(weight) ? 1 : Math.min(1, Math.max(0, weight))
}

/** Parameters other than the weight say nothing: whoever asks for JSON in UTF-8, or as a table, takes JSON. */
const parseAccepted = (element: string, index: number): ReadonlyArray<Accepted> => {
  const [first = '', ...parameters] = element.match(parted) ?? []
  const name = first.trim().toLowerCase()
  // Java's own client has always sent the short form
  const range = name === '*' ? '*/*' : name
  return range === '' ? [] : [{ range, weight: weightOf(parameters.find(isWeight)), index }]
}

/** From the most specific range to the least. */
const rangesOf = (offer: string): ReadonlyArray<string> => [offer, `${offer.slice(0, offer.indexOf('/'))}/*`, '*/*']

/** What the list says of an offer: the most specific range that covers it; of several that are alike, the one with the most weight. */
const placeOf = (list: ReadonlyArray<Accepted>, offer: string): Accepted => {
  for (const range of rangesOf(offer)) {
    let found: Accepted | undefined
    for (const accepted of list) {
      if (accepted.range === range && accepted.weight > (found?.weight ?? -1)) found = accepted
    }
    if (found !== undefined) return found
  }
  return refused
}

/**
 * The offer that a client likes best, by the weights of its Accept header, then by the order of its list, then by that of the offers:
 * so the first offer is for those who take anything. Offers are media types in lower case without parameters. Fails with
 * NotAcceptable. Source: RFC 9110, section 12.5.1.
 */
export const negotiate = <Offer extends string>(
  accept: HeaderMap[string],
  offers: readonly [Offer, ...ReadonlyArray<Offer>],
): E.Either<AggregatorError, Offer> => {
  const header = typeof accept === 'string' ? accept : (accept ?? []).join(',')
  const list = (header.match(listed) ?? []).flatMap(parseAccepted)
  if (list.length === 0) return E.right(offers[0])
  let best = refused
  let chosen: Offer | undefined
  for (const offer of offers) {
    const place = placeOf(list, offer)
    const isBetter = place.weight === best.weight ? place.index < best.index : place.weight > best.weight
    if (place.weight > 0 && isBetter) {
      best = place
      chosen = offer
    }
  }
  if (chosen !== undefined) return E.right(chosen)
  const names = offers.map((offer) => `"${offer}"`).join(', ')
  return E.left({ _tag: 'NotAcceptable', message: `expected an Accept header that takes one of ${names}` })
}

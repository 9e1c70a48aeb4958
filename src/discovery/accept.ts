import { parseAccept, type AcceptClause } from '../accept-header.ts'
import type { AggregatorError } from '../errors.ts'
import { E } from '../fp.ts'
import type { HeaderMap } from '../http.ts'
import { apiGroup, listKind, versions, type AggregatedVersion } from './aggregated.ts'

export const jsonType = 'application/json'

/** What kubectl asks for, and what a server may be asked for without the sign that is no part of a media type. */
const v2Protobuf = [
  'application/com.github.proto-openapi.spec.v2@v1.0+protobuf',
  'application/com.github.proto-openapi.spec.v2.v1.0+protobuf',
]

export const protobufRequestType = v2Protobuf[0] ?? ''

/** Never with the `@`: readers written in Go take it for no media type. */
export const protobufType = v2Protobuf[1] ?? ''

/** Shape: `application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList`. */
export const aggregatedType = (version: AggregatedVersion): string =>
  `${jsonType};g=${apiGroup};v=${version};as=${listKind}`

/** How a document is wanted. */
export type Form = 'json' | 'protobuf' | AggregatedVersion

const jsonRanges: ReadonlyArray<string> = [jsonType, 'application/*', '*/*']

const formOf = ({ range, parameters, weight }: AcceptClause): Form | undefined => {
  if (weight === 0 || (parameters.get('stream') ?? 'watch') !== 'watch') return undefined
  if (v2Protobuf.includes(range)) return 'protobuf'
  if (!jsonRanges.includes(range)) return undefined
  if (!['as', 'g', 'v'].some((name) => parameters.has(name))) return 'json'
  if (parameters.get('as') !== listKind || parameters.get('g') !== apiGroup) return undefined
  return versions.find((version) => version === parameters.get('v'))
}

/**
 * The first form of a client's list that there is, JSON when it says nothing; what asks for a transformation that is not known is passed
 * over, as in Kubernetes. Fails with NotAcceptable.
 */
export const chooseForm = (accept: HeaderMap[string], offers: ReadonlyArray<Form>): E.Either<AggregatorError, Form> => {
  const clauses = parseAccept(accept)
  if (clauses.length === 0) return E.right('json')
  for (const clause of clauses) {
    const form = formOf(clause)
    if (form !== undefined && offers.includes(form)) return E.right(form)
  }
  return E.left({ _tag: 'NotAcceptable', message: `only the following media types are accepted: ${jsonType}` })
}

import type { ErrorSource } from '../errors.ts'
import type { DataResponse, QueryDataResponse } from '../plugin.ts'

/** By code point, as Go compares texts; `<` compares halves of surrogate pairs. */
const isBefore = (a: string, b: string): boolean => {
  let i = 0
  while (i < a.length && a.charCodeAt(i) === b.charCodeAt(i)) i++
  return (a.codePointAt(i) ?? -1) < (b.codePointAt(i) ?? -1)
}

const isDownstream = ({ errorSource }: DataResponse): boolean => errorSource === 'downstream'

/** The error that decides: a plugin's own before one downstream, then by refId. One pass: a plugin may answer any number of refIds. */
const decisiveError = ({ responses }: QueryDataResponse): DataResponse | undefined => {
  let first: readonly [refId: string, response: DataResponse] | undefined
  for (const [refId, response] of responses) {
    if (response.error === '') continue
    const decides =
      first === undefined ||
      (isDownstream(response) === isDownstream(first[1]) ? isBefore(refId, first[0]) : isDownstream(first[1]))
    if (decides) first = [refId, response]
  }
  return first?.[1]
}

/**
 * How an answer ends: 200 unless a refId failed; then the first plugin error in the order of refIds decides, else the first
 * downstream one, which is never laid at this server (4xx kept, else 400). Source: GetResponseCode of the datasource apiserver.
 */
export const endingOf = (answer: QueryDataResponse): { readonly code: number; readonly errorSource?: ErrorSource } => {
  const first = decisiveError(answer)
  if (first === undefined) return { code: 200 }
  const { status, errorSource } = first
  return errorSource === 'downstream'
    ? { code: status >= 400 && status <= 499 ? status : 400, errorSource }
    : { code: status >= 400 && status <= 599 ? status : 500, errorSource: 'plugin' }
}

/** The responses of an answer in the order of their refIds. */
export const inOrder = ({ responses }: QueryDataResponse): ReadonlyArray<readonly [refId: string, DataResponse]> =>
  [...responses].sort(([a], [b]) => (isBefore(a, b) ? -1 : 1))

import { apiVersion } from '../../api/dataplane-service.ts'
import type { AggregatorError } from '../../errors.ts'
import { capCauses } from '../../decode.ts'
import { pathsOf, type FieldSet } from './field-set.ts'
import type { Owner } from './owners.ts'
import { describeElement } from './path-element.ts'

/** Fields that somebody else owns and that would change. */
export interface Conflict {
  readonly owner: Owner
  readonly fields: FieldSet
}

/** Shape: `"kubectl" with subresource "status" using aggregation.grafana.app/v0alpha1`; appliers are told by name alone. */
const describeOwner = ({ manager, operation, subresource }: Owner): string => {
  const through = subresource === '' ? '' : ` with subresource ${JSON.stringify(subresource)}`
  return `${JSON.stringify(manager)}${through}${operation === 'Update' ? ` using ${apiVersion}` : ''}`
}

const describePaths = (fields: FieldSet): ReadonlyArray<string> =>
  pathsOf(fields).map((path) => path.map(describeElement).join(''))

/** More lines than that help nobody; the causes count the rest. */
const maxLines = 100

const messageOf = (found: ReadonlyArray<readonly [string, ReadonlyArray<string>]>, count: number): string => {
  const [first] = found
  if (count === 1 && first !== undefined) {
    return `Apply failed with 1 conflict: conflict with ${first[0]}: ${first[1][0] ?? ''}`
  }
  const lines = found.flatMap(([owner, paths]) => [`conflicts with ${owner}:`, ...paths.map((path) => `- ${path}`)])
  return `Apply failed with ${String(count)} conflicts: ${lines.slice(0, maxLines).join('\n')}`
}

/** Source: NewConflictError of apimachinery, word for word: kubectl shows it, and people search for it. */
export const conflictError = (conflicts: ReadonlyArray<Conflict>): AggregatorError => {
  const found = conflicts.map(({ owner, fields }) => [describeOwner(owner), describePaths(fields)] as const)
  const causes = found.flatMap(([owner, paths]) =>
    paths.map((field) => ({ reason: 'FieldManagerConflict' as const, message: `conflict with ${owner}`, field })),
  )
  const message = messageOf(found, causes.length)
  return { _tag: 'Conflict', message, details: { causes: capCauses(causes) } }
}

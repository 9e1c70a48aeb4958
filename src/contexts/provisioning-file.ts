import {
  parseApp,
  parseDatasource,
  parseProvisioningFile,
  type ProvisionedApp,
  type ProvisionedDatasource,
} from '../api/provisioning.ts'
import type { StatusCause } from '../api/status.ts'
import { describeCauses, quote } from '../decode.ts'
import { E, pipe } from '../fp.ts'
import { capReports } from '../text-files.ts'
import { parseYaml } from '../yaml.ts'
import { expandVariables, type Surroundings, type UnsetVariable } from './expand.ts'

interface Entry<A> {
  /** What identifies it, variables not expanded: by this a wrong entry finds its last good version. */
  readonly key: string
  readonly value: A
}

/** What one file contributes. */
export interface FileEntries {
  readonly datasources: ReadonlyArray<Entry<ProvisionedDatasource>>
  readonly apps: ReadonlyArray<Entry<ProvisionedApp>>
  /** What is wrong with it: one sentence each, with the field at fault, without any value. */
  readonly problems: ReadonlyArray<string>
  /** What may be wrong with it, likewise. */
  readonly warnings: ReadonlyArray<string>
  /** `false`: no text of this file was ever good, so nobody knows what it should contribute. */
  readonly isKnown: boolean
}

export const unknownEntries: FileEntries = {
  datasources: [],
  apps: [],
  problems: [],
  warnings: [],
  isKnown: false,
}

type Parse<A> = (value: unknown, field: string) => E.Either<ReadonlyArray<StatusCause>, A>

const keyOf = (raw: unknown, fields: ReadonlyArray<string>): string => {
  const entry = new Map<string, unknown>(typeof raw === 'object' && raw !== null ? Object.entries(raw) : [])
  return JSON.stringify(fields.map((field) => entry.get(field)))
}

/** What is taken for a variable's name in a secret, in whichever form, may be a piece of the secret. */
const describeUnset = ({ field, name }: UnsetVariable): string =>
  /\.secureJsonData\b/.test(field)
    ? `${field}: a variable is not set (a "$" that is meant as such is written "$$")`
    : `${field}: variable ${quote(name)} is not set`

/** The documents of a provisioning file. Secrets keep the very text that they were written as. */
export const parseProvisioningText = (text: string): E.Either<string, ReadonlyArray<unknown>> =>
  parseYaml(text, { textBelow: 'secureJsonData' })

/**
 * Expands and parses the entries one by one. A wrong one is left out and named, or serves on as it was if the file had it
 * good before; a document that is wrong as a whole leaves everything as it was.
 */
export const readEntries = async (
  documents: E.Either<string, ReadonlyArray<unknown>>,
  last: FileEntries,
  surroundings: Surroundings,
): Promise<FileEntries> => {
  const problems = new Set<string>()
  const warnings = new Set<string>()

  const readAll = async <A>(
    section: string,
    raws: ReadonlyArray<unknown>,
    keyFields: ReadonlyArray<string>,
    parse: Parse<A>,
    lastGood: ReadonlyArray<Entry<A>>,
  ): Promise<ReadonlyArray<Entry<A>>> => {
    const entries: Entry<A>[] = []
    // Of two with one key the first.
    const lastByKey = new Map(lastGood.toReversed().map((entry) => [entry.key, entry]))
    for (const [index, raw] of raws.entries()) {
      const field = `${section}[${String(index)}]`
      const key = keyOf(raw, keyFields)
      const expanded = await expandVariables(raw, field, surroundings)
      if (E.isRight(expanded)) for (const variable of expanded.right.unset) warnings.add(describeUnset(variable))
      const parsed = pipe(
        expanded,
        E.flatMap(({ value }) => pipe(parse(value, field), E.mapLeft(describeCauses))),
      )
      if (E.isLeft(parsed)) problems.add(parsed.left)
      const kept = lastByKey.get(key)
      if (E.isRight(parsed)) entries.push({ key, value: parsed.right })
      else if (kept !== undefined) entries.push(kept)
    }
    return entries
  }

  const files = pipe(
    documents,
    E.flatMap(E.traverseArray((document) => pipe(parseProvisioningFile(document), E.mapLeft(describeCauses)))),
  )
  if (E.isLeft(files)) return { ...last, problems: [files.left], warnings: [] }
  const datasources = files.right.flatMap((file) => file.datasources)
  const apps = files.right.flatMap((file) => file.apps)
  return {
    datasources: await readAll('datasources', datasources, ['orgId', 'uid', 'name'], parseDatasource, last.datasources),
    apps: await readAll('apps', apps, ['org_id', 'type'], parseApp, last.apps),
    problems: capReports([...problems], (count) => `and ${count} more wrong entries`),
    warnings: capReports([...warnings], (count) => `and ${count} more warnings`),
    isKnown: true,
  }
}

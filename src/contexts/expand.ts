import { E } from '../fp.ts'
import { capReports } from '../text-files.ts'

export interface Surroundings {
  readonly env: Readonly<Record<string, string | undefined>>
  /** Left: why there is no text, one sentence that names no path. */
  readonly readFile: (path: string) => Promise<E.Either<string, string>>
}

/** A variable without a value: it counts as empty. */
export interface UnsetVariable {
  readonly field: string
  readonly name: string
}

export interface Expanded {
  readonly value: unknown
  readonly unset: ReadonlyArray<UnsetVariable>
}

/** `$$`, `$__env{NAME}`, `$__file{/path}`, `${NAME}`, `$NAME`, and the one-character names of Go's os.Expand such as `$1`. */
const reference = /\$(?:(\$)|__env\{([^}]+)\}|__file\{([^}]+)\}|\{([^}]*)\}|([A-Za-z_]\w*|[*#@!?\-0-9]))/g

/**
 * Puts variables into the strings of a value, at any depth, never into keys. As Grafana does, but in one pass: what comes out
 * of a variable or file is final, where Grafana expands a `$` in the value of `${NAME}` once more. Left: one sentence that
 * begins with the field at fault. Source: pkg/services/provisioning/values/values.go, pkg/setting/expanders.go.
 */
export const expandVariables = async (
  root: unknown,
  rootField: string,
  { env, readFile }: Surroundings,
): Promise<E.Either<string, Expanded>> => {
  const unset: UnsetVariable[] = []
  const failures = new Set<string>()

  const read = async (path: string, field: string): Promise<string> => {
    const text = await readFile(path)
    if (E.isRight(text)) return text.right.trim()
    failures.add(`${field}: ${text.left}`)
    return ''
  }

  const expandText = async (text: string, field: string): Promise<string> => {
    let expanded = ''
    let end = 0
    for (const match of text.matchAll(reference)) {
      const [whole, dollar, ofEnv, path, ofBraces, bare] = match
      const name = ofEnv ?? ofBraces ?? bare ?? ''
      const variable = Object.hasOwn(env, name) ? env[name] : undefined
      const value = dollar ?? (path === undefined ? variable : await read(path, field))
      if (value === undefined) unset.push({ field, name })
      expanded += text.slice(end, match.index) + (value ?? '')
      end = match.index + whole.length
    }
    return expanded + text.slice(end)
  }

  const expand = async (value: unknown, field: string): Promise<unknown> => {
    if (typeof value === 'string') return expandText(value, field)
    if (typeof value !== 'object' || value === null) return value
    const isList = Array.isArray(value)
    const entries: (readonly [string, unknown])[] = []
    for (const [key, inner] of Object.entries(value)) {
      entries.push([key, await expand(inner, isList ? `${field}[${key}]` : `${field}.${key}`)])
    }
    return isList ? entries.map(([, inner]) => inner) : Object.fromEntries(entries)
  }

  const value = await expand(root, rootField)
  return failures.size > 0
    ? E.left(capReports([...failures], (count) => `and ${count} more`).join('; '))
    : E.right({ value, unset })
}

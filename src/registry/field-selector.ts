import type { StoredObject } from '../api/object.ts'
import { E } from '../fp.ts'

type Requirement = (object: StoredObject) => boolean

/** Pieces between the commas that no backslash stands before. */
const splitTerms = (text: string): ReadonlyArray<string> => {
  const terms: string[] = []
  let from = 0
  for (let i = 0; i < text.length; i++) {
    if (text[i] === '\\') i++
    else if (text[i] === ',') {
      terms.push(text.slice(from, i))
      from = i + 1
    }
  }
  return [...terms, text.slice(from)]
}

interface Term {
  readonly field: string
  readonly isNegated: boolean
  readonly value: string
}

const toTerm = (term: string): Term | undefined => {
  const at = term.indexOf('=')
  if (at === -1) return undefined
  const isNegated = term[at - 1] === '!'
  const value = term.slice(term[at + 1] === '=' && !isNegated ? at + 2 : at + 1)
  return { field: term.slice(0, isNegated ? at - 1 : at), isNegated, value }
}

/** A backslash stands before commas, equal signs and backslashes, and they stand nowhere else. */
const unescape = (value: string): E.Either<string, string> => {
  let text = ''
  for (let i = 0; i < value.length; i++) {
    const char = value.charAt(i)
    if (char === '=') return E.left(`invalid field selector: unescaped character in value: ${char}`)
    if (char === '\\') {
      const next = value.charAt(++i)
      if (!['\\', ',', '='].includes(next)) {
        return E.left(`invalid field selector: invalid escape sequence: \\${next}`)
      }
      text += next
    } else text += char
  }
  return E.right(text)
}

const fields = new Map<string, (object: StoredObject) => string>([
  ['metadata.name', ({ metadata }) => metadata.name],
  // of an object that is in no namespace
  ['metadata.namespace', () => ''],
])

/**
 * The requirements of a field selector. Shape: `metadata.name=a,metadata.namespace!=b`. Left: what is wrong with it, in the words of
 * Kubernetes. Source: ParseSelector of apimachinery's fields.
 */
export const parseFieldSelector = (selector: string): E.Either<string, ReadonlyArray<Requirement>> => {
  const requirements: Requirement[] = []
  for (const text of splitTerms(selector)) {
    if (text === '') continue
    const term = toTerm(text)
    if (term === undefined) return E.left(`invalid selector: '${selector}'; can't understand '${text}'`)
    const value = unescape(term.value)
    if (E.isLeft(value)) return value
    const fieldOf = fields.get(term.field)
    if (fieldOf === undefined) return E.left(`field label not supported: ${term.field}`)
    requirements.push((object) => (fieldOf(object) === value.right) !== term.isNegated)
  }
  return E.right(requirements)
}

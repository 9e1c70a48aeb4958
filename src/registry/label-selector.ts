import type { StoredObject } from '../api/object.ts'
import { E, pipe } from '../fp.ts'
import { faultOfLabelKey, faultOfLabelValue } from './label-syntax.ts'

type Requirement = (object: StoredObject) => boolean
type Parsed<A> = E.Either<string, A>

// Both alternatives begin differently and nothing follows them, so this never goes back.
const tokens = /[ \t\r\n]*(?:(==|!=|[=!(),<>])|([^ \t\r\n=!(),<>]+))/y

interface Token {
  readonly text: string
  /** Whether it is a key or a value; else it is a sign, or the end, whose text is empty. */
  readonly isWord: boolean
}

const end: Token = { text: '', isWord: false }

const tokenize = (selector: string): ReadonlyArray<Token> => {
  const found: Token[] = []
  tokens.lastIndex = 0
  for (let match = tokens.exec(selector); match !== null; match = tokens.exec(selector)) {
    const [, sign, word = ''] = match
    found.push(sign === undefined ? { text: word, isWord: true } : { text: sign, isWord: false })
  }
  return found
}

/** Tokens and where its reader stands. */
interface Reader {
  readonly peek: () => Token
  readonly take: () => Token
}

const readerOf = (list: ReadonlyArray<Token>): Reader => {
  let at = 0
  return { peek: () => list[at] ?? end, take: () => list[at++] ?? end }
}

const isSign = ({ text, isWord }: Token, ...signs: ReadonlyArray<string>): boolean => !isWord && signs.includes(text)

const unlike = ({ text }: Token, expected: string): Parsed<never> => E.left(`found '${text}', expected: ${expected}`)

const invalid = (field: string, value: string, fault: string): Parsed<never> =>
  E.left(`${field}: Invalid value: ${JSON.stringify(value)}: ${fault}`)

/** The value of a label; `undefined`: the object has none of this key. */
const labelOf = ({ metadata: { labels } }: StoredObject, key: string): string | undefined =>
  labels !== undefined && Object.hasOwn(labels, key) ? labels[key] : undefined

const toInteger = (text: string): bigint | undefined => (/^[+-]?\d{1,63}$/.test(text) ? BigInt(text) : undefined)

const readKey = (reader: Reader): Parsed<string> => {
  const token = reader.take()
  if (!token.isWord) return unlike(token, 'identifier')
  const fault = faultOfLabelKey(token.text)
  return fault === undefined ? E.right(token.text) : invalid('key', token.text, fault)
}

/** What stands after an operator; nothing at all is the empty value. */
const readValue = (reader: Reader): Parsed<string> => {
  const token = reader.peek()
  if (token === end || isSign(token, ',')) return E.right('')
  reader.take()
  return token.isWord ? E.right(token.text) : unlike(token, 'identifier')
}

/** Between parentheses. An empty place is the empty value. */
const readValues = (reader: Reader): Parsed<ReadonlySet<string>> => {
  const open = reader.take()
  if (!isSign(open, '(')) return unlike(open, "'('")
  const values = new Set<string>()
  if (isSign(reader.peek(), ')')) {
    reader.take()
    return E.left("values: Invalid value: []: for 'in', 'notin' operators, values set can't be empty")
  }
  for (;;) {
    const word = reader.peek().isWord ? reader.take().text : ''
    values.add(word)
    const next = reader.take()
    if (isSign(next, ')')) return E.right(values)
    if (!isSign(next, ',')) return unlike(next, word === '' ? "',', or identifier" : "',' or ')'")
  }
}

const checkValues = (key: string, values: ReadonlySet<string>): Parsed<ReadonlySet<string>> => {
  for (const value of values) {
    const fault = faultOfLabelValue(value)
    if (fault !== undefined) return invalid(`values[0][${key}]`, value, fault)
  }
  return E.right(values)
}

/** Without the label an object is in no set. */
const oneOf =
  (key: string, isNegated: boolean) =>
  (values: ReadonlySet<string>): Requirement =>
  (object) => {
    const label = labelOf(object, key)
    return (label !== undefined && values.has(label)) !== isNegated
  }

const compared = (key: string, isGreater: boolean, text: string): Parsed<Requirement> => {
  const bound = toInteger(text)
  if (bound === undefined) return invalid('values[0]', text, "for 'Gt', 'Lt' operators, the value must be an integer")
  return E.right((object) => {
    const value = toInteger(labelOf(object, key) ?? '')
    return value !== undefined && (isGreater ? value > bound : value < bound)
  })
}

const readSet = (reader: Reader, key: string, isNegated: boolean): Parsed<Requirement> =>
  pipe(
    readValues(reader),
    E.flatMap((values) => checkValues(key, values)),
    E.map(oneOf(key, isNegated)),
  )

const readOne = (reader: Reader, key: string, isNegated: boolean): Parsed<Requirement> =>
  pipe(
    readValue(reader),
    E.flatMap((value) => checkValues(key, new Set([value]))),
    E.map(oneOf(key, isNegated)),
  )

const readComparison = (reader: Reader, key: string, isGreater: boolean): Parsed<Requirement> =>
  pipe(
    readValue(reader),
    E.flatMap((text) => compared(key, isGreater, text)),
  )

const readCondition = (reader: Reader, key: string): Parsed<Requirement> => {
  const next = reader.peek()
  if (next === end || isSign(next, ',')) return E.right((object) => labelOf(object, key) !== undefined)
  const { text } = reader.take()
  switch (text) {
    case 'in':
    case 'notin':
      return readSet(reader, key, text === 'notin')
    case '=':
    case '==':
    case '!=':
      return readOne(reader, key, text === '!=')
    case '>':
    case '<':
      return readComparison(reader, key, text === '>')
    default:
      return unlike(next, 'in, notin, =, ==, !=, gt, lt')
  }
}

const readRequirement = (reader: Reader): Parsed<Requirement> => {
  const isAbsent = isSign(reader.peek(), '!')
  if (isAbsent) reader.take()
  return pipe(
    readKey(reader),
    E.flatMap((key) =>
      isAbsent ? E.right((object: StoredObject) => labelOf(object, key) === undefined) : readCondition(reader, key),
    ),
    E.mapLeft((fault) => `unable to parse requirement: ${fault}`),
  )
}

/**
 * The requirements of a label selector. Shape: `a=b,c!=d,e in (f,g),h notin (i),j,!k,l>1`. Left: what is wrong with it, in the words of
 * Kubernetes. Source: Parse of apimachinery's labels.
 */
export const parseLabelSelector = (selector: string): Parsed<ReadonlyArray<Requirement>> => {
  const reader = readerOf(tokenize(selector))
  const requirements: Requirement[] = []
  if (reader.peek() === end) return E.right(requirements)
  for (;;) {
    const first = reader.peek()
    if (!first.isWord && !isSign(first, '!')) {
      return unlike(first, requirements.length === 0 ? "!, identifier, or 'end of string'" : "identifier after ','")
    }
    const requirement = readRequirement(reader)
    if (E.isLeft(requirement)) return requirement
    requirements.push(requirement.right)
    const next = reader.take()
    if (next === end) return E.right(requirements)
    if (!isSign(next, ',')) return unlike(next, "',' or 'end of string'")
  }
}

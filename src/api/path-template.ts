import { E } from '../fp.ts'

/** A segment of a route: text to equal, a name to bind one segment to, or `tail`, which takes the rest. */
export type TemplateSegment =
  | { readonly _tag: 'Literal'; readonly text: string }
  | { readonly _tag: 'Param'; readonly name: string }
  | { readonly _tag: 'Tail' }

const maxLength = 1024
const maxSegments = 32

/** RFC 3986 pchar without percent-encoding: what stands for itself in a path, so that one text has one spelling. */
const literal = /^[A-Za-z0-9\-._~!$&'()*+,;=:@]+$/
const param = /^\{([A-Za-z_][A-Za-z0-9_]*)\}$/
const tail = /^(\*|\{[A-Za-z_][A-Za-z0-9_]*\.\.\.\})$/

const parseSegment = (segment: string): E.Either<string, TemplateSegment> => {
  if (tail.test(segment)) return E.right({ _tag: 'Tail' })
  const name = param.exec(segment)?.[1]
  if (name !== undefined) return E.right({ _tag: 'Param', name })
  if (segment === '.' || segment === '..') return E.left(`must not hold the dot segment "${segment}"`)
  if (segment === '') return E.left('must not hold an empty segment')
  return literal.test(segment)
    ? E.right({ _tag: 'Literal', text: segment })
    : E.left(`segment "${segment}" is not a name, a {parameter} or a last *`)
}

/**
 * Reads a path template. Shape: `/reports/{id}/export`, `/files/*`; `{rest...}`, Go's spelling, is the same as `*`.
 * Left: what is wrong with it, as the end of a sentence about the field.
 */
export const parsePathTemplate = (path: string): E.Either<string, ReadonlyArray<TemplateSegment>> => {
  if (path.length > maxLength) return E.left(`must not be longer than ${String(maxLength)} characters`)
  if (!path.startsWith('/')) return E.left('must start with "/"')
  const texts = path.slice(1).split('/')
  if (texts.length > maxSegments) return E.left(`must not have more than ${String(maxSegments)} segments`)
  const segments: TemplateSegment[] = []
  const names = new Set<string>()
  for (const [index, text] of texts.entries()) {
    const parsed = parseSegment(text)
    if (E.isLeft(parsed)) return parsed
    const segment = parsed.right
    if (segment._tag === 'Tail' && index < texts.length - 1) return E.left(`must not go on after "${text}"`)
    if (segment._tag === 'Param' && names.has(segment.name)) return E.left(`must not bind "${text}" twice`)
    if (segment._tag === 'Param') names.add(segment.name)
    segments.push(segment)
  }
  return E.right(segments)
}

import { quote } from '../decode.ts'
import { E } from '../fp.ts'

/** What a template may speak of, in the words of Grafana's plugin.json. */
export interface TemplateData {
  readonly JsonData: Readonly<Record<string, unknown>>
  readonly SecureJsonData: Readonly<Record<string, string>>
  /** Of the datasource; an app has none. */
  readonly URL?: string
}

/** A piece of text, or what stands between the braces. */
type Part = { readonly text: string } | { readonly action: string }

const isSpace = (char: string | undefined): boolean => char === ' ' || char === '\t' || char === '\r' || char === '\n'

/** Both in plain loops: a pattern that looks for spaces before an end looks again from each of them. */
const trimStart = (text: string): string => {
  let start = 0
  while (isSpace(text[start])) start++
  return text.slice(start)
}
const trimEnd = (text: string): string => {
  let end = text.length
  while (isSpace(text[end - 1])) end--
  return text.slice(0, end)
}

/** Cuts a template at its braces. The markers `{{- ` and ` -}}` take the spaces of the text beside them away. */
const partsOf = (template: string): E.Either<string, ReadonlyArray<Part>> => {
  const parts: Part[] = []
  let at = 0
  let isTrimmed = false
  for (;;) {
    const open = template.indexOf('{{', at)
    const rest = template.slice(at, open === -1 ? undefined : open)
    const text = isTrimmed ? trimStart(rest) : rest
    if (open === -1) {
      parts.push({ text })
      return E.right(parts)
    }
    const close = template.indexOf('}}', open + 2)
    if (close === -1) return E.left('"{{" is never closed')
    let action = template.slice(open + 2, close)
    const trimsBefore = action.startsWith('-') && isSpace(action[1])
    if (trimsBefore) action = action.slice(1)
    isTrimmed = action.endsWith('-') && isSpace(action.at(-2))
    if (isTrimmed) action = action.slice(0, -1)
    parts.push({ text: trimsBefore ? trimEnd(text) : text }, { action: trimStart(trimEnd(action)) })
    at = close + 2
  }
}

const chain = /^(?:\.[\p{L}_][\p{L}\p{Nd}_]*)+$/u

/** `.JsonData.a.b`, perhaps behind `orEmpty`. `undefined`: something else, which needs more of Go's language than there is here. */
const parseAction = (
  action: string,
): { readonly names: ReadonlyArray<string>; readonly isOptional: boolean } | undefined => {
  const isOptional = action.startsWith('orEmpty') && isSpace(action['orEmpty'.length])
  const path = isOptional ? trimStart(action.slice('orEmpty'.length)) : action
  return chain.test(path) ? { names: path.slice(1).split('.'), isOptional } : undefined
}

const isRecord = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

const find = (names: ReadonlyArray<string>, data: TemplateData): unknown => {
  let value: unknown = data
  for (const name of names) value = isRecord(value) && Object.hasOwn(value, name) ? value[name] : undefined
  return value
}

/** A whole number that lost digits on its way through JSON would be another number. */
const isPrintable = (value: unknown): value is string | number | boolean =>
  typeof value === 'string' ||
  typeof value === 'boolean' ||
  (typeof value === 'number' && (Number.isSafeInteger(value) || !Number.isInteger(value)))

const evaluate = (action: string, data: TemplateData): E.Either<string, string> => {
  const parsed = parseAction(action)
  if (parsed === undefined) {
    return E.left(`${quote(action)} is none of ".JsonData.x", ".SecureJsonData.x", ".URL" and "orEmpty .JsonData.x"`)
  }
  const value = find(parsed.names, data)
  if (value === undefined || value === null)
    return parsed.isOptional ? E.right('') : E.left(`${quote(action)} has no value`)
  return isPrintable(value) ? E.right(String(value)) : E.left(`${quote(action)} is no text, number or boolean`)
}

/**
 * Fills in a template of a plugin.json. Shape: `Bearer {{ .SecureJsonData.token }}`, `{{ orEmpty .JsonData.region }}`. It is Go's
 * text/template as far as plugins use it. Left: what is wrong with it, without any value; so nothing is sent where Go would print
 * `<no value>`. Takes time by the length of the text. Source: interpolateString of Grafana's pluginproxy.
 */
export const interpolate = (template: string, data: TemplateData): E.Either<string, string> => {
  if (!template.includes('{{')) return E.right(template)
  const parts = partsOf(template)
  if (E.isLeft(parts)) return parts
  const texts: string[] = []
  for (const part of parts.right) {
    const text = 'text' in part ? E.right(part.text) : evaluate(part.action, data)
    if (E.isLeft(text)) return text
    texts.push(text.right)
  }
  return E.right(texts.join(''))
}

/** `interpolate`, whose fault tells where the template stands. Shape of `place`: `headers[0].content`. */
export const fillIn = (place: string, template: string, data: TemplateData): E.Either<string, string> =>
  E.mapLeft((fault: string) => `${place}: ${fault}`)(interpolate(template, data))

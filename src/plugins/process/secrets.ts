import type { PluginContext } from '../../plugin.ts'

/** What one plugin was told and nobody else may read: in its logs, its errors, its post-mortem. */
export interface Secrets {
  /** Remembers the secrets of a call's instance settings. Called for each call: one look at a WeakSet when they are known. */
  learn(context: PluginContext): void
  /** Puts `[redacted]` in the place of each secret. */
  readonly strike: (text: string) => string
}

const mark = '[redacted]'
/** A shorter value is left alone: it would be found, and struck, all over the place. */
const minLength = 4
/** The same of a line of a secret, such as the last one of a PEM key. */
const minLineLength = 8
/** Longer ones are known by their lines. */
const maxLength = 16 * 1024
const maxLines = 1000
/** A longer form is known by its pieces of this length: looking for one costs the same, whatever the secret and the text. */
const pieceLength = 32
/** Of one secret. */
const maxPieces = 10_000
/** All the pieces of some thousand secrets; then the older half is forgotten, until a call has them again. */
const maxForms = 50_000

/**
 * What base64 makes of a value inside a longer text, such as `user:password`: it depends on how many bytes stand before the value, and
 * its ends depend on their neighbours, so they are left out.
 */
const base64Forms = (value: string): ReadonlyArray<string> =>
  [0, 1, 2].map((before) => {
    const bytes = Buffer.concat([Buffer.alloc(before), Buffer.from(value)])
    return bytes.toString('base64').slice(Math.ceil((before * 8) / 6), Math.floor((bytes.length * 8) / 6))
  })

const escapeForUrl = (value: string): string => {
  try {
    return encodeURIComponent(value)
  } catch {
    // half a character has no such form
    return value
  }
}

/** As JSON writes it; Go writes three more characters as escapes. */
const jsonForms = (value: string): ReadonlyArray<string> => {
  const json = JSON.stringify(value).slice(1, -1)
  const escape = (character: string): string => `\\u00${character.charCodeAt(0).toString(16)}`
  return [json, json.replace(/[<>&]/g, escape)]
}

/** A key in PEM comes with real line feeds, or with `\n` where it is part of a JSON text. */
const linesOf = (value: string): ReadonlyArray<string> =>
  value
    .split(/[\r\n]+|\\n/)
    .map((line) => line.trim())
    // the first and the last line of a PEM are the same in all of them
    .filter((line) => line.length >= minLineLength && !line.startsWith('-----'))

/** Each has a character in common with the next one, so that they are struck as one. */
const piecesOf = (form: string): ReadonlyArray<string> => {
  const pieces: Array<string> = []
  for (let at = 0; at + pieceLength < form.length; at += pieceLength - 1) pieces.push(form.slice(at, at + pieceLength))
  return [...pieces, form.slice(-pieceLength)]
}

const formsOf = (value: string): ReadonlySet<string> => {
  const whole = value.length > maxLength ? [] : [value, ...jsonForms(value), escapeForUrl(value), ...base64Forms(value)]
  const lines = linesOf(value).slice(0, maxLines)
  const forms = new Set([...whole, ...lines].filter(({ length }) => length >= minLength))
  return new Set([...forms].flatMap(piecesOf).slice(0, maxPieces))
}

/** Two characters as one number: enough to pass over most of a text, and every form has them. */
const beginning = (text: string, at: number): number => (text.charCodeAt(at) << 16) | text.charCodeAt(at + 1)

/** Forms that begin alike. */
interface Entry {
  readonly forms: Set<string>
  /** All there are, the longest first. */
  readonly lengths: Array<number>
}

type Index = Map<number, Entry>

const addTo = (index: Index, added: Iterable<string>): void => {
  for (const form of added) {
    const key = beginning(form, 0)
    const { forms, lengths } = index.get(key) ?? { forms: new Set(), lengths: [] }
    index.set(key, { forms, lengths })
    forms.add(form)
    if (lengths.includes(form.length)) continue
    lengths.push(form.length)
    lengths.sort((a, b) => b - a)
  }
}

/** Of the longest form that stands there and ends behind `until`; undefined: there is none. */
const lengthAt = (text: string, at: number, until: number, { forms, lengths }: Entry): number | undefined =>
  lengths.find((length) => at + length > until && forms.has(text.slice(at, at + length)))

/**
 * Walks the text once, however many forms there are: a tenant may have a thousand long secrets that begin alike, and have a plugin log
 * their beginning again and again. Forms that overlap are struck as one.
 */
const strikeForms = (text: string, index: Index): string => {
  let struck = ''
  let from = 0
  let until = 0
  for (let at = 0; at < text.length - 1; at++) {
    const entry = index.get(beginning(text, at))
    const length = entry && lengthAt(text, at, until, entry)
    if (length === undefined) continue
    if (at >= until) struck += text.slice(from, at) + mark
    until = at + length
    from = until
  }
  return from === 0 ? text : struck + text.slice(from)
}

/** Strikes out the given values and what it learns, also as JSON, base64 and URLs write them, and line by line. */
export const createSecrets = (values: Iterable<string>): Secrets => {
  const given = [...values].filter(({ length }) => length >= minLength).map(formsOf)
  const formsByValue = new Map<string, ReadonlySet<string>>()
  let known = new WeakSet<object>()
  let count = 0
  let index: Index = new Map()

  const forgetOlderHalf = (): void => {
    for (const [value, { size }] of formsByValue) {
      if (count <= maxForms / 2) break
      formsByValue.delete(value)
      count -= size
    }
    // those that are still in use come back
    known = new WeakSet()
    index = new Map()
    for (const forms of [...given, ...formsByValue.values()]) addTo(index, forms)
  }
  const remember = (value: string): void => {
    if (value.length < minLength || formsByValue.has(value)) return
    const forms = formsOf(value)
    formsByValue.set(value, forms)
    count += forms.size
    addTo(index, forms)
    if (count > maxForms) forgetOlderHalf()
  }
  const learn = (secrets: Readonly<Record<string, string>> | undefined): void => {
    if (secrets === undefined || known.has(secrets)) return
    Object.values(secrets).forEach(remember)
    known.add(secrets)
  }

  for (const forms of given) addTo(index, forms)
  return {
    learn: ({ appInstanceSettings, dataSourceInstanceSettings }) => {
      learn(appInstanceSettings?.decryptedSecureJsonData)
      learn(dataSourceInstanceSettings?.decryptedSecureJsonData)
    },
    strike: (text) => (index.size === 0 ? text : strikeForms(text, index)),
  }
}

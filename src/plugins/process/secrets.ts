import type { PluginContext } from '../../plugin.ts'

/** What one plugin was told and nobody else may read: in its logs, its errors, its post-mortem. */
export interface Secrets {
  /** Remembers the secrets of a call's instance settings. Called for each call: one look at a WeakSet when they are known. */
  learn(context: PluginContext): void
  /** Puts `[redacted]` in the place of each secret. */
  strike(text: string): string
}

const mark = '[redacted]'
/** A shorter value is left alone: it would be found, and struck, all over the place. */
const minLength = 4
/** The same of a line of a secret, such as the last one of a PEM key. */
const minLineLength = 8
/** Longer ones are known by their lines. */
const maxLength = 16 * 1024
const maxLines = 1000
/** All the forms of some thousand secrets; then the oldest are forgotten. */
const maxForms = 10_000

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

const formsOf = (value: string): ReadonlySet<string> => {
  const whole = value.length > maxLength ? [] : [value, ...jsonForms(value), escapeForUrl(value), ...base64Forms(value)]
  const lines = linesOf(value).slice(0, maxLines)
  return new Set([...whole, ...lines].filter(({ length }) => length >= minLength))
}

/** Two characters as one number: enough to pass over most of a text, and every form has them. */
const beginning = (text: string, at: number): number => (text.charCodeAt(at) << 16) | text.charCodeAt(at + 1)

type Index = ReadonlyMap<number, ReadonlyArray<string>>

const toIndex = (forms: Iterable<string>): Index => {
  const index = new Map<number, Array<string>>()
  for (const form of forms) {
    const key = beginning(form, 0)
    const others = index.get(key)
    if (others === undefined) index.set(key, [form])
    else others.push(form)
  }
  return index
}

/** Walks the text once, however many forms there are. Forms that overlap are struck as one. */
const strikeForms = (text: string, index: Index): string => {
  let struck = ''
  let from = 0
  let until = 0
  for (let at = 0; at < text.length - 1; at++) {
    for (const form of index.get(beginning(text, at)) ?? []) {
      if (at + form.length <= until || !text.startsWith(form, at)) continue
      if (at >= until) struck += text.slice(from, at) + mark
      until = at + form.length
      from = until
    }
  }
  return from === 0 ? text : struck + text.slice(from)
}

/** Strikes out the given values and what it learns, also as JSON, base64 and URLs write them, and line by line. */
export const createSecrets = (values: Iterable<string>): Secrets => {
  const known = new WeakSet<object>()
  const formsByValue = new Map<string, ReadonlySet<string>>()
  let count = 0
  let index: Index | undefined

  const forgetOldest = (): void => {
    for (const [value, { size }] of formsByValue) {
      if (count <= maxForms) return
      formsByValue.delete(value)
      count -= size
    }
  }
  const remember = (value: string): void => {
    if (value.length < minLength || formsByValue.has(value)) return
    const forms = formsOf(value)
    formsByValue.set(value, forms)
    count += forms.size
    forgetOldest()
    index = undefined
  }
  const learn = (secrets: Readonly<Record<string, string>> | undefined): void => {
    if (secrets === undefined || known.has(secrets)) return
    known.add(secrets)
    Object.values(secrets).forEach(remember)
  }

  for (const value of values) remember(value)
  return {
    learn: ({ appInstanceSettings, dataSourceInstanceSettings }) => {
      learn(appInstanceSettings?.decryptedSecureJsonData)
      learn(dataSourceInstanceSettings?.decryptedSecureJsonData)
    },
    strike: (text) => {
      if (count === 0) return text
      index ??= toIndex([...formsByValue.values()].flatMap((forms) => [...forms]))
      return strikeForms(text, index)
    },
  }
}

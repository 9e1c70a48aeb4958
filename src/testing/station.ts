/**
 * Reads one value of a station, which is written by hand. `where` tells it. Shape: `3-answer.json: callResource[0].status`. Throws a
 * TypeError that begins with it.
 */
export type Read<A> = (value: unknown, where: string) => A

const wrong = (where: string, expected: string, value: unknown): TypeError =>
  new TypeError(
    `${where}: expected ${expected}, got ${value === undefined ? 'nothing' : (JSON.stringify(value) ?? '')}`,
  )

export const text: Read<string> = (value, where) => {
  if (typeof value === 'string') return value
  throw wrong(where, 'a text', value)
}

export const number: Read<number> = (value, where) => {
  if (typeof value === 'number') return value
  throw wrong(where, 'a number', value)
}

export const flag: Read<boolean> = (value, where) => {
  if (typeof value === 'boolean') return value
  throw wrong(where, 'true or false', value)
}

export const oneOf =
  <A extends string>(...names: ReadonlyArray<A>): Read<A> =>
  (value, where) => {
    const name = names.find((known) => known === value)
    if (name === undefined) throw wrong(where, `one of ${names.join(', ')}`, value)
    return name
  }

export const optional =
  <A, B>(read: Read<A>, otherwise: B): Read<A | B> =>
  (value, where) =>
    value === undefined ? otherwise : read(value, where)

export const list =
  <A>(read: Read<A>): Read<ReadonlyArray<A>> =>
  (value, where) => {
    if (!Array.isArray(value)) throw wrong(where, 'a list', value)
    return value.map((element, index) => read(element, `${where}[${String(index)}]`))
  }

const isObject = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

export const mapOf =
  <A>(read: Read<A>): Read<Readonly<Record<string, A>>> =>
  (value, where) => {
    if (!isObject(value)) throw wrong(where, 'an object', value)
    return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, read(inner, `${where}.${key}`)]))
  }

type Members<A> = {
  readonly [Key in keyof A]-?: object extends Pick<A, Key> ? Read<A[Key] | undefined> : Read<A[Key]>
}

/** An object of known members: a misspelt one would say nothing, and nobody would see it. What is read as `undefined` is left out. */
export const object =
  <A extends object>(members: Members<A>): Read<A> =>
  (value, where) => {
    if (!isObject(value)) throw wrong(where, 'an object', value)
    const known = Object.keys(members)
    const unknown = Object.keys(value).find((key) => !known.includes(key))
    if (unknown !== undefined) {
      throw new TypeError(`${where}: unknown member ${JSON.stringify(unknown)}, known: ${known.join(', ')}`)
    }
    const at = where.endsWith('.json') ? `${where}: ` : `${where}.`
    const read = Object.entries<Read<unknown>>(members).map(([key, inner]) => [key, inner(value[key], `${at}${key}`)])
    return Object.fromEntries(read.filter(([, inner]) => inner !== undefined)) as A
  }

/** A member that may be left out. */
export const maybe = <A>(read: Read<A>): Read<A | undefined> => optional(read, undefined)

/** Bytes as anybody would write them: a text is the very bytes, any other value stands for its JSON. */
export const bytes: Read<Uint8Array> = (value) =>
  Buffer.from(value === undefined ? '' : typeof value === 'string' ? value : JSON.stringify(value))

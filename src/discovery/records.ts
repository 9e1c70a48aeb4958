/** An object of JSON that somebody else wrote. */
export type Json = Readonly<Record<string, unknown>>

export const isJson = (value: unknown): value is Json =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

/** What a field may hold, if it holds anything: `[shape]` is a list of such. */
export type Shape = 'string' | 'boolean' | readonly [Shape] | { readonly [field: string]: Shape }

const isList = (shape: Shape): shape is readonly [Shape] => Array.isArray(shape)

/** Says that a client written in Go could read it: one wrong type in a document, and it reads nothing of it. */
export const fits = (value: unknown, shape: Shape): boolean => {
  if (value === undefined || value === null) return true
  if (typeof shape === 'string') return typeof value === shape
  if (isList(shape)) return Array.isArray(value) && value.every((item) => item !== null && fits(item, shape[0]))
  return isJson(value) && Object.entries(shape).every(([field, inner]) => fits(value[field], inner))
}

/** Gives the name of an item: none, or an empty one, is the name of nothing. */
export type NameOf = (item: Json) => unknown

/** The items of a list that can be read and have a name, the first of each name. */
export const itemsOf = (list: unknown, nameOf: NameOf, shape: Shape): ReadonlyArray<Json> => {
  if (!Array.isArray(list)) return []
  const items = new Map<unknown, Json>()
  for (const item of list) {
    if (!isJson(item) || !fits(item, shape)) continue
    const name = nameOf(item)
    if (typeof name === 'string' && name !== '' && !items.has(name)) items.set(name, item)
  }
  return [...items.values()]
}

export type Merge = (theirs: Json, ours: Json) => Json

/** One item for each name: theirs where they stand, then what is ours alone. */
export const unite = (
  theirs: ReadonlyArray<Json>,
  ours: ReadonlyArray<Json>,
  nameOf: NameOf,
  merge: Merge,
): ReadonlyArray<Json> => {
  const left = new Map(ours.map((item) => [nameOf(item), item]))
  const first = theirs.map((item) => {
    const name = nameOf(item)
    const mine = left.get(name)
    left.delete(name)
    return mine === undefined ? item : merge(item, mine)
  })
  return [...first, ...left.values()]
}

const texts = (value: unknown): ReadonlyArray<string> =>
  Array.isArray(value) ? value.filter((item) => typeof item === 'string') : []

/** Theirs, with what only ours says, and the verbs of both. */
export const complete: Merge = (theirs, ours) => ({
  ...ours,
  ...Object.fromEntries(Object.entries(theirs).filter(([, value]) => value !== null && value !== '')),
  verbs: [...new Set([...texts(theirs['verbs']), ...texts(ours['verbs'])])].toSorted(),
})

export const takeOurs: Merge = (_theirs, ours) => ours

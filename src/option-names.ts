/**
 * Throws a TypeError that names an option which nobody reads: misspelt, it would leave a default in place without a word. `names` has the
 * options as keys, so that the compiler misses none.
 */
export const checkOptionNames = (options: object, names: Readonly<Record<string, true>>): void => {
  const unknown = Object.keys(options).find((name) => !Object.hasOwn(names, name))
  if (unknown === undefined) return
  throw new TypeError(`unknown option ${unknown}, known: ${Object.keys(names).join(', ')}`)
}

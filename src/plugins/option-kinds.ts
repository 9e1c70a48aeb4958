// the longest delay that a timer takes; more than that fires at once
const maxNumber = 2 ** 31 - 1

const isObject = (value: unknown): value is object => typeof value === 'object' && value !== null

const isWhole = (value: unknown): value is number =>
  typeof value === 'number' && Number.isInteger(value) && value >= 0 && value <= maxNumber

/** NUL ends a C string: no process can be given such a variable. */
const isStrings = (value: unknown): boolean =>
  isObject(value) && Object.values(value).every((entry) => typeof entry === 'string' && !entry.includes('\0'))

const kinds = {
  'a logger': (value: unknown): boolean =>
    isObject(value) &&
    ['debug', 'info', 'warn', 'error'].every((level) => typeof Reflect.get(value, level) === 'function'),
  'an object of strings': isStrings,
  'an object of objects of strings': (value: unknown): boolean =>
    isObject(value) && Object.values(value).every(isStrings),
  'an object of "arrow" or "json"': (value: unknown): boolean =>
    isObject(value) && Object.values(value).every((format) => format === 'arrow' || format === 'json'),
  'an object of SHA-256 sums in hexadecimal': (value: unknown): boolean =>
    isObject(value) && Object.values(value).every((sum) => typeof sum === 'string' && /^[0-9a-f]{64}$/i.test(sum)),
  'a whole number from 1 to 2147483647': (value: unknown): boolean => isWhole(value) && value > 0,
  'a whole number from 0 to 2147483647': isWhole,
  'a whole number above 0': (value: unknown): boolean => Number.isSafeInteger(value) && Number(value) > 0,
  'true or false': (value: unknown): boolean => typeof value === 'boolean',
  'a text': (value: unknown): boolean => typeof value === 'string',
  'an object': isObject,
}
type Kind = keyof typeof kinds

/** What each option is to be. */
export type Kinds<Options> = Readonly<Record<keyof Options, Kind>>

/** Throws a TypeError that names the option; texts are left out, as they may be secrets. */
export const checkKinds = (options: unknown, table: Readonly<Record<string, Kind>>, prefix: string): void => {
  if (!isObject(options))
    throw new TypeError(`option ${prefix.slice(0, -1)}: expected an object, got ${String(options)}`)
  for (const [name, value] of Object.entries(options)) {
    const kind = Object.hasOwn(table, name) ? table[name] : undefined
    if (kind === undefined) throw new TypeError(`unknown option ${prefix}${name}`)
    if (value !== undefined && !kinds[kind](value))
      throw new TypeError(
        `option ${prefix}${name}: expected ${kind}, got ${typeof value === 'number' ? String(value) : typeof value}`,
      )
  }
}

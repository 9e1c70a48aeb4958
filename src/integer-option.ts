/** Checks a numeric option and fills in its default. Throws a TypeError that names the option. */
export const integerOption = (option: string, value: number | undefined, fallback: number, min: number): number => {
  const given = value ?? fallback
  // Above 2^31-1 a timer of Node fires at once.
  if (Number.isInteger(given) && given >= min && given < 2 ** 31) return given
  throw new TypeError(
    `expected option ${option} to be an integer from ${String(min)} to 2147483647, got ${typeof given === 'number' ? String(given) : typeof given}`,
  )
}

/** Fills in what is missing; a member that is `undefined` counts as missing, which a spread would keep. */
export const withDefaults = <A extends object>(
  given: { readonly [K in keyof A]?: A[K] | undefined },
  standard: A,
): A => ({
  ...standard,
  ...Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined)),
})

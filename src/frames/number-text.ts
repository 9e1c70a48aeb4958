/**
 * A finite double as json-iterator 1.1.12 writes it: JavaScript's digits and notation, but an exponent of two digits at
 * least (`1e-07`) and a sign on minus zero.
 */
export const formatNumber = (value: number): string =>
  value === 0 ? (Object.is(value, -0) ? '-0' : '0') : String(value).replace(/e([+-])(\d)$/, 'e$10$2')

/** The same double by Go's verb %v: exponent form below 1e-4 and from 1e6 up. */
export const formatGeneral = (value: number): string => {
  const size = Math.abs(value)
  const isPlain = size === 0 || (size >= 1e-4 && size < 1e6)
  return isPlain ? formatNumber(value) : value.toExponential().replace(/e([+-])(\d)$/, 'e$10$2')
}

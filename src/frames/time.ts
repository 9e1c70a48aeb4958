import { refuse } from './refuse.ts'
import { mismatch, type Type } from './slot.ts'

// Wider than RFC 3339, as Go's parser is: an hour of one digit, a comma before the fraction.
const TIMESTAMP = /^(\d{4})-(\d\d)-(\d\d)T(\d\d?):(\d\d):(\d\d)(?:[.,](\d+))?(?:Z|([+-])(\d\d):(\d\d))$/

const isDay = (year: number, month: number, day: number): boolean => {
  const date = new Date(0)
  date.setUTCFullYear(year, month - 1, day)
  return month >= 1 && month <= 12 && day >= 1 && date.getUTCMonth() === month - 1
}

const pad = (value: number): string => String(value).padStart(2, '0')

/** The text of time.Time after one trip through Go: nanoseconds without trailing zeros, an offset of zero as `Z`. */
const normalise = (source: string): string => {
  const found = TIMESTAMP.exec(source) ?? refuse(`expected an RFC 3339 time, got ${JSON.stringify(source)}`)
  const [, year = '', month = '', day = '', hour = '', minute = '', second = '', fraction = '', sign = ''] = found
  const offsetHour = Number(found[9] ?? '0')
  const offsetMinute = Number(found[10] ?? '0')
  const isTime =
    Number(hour) < 24 && Number(minute) < 60 && Number(second) < 60 && offsetHour <= 24 && offsetMinute <= 60
  const offset = offsetHour * 60 + offsetMinute
  if (!isDay(Number(year), Number(month), Number(day)) || !isTime)
    return refuse(`expected a time that exists, got ${JSON.stringify(source)}`)
  const nanos = fraction.slice(0, 9).replace(/0+$/, '')
  const zone = offset === 0 ? 'Z' : `${sign}${pad(Math.trunc(offset / 60))}:${pad(offset % 60)}`
  return `${year}-${month}-${day}T${hour.padStart(2, '0')}:${minute}:${second}${nanos && `.${nanos}`}${zone}`
}

/** time.Time, the year 1 when absent. */
export const time: Type = () => {
  let content = '0001-01-01T00:00:00Z'
  return {
    decode: (value) => {
      if (value.kind !== 'null') content = normalise(value.kind === 'string' ? value.value : mismatch('a time', value))
    },
    isEmpty: () => false,
    encode: () =>
      // Go reads an offset of a day and cannot write it.
      /[+-]2[45]:\d\d$/.test(content) ? refuse(`expected an offset below a day, got ${content}`) : `"${content}"`,
  }
}

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

/** An offset in minutes as Go writes it: zero is `Z`, 60 minutes are an hour. */
const formatZone = (sign: string, offset: number): string =>
  offset === 0 ? 'Z' : `${sign}${pad(Math.trunc(offset / 60))}:${pad(offset % 60)}`

/** The text of time.Time after one trip through Go: nanoseconds without trailing zeros. */
const normalise = (source: string): string => {
  const found = TIMESTAMP.exec(source) ?? refuse(`expected an RFC 3339 time, got ${JSON.stringify(source)}`)
  const [year = 0, month = 0, day = 0, hour = 0, minute = 0, second = 0] = found.slice(1, 7).map(Number)
  const [fraction = '', sign = '', offsetHour = '0', offsetMinute = '0'] = found.slice(7)
  const isTime = hour < 24 && minute < 60 && second < 60 && Number(offsetHour) <= 24 && Number(offsetMinute) <= 60
  if (!isDay(year, month, day) || !isTime) return refuse(`expected a time that exists, got ${JSON.stringify(source)}`)
  const date = `${String(year).padStart(4, '0')}-${pad(month)}-${pad(day)}`
  const nanos = fraction.slice(0, 9).replace(/0+$/, '')
  const zone = formatZone(sign, Number(offsetHour) * 60 + Number(offsetMinute))
  return `${date}T${pad(hour)}:${pad(minute)}:${pad(second)}${nanos && `.${nanos}`}${zone}`
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

/**
 * Grafana's three spellings of a moment: milliseconds since the epoch (`1700000000000`), a duration before now (`5m`, `7d`), date math
 * (`now-1d/d`, `2026-01-01||+1M`). UTC, but for a text that names its zone. Source: gtime of the plugin SDK, and the date math of Elasticsearch that it uses.
 */

const secondMs = 1000
const minuteMs = 60 * secondMs
const hourMs = 60 * minuteMs
const dayMs = 24 * hourMs
const yearMs = 365.25 * dayMs

/** Date's own range: a moment outside of it is a slip of the pen. */
const maxMs = 8.64e15

const durationUnitMs: Readonly<Record<string, number>> = {
  ns: 1e-6,
  us: 1e-3,
  // Two characters that look alike: the micro sign and the Greek letter.
  µs: 1e-3,
  μs: 1e-3,
  ms: 1,
  s: secondMs,
  m: minuteMs,
  h: hourMs,
}
/** Whole numbers only, and alone: months and years are averages here, while date math goes by the calendar. */
const spanUnitMs: Readonly<Record<string, number>> = { d: dayMs, w: 7 * dayMs, M: yearMs / 12, y: yearMs }

const integer = /^[+-]?\d{1,19}$/
const span = /^(\d{1,9})([dwMy])$/
const duration = /^([+-]?)((?:(?:\d+(?:\.\d*)?|\.\d+)(?:ns|us|µs|μs|ms|s|m|h))+)$/
const durationPart = /([\d.]+)(ns|us|µs|μs|ms|s|m|h)/g
const timestamp = /^(\d{5,16})\|\|/
const absolute =
  /^(\d{4})(?:-(\d{2})(?:-(\d{2}))?)?(?:T(\d{2})(?::(\d{2})(?::(\d{2})(?:\.(\d{1,9}))?)?)?(Z|[+-]\d{2}:\d{2})?)?(?:\|\||$)/
const adjustment = /^(?:([+-])(\d{0,6})|\/)(fy|fQ|[yQMwdhHms])/

const parseDuration = (text: string): number | undefined => {
  const [, count, unit = ''] = span.exec(text) ?? []
  if (count !== undefined) return Number(count) * (spanUnitMs[unit] ?? NaN)
  const [, sign, parts] = duration.exec(text) ?? []
  if (parts === undefined) return undefined
  let ms = 0
  for (const [, number, name = ''] of parts.matchAll(durationPart)) ms += Number(number) * (durationUnitMs[name] ?? NaN)
  return sign === '-' ? -ms : ms
}

/** The calendar does the carrying: 31 March less one month is "31 February", that is 3 March, as in Go. */
const shift = (date: Date, years: number, months: number, days: number): Date => {
  const shifted = new Date(date)
  shifted.setUTCFullYear(date.getUTCFullYear() + years, date.getUTCMonth() + months, date.getUTCDate() + days)
  return shifted
}

const add = (date: Date, count: number, unit: string): Date => {
  switch (unit) {
    case 'y':
    case 'fy':
      return shift(date, count, 0, 0)
    case 'Q':
    case 'fQ':
      return shift(date, 0, 3 * count, 0)
    case 'M':
      return shift(date, 0, count, 0)
    case 'w':
      return shift(date, 0, 0, 7 * count)
    case 'd':
      return shift(date, 0, 0, count)
    default:
      return new Date(date.getTime() + count * (durationUnitMs[unit.toLowerCase()] ?? NaN))
  }
}

/** Date.UTC would take the years 0 to 99 for those of the last century. */
const midnight = (year: number, month = 0, day = 1): Date => {
  const date = new Date(0)
  date.setUTCFullYear(year, month, day)
  return date
}

/** Start of the unit that the moment lies in; weeks begin on Monday, fiscal years on 1 January. Hours are those of UTC, as in Go. */
const floor = (date: Date, unit: string, offsetMs: number): Date => {
  const [year, month, day] = [date.getUTCFullYear(), date.getUTCMonth(), date.getUTCDate()]
  switch (unit) {
    case 'y':
    case 'fy':
      return midnight(year)
    case 'Q':
    case 'fQ':
      return midnight(year, month - (month % 3))
    case 'M':
      return midnight(year, month)
    case 'w':
      return midnight(year, month, day - ((date.getUTCDay() + 6) % 7))
    case 'd':
      return midnight(year, month, day)
    default: {
      const unitMs = durationUnitMs[unit.toLowerCase()] ?? NaN
      return new Date(Math.floor((date.getTime() - offsetMs) / unitMs) * unitMs + offsetMs)
    }
  }
}

/** Where an expression begins: `date` is the wall clock of its zone, `offsetMs` ahead of UTC. */
interface Anchor {
  readonly date: Date
  readonly offsetMs: number
  readonly rest: string
}

const parseOffset = (zone: string): number => {
  if (zone === 'Z') return 0
  const [hours = 0, minutes = 0] = zone.slice(1).split(':').map(Number)
  return (zone.startsWith('-') ? -1 : 1) * (hours * hourMs + minutes * minuteMs)
}

const parseAbsolute = (text: string): Anchor | undefined => {
  const parts = absolute.exec(text)
  if (parts === null) return undefined
  const [all, year, month = '01', day = '01', hour = '00', minute = '00', second = '00', fraction = '0', zone = 'Z'] =
    parts
  const [h, m, s] = [Number(hour), Number(minute), Number(second)]
  const date = midnight(Number(year), Number(month) - 1, Number(day))
  // Date carries 30 February over into March: what does not come back the same was no date.
  const isReal = date.getUTCMonth() === Number(month) - 1 && date.getUTCDate() === Number(day)
  if (!isReal || h > 23 || m > 59 || s > 59) return undefined
  date.setUTCHours(h, m, s, Math.floor(Number(`0.${fraction}`) * 1000))
  return { date, offsetMs: parseOffset(zone), rest: text.slice(all.length) }
}

const anchorOf = (text: string, nowMs: number): Anchor | undefined => {
  if (text.startsWith('now')) return { date: new Date(nowMs), offsetMs: 0, rest: text.slice(3) }
  const [all, ms] = timestamp.exec(text) ?? []
  if (all !== undefined) return { date: new Date(Number(ms)), offsetMs: 0, rest: text.slice(all.length) }
  return parseAbsolute(text)
}

const evaluate = (text: string, nowMs: number, isUpper: boolean): number | undefined => {
  const anchor = anchorOf(text, nowMs)
  if (anchor === undefined) return undefined
  const { offsetMs } = anchor
  let { date, rest } = anchor
  while (rest !== '') {
    const [all, sign, count, unit] = adjustment.exec(rest) ?? []
    if (all === undefined || unit === undefined) return undefined
    if (sign === undefined) {
      const start = floor(date, unit, offsetMs)
      date = isUpper ? new Date(add(start, 1, unit).getTime() - 1) : start
    } else {
      date = add(date, Number(`${sign}${count === '' || count === undefined ? '1' : count}`), unit)
    }
    rest = rest.slice(all.length)
  }
  return date.getTime() - offsetMs
}

const read = (text: string, nowMs: number, isUpper: boolean): number | undefined => {
  if (integer.test(text)) return Number(text)
  const durationMs = parseDuration(text)
  // Not floor(now - duration): nanoseconds vanish beside the digits of the epoch.
  return durationMs === undefined ? evaluate(text, nowMs, isUpper) : nowMs - Math.ceil(durationMs)
}

/**
 * Reads one bound of a time range: ms since the epoch, or `undefined` where Grafana would silently fall back to 1970.
 * An upper bound rounds up to the last millisecond of the unit, a lower one down to its first.
 */
export const parseTime = (text: string, nowMs: number, bound: 'lower' | 'upper'): number | undefined => {
  if (text.length > 128) return undefined
  const ms = read(text, nowMs, bound === 'upper')
  return ms === undefined || !(Math.abs(ms) <= maxMs) ? undefined : ms
}

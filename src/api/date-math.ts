/**
 * Grafana's three spellings of a moment: milliseconds since the epoch (`1700000000000`), a duration before now (`5m`, `7d`), date math
 * (`now-1d/d`, `2026-01-01||+1M`). UTC throughout. Source: gtime of the plugin SDK, and the date math of Elasticsearch that it uses.
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
  µs: 1e-3,
  ms: 1,
  s: secondMs,
  m: minuteMs,
  h: hourMs,
}
/** Whole numbers only, and alone: months and years are averages here, while date math goes by the calendar. */
const spanUnitMs: Readonly<Record<string, number>> = { d: dayMs, w: 7 * dayMs, M: yearMs / 12, y: yearMs }

const integer = /^[+-]?\d{1,19}$/
const span = /^(\d{1,9})([dwMy])$/
const duration = /^([+-]?)((?:\d{1,15}(?:\.\d{0,9})?(?:ns|us|µs|ms|s|m|h)){1,8})$/
const durationPart = /(\d+(?:\.\d*)?)(ns|us|µs|ms|s|m|h)/g
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

/** Start of the unit that the moment lies in; weeks begin on Monday, fiscal years on 1 January. */
const floor = (date: Date, unit: string): Date => {
  const [year, month, day] = [date.getUTCFullYear(), date.getUTCMonth(), date.getUTCDate()]
  switch (unit) {
    case 'y':
    case 'fy':
      return new Date(Date.UTC(year, 0))
    case 'Q':
    case 'fQ':
      return new Date(Date.UTC(year, month - (month % 3)))
    case 'M':
      return new Date(Date.UTC(year, month))
    case 'w':
      return new Date(Date.UTC(year, month, day - ((date.getUTCDay() + 6) % 7)))
    case 'd':
      return new Date(Date.UTC(year, month, day))
    default: {
      const unitMs = durationUnitMs[unit.toLowerCase()] ?? NaN
      return new Date(Math.floor(date.getTime() / unitMs) * unitMs)
    }
  }
}

const parseAbsolute = (parts: RegExpExecArray): Date | undefined => {
  const [, year, month = '01', day = '01', hour = '00', minute = '00', second = '00', fraction = '0', zone] = parts
  const [h, m, s] = [Number(hour), Number(minute), Number(second)]
  const date = new Date(
    Date.UTC(Number(year), Number(month) - 1, Number(day), h, m, s, Math.floor(Number(`0.${fraction}`) * 1000)),
  )
  // Date carries 30 February over into March: what does not come back the same was no date.
  const isReal = date.getUTCMonth() === Number(month) - 1 && date.getUTCDate() === Number(day)
  if (!isReal || h > 23 || m > 59 || s > 59) return undefined
  if (zone === undefined || zone === 'Z') return date
  const [zoneHours = 0, zoneMinutes = 0] = zone.slice(1).split(':').map(Number)
  const offsetMs = zoneHours * hourMs + zoneMinutes * minuteMs
  return new Date(date.getTime() + (zone.startsWith('-') ? offsetMs : -offsetMs))
}

const anchorOf = (text: string, nowMs: number): { date: Date; rest: string } | undefined => {
  if (text.startsWith('now')) return { date: new Date(nowMs), rest: text.slice(3) }
  const parts = absolute.exec(text)
  const date = parts === null ? undefined : parseAbsolute(parts)
  return date === undefined ? undefined : { date, rest: text.slice(parts?.[0].length) }
}

const evaluate = (text: string, nowMs: number, isUpper: boolean): number | undefined => {
  const anchor = anchorOf(text, nowMs)
  if (anchor === undefined) return undefined
  let { date, rest } = anchor
  while (rest !== '') {
    const [all, sign, count, unit] = adjustment.exec(rest) ?? []
    if (all === undefined || unit === undefined) return undefined
    if (sign === undefined) {
      const start = floor(date, unit)
      date = isUpper ? new Date(add(start, 1, unit).getTime() - 1) : start
    } else {
      date = add(date, Number(`${sign}${count === '' || count === undefined ? '1' : count}`), unit)
    }
    rest = rest.slice(all.length)
  }
  return date.getTime()
}

/**
 * Reads one bound of a time range: ms since the epoch, or `undefined` where Grafana would silently fall back to 1970.
 * An upper bound rounds up to the last millisecond of the unit, a lower one down to its first.
 */
export const parseTime = (text: string, nowMs: number, bound: 'lower' | 'upper'): number | undefined => {
  if (text.length > 128) return undefined
  const durationMs = integer.test(text) ? undefined : parseDuration(text)
  const ms = integer.test(text)
    ? Number(text)
    : durationMs !== undefined
      ? Math.floor(nowMs - durationMs)
      : evaluate(text, nowMs, bound === 'upper')
  return ms === undefined || !(Math.abs(ms) <= maxMs) ? undefined : ms
}

const secondMs = 1000
const minuteMs = 60 * secondMs
const hourMs = 60 * minuteMs
const dayMs = 24 * hourMs
const yearMs = 365 * dayMs

/** Each row up to its age: the unit to count in, and a smaller one for the rest. Source: HumanDuration of apimachinery. */
const rows: ReadonlyArray<readonly [untilMs: number, unit: Unit, rest?: Unit]> = [
  [2 * minuteMs, 's'],
  [10 * minuteMs, 'm', 's'],
  [3 * hourMs, 'm'],
  [8 * hourMs, 'h', 'm'],
  [2 * dayMs, 'h'],
  [8 * dayMs, 'd', 'h'],
  [2 * yearMs, 'd'],
  [8 * yearMs, 'y', 'd'],
  [Infinity, 'y'],
]

const units = { s: secondMs, m: minuteMs, h: hourMs, d: dayMs, y: yearMs }
type Unit = keyof typeof units

/** Shape: `45s`, `3m20s`, `5d`. A second of a clock that is behind is none; more than that is `<invalid>`. */
export const formatDuration = (ms: number): string => {
  if (ms <= -2 * secondMs) return '<invalid>'
  if (ms < secondMs) return '0s'
  const [, unit, rest] = rows.find(([untilMs]) => ms < untilMs) ?? [Infinity, 'y']
  const whole = `${String(Math.floor(ms / units[unit]))}${unit}`
  const left = rest === undefined ? 0 : Math.floor((ms % units[unit]) / units[rest])
  return rest === undefined || left === 0 ? whole : `${whole}${String(left)}${rest}`
}

/** How long ago a time was, as kubectl shows it; `<unknown>` when there is none. `time`: RFC 3339. */
export const formatAge = (time: unknown, nowMs: number): string => {
  const ms = typeof time === 'string' ? Date.parse(time) : Number.NaN
  return Number.isNaN(ms) ? '<unknown>' : formatDuration(nowMs - ms)
}

/** Times and sizes of a reflector, to be replaced in tests. */
export interface ReflectorTunables {
  /** A watch is asked to end after so long, ms, up to twice as long: what a silent one hides is bounded, bookmarks or not. */
  readonly watchMs: number
  /** What a watch may take longer than it was asked to, ms. */
  readonly slackMs: number
  /** Silence after which a watch of an apiserver that sends bookmarks is dead, ms: two of them and a half. */
  readonly silenceMs: number
  /** Silence after which initial events without their end are those of an apiserver that ignores what it was asked for, ms. */
  readonly markerMs: number
  /** Time for all initial events, ms. */
  readonly initialMs: number
  /** What nothing has confirmed for so long is asked for anew, ms: no event, bookmark or list. */
  readonly confirmMs: number
  /** So long at most where asking anew has brought nothing time and again, ms. In between only the resourceVersion is asked for. */
  readonly maxConfirmMs: number
  /** A watch that ends earlier, and has brought nothing, has failed, ms. */
  readonly shortMs: number
  readonly headersTimeoutMs: number
  /** For one page, ms. */
  readonly listTimeoutMs: number
  /** Of one line of a watch. An object is some MiB at most. */
  readonly maxLineBytes: number
}

export const defaultTunables: ReflectorTunables = Object.freeze({
  watchMs: 120_000,
  slackMs: 30_000,
  silenceMs: 150_000,
  markerMs: 10_000,
  initialMs: 60_000,
  confirmMs: 120_000,
  maxConfirmMs: 960_000,
  shortMs: 1000,
  headersTimeoutMs: 30_000,
  listTimeoutMs: 60_000,
  maxLineBytes: 16 * 1024 * 1024,
})

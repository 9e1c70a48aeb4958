const initialMs = 200
const maxMs = 5000
const jitter = 0.2

/** A call that lived so long counts as one that went well: a stream that dies 150 ms after each start must not start six times a second. */
const healthyMs = 5000

/**
 * How long to wait before the next call, and whether it is the first failure in a row: 200 ms, doubled for each further one, 5 s at most.
 * `random`, in [0, 1), takes up to a fifth away, so that the streams of a plugin that is gone do not come back in step. Source:
 * runstream/manager.go of Grafana.
 */
export const createBackoff = (
  random: () => number,
): ((livedMs: number) => { readonly delayMs: number; readonly isFirst: boolean }) => {
  let exponentialMs = initialMs
  return (livedMs) => {
    if (livedMs >= healthyMs) exponentialMs = initialMs
    const delayMs = Math.round(exponentialMs * (1 - jitter * random()))
    const isFirst = exponentialMs === initialMs
    exponentialMs = Math.min(exponentialMs * 2, maxMs)
    return { delayMs, isFirst }
  }
}

type Method = (...args: unknown[]) => unknown

const lengthOf = (value: unknown): number =>
  typeof value === 'object' && value !== null && 'length' in value ? Number(value.length) : 0

interface Copying {
  readonly owner: object
  readonly name: string
  readonly bytes: (result: unknown, args: ReadonlyArray<unknown>) => number
}

const typedArray = Reflect.getPrototypeOf(Uint8Array.prototype) ?? {}

/** All ways that JavaScript has to copy bytes from one Uint8Array to another. */
const copying: ReadonlyArray<Copying> = [
  { owner: Buffer, name: 'concat', bytes: lengthOf },
  { owner: Buffer.prototype as object, name: 'copy', bytes: Number },
  { owner: typedArray, name: 'set', bytes: (_, [from]) => lengthOf(from) },
  { owner: typedArray, name: 'slice', bytes: lengthOf },
]

/** Bytes that are copied in this process while `run` takes. */
export const countCopies = async (run: () => Promise<unknown>): Promise<number> => {
  let sum = 0
  // `concat` is made of `set` or `copy`: only the outermost counts
  let isInside = false
  const restores = copying.map(({ owner, name, bytes }) => {
    const original = Reflect.get(owner, name) as Method
    const counting = function (this: unknown, ...args: unknown[]): unknown {
      if (isInside) return Reflect.apply(original, this, args)
      isInside = true
      try {
        const result = Reflect.apply(original, this, args)
        sum += bytes(result, args)
        return result
      } finally {
        isInside = false
      }
    }
    Object.defineProperty(owner, name, { value: counting, writable: true, configurable: true })
    return () => Object.defineProperty(owner, name, { value: original, writable: true, configurable: true })
  })
  try {
    await run()
  } finally {
    for (const restore of restores) restore()
  }
  return sum
}

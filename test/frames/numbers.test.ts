import test from 'ava'
import fc from 'fast-check'

import { shortestFloat32, writeFloat32 } from '../../src/frames/float32.ts'
import { writeFloat64 } from '../../src/frames/float64.ts'
import { quotientOfMillion, restOfMillion, writeInt64, writeUint, writeUint64 } from '../../src/frames/integer.ts'
import { formatGeneral, formatNumber } from '../../src/frames/number-text.ts'
import { lines } from './fixtures.ts'

const memory = Buffer.alloc(64)
const out = new DataView(memory.buffer, memory.byteOffset, memory.length)
const bits = new DataView(new ArrayBuffer(8))

const written = (end: number): string => memory.toString('latin1', 0, end)

const text64 = (value: number): string => {
  bits.setFloat64(0, value)
  return written(writeFloat64(out, 0, value, bits.getInt32(0)))
}

const text32 = (value: number): string => {
  bits.setFloat32(0, value)
  return written(writeFloat32(out, 0, value, bits.getInt32(0)))
}

test('writes floats as Go does, for every line of the table', (t) => {
  const cases = lines('floats.txt')
  t.true(cases.length > 17_000)
  const wrong = cases.filter((line) => {
    const [kind, hex = '', expected] = line.split(' ')
    if (kind === 'd') bits.setBigUint64(0, BigInt(`0x${hex}`))
    else bits.setUint32(0, parseInt(hex, 16))
    return (kind === 'd' ? text64(bits.getFloat64(0)) : text32(bits.getFloat32(0))) !== expected
  })
  t.deepEqual(wrong, [])
})

test('agrees with String on the neighbours of powers of ten', (t) => {
  for (let power = -8; power <= 22; power++) {
    bits.setFloat64(0, 10 ** power)
    const center = bits.getBigInt64(0)
    for (let step = -3n; step <= 3n; step++) {
      bits.setBigInt64(0, center + step)
      const value = bits.getFloat64(0)
      t.is(text64(value), formatNumber(value))
    }
  }
})

const decimals = fc
  .tuple(fc.integer({ min: -(2 ** 31), max: 2 ** 31 }), fc.integer({ min: -30, max: 30 }))
  .map(([digits, exponent]) => Number(`${String(digits)}e${String(exponent)}`))

const walks = fc.tuple(fc.double({ min: -1, max: 1 }), fc.integer({ min: -8, max: 18 })).map(([x, e]) => x * 10 ** e)

test('agrees with String on every kind of double', (t) => {
  const doubles = fc.oneof(
    fc.double({ noNaN: true, noDefaultInfinity: true }),
    decimals,
    walks,
    fc.integer({ min: -60, max: 60 }).map((exponent) => 2 ** exponent),
    fc.maxSafeInteger().map((digits) => digits / 1024),
  )
  fc.assert(
    fc.property(doubles, (value) => text64(value) === formatNumber(value)),
    { numRuns: 40_000, seed: 1 },
  )
  t.pass()
})

test('agrees with exact arithmetic on every kind of float', (t) => {
  const floats = fc.oneof(
    fc.float({ noNaN: true, noDefaultInfinity: true }),
    decimals.map(Math.fround),
    fc.integer({ min: 0, max: 2 ** 26 }).map((quarters) => Math.fround(quarters / 4)),
    fc.integer({ min: -140, max: 120 }).map((exponent) => 2 ** exponent),
  )
  fc.assert(
    fc.property(floats, (value) => {
      if (value === 0 || !isFinite(value)) return true
      bits.setFloat32(0, Math.abs(value))
      const exact = formatNumber(shortestFloat32(bits.getInt32(0)))
      return text32(value) === (value < 0 ? `-${exact}` : exact)
    }),
    { numRuns: 15_000, seed: 1 },
  )
  t.pass()
})

test('writes float32 texts that name the value, with the fewest digits', (t) => {
  fc.assert(
    fc.property(fc.float({ noNaN: true, noDefaultInfinity: true }), (value) => {
      const digits = text32(value)
        .replace(/e.*/, '')
        .replace(/[-.]/g, '')
        .replace(/^0+|0+$/g, '').length
      const isNamed = Object.is(Math.fround(Number(text32(value))), value)
      return isNamed && (digits < 2 || Math.fround(Number(value.toPrecision(digits - 1))) !== value)
    }),
    { numRuns: 15_000, seed: 1 },
  )
  t.pass()
})

test('writes minus zero and exponents as Go does', (t) => {
  t.deepEqual([-0, 1e-7, 1.5e-9, 1e-10, 1e21, 5e-324, 1e20].map(text64), [
    '-0',
    '1e-07',
    '1.5e-09',
    '1e-10',
    '1e+21',
    '5e-324',
    '100000000000000000000',
  ])
  t.deepEqual([1e6, -1234567, 999999, 0.0001, 0.00001, 0, -0, 1e300].map(formatGeneral), [
    '1e+06',
    '-1.234567e+06',
    '999999',
    '0.0001',
    '1e-05',
    '0',
    '-0',
    '1e+300',
  ])
})

test('writes all digits of 64-bit integers', (t) => {
  const words = (value: bigint): readonly [number, number] => {
    bits.setBigInt64(0, BigInt.asIntN(64, value))
    return [bits.getInt32(0), bits.getUint32(4)]
  }
  const edges = [
    0n,
    1n,
    -1n,
    2n ** 53n,
    -(2n ** 53n),
    2n ** 63n - 1n,
    -(2n ** 63n),
    10n ** 18n,
    2n ** 32n,
    -(2n ** 32n),
  ]
  fc.assert(
    fc.property(fc.oneof(fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }), fc.constantFrom(...edges)), (value) => {
      const [high, low] = words(value)
      const unsigned = written(writeUint64(out, 0, high >>> 0, low)) === String(BigInt.asUintN(64, value))
      return unsigned && written(writeInt64(out, 0, high, low)) === String(value)
    }),
    { numRuns: 20_000, seed: 1 },
  )
  for (let power = 0; power < 16; power++)
    for (const near of [-1, 0, 1]) {
      const value = 10 ** power + near
      t.is(written(writeUint(out, 0, value)), String(value))
    }
})

test('divides nanoseconds into milliseconds, rounding down', (t) => {
  fc.assert(
    fc.property(fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }), (value) => {
      bits.setBigInt64(0, value)
      const rest = ((value % 1_000_000n) + 1_000_000n) % 1_000_000n
      const [high, low] = [bits.getInt32(0), bits.getUint32(4)]
      return (
        quotientOfMillion(high, low) === Number((value - rest) / 1_000_000n) &&
        restOfMillion(high, low) === Number(rest)
      )
    }),
    { numRuns: 20_000, seed: 1 },
  )
  t.pass()
})

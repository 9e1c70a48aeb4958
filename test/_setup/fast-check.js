// What a test imports as fast-check: the same inputs in each run, so that it can be repeated, and a quarter of the runs that a test
// asks for, because it is run often. FC_SEED tries other inputs, and FC_RUNS=1 all of them.
import fc from 'fast-check'

const share = Number(process.env.FC_RUNS ?? 0.25)
fc.configureGlobal({ seed: Number(process.env.FC_SEED ?? 20261122) })

/** What is tried a few times costs little, and in a part of them might meet nothing. */
const fewer = (numRuns) => Math.max(Math.min(numRuns, 25), Math.ceil(numRuns * share))

const assert = (property, { numRuns = 100, ...parameters } = {}) =>
  fc.assert(property, { ...parameters, numRuns: fewer(numRuns) })

const surrogates = { first: 0xd800, count: 0x800 }

/** The unit `binary`, any character but half of one, for which fast-check makes a table of them all: half a second. */
const character = fc.integer({ min: 0, max: 0x10ffff - surrogates.count }).map(
  (number) => String.fromCodePoint(number < surrogates.first ? number : number + surrogates.count),
  (text) => {
    const number = typeof text === 'string' ? (text.codePointAt(0) ?? -1) : -1
    if (number === -1 || String.fromCodePoint(number) !== text) throw new Error('expected a character')
    return number < surrogates.first ? number : number - surrogates.count
  },
)

const unitOf = (unit) => (unit === 'binary' ? character : unit)

const string = ({ unit = 'grapheme-ascii', ...constraints } = {}) => fc.string({ ...constraints, unit: unitOf(unit) })

const jsonValue = ({ stringUnit = 'grapheme-ascii', ...constraints } = {}) =>
  fc.jsonValue({ ...constraints, stringUnit: unitOf(stringUnit) })

export default { ...fc, assert, string, jsonValue }

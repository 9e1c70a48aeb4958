import test from 'ava'

import { Binary, Bool, Float64, Int64, TimestampNanosecond, Utf8, Utf8View } from 'apache-arrow'
import { refusal } from './answer.ts'
import { arrowFile, inBigEndian } from './arrow.ts'
import { pairs } from './fixtures.ts'

/** A small linear generator: a failure must come again. */
const randomOf = (seed: number): ((limit: number) => number) => {
  let state = seed
  return (limit) => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
    return Math.floor((state / 2 ** 32) * limit)
  }
}

const values = [1, null, 3]
const handMade = arrowFile(
  [
    { name: 's', type: new Utf8(), values: ['a', null, 'long enough for a view'] },
    { name: 'w', type: new Utf8View(), values: ['a', null, 'long enough for a view'] },
    { name: 'j', type: new Binary(), values: [Buffer.from('{}'), null, Buffer.from('[1]')] },
    { name: 'v', type: new Float64(), values, metadata: new Map([['config', '{"min":1}']]) },
    { name: 'i', type: new Int64(), values: [1n, null, 3n], metadata: new Map([['labels', '{"a":"b"}']]) },
    { name: 't', type: new TimestampNanosecond(), values: [1n, null, 3_000_000n] },
    { name: 'b', type: new Bool(), values: [true, null, false] },
  ],
  { cuts: [1], metadata: new Map([['meta', '{"custom":{"a":[1,2]}}']]) },
)
const files = [handMade, inBigEndian(handMade.subarray(0)), ...pairs.map(({ arrow }) => arrow)].filter(
  ({ length }) => length < 5000,
)

/** `refusal` writes every answer to its end, so it throws if pulling does. */
const survive = (file: Buffer): string => refusal(file)

test('refuses a file that was cut off anywhere', (t) => {
  for (let length = 0; length < handMade.length; length++)
    t.not(survive(handMade.subarray(0, length)), '', String(length))
})

test('survives each byte set to 0, 255, and with its bits turned', (t) => {
  let refused = 0
  for (let at = 0; at < handMade.length; at++)
    for (const change of [0, 255, 1, 128]) {
      const file = Buffer.from(handMade)
      const byte = file[at] ?? 0
      file[at] = change === 0 || change === 255 ? change : byte ^ change
      if (survive(file) !== '') refused++
    }
  t.true(refused > 100)
})

test('survives thousands of random changes', (t) => {
  const random = randomOf(1)
  let refused = 0
  const rounds = 10_000
  for (let round = 0; round < rounds; round++) {
    const file = Buffer.from(files[random(files.length)] ?? handMade)
    for (let change = random(4); change >= 0; change--) {
      const fromEnd = random(2) === 0 ? file.length : Math.min(file.length, 900)
      const at = file.length - 1 - random(fromEnd)
      file[at] = random(3) === 0 ? random(256) : random(2) * 255
    }
    if (survive(file.subarray(0, random(20) === 0 ? random(file.length) : file.length)) !== '') refused++
  }
  t.true(refused > rounds / 10 && refused < rounds)
})

test('survives bytes that were never a file', (t) => {
  const random = randomOf(2)
  for (let round = 0; round < 2_000; round++) {
    const file = Buffer.from(Array.from({ length: random(400) }, () => random(256)))
    file.write('ARROW1', Math.max(0, file.length - 6))
    if (file.length > 10) file.writeUInt32LE(random(file.length), file.length - 10)
    t.not(survive(file), '')
  }
})

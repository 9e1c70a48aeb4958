import { parseArgs } from 'node:util'

import { comparisons } from './case.ts'
import type { Child } from './child.ts'
import { measure } from './measure.ts'

const { values } = parseArgs({
  options: { json: { type: 'boolean' }, quick: { type: 'boolean' }, only: { type: 'string', default: '' } },
})
const plan = values.quick
  ? { generations: 1, rounds: 7, sliceMs: 200, warmUpMs: 500 }
  : { generations: 3, rounds: 10, sliceMs: 250, warmUpMs: 700 }

const children = new Set<Child>()
const wanted = comparisons.filter(({ name }) => name.includes(values.only))
console.log(await measure(wanted, plan, children))

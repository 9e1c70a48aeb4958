import { parseArgs } from 'node:util'

import { comparisons, type Case } from './case.ts'
import { frameCases } from './frames.ts'
import { kubernetesCases } from './kubernetes.ts'
import { measure, type Measured } from './measure.ts'
import { pluginCallCases } from './plugin-calls.ts'
import { registryCases } from './registry.ts'
import { streamCases } from './streams.ts'

/** `npm run bench -- [--json] [--quick] [--only <part of a name>]` */
const { values } = parseArgs({
  options: { json: { type: 'boolean' }, quick: { type: 'boolean' }, only: { type: 'string', default: '' } },
})
const plan =
  values.quick === true
    ? { generations: 1, rounds: 12, sliceMs: 50, warmUpMs: 700 }
    : { generations: 2, rounds: 30, sliceMs: 50, warmUpMs: 1500 }

const print = (line: string): void => {
  process.stdout.write(`${line}\n`)
}

const printJson = ({ name, ratio, of, to }: Case): void => {
  print(JSON.stringify({ name, ratio: Number(ratio.toFixed(3)), of, to }))
}

const printMeasured = ({ name, ratio, quartiles, clockRatio, ofCpuUs, toCpuUs }: Measured): void => {
  const cells = [ratio.toFixed(3), quartiles.map((q) => q.toFixed(2)).join('-'), clockRatio.toFixed(2)]
  const cpu = `${ofCpuUs.toFixed(0)} / ${toCpuUs.toFixed(0)}`
  print(`${name.padEnd(52)}${cells.map((cell) => cell.padStart(11)).join('')}${cpu.padStart(14)}`)
}

const wanted = comparisons.filter(({ name }) => name.includes(values.only))
const measured = wanted.length === 0 ? [] : await measure(wanted, plan)
const frames = 'frames'.includes(values.only) ? await frameCases() : []
const streams = 'streams'.includes(values.only) ? await streamCases(plan.rounds) : []
const calls = 'plugin call'.includes(values.only) ? await pluginCallCases(plan.rounds) : []
const kubernetes = 'kubernetes'.includes(values.only) ? await kubernetesCases(plan.rounds) : []
const registry = 'registry'.includes(values.only) ? await registryCases(plan.rounds) : []

if (values.json === true) [...measured, ...streams, ...calls, ...frames, ...registry, ...kubernetes].forEach(printJson)
else {
  print(
    'requests per CPU second, of / to: more is better'.padEnd(52) + '      ratio  quartiles   by clock  CPU us of/to',
  )
  measured.forEach(printMeasured)
  print('\nstreams, of / to: more is better, but for times')
  for (const { name, ratio } of streams) print(`${name.padEnd(52)}${ratio.toFixed(3).padStart(11)}`)
  print('\none call to a plugin process, of / to: more is better, but for bytes')
  for (const { name, ratio } of calls) print(`${name.padEnd(52)}${ratio.toFixed(3).padStart(11)}`)
  print('\nthe REST API of 10,000 objects, of / to: less is better')
  for (const { name, ratio } of registry) print(`${name.padEnd(52)}${ratio.toFixed(3).padStart(11)}`)
  print('\nreplicas that share a registry, of / to: less is better')
  for (const { name, ratio, of, to } of kubernetes)
    print(`${name.padEnd(52)}${ratio.toFixed(3).padStart(11)}  ${of} / ${to}`)
  print('\ntime, of / to: less is better')
  for (const { name, ratio } of frames) print(`${name.padEnd(52)}${ratio.toFixed(3).padStart(11)}`)
}

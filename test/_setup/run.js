// Runs the tests and ends with one line, "N passed, N failed". AVA's lines on tests that passed are counted, not shown; all
// that it says of failures is. Arguments go to AVA.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'

const ava = fileURLToPath(new URL('../../node_modules/ava/entrypoints/cli.mjs', import.meta.url))

const child = spawn(process.execPath, [ava, ...process.argv.slice(2)], {
  stdio: ['ignore', 'pipe', 'inherit'],
  // On a terminal of its own choice AVA may use colours and other marks.
  env: { ...process.env, FORCE_COLOR: '0', TERM: 'dumb' },
})
const exit = once(child, 'exit')

let passed = 0
let failed = 0
for await (const line of createInterface({ input: child.stdout })) {
  if (/^ +✔ /.test(line)) passed += 1
  else process.stdout.write(`${line}\n`)
  if (/^ +✘ /.test(line)) failed += 1
}

const [code] = await exit
// AVA may end badly without a mark on any test.
if (code !== 0) failed = Math.max(failed, 1)
process.exitCode = failed === 0 ? 0 : 1
process.stdout.write(`${passed} passed, ${failed} failed\n`)

// Runs the checks that need no test: dependency walls and types; two at a time. Says nothing of those that pass.
import { spawn } from 'node:child_process'
import { availableParallelism } from 'node:os'

const commands = ['tsc', 'tsc -p examples', 'depcruise --output-type err src examples']

/** Gives the command's exit code, and prints what it said if that is not 0. */
const run = (command) =>
  new Promise((resolve) => {
    const child = spawn(command, { shell: true, stdio: ['ignore', 'pipe', 'pipe'] })
    const said = []
    for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk) => said.push(chunk))
    child.on('close', (code) => {
      if (code !== 0) process.stdout.write(`${command}\n${Buffer.concat(said).toString()}\n`)
      resolve(code ?? 1)
    })
  })

const queue = commands.values()
const codes = []
const work = async () => {
  for (const command of queue) codes.push(await run(command))
}
await Promise.all(Array.from({ length: Math.min(2, availableParallelism()) }, work))
process.exitCode = codes.every((code) => code === 0) ? 0 : 1

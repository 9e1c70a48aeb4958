import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { createServer, type AddressInfo } from 'node:net'
import { createInterface } from 'node:readline'
import { setTimeout } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'

import type { ExecutionContext } from 'ava'

import { bundleOf } from '../_setup/bundle-of.ts'

export const root = fileURLToPath(new URL('../..', import.meta.url))

export interface Running {
  readonly child: ChildProcess
  /** Resolves with the first line of stdout that the pattern matches; rejects when the process ends first. */
  readonly line: (pattern: RegExp) => Promise<string>
  /** Sends SIGTERM; resolves with the exit code. */
  readonly stop: () => Promise<number | null>
}

/** Runs an example from the root of the repository: its bundle, or with `tsx`, just as `npm start` does. */
export const runExample = (
  t: ExecutionContext,
  file: string,
  env: Record<string, string> = {},
  loader?: 'tsx',
): Running => {
  const args =
    loader === undefined ? [bundleOf(file)] : ['--conditions=dataplane-aggregator:source', '--import', loader, file]
  const child = spawn(process.execPath, args, {
    cwd: root,
    env: { ...process.env, ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  const lines: string[] = []
  const waiting = new Set<() => void>()
  const exited = once(child, 'exit')
  let errors = ''
  child.stderr.on('data', (chunk) => (errors += String(chunk)))
  createInterface({ input: child.stdout }).on('line', (text) => {
    lines.push(text)
    for (const look of waiting) look()
  })
  t.teardown(async () => {
    // Killed outright, it would leave its plugins behind.
    child.kill('SIGTERM')
    const timer = globalThis.setTimeout(() => child.kill('SIGKILL'), 20_000)
    await exited
    clearTimeout(timer)
  })
  const line = (pattern: RegExp): Promise<string> =>
    new Promise((resolve, reject) => {
      const look = (): void => {
        const found = lines.find((text) => pattern.test(text))
        if (found === undefined) return
        waiting.delete(look)
        resolve(found)
      }
      waiting.add(look)
      look()
      void exited.then(() => reject(new Error(`${file} ended: ${errors}`)))
    })
  const stop = async (): Promise<number | null> => {
    child.kill('SIGTERM')
    const [code] = (await exited) as [number | null]
    return code
  }
  return { child, line, stop }
}

/** A port of the loopback that was free a moment ago. */
export const freePort = async (): Promise<number> => {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  server.close()
  await once(server, 'close')
  return port
}

/** Asks until somebody listens. */
export const fetchWhenUp = async (url: string, init: RequestInit): Promise<Response> => {
  for (;;) {
    try {
      return await fetch(url, init)
    } catch {
      // at once, it would take from the other process the time to start
      await setTimeout(20)
    }
  }
}

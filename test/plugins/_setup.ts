import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

import type { ExecutionContext } from 'ava'

import type { LogFields, Logger } from '../../src/logger.ts'
import type { AdmissionRequest, CallOptions, PluginContext, QueryDataRequest } from '../../src/plugin.ts'
import type { Clock } from '../../src/clock.ts'

const fixture = fileURLToPath(new URL('./_plugin.js', import.meta.url))

/** Program text of the fixture plugin. */
export const nodePlugin = `exec '${process.execPath}' '${fixture}'`

export const temporaryDirectory = (t: ExecutionContext): string => {
  const directory = mkdtempSync(join(tmpdir(), 'plugins-test-'))
  t.teardown(() => {
    rmSync(directory, { recursive: true, force: true })
  })
  return directory
}

/** Writes a shell script; the path is returned. */
export const writeScript = (directory: string, name: string, script: string): string => {
  mkdirSync(directory, { recursive: true })
  const path = join(directory, name)
  writeFileSync(path, `#!/bin/sh\n${script}\n`)
  chmodSync(path, 0o755)
  return path
}

/** Writes a plugin whose program is a shell script: `{root}/{id}/plugin.json` and `{root}/{id}/run`. */
export const writePlugin = (root: string, id: string, script: string, extra: object = {}): void => {
  const directory = join(root, id)
  writeScript(directory, 'run', script)
  const pluginJson = { id, type: 'datasource', backend: true, executable: 'run', info: { version: '1.2.3' }, ...extra }
  writeFileSync(join(directory, 'plugin.json'), JSON.stringify(pluginJson))
}

export interface LogLine {
  readonly level: keyof Logger
  readonly message: string
  readonly fields: LogFields
}

export interface RecordingLogger extends Logger {
  readonly lines: ReadonlyArray<LogLine>
  /** Resolves with the first line, past or future, that matches. */
  find(matches: (line: LogLine) => boolean): Promise<LogLine>
}

export const recordingLogger = (): RecordingLogger => {
  const lines: Array<LogLine> = []
  const watchers = new Set<(line: LogLine) => void>()
  const at =
    (level: keyof Logger) =>
    (message: string, fields: LogFields = {}): void => {
      const line = { level, message, fields }
      lines.push(line)
      for (const watch of watchers) watch(line)
    }
  return {
    lines,
    debug: at('debug'),
    info: at('info'),
    warn: at('warn'),
    error: at('error'),
    find: (matches) =>
      new Promise((resolve) => {
        const past = lines.find(matches)
        if (past !== undefined) {
          resolve(past)
          return
        }
        watchers.add((line) => {
          if (matches(line)) resolve(line)
        })
      }),
  }
}

export const pluginContext: PluginContext = {
  orgId: 1,
  pluginId: 'testds',
  grafanaConfig: {},
  pluginVersion: '1.2.3',
  userAgent: 'Grafana/12.4.0 (linux; amd64)',
  apiVersion: 'v0alpha1',
  namespace: 'default',
}

/** Lets everything run that is ready to. */
export const settle = () => new Promise<void>((resolve) => setImmediate(resolve))

/** Time that moves when told to. */
export const createManualClock = () => {
  let now = 1_000_000
  const timers = new Set<{ readonly at: number; readonly callback: () => void }>()
  const clock: Clock = {
    now: () => now,
    setTimeout: (callback, delayMs) => {
      const timer = { at: now + delayMs, callback }
      timers.add(timer)
      return () => timers.delete(timer)
    },
  }
  const advance = async (ms: number): Promise<void> => {
    now += ms
    for (const timer of [...timers].sort((a, b) => a.at - b.at)) {
      if (timer.at > now || !timers.delete(timer)) continue
      timer.callback()
      await settle()
    }
    await settle()
  }
  return { clock, advance, timers }
}

/** One query; its type tells the fixture plugin what to do. */
export const query = (queryType = '', maxDataPoints = 100, json = '{}'): QueryDataRequest => ({
  pluginContext,
  headers: {},
  queries: [
    {
      refId: 'A',
      queryType,
      maxDataPoints,
      intervalMS: 1000,
      timeRange: { fromEpochMS: 0, toEpochMS: 1 },
      json: Buffer.from(json),
    },
  ],
})

export const admission: AdmissionRequest = {
  pluginContext,
  operation: 'DELETE',
  kind: { group: 'g', version: 'v1', kind: 'K' },
  objectBytes: Buffer.from(''),
  oldObjectBytes: Buffer.from('{"a":1}'),
}

export const within = (timeoutMs: number, signal = new AbortController().signal): CallOptions => ({ signal, timeoutMs })

export const isAlive = (pid: number): boolean => {
  try {
    process.kill(pid, 0)
    return true
  } catch {
    return false
  }
}

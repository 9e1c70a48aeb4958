/**
 * The program of a scripted plugin, run as `node scripted-plugin-process.js {folder}/script.json`. A file beside the script counts
 * the starts. Source of what a good one does: server.go of go-plugin.
 */
import { appendFileSync, readFileSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { setTimeout } from 'node:timers/promises'

import { createIdentity } from '../plugins/process/certificate.ts'
import { exitWith, writeOutput } from './scripted-plugin-output.ts'
import type { EncodedScript, ScriptedOutput, ScriptedStart, ScriptedTls } from './scripted-plugin-script.ts'
import { serve, type ServerOptions } from './scripted-plugin-server.ts'

/** Nobody is left behind for good by a test that was killed. */
const lifeMs = 600_000

const countStart = (folder: string): number => {
  const file = join(folder, 'starts')
  appendFileSync(file, '.')
  return statSync(file).size
}

/** The one of the nth start. */
const pick = <A>(choices: ReadonlyArray<A>, nth: number, standard: A): A =>
  choices[Math.min(nth, choices.length) - 1] ?? standard

const write = (stream: NodeJS.WriteStream, chunk: string | Buffer): Promise<void> =>
  new Promise((resolve) => {
    stream.write(chunk, () => {
      resolve()
    })
  })

/** What to serve with, and what the line says of it. */
const identify = async (wish: ScriptedTls): Promise<{ tls?: ServerOptions['tls']; announced: string }> => {
  const clientCertificate = process.env['PLUGIN_CLIENT_CERT'] ?? ''
  if (clientCertificate === '' || wish === 'plain') return { announced: '' }
  const own = await createIdentity()
  const { certificate } = wish === 'right' ? own : await createIdentity()
  // DER in base64, as PEM has it between its first and last line, and without padding
  const announced = certificate.replace(/-----[^-]+-----|\s|=/g, '')
  return { tls: { ...own, clientCertificate }, announced }
}

const serveScript = async (script: EncodedScript, nth: number, start: ScriptedStart): Promise<void> => {
  const socket = join(process.env['PLUGIN_UNIX_SOCKET_DIR'] ?? tmpdir(), `plugin${String(process.pid)}`)
  const shutdown = pick(script.shutdown, nth, 'cut')
  if (shutdown === 'hang') process.on('SIGTERM', () => undefined)
  const { tls, announced } = await identify(pick(script.tls, nth, 'right'))
  const calls = Object.entries(script.on).map(([path, choices]) => [path, pick(choices, nth, 'hang')] as const)
  const isTo = (to: ScriptedOutput['to']) => (output: ScriptedOutput) => output.to === to
  await serve({
    socket,
    ...(tls === undefined ? {} : { tls }),
    isServing: start !== 'not-serving',
    shutdown,
    stdio: script.logs.filter(isTo('stdio')),
    calls: new Map(calls),
    statusDetails: script.statusDetails,
  })
  if (typeof start === 'object' && 'lateMs' in start) await setTimeout(start.lateMs)
  if (typeof start === 'object' && 'noise' in start) await write(process.stdout, start.noise)
  // yamux is beyond this program; a host that asks for it is told so in a field of its own
  const multiplexing = process.env['PLUGIN_MULTIPLEX_GRPC'] === undefined ? '' : '|false'
  const line =
    typeof start === 'object' && 'line' in start
      ? start.line.replaceAll('{socket}', socket)
      : `1|2|unix|${socket}|grpc|${announced}${multiplexing}`
  await write(process.stdout, `${line}\n`)
  const print = async (to: 'stdout' | 'stderr'): Promise<void> => {
    for (const output of script.logs.filter(isTo(to))) await writeOutput(output, (chunk) => write(process[to], chunk))
  }
  await Promise.all([print('stdout'), print('stderr')])
}

const main = async (): Promise<void> => {
  if (process.env['grafana_plugin_type'] !== 'datasource') {
    exitWith({ exit: 1, stderr: 'this is a plugin, to be started by a host of plugins\n' })
    return
  }
  const file = process.argv.at(-1) ?? ''
  const script = JSON.parse(readFileSync(file, 'utf8')) as EncodedScript
  const nth = countStart(dirname(file))
  const start = pick(script.start, nth, 'serve')
  // Ctrl-C reaches the whole process group; when a plugin ends is its host's decision
  process.on('SIGINT', () => undefined)
  const life = setTimeout(lifeMs, undefined, { ref: start === 'silent' })
  void life.then(() => process.exit(0))
  if (start === 'silent') return
  if (typeof start === 'object' && 'exit' in start) exitWith(start)
  else await serveScript(script, nth, start)
}

void main()

import { mkdir, rm, writeFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'

import type { ScriptedRpc } from './scripted-plugin-messages.ts'
import type {
  EachStart,
  EncodedScript,
  PluginScript,
  ScriptedAnswers,
  ScriptedCall,
  ScriptedFault,
  ScriptedMessages,
} from './scripted-plugin-script.ts'

const listOf = <A>(given: EachStart<A> = [], standard: A): ReadonlyArray<A> => {
  const list = Array.isArray(given) ? (given as ReadonlyArray<A>) : [given as A]
  return list.length === 0 ? [standard] : list
}

const encode = async ({ start, logs = [], on = {}, shutdown, tls }: PluginScript): Promise<EncodedScript> => {
  // loaded here: who writes no plugin shall not wait for a protobuf library
  const { encodeErrorSource, encodeMessage, scriptedRpcs } = await import('./scripted-plugin-messages.ts')
  const names = Object.keys(scriptedRpcs) as ReadonlyArray<keyof ScriptedMessages>
  for (const name of Object.keys(on)) {
    if (!Object.hasOwn(scriptedRpcs, name)) throw new TypeError(`expected one of ${names.join(', ')}, got "${name}"`)
  }

  const encodeCall = <Message extends object>(
    { response, usual, toWire = (message) => message }: ScriptedRpc<Message>,
    call: ScriptedCall<Message>,
  ): ScriptedAnswers<string> | ScriptedFault => {
    const encoded = (messages: ReadonlyArray<Message>): ReadonlyArray<string> =>
      messages.map((message) => encodeMessage(`pluginv2.${response}`, toWire(message)).toString('base64'))
    if (call === 'answer') return { answers: encoded(usual) }
    if (typeof call === 'string') return call
    if ('answer' in call) return { answers: encoded([call.answer]) }
    return 'answers' in call ? { ...call, answers: encoded(call.answers) } : call
  }
  const encodeCalls = <Call extends keyof ScriptedMessages>(call: Call) => {
    const rpc: ScriptedRpc<ScriptedMessages[Call]> = scriptedRpcs[call]
    const given: EachStart<ScriptedCall<ScriptedMessages[Call]>> | undefined = on[call]
    return [`/pluginv2.${rpc.path}`, listOf(given, 'answer').map((each) => encodeCall(rpc, each))] as const
  }
  return {
    start: listOf(start, 'serve'),
    logs,
    on: Object.fromEntries(names.map(encodeCalls)),
    shutdown: listOf(shutdown, 'cut'),
    tls: listOf(tls, 'right'),
    statusDetails: {
      plugin: encodeErrorSource('plugin').toString('base64'),
      downstream: encodeErrorSource('downstream').toString('base64'),
    },
  }
}

const quote = (text: string): string => `'${text.replaceAll("'", "'\\''")}'`

/** The program as a command. In the sources it is TypeScript, which this Node may not know. */
const program = (): string => {
  const isSource = import.meta.url.endsWith('.ts')
  const file = fileURLToPath(new URL(`./scripted-plugin-process.${isSource ? 'ts' : 'js'}`, import.meta.url))
  if (!isSource) return quote(file)
  // registered for require alone, tsx costs a start 20 ms instead of 200
  const tsx = createRequire(import.meta.url).resolve('tsx/cjs')
  return `--require ${quote(tsx)} --eval ${quote(`require(${JSON.stringify(file)})`)}`
}

/** Holds stdout and stderr for ten minutes, or until the script is removed. */
const grandchild = 'for tick in $(seq 3000); do [ -e "$script" ] || exit; sleep 0.2; done &\n'

/** Starts Node in place of the shell. */
const runnerOf = (script: string, hasGrandchild: boolean): string => `#!/bin/sh
script=${quote(script)}
${hasGrandchild ? grandchild : ''}exec ${quote(process.execPath)} ${program()} "$script"
`

/**
 * Writes a plugin that behaves as its script says: a process of its own that speaks go-plugin's protocol, to be found and started
 * by `pluginDirectory(directory)`. Gives the path of its folder, `{directory}/{id}`, with plugin.json and the program in it. Written
 * again under the same id, its starts count anew. A process ends by itself after ten minutes. Needs a POSIX shell. Rejects with a
 * TypeError for an id that is no file name, or an unknown call.
 */
export const writeScriptedPlugin = async (directory: string, script: PluginScript): Promise<string> => {
  const { id, type = 'datasource', version = '1.0.0' } = script
  if (!/^\w[\w.-]*$/.test(id)) throw new TypeError(`expected a plugin id such as "my-datasource", got "${id}"`)
  const folder = resolve(directory, id)
  const scriptFile = join(folder, 'script.json')
  const pluginJson = { id, type, name: id, backend: true, executable: 'run', info: { version } }
  const encoded = await encode(script)
  await mkdir(folder, { recursive: true })
  await rm(join(folder, 'starts'), { force: true })
  await writeFile(join(folder, 'plugin.json'), `${JSON.stringify(pluginJson, undefined, 2)}\n`)
  await writeFile(scriptFile, `${JSON.stringify(encoded, undefined, 2)}\n`)
  await writeFile(join(folder, 'run'), runnerOf(scriptFile, script.grandchild === true), { mode: 0o755 })
  return folder
}

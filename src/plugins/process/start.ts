import { E } from '../../fp.ts'
import type { AnswerBudget } from '../answer-budget.ts'
import type { TlsOptions } from '../grpc/channel.ts'
import { openConnection, type Connection } from '../grpc/connection.ts'
import type { Settings } from '../options.ts'
import { createIdentity, type Identity } from './certificate.ts'
import { spawnChild, type Child } from './child.ts'
import { systemClock } from '../../clock.ts'
import type { HandshakeVariables } from './environment.ts'
import { parseHandshake, type Handshake } from './handshake.ts'
import { createStartLimits } from './limits.ts'
import { createLogBudget } from './log-budget.ts'
import type { LogOptions } from './logs.ts'
import { StartFailure, type Peer, type PeerExit } from './peer.ts'
import { asProgram, openPinned } from './pin.ts'
import type { ProcessDirectory, RunDirectory } from './run-directory.ts'
import type { Secrets } from './secrets.ts'
import { dyingWithHost } from './setpriv.ts'
import { readStdio } from './stdio.ts'
import { stopProcess } from './stop.ts'

export interface StartOptions {
  readonly pluginId: string
  /** Absolute path of a program that may be run; throws when there is none. */
  readonly findExecutable: () => string
  /** All variables of the process. */
  readonly environment: (handshake: HandshakeVariables) => Readonly<Record<string, string>>
  readonly settings: Settings
  readonly answerBudget: AnswerBudget
  readonly secrets: Secrets
  /** Where processes have their sockets. */
  readonly runDirectory: RunDirectory
  /** Holds each process from its start to its end. */
  readonly running: Set<Child>
}

interface Spawned {
  readonly child: Child
  readonly diesWithHost: boolean
}

/** A process that may serve one day. */
interface Launched extends Spawned {
  /** Nothing of it is left. */
  readonly ended: Promise<PeerExit>
  /** Ours, where it is to speak TLS. */
  readonly identity: Identity | undefined
  readonly directory: ProcessDirectory
  readonly log: LogOptions
}

/** What was given for one plugin. */
export const ofPlugin = <A>(table: Readonly<Record<string, A>>, pluginId: string): A | undefined =>
  Object.hasOwn(table, pluginId) ? table[pluginId] : undefined

const spawn = async (
  { pluginId, findExecutable, environment, settings, running }: StartOptions,
  handshake: HandshakeVariables,
  log: LogOptions,
  signal: AbortSignal,
): Promise<Spawned> => {
  const path = findExecutable()
  const sha256 = ofPlugin(settings.sha256, pluginId)
  const program = sha256 === undefined ? asProgram(path) : await openPinned(path, pluginId, sha256, signal)
  try {
    const command = settings.dieWithHost ? await dyingWithHost(program.path) : undefined
    const [file, args] = command ?? [program.path, []]
    signal.throwIfAborted()
    const { stderrBytes } = settings
    const { descriptor } = program
    const child = spawnChild({ file, args, descriptor, environment: environment(handshake), log, stderrBytes })
    running.add(child)
    return { child, diesWithHost: command !== undefined }
  } finally {
    // the process has a descriptor of its own
    void program.close()
  }
}

const launch = async (options: StartOptions, signal: AbortSignal): Promise<Launched> => {
  const { pluginId, settings, secrets, running } = options
  const { logger, logLinesPerSecond } = settings
  const identity = settings.autoMTLS ? await createIdentity() : undefined
  const directory = await options.runDirectory.open()
  const remove = async (): Promise<void> => {
    try {
      await directory.remove()
    } catch (cause) {
      logger.warn('cannot remove the directory of a socket', { plugin: pluginId, directory: directory.path, cause })
    }
  }
  const budget = createLogBudget(logger, pluginId, logLinesPerSecond, systemClock)
  const log: LogOptions = { logger, pluginId, budget, secrets }
  const handshake = { socketDirectory: directory.path, clientCertificate: identity?.certificate }
  try {
    const spawned = await spawn(options, handshake, log, signal)
    const { child } = spawned
    const ended = child.closed.then(async (exit) => {
      running.delete(child)
      budget.end()
      await remove()
      return exit
    })
    return { ...spawned, ended, identity, directory, log }
  } catch (error) {
    await remove()
    throw error
  }
}

const tlsOf = ({ certificate }: Handshake, identity: Identity | undefined): TlsOptions | undefined =>
  certificate === undefined || identity === undefined
    ? undefined
    : { ca: certificate, cert: identity.certificate, key: identity.key, serverName: 'localhost' }

const connect = (
  target: string,
  tls: TlsOptions | undefined,
  { pluginId, settings, answerBudget, secrets }: StartOptions,
  onUnavailable: () => void,
): Connection => {
  const { receiveLimitBytes, sendLimitBytes, maxFrames } = settings
  return openConnection(target, {
    pluginId,
    receiveLimitBytes,
    sendLimitBytes,
    maxFrames,
    frameFormat: ofPlugin(settings.frameFormat, pluginId) ?? 'arrow',
    budget: answerBudget,
    onUnavailable,
    strike: secrets.strike,
    tls,
  })
}

/** For what a process sent before it went. */
const drainMs = 250

/**
 * Runs a plugin until it serves: spawn, handshake, health check; from then on its output is read. Rejects with a StartFailure, when
 * nothing of the process is left, or with an Error when there was none to start. Source: client.go of go-plugin.
 */
export const startProcess = async (
  options: StartOptions,
  signal: AbortSignal,
  onSuspect: () => void,
): Promise<Peer> => {
  const { pluginId, settings } = options
  const { logger, startTimeoutMs, stopGraceMs, autoMTLS } = settings
  const limits = createStartLimits(signal)
  let connection: Connection | undefined
  let endStdio = (): void => undefined
  let isServing = false
  const suspect = (): void => {
    if (isServing) onSuspect()
  }

  const serve = async ({ child, diesWithHost, ended, identity, directory, log }: Launched): Promise<Peer> => {
    limits.watch(child, startTimeoutMs)
    const left = child.exited.then(async () => {
      isServing = false
      // what it sent before it went is still to be read; then its calls end by themselves
      await connection?.drained(drainMs)
      endStdio()
      connection?.close()
    })
    const gone = Promise.all([ended, left]).then(([exit]) => exit)
    const { pid } = child.process
    try {
      const handshake = parseHandshake(await limits.until(child.firstLine), autoMTLS)
      if (E.isLeft(handshake)) throw new Error(handshake.left)
      const { target } = handshake.right
      const tls = tlsOf(handshake.right, identity)
      const opened = connect(target, tls, options, suspect)
      connection = opened
      // a key is written down only where somebody else may need it to end the plugin
      const record = { plugin: pluginId, pid, target, tls: diesWithHost ? undefined : tls }
      await directory.record(record).catch((cause: unknown) => {
        logger.warn('cannot note where a plugin listens', { plugin: pluginId, cause })
      })
      const failure = await limits.until(opened.ping(startTimeoutMs, limits.signal))
      if (failure !== undefined) throw new Error(`health check: ${failure.message}`)
      endStdio = readStdio(opened, log, suspect)
      isServing = true
      return {
        pid,
        client: opened.client,
        ended: gone,
        ping: (timeoutMs) => opened.ping(timeoutMs),
        stop: async () => {
          isServing = false
          endStdio()
          await stopProcess(child, opened, stopGraceMs)
          await gone
        },
        kill: child.kill,
      }
    } catch (error) {
      child.kill()
      connection?.close()
      const exit = await ended
      throw new StartFailure(exit, pid, exit.error ?? error)
    }
  }
  try {
    return await serve(await launch(options, limits.signal))
  } finally {
    limits.end()
  }
}

import { systemClock } from '../clock.ts'
import type { ConnectOptions, Election, Following, KubernetesConnection } from '../kubernetes.ts'
import { safeLogger, silentLogger } from '../logger.ts'
import type { Access } from './access.ts'
import { createCall } from './call.ts'
import { createCredentials } from './credentials.ts'
import { createTransport } from './http-transport.ts'
import { createElections } from './lease.ts'
import { createReflector } from './reflector.ts'

/** Opens nothing before it is asked for something. */
export const createConnection = (access: Access, options: ConnectOptions = {}): KubernetesConnection => {
  const { clock = systemClock } = options
  const logger = safeLogger(options.logger ?? silentLogger)
  if (access.warning !== undefined) logger.warn(access.warning)
  const transport = createTransport(access, createCredentials(access, clock, logger), clock)
  const call = createCall(transport, clock)
  const shared = { transport, call, clock, random: Math.random, logger }
  const follow = createReflector(shared)
  const elect = createElections(shared)
  const open = new Set<Following | Election>()

  /** Ends with the connection, if not before. */
  const kept = <A extends Following | Election>(one: A): A => {
    open.add(one)
    const close = async (): Promise<void> => {
      await one.close()
      open.delete(one)
    }
    return { ...one, close }
  }
  const end = async (): Promise<void> => {
    await Promise.all([...open].map((one) => one.close()))
    await transport.close()
  }
  let closed: Promise<void> | undefined
  return {
    origin: transport.origin,
    namespace: transport.namespace,
    call,
    follow: (...args) => kept(follow(...args)),
    elect: (...args) => kept(elect(...args)),
    close: () => (closed ??= end()),
  }
}

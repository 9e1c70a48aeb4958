import type { Connection } from '../grpc/connection.ts'
import type { Child } from './child.ts'

/**
 * Ends a plugin as go-plugin's client does: running calls end, Shutdown, the grace, SIGKILL. Unlike there, a plugin that never
 * answers Shutdown costs no more than the grace. Resolves when process and pipes are gone.
 */
export const stopProcess = async (child: Child, connection: Connection, graceMs: number): Promise<void> => {
  connection.endCalls()
  const timer = setTimeout(child.kill, graceMs)
  // whatever it answers, its end is what counts
  connection.shutdown(graceMs).catch(() => undefined)
  await child.exited
  clearTimeout(timer)
  connection.close()
  await child.closed
}

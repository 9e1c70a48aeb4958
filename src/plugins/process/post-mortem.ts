import type { PluginExit, PluginStatus } from '../../plugin-status.ts'
import { StartFailure, type PeerExit } from './peer.ts'
import type { Secrets } from './secrets.ts'

/** What the last failure and the last end of a plugin's process were, with its secrets struck out. */
export interface PostMortem {
  readonly last: Pick<PluginStatus, 'lastError' | 'lastExit'>
  /** Gives the message as it may be logged. */
  fail(message: string): string
  end(exit: PeerExit, pid: number | undefined): PluginExit
  /** Of a start that was given up. `exit` where there was a process. */
  failStart(cause: unknown): { readonly message: string; readonly exit: PluginExit | undefined }
}

export const createPostMortem = (secrets: Pick<Secrets, 'strike'>, now: () => number): PostMortem => {
  let last: PostMortem['last'] = {}

  const fail = (message: string): string => {
    const lastError = secrets.strike(message)
    last = { ...last, lastError }
    return lastError
  }
  const end = ({ code, signal, stderr }: PeerExit, pid: number | undefined): PluginExit => {
    const exit = { code, signal, stderr: secrets.strike(stderr), atMs: now() }
    const lastExit = pid === undefined ? exit : { pid, ...exit }
    last = { ...last, lastExit }
    return lastExit
  }
  return {
    get last() {
      return last
    },
    fail,
    end,
    failStart: (cause) => ({
      message: fail(cause instanceof Error ? cause.message : String(cause)),
      exit: cause instanceof StartFailure ? end(cause.exit, cause.pid) : undefined,
    }),
  }
}

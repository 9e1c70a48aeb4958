import type { Logger } from '../../logger.ts'

/** Tells when the program of a plugin was replaced by another one. */
export interface Stamps {
  /** The program as it is now, which from now on counts as tried. */
  take(): string | undefined
  /** Whether there is a program that was not tried, and is not the one that runs. */
  isReplaced(running: string | undefined): boolean
}

/** `stamp` gives the identity of the program as it is now, undefined when there is none. */
export const createStamps = (stamp: () => string | undefined, pluginId: string, logger: Logger): Stamps => {
  let tried: string | undefined
  let isMissing = false

  const read = (): string | undefined => {
    try {
      return stamp()
    } catch {
      // a directory that may not be read now is no other program
      return undefined
    }
  }
  return {
    take: () => {
      tried = read()
      return tried
    },
    isReplaced: (running) => {
      const present = read()
      if (present === undefined && !isMissing && running !== undefined)
        logger.warn('the program of a plugin is gone, its process serves on', { plugin: pluginId })
      isMissing = present === undefined
      return present !== undefined && present !== tried && present !== running
    },
  }
}

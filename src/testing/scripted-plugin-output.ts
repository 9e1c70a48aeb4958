import { setImmediate } from 'node:timers/promises'

import type { ScriptedExit, ScriptedOutput } from './scripted-plugin-script.ts'

const chunkBytes = 64 * 1024

/** Writes an output in large chunks, each after the one before, so that all else goes on meanwhile. */
export const writeOutput = async (
  { text, times = 1 }: ScriptedOutput,
  write: (chunk: Buffer) => Promise<void>,
  isOver: () => boolean = () => false,
): Promise<void> => {
  const count = times === 'for-ever' ? Infinity : times
  const step = Math.ceil(chunkBytes / Math.max(text.length, 1))
  for (let done = 0; done < count && !isOver(); done += step) {
    await write(Buffer.from(text.repeat(Math.min(step, count - done))))
    await setImmediate()
  }
}

/** Ends the process once its last word is out. */
export const exitWith = ({ exit, stderr = '' }: ScriptedExit): void => {
  process.stderr.write(stderr, () => process.exit(exit))
}

import { createHash } from 'node:crypto'
import { open, type FileHandle } from 'node:fs/promises'

/** A file to run. */
export interface Program {
  readonly path: string
  /** Handed down to the process, which finds it under `path`. */
  readonly descriptor?: number
  /** When the process was spawned, or was not. */
  readonly close: () => Promise<void>
}

const pieceBytes = 1024 * 1024

const sumOf = async (file: FileHandle, signal: AbortSignal): Promise<string> => {
  const hash = createHash('sha256')
  const piece = Buffer.allocUnsafeSlow(pieceBytes)
  for (let at = 0; ;) {
    signal.throwIfAborted()
    const { bytesRead } = await file.read(piece, 0, pieceBytes, at)
    if (bytesRead === 0) return hash.digest('hex')
    hash.update(piece.subarray(0, bytesRead))
    at += bytesRead
  }
}

/** What a new process finds under the descriptor that follows stdin, stdout and stderr. */
const inheritedPath = '/proc/self/fd/3'

/** A program that nobody vouches for. */
export const asProgram = (path: string): Program => ({ path, close: () => Promise.resolve() })

/**
 * Opens a program and checks its SHA-256 sum. On Linux that very file is run, through its descriptor, whatever its path names by
 * then; elsewhere the path is, a moment later. Who may write to the file itself may still change it in that moment. Of a script the
 * interpreter is not part of the sum, and `$0` is the descriptor. Rejects when it is another file.
 */
export const openPinned = async (
  path: string,
  pluginId: string,
  sha256: string,
  signal: AbortSignal,
): Promise<Program> => {
  const file = await open(path)
  const close = (): Promise<void> => file.close().catch(() => undefined)
  try {
    const expected = sha256.toLowerCase()
    const got = await sumOf(file, signal)
    if (got !== expected)
      throw new Error(`expected the program of plugin "${pluginId}" to have SHA-256 "${expected}", got "${got}"`)
  } catch (error) {
    await close()
    throw error
  }
  if (process.platform === 'linux') return { path: inheritedPath, descriptor: file.fd, close }
  await close()
  return asProgram(path)
}

import { integerOption } from './integer-option.ts'

/** Options of everything that reads files and follows their changes. */
export interface FileOptions {
  /** Larger files are refused, default 3 MiB. Reading YAML holds up the process for about half a second per MiB. */
  readonly fileLimitBytes?: number
  /** Quiet time after a change before files are read, ms, default 50: a file that is being written is left in peace. */
  readonly debounceMs?: number
  /** Time between reads when nothing seems to change, ms, default 30 000: some mounts and links tell no changes. */
  readonly rescanMs?: number
}

/** Throws a TypeError on a wrong option. */
export const toFileSettings = ({ fileLimitBytes, debounceMs, rescanMs }: FileOptions): Required<FileOptions> => ({
  fileLimitBytes: integerOption('fileLimitBytes', fileLimitBytes, 3 * 1024 * 1024, 1),
  debounceMs: integerOption('debounceMs', debounceMs, 50, 0),
  rescanMs: integerOption('rescanMs', rescanMs, 30_000, 1),
})

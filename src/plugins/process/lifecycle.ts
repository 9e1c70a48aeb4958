import type { LogFields, Logger } from '../../logger.ts'
import type { PluginChange, PluginState, PluginStatus } from '../../plugin-status.ts'

/** What may follow what. Whatever else is asked for comes too late for the state that it was meant for, and changes nothing. */
export const transitions: Readonly<Record<PluginState, ReadonlyArray<PluginState>>> = {
  idle: ['starting', 'stopping'],
  starting: ['ready', 'crashed', 'crash-looping', 'stopping'],
  ready: ['unhealthy', 'crashed', 'crash-looping', 'stopping'],
  unhealthy: ['ready', 'crashed', 'crash-looping', 'stopping'],
  crashed: ['starting', 'stopping'],
  'crash-looping': ['starting', 'stopping'],
  stopping: ['stopped'],
  stopped: [],
}

const levelOf: Readonly<Record<PluginState, keyof Logger>> = {
  idle: 'info',
  starting: 'info',
  ready: 'info',
  unhealthy: 'warn',
  crashed: 'error',
  'crash-looping': 'error',
  stopping: 'info',
  stopped: 'info',
}

/** What calls are told while there is nobody to make them on. */
export const refusalOf: Readonly<Partial<Record<PluginState, string>>> = {
  unhealthy: 'does not answer its health check',
  crashed: 'is down, it will be tried again',
  'crash-looping': 'is down, it will be tried again',
  stopping: 'is being stopped',
  stopped: 'is being stopped',
}

export interface LifecycleOptions {
  readonly logger: Logger
  readonly now: () => number
  /** Called first of all once a state is entered. */
  readonly onEnter: () => void
  readonly status: () => PluginStatus
  readonly onChange: (change: PluginChange) => void
}

/** The state of one plugin: one line in the log and one event for each change. */
export interface Lifecycle {
  readonly state: PluginState
  readonly sinceMs: number
  can(to: PluginState): boolean
  /** The last step of whatever it belongs to: a watcher may do anything, close the host included. */
  enter(to: PluginState, fields?: LogFields): void
  /** The state is the same, what is in it is not. Also a last step. */
  renew(message: string, fields: LogFields): void
}

export const createLifecycle = ({ logger, now, onEnter, status, onChange }: LifecycleOptions): Lifecycle => {
  let state: PluginState = 'idle'
  let sinceMs = now()

  const can = (to: PluginState): boolean => transitions[state].includes(to)

  const tell = (message: string, level: keyof Logger, from: PluginState, fields: LogFields): void => {
    const change = { from, to: status() }
    const { id: plugin, pid, startCount } = change.to
    const process = pid === undefined ? {} : { pid }
    logger[level](message, { plugin, ...process, from, to: state, startCount, ...fields })
    try {
      onChange(change)
    } catch (cause) {
      logger.error('a watcher of plugins threw', { plugin, cause })
    }
  }

  return {
    get state() {
      return state
    },
    get sinceMs() {
      return sinceMs
    },
    can,
    enter: (to, fields = {}) => {
      if (!can(to)) return
      const from = state
      state = to
      sinceMs = now()
      onEnter()
      tell(`plugin is ${to}`, levelOf[to], from, fields)
    },
    renew: (message, fields) => {
      tell(message, 'info', state, fields)
    },
  }
}

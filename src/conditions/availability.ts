import type { PluginHost } from '../plugin.ts'
import type { PluginStatus } from '../plugin-status.ts'
import { E } from '../fp.ts'
import { cutMessage, type AvailableReason, type Finding } from './finding.ts'

/** What is known of a plugin at one moment. */
export interface Look {
  readonly finding: Finding<AvailableReason>
  /** It will not be well again in a moment. */
  readonly isCertain: boolean
}

const passed: Look = { finding: { status: 'True', reason: 'Passed', message: 'all checks passed' }, isCertain: true }
const idle: Look = {
  finding: { status: 'True', reason: 'Idle', message: 'its plugin starts with the first request' },
  isCertain: true,
}

const looking = (status: 'False' | 'Unknown', reason: AvailableReason, message: string): Look => ({
  finding: { status, reason, message: cutMessage(message) },
  isCertain: false,
})

const ofStatus = ({ id, state, startCount }: PluginStatus): Look => {
  const notRunning = `plugin "${id}" is not running, it is started again by itself`
  switch (state) {
    case 'ready':
      return passed
    case 'idle':
      return idle
    case 'starting':
      // a later start comes after a fall: nothing to hope for before it stands
      return startCount > 1
        ? looking('False', 'PluginNotRunning', notRunning)
        : looking('Unknown', 'CheckPending', `plugin "${id}" is starting`)
    case 'unhealthy':
      return looking('False', 'FailedHealthCheck', `plugin "${id}" does not answer its health check`)
    case 'crashed':
      return looking('False', 'PluginNotRunning', notRunning)
    case 'crash-looping':
      return { ...looking('False', 'PluginNotRunning', notRunning), isCertain: true }
    case 'stopping':
    case 'stopped':
      return looking('False', 'PluginNotRunning', `plugin "${id}" is stopped`)
  }
}

const accessError = (pluginId: string): Look =>
  looking('Unknown', 'PluginAccessError', `the host of plugins does not say how plugin "${pluginId}" is`)

/** Looks at some plugins, at all in one moment; a plugin that has no life of its own is well. A host that throws knows nothing. */
export const lookAt = (host: PluginHost, pluginIds: Iterable<string>): ReadonlyMap<string, Look> => {
  const statuses = E.tryCatch(() => new Map((host.statuses?.() ?? []).map((status) => [status.id, status])), E.toError)
  const look = (pluginId: string): Look => {
    const installed = E.tryCatch(() => host.plugin(pluginId), E.toError)
    if (E.isLeft(statuses) || E.isLeft(installed)) return accessError(pluginId)
    if (installed.right === undefined) {
      const message = `plugin "${pluginId}" is not installed`
      return { ...looking('False', 'PluginNotInstalled', message), isCertain: true }
    }
    const status = statuses.right.get(pluginId)
    return status === undefined ? passed : ofStatus(status)
  }
  return new Map([...pluginIds].map((pluginId) => [pluginId, look(pluginId)]))
}

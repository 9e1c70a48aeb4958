import type { AggregatorError } from '../errors.ts'
import type { Logger } from '../logger.ts'
import type { Observer } from '../telemetry.ts'
import { errorSourceOf } from './error-source.ts'

/** Which failures an operator must hear of: ours and the plugins', not those of a client. */
const levelOf = (error: AggregatorError): 'debug' | 'warn' | 'error' => {
  switch (error._tag) {
    case 'Unexpected':
      return 'error'
    case 'BadGateway':
    case 'BadPlugin':
    case 'GatewayTimeout':
    case 'PluginFailed':
    case 'PluginTimeout':
    case 'PluginUnavailable':
      return 'warn'
    default:
      return 'debug'
  }
}

/** One line for each claimed request: debug when it went well or the client erred, louder when a plugin or we did. */
export const logRequests =
  (logger: Logger): Observer =>
  ({ method, path }, { service, type }) => ({
    ended: ({ code, durationMs, error }) => {
      const { name } = service.metadata
      const fields = { method, path, dataPlaneService: name, type, code, durationMs: Math.round(durationMs * 10) / 10 }
      if (error === undefined) logger.debug('request served', fields)
      else logger[levelOf(error)]('request failed', { ...fields, errorSource: errorSourceOf(error), error })
    },
  })

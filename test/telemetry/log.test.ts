import test from 'ava'

import { toStatus, type AggregatorError } from '../../src/errors.ts'
import { logRequests } from '../../src/telemetry/log.ts'
import { recordingLogger } from './recording-logger.ts'
import { envOf, requestOf, served } from './requests.ts'

test('logs an answered request at debug, once, with its code and duration', (t) => {
  const logger = recordingLogger()
  const { ended } = logRequests(logger)(requestOf(), envOf())
  t.is(logger.lines.length, 0)
  ended({ ...served, durationMs: 12.3456 })
  const { method, path } = requestOf()
  const fields = { method, path, dataPlaneService: 'prometheus', type: 'query', code: 200, durationMs: 12.3 }
  t.deepEqual(logger.lines, [{ level: 'debug', message: 'request served', fields }])
})

const levels: ReadonlyArray<readonly [AggregatorError, string, string]> = [
  [{ _tag: 'Unexpected', cause: 'c' }, 'error', 'aggregator'],
  [{ _tag: 'BadPlugin', message: 'm' }, 'warn', 'plugin'],
  [{ _tag: 'PluginFailed', message: 'm', source: 'downstream' }, 'warn', 'downstream'],
  [{ _tag: 'BadGateway', message: 'm' }, 'warn', 'downstream'],
  [{ _tag: 'GatewayTimeout', message: 'm' }, 'warn', 'downstream'],
  [{ _tag: 'Cancelled' }, 'debug', 'client'],
  [{ _tag: 'BadRequest', message: 'm' }, 'debug', 'client'],
]

for (const [error, level, errorSource] of levels) {
  test(`logs ${JSON.stringify(error)} at ${level}, laid at the ${errorSource}`, (t) => {
    const logger = recordingLogger()
    logRequests(logger)(requestOf(), envOf()).ended({ code: toStatus(error).code, durationMs: 1, error })
    t.is(logger.lines.length, 1)
    t.like(logger.lines[0], { level, message: 'request failed', fields: { errorSource, error } })
  })
}

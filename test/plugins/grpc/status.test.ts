import test from 'ava'

import { toStatus, type AggregatorError } from '../../../src/errors.ts'
import type { CallFailure } from '../../../src/plugins/grpc/call.ts'
import { toAggregatorError } from '../../../src/plugins/grpc/status.ts'
import { definitionsForTests } from './_wire.ts'

const failed = { pluginId: 'testds', call: 'queryData', receiveLimitBytes: 64 }
const failure = (code: number, details: string, rest: Partial<CallFailure> = {}): CallFailure => ({
  code,
  details,
  statusDetails: undefined,
  requestBytes: 100,
  isLate: false,
  isAborted: false,
  ...rest,
})

const table: ReadonlyArray<readonly [string, CallFailure, AggregatorError['_tag'], string]> = [
  ['CANCELLED after an abort', failure(1, '', { isAborted: true }), 'Cancelled', 'the client closed the request'],
  [
    'CANCELLED after the deadline',
    failure(1, '', { isAborted: true, isLate: true }),
    'PluginTimeout',
    'plugin "testds" did not answer queryData in time',
  ],
  ['CANCELLED by the plugin', failure(1, 'gave up'), 'PluginFailed', 'plugin "testds" failed in queryData'],
  ['UNKNOWN', failure(2, 'boom'), 'PluginFailed', 'plugin "testds" failed in queryData'],
  ['UNKNOWN without a word', failure(2, ''), 'PluginFailed', 'plugin "testds" failed in queryData'],
  ['INVALID_ARGUMENT', failure(3, 'bad query'), 'BadRequest', 'plugin "testds" refused the request: bad query'],
  ['DEADLINE_EXCEEDED', failure(4, ''), 'PluginTimeout', 'plugin "testds" did not answer queryData in time'],
  ['NOT_FOUND', failure(5, 'no table'), 'PluginFailed', 'plugin "testds" failed in queryData'],
  ['PERMISSION_DENIED', failure(7, 'no'), 'PluginFailed', 'plugin "testds" failed in queryData'],
  [
    'RESOURCE_EXHAUSTED for our request',
    failure(8, 'grpc: received message larger than max (100 vs. 16)'),
    'BodyTooLarge',
    'Request entity too large: limit is 16 (option GRPCSettings.MaxReceiveMsgSize of plugin "testds")',
  ],
  [
    'RESOURCE_EXHAUSTED for its answer',
    failure(8, 'Received message larger than max (101 vs 64)'),
    'BadPlugin',
    'plugin "testds" answered 101 bytes, the limit is 64 (option plugins.receiveLimitBytes)',
  ],
  [
    'RESOURCE_EXHAUSTED for what it inflates to',
    failure(8, 'Received message that decompresses to a size larger than 64'),
    'BadPlugin',
    'plugin "testds" answered more than 64 bytes, compressed (option plugins.receiveLimitBytes)',
  ],
  [
    'RESOURCE_EXHAUSTED for what the plugin itself received',
    failure(8, 'grpc: received message larger than max (5000000 vs. 4194304)'),
    'PluginFailed',
    'plugin "testds" failed in queryData',
  ],
  ['RESOURCE_EXHAUSTED of its own', failure(8, 'quota'), 'PluginFailed', 'plugin "testds" failed in queryData'],
  ['UNIMPLEMENTED', failure(12, 'unknown service'), 'NotImplemented', 'plugin "testds" does not implement queryData'],
  [
    'UNIMPLEMENTED by an HTTP server',
    failure(12, 'Received HTTP status code 404'),
    'BadPlugin',
    'plugin "testds" answered with plain HTTP instead of gRPC',
  ],
  [
    'INTERNAL',
    failure(13, 'Response message parsing error: index out of range'),
    'BadPlugin',
    'plugin "testds" answered what is no queryData response',
  ],
  [
    'INTERNAL for a connection that broke before',
    failure(13, 'Failed to start HTTP/2 stream with error "Session closed with error code 1"'),
    'PluginUnavailable',
    'plugin "testds" is unavailable',
  ],
  ['UNAVAILABLE', failure(14, 'connect ENOENT /run/x'), 'PluginUnavailable', 'plugin "testds" is unavailable'],
  ['UNAUTHENTICATED', failure(16, 'who?'), 'PluginFailed', 'plugin "testds" failed in queryData'],
  ['an unknown code', failure(99, 'what?'), 'PluginFailed', 'plugin "testds" failed in queryData'],
]

for (const [what, given, tag, message] of table) {
  test(`turns ${what} into ${tag}`, (t) => {
    const error = toAggregatorError(given, failed)
    t.is(error._tag, tag)
    t.is(toStatus(error).message, message)
  })
}

test("keeps the plugin's words to one line of 1 KiB", (t) => {
  const error = toAggregatorError(failure(3, `a\r\n\tb\u0000${'x'.repeat(5000)}`), failed)
  const { message } = toStatus(error)
  t.true(message.startsWith('plugin "testds" refused the request: a b x'))
  t.is(message.length, 'plugin "testds" refused the request: '.length + 1024)
})

const secret = 'open /var/lib/secret.pem: goroutine 12 [running]'
const codes = [0, 1, 2, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 99]
for (const code of codes) {
  test(`tells a client nothing of what the plugin says with code ${String(code)}`, (t) => {
    t.notRegex(JSON.stringify(toStatus(toAggregatorError(failure(code, secret), failed))), /secret|goroutine/)
  })
}

test("keeps the plugin's words for the log", (t) => {
  t.like(toAggregatorError(failure(2, secret), failed), { cause: `UNKNOWN (2): ${secret}` })
  t.like(toAggregatorError(failure(13, secret), failed), { _tag: 'BadPlugin', cause: secret })
})

const wire = definitionsForTests()
const detailsWith = (type_url: string, metadata: object): Buffer =>
  wire('google.rpc.Status').serialize({
    code: 2,
    message: 'boom',
    details: [{ type_url, value: wire('google.rpc.ErrorInfo').serialize({ metadata }) }],
  })
const errorInfo = 'type.googleapis.com/google.rpc.ErrorInfo'

for (const [what, statusDetails, source] of [
  ['no details', undefined, 'plugin'],
  ['downstream', detailsWith(errorInfo, { errorSource: 'downstream' }), 'downstream'],
  ['plugin', detailsWith(errorInfo, { errorSource: 'plugin' }), 'plugin'],
  ['another word', detailsWith(errorInfo, { errorSource: 'moon' }), 'plugin'],
  ['no metadata', detailsWith(errorInfo, {}), 'plugin'],
  ['details of another type', detailsWith('type.googleapis.com/x', { errorSource: 'downstream' }), 'plugin'],
  ['details that are garbage', Buffer.from([0xff, 0xff, 0xff]), 'plugin'],
] as const) {
  test(`lays a failure with ${what} at the ${source}'s door`, (t) => {
    t.like(toAggregatorError(failure(2, 'boom', { statusDetails }), failed), { _tag: 'PluginFailed', source })
  })
}

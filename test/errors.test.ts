import test from 'ava'

import { toStatus, type AggregatorError } from '../src/errors.ts'
import { failure } from '../src/http.ts'

const message = 'what went wrong'
const causes = [{ reason: 'FieldValueInvalid', field: 'a.b', message }] as const

type Row = readonly [error: AggregatorError, code: number, reason: string, more?: object]

/** The key says it: the compiler names the missing row when a tag is added. */
const table: Readonly<Record<AggregatorError['_tag'] | 'PluginFailed behind', Row>> = {
  BadRequest: [{ _tag: 'BadRequest', message, causes }, 400, 'BadRequest', { message, details: { causes } }],
  Unauthorized: [{ _tag: 'Unauthorized', message }, 401, 'Unauthorized', { message }],
  Forbidden: [{ _tag: 'Forbidden', message }, 403, 'Forbidden', { message }],
  NotFound: [
    { _tag: 'NotFound', message, details: { name: 'p1', group: 'p.example.com', kind: 'datasources' } },
    404,
    'NotFound',
    { message, details: { name: 'p1', group: 'p.example.com', kind: 'datasources' } },
  ],
  MethodNotAllowed: [
    { _tag: 'MethodNotAllowed', method: 'PUT', allow: ['GET', 'HEAD'] },
    405,
    'MethodNotAllowed',
    { message: 'PUT is not supported here, allowed: GET, HEAD' },
  ],
  NotAcceptable: [{ _tag: 'NotAcceptable', message }, 406, 'NotAcceptable', { message }],
  Conflict: [
    { _tag: 'Conflict', message, details: { uid: 'u1' } },
    409,
    'Conflict',
    { message, details: { uid: 'u1' } },
  ],
  AlreadyExists: [
    { _tag: 'AlreadyExists', message, details: { name: 'p1' } },
    409,
    'AlreadyExists',
    { message, details: { name: 'p1' } },
  ],
  Expired: [{ _tag: 'Expired', message, continue: 't1' }, 410, 'Expired', { message, metadata: { continue: 't1' } }],
  NotYet: [
    { _tag: 'NotYet', message, retryAfterSeconds: 1 },
    504,
    'Timeout',
    {
      message,
      details: {
        causes: [{ reason: 'ResourceVersionTooLarge', field: '', message: 'Too large resource version' }],
        retryAfterSeconds: 1,
      },
    },
  ],
  StoreFailed: [{ _tag: 'StoreFailed', message, cause: new Error('secret') }, 500, 'InternalError', { message }],
  BodyTooLarge: [
    { _tag: 'BodyTooLarge', limitBytes: 10, option: 'limits.bodyBytes' },
    413,
    'RequestEntityTooLarge',
    { message: 'Request entity too large: limit is 10 (option limits.bodyBytes)' },
  ],
  UnsupportedMediaType: [{ _tag: 'UnsupportedMediaType', message }, 415, 'UnsupportedMediaType', { message }],
  Invalid: [
    { _tag: 'Invalid', message, causes, details: { name: 'p1' } },
    422,
    'Invalid',
    { message, details: { name: 'p1', causes } },
  ],
  TooManyRequests: [
    { _tag: 'TooManyRequests', message, retryAfterSeconds: 2 },
    429,
    'TooManyRequests',
    { message, details: { retryAfterSeconds: 2 } },
  ],
  PluginFailed: [{ _tag: 'PluginFailed', message, source: 'plugin', cause: 1 }, 500, 'InternalError', { message }],
  'PluginFailed behind': [{ _tag: 'PluginFailed', message, source: 'downstream' }, 400, 'BadRequest', { message }],
  NotImplemented: [{ _tag: 'NotImplemented', message }, 501, 'NotImplemented', { message }],
  BadPlugin: [{ _tag: 'BadPlugin', message, cause: new Error('secret') }, 502, 'BadGateway', { message }],
  PluginUnavailable: [
    { _tag: 'PluginUnavailable', message, retryAfterSeconds: 5, cause: new Error('secret') },
    503,
    'ServiceUnavailable',
    { message, details: { retryAfterSeconds: 5 } },
  ],
  PluginTimeout: [{ _tag: 'PluginTimeout', message }, 504, 'Timeout', { message }],
  BadGateway: [{ _tag: 'BadGateway', message, cause: new Error('secret') }, 502, 'BadGateway', { message }],
  GatewayTimeout: [{ _tag: 'GatewayTimeout', message }, 504, 'Timeout', { message }],
  Cancelled: [{ _tag: 'Cancelled' }, 499, 'Timeout'],
  Unexpected: [
    { _tag: 'Unexpected', cause: new Error('secret') },
    500,
    'InternalError',
    { message: 'Internal error occurred: see the log of the server' },
  ],
}

for (const [tag, [error, code, reason, more = {}]] of Object.entries(table)) {
  test(`answers ${tag} with ${String(code)} ${reason}`, (t) => {
    const status = toStatus(error)
    t.like(status, { kind: 'Status', apiVersion: 'v1', status: 'Failure', metadata: {}, code, reason, ...more })
    t.is('details' in status, 'details' in more)
    t.notRegex(JSON.stringify(status), /secret/)
  })
}

test('gives a failure the headers that belong to its code, and lets nobody run it as a page (S11)', (t) => {
  const headersOf = (error: AggregatorError) => failure(error).headers
  const harmless = { 'content-security-policy': 'sandbox', 'x-content-type-options': 'nosniff' }
  t.deepEqual(headersOf(table.MethodNotAllowed[0]), { allow: 'GET, HEAD', ...harmless })
  t.deepEqual(headersOf(table.TooManyRequests[0]), { 'retry-after': '2', ...harmless })
  t.deepEqual(headersOf(table.PluginUnavailable[0]), { 'retry-after': '5', ...harmless })
  t.deepEqual(headersOf(table.BadRequest[0]), harmless)
  t.like(failure(table.Forbidden[0]), { _tag: 'Json', status: 403, value: { kind: 'Status', code: 403 } })
})

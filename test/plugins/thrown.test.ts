import test from 'ava'

import type { AggregatorError } from '../../src/errors.ts'
import { isAggregatorError } from '../../src/plugins/thrown.ts'

const message = 'x'
const causes = [{ reason: 'FieldValueInvalid', field: 'a', message }] as const

const wellFormed: ReadonlyArray<AggregatorError> = [
  { _tag: 'BadRequest', message },
  { _tag: 'BadRequest', message, causes },
  { _tag: 'NotFound', message, details: { name: 'n', causes, retryAfterSeconds: 1 } },
  { _tag: 'MethodNotAllowed', method: 'PUT', allow: ['GET', 'POST'] },
  { _tag: 'BodyTooLarge', limitBytes: 5, option: 'o' },
  { _tag: 'Invalid', message, causes: [] },
  { _tag: 'TooManyRequests', message, retryAfterSeconds: 0 },
  { _tag: 'PluginFailed', message, source: 'downstream', cause: 5n },
  { _tag: 'PluginUnavailable', message, retryAfterSeconds: 1 },
  { _tag: 'BadGateway', message },
  { _tag: 'GatewayTimeout', message },
  { _tag: 'Cancelled' },
  { _tag: 'Unexpected', cause: undefined },
]
for (const [index, error] of wellFormed.entries()) {
  test(`takes a ${error._tag} that is whole for one (${String(index)})`, (t) => {
    t.true(isAggregatorError(error))
    t.true(isAggregatorError(Object.assign(new Error('x'), error)))
  })
}

const malformed: ReadonlyArray<readonly [string, unknown]> = [
  ['nothing', undefined],
  ['null', null],
  ['a text', 'BadRequest'],
  ['no tag', { message }],
  ['an unknown tag', { _tag: 'Teapot', message }],
  ['the name of a member of Object', { _tag: 'toString' }],
  ['no message', { _tag: 'BadRequest' }],
  ['a message that is no text', { _tag: 'BadRequest', message: 5n }],
  ['a cause that is none', { _tag: 'BadRequest', message, causes: [{ reason: 'FieldValueInvalid', field: 5n }] }],
  ['a gateway that says nothing', { _tag: 'BadGateway', cause: 'x' }],
  ['a slow gateway that says nothing', { _tag: 'GatewayTimeout' }],
  ['no causes where they are due', { _tag: 'Invalid', message }],
  ['details that no JSON holds', { _tag: 'NotFound', message, details: { name: 5n } }],
  ['no allowed methods', { _tag: 'MethodNotAllowed', method: 'PUT' }],
  ['a method that no header holds', { _tag: 'MethodNotAllowed', method: 'PUT', allow: ['GET\r\n'] }],
  ['no time', { _tag: 'TooManyRequests', message }],
  ['NaN for a time', { _tag: 'PluginUnavailable', message, retryAfterSeconds: NaN }],
  ['a time in the past', { _tag: 'PluginUnavailable', message, retryAfterSeconds: -1 }],
  ['no limit', { _tag: 'BodyTooLarge', option: 'o' }],
  ['another source', { _tag: 'PluginFailed', message, source: 'moon' }],
  [
    'what throws when it is looked at',
    {
      get _tag() {
        throw new Error('no')
      },
    },
  ],
]
for (const [what, thrown] of malformed) {
  test(`takes ${what} for no AggregatorError`, (t) => {
    t.false(isAggregatorError(thrown))
  })
}

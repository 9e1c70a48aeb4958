import test from 'ava'

import { createLogReader } from '../../../src/plugins/process/logs.ts'
import { createSecrets } from '../../../src/plugins/process/secrets.ts'
import { recordingLogger } from '../_setup.ts'

const read = (
  lines: ReadonlyArray<string>,
  take = (): boolean => true,
  secrets: ReadonlyArray<string> = [],
): ReadonlyArray<unknown> => {
  const logger = recordingLogger()
  const budget = { take, end: () => undefined }
  const log = createLogReader({ logger, pluginId: 'testds', budget, secrets: createSecrets(secrets) })
  lines.forEach(log)
  return logger.lines.map(({ level, message, fields }) => [level, message, fields])
}
const plugin = 'testds'
const hclog = (fields: object): string => JSON.stringify({ '@timestamp': '2026-01-01T00:00:00.000000Z', ...fields })

const levels = [
  ['trace', 'debug'],
  ['debug', 'debug'],
  ['info', 'info'],
  ['warn', 'warn'],
  ['error', 'error'],
  ['INFO', 'info'],
] as const
for (const [given, level] of levels) {
  test(`logs an hclog line of level ${given} at ${level}, with its fields`, (t) => {
    const line = hclog({ '@level': given, '@message': 'hi', n: 1, '@module': 'm' })
    t.deepEqual(read([line]), [[level, 'hi', { n: 1, '@module': 'm', plugin }]])
  })
}

const verbatim: ReadonlyArray<readonly [string, string]> = [
  ['plain text', 'hello'],
  ['null', 'null'],
  ['a JSON array', '[1]'],
  ['broken JSON', '{"@level":"info"'],
  ['an unknown level', hclog({ '@level': 'all', '@message': 'hi' })],
  ['no level', hclog({ '@message': 'hi' })],
  ['a level that is no string', hclog({ '@level': 1, '@message': 'hi' })],
  ['a message that is no string', hclog({ '@level': 'info', '@message': { a: 1 } })],
  ['an unknown tag', '[ERR] hi'],
]
for (const [what, line] of verbatim) {
  test(`logs ${what} at debug as it is`, (t) => {
    t.deepEqual(read([line]), [['debug', line, { plugin }]])
  })
}

test('takes the level of a tag and leaves the line as it is', (t) => {
  t.deepEqual(read(['[WARN] careful']), [['warn', '[WARN] careful', { plugin }]])
})

test('says nothing of empty lines', (t) => {
  t.deepEqual(read(['']), [])
})

for (const start of ['panic: boom', 'fatal error: all goroutines are asleep - deadlock!']) {
  test(`logs everything untagged at error from "${start}" on`, (t) => {
    const tagged = hclog({ '@level': 'debug', '@message': 'hi' })
    t.deepEqual(read(['before', start, 'goroutine 1 [running]:', tagged]), [
      ['debug', 'before', { plugin }],
      ['error', start, { plugin }],
      ['error', 'goroutine 1 [running]:', { plugin }],
      ['debug', 'hi', { plugin }],
    ])
  })
}

test('does not let a plugin speak in the name of another', (t) => {
  const line = hclog({ '@level': 'info', '@message': 'hi', plugin: 'other' })
  t.deepEqual(read([line]), [['info', 'hi', { plugin }]])
})

test('logs no line that the budget refuses, but the first one of a crash, and marks what follows', (t) => {
  const refuseAll = () => read(['a', 'panic: boom', 'panic: again', 'goroutine 1 [running]:'], () => false)
  t.deepEqual(refuseAll(), [['error', 'panic: boom', { plugin }]])
  const allowed = [false, true]
  t.deepEqual(
    read(['a', 'panic: boom', 'goroutine 1 [running]:'], () => allowed.shift() ?? false),
    [
      ['error', 'panic: boom', { plugin }],
      ['error', 'goroutine 1 [running]:', { plugin }],
    ],
  )
})

test('does not parse a line that the budget refuses', (t) => {
  const { parse } = JSON
  let parsed = 0
  JSON.parse = (text: string): unknown => {
    parsed += 1
    return parse(text)
  }
  t.teardown(() => {
    JSON.parse = parse
  })
  read([hclog({ '@level': 'info', '@message': 'hi' })], () => false)
  t.is(parsed, 0)
})

test('strikes secrets out of messages, fields and whatever is nested in them', (t) => {
  const secret = 'p&ss "w"'
  const given = hclog({
    '@level': 'info',
    '@message': `with ${secret}`,
    dsn: `a:${secret}@b`,
    body: JSON.stringify({ secret }),
    deep: [{ secret }],
    [secret]: 1,
    n: 1,
  })
  // any character may be written as an escape
  const again = { '@level': 'info', '@message': secret, dsn: secret, [secret]: 1, deep: [{ secret }] }
  const escaped = hclog(again).replaceAll('w', '\\u0077')
  const struck = {
    dsn: 'a:[redacted]@b',
    body: '{"secret":"[redacted]"}',
    deep: [{ secret: '[redacted]' }],
    '[redacted]': 1,
    n: 1,
    plugin,
  }
  t.deepEqual(read([given, `[WARN] ${secret}`, `panic: ${secret}`, escaped], undefined, [secret]), [
    ['info', 'with [redacted]', struck],
    ['warn', '[WARN] [redacted]', { plugin }],
    ['error', 'panic: [redacted]', { plugin }],
    ['info', '[redacted]', { dsn: '[redacted]', '[redacted]': 1, deep: [{ secret: '[redacted]' }], plugin }],
  ])
})

test('takes a line however deep it is nested', (t) => {
  const line = `{"@level":"info","@message":"hi","deep":${'['.repeat(30_000)}${']'.repeat(30_000)}}`
  t.deepEqual(read([line]), [['info', 'hi', { deep: 'a value that is nested too deep', plugin }]])
})

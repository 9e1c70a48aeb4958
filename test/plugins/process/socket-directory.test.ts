import { rmSync, statSync } from 'node:fs'
import { dirname, join } from 'node:path'

import test from 'ava'

import { makeSocketDirectory } from '../../../src/plugins/process/socket-directory.ts'
import { temporaryDirectory } from '../_setup.ts'

test('makes a private directory in XDG_RUNTIME_DIR', (t) => {
  const parent = temporaryDirectory(t)
  const directory = makeSocketDirectory({ XDG_RUNTIME_DIR: parent })
  t.is(dirname(directory), parent)
  t.is(statSync(directory).mode & 0o777, 0o700)
})

for (const [what, parent] of [
  ['is missing', '/nowhere/at/all'],
  ['is relative', 'run'],
  ['is empty', ''],
  ['is too long for a socket', join('/', 'x'.repeat(90))],
] as const) {
  test(`falls back to the directory for temporary files when XDG_RUNTIME_DIR ${what}`, (t) => {
    const directory = makeSocketDirectory({ XDG_RUNTIME_DIR: parent })
    t.teardown(() => {
      rmSync(directory, { recursive: true })
    })
    t.false(directory.includes(parent === '' ? 'undefined' : parent))
    t.true(statSync(directory).isDirectory())
    t.true(Buffer.byteLength(join(directory, 'plugin4294967295')) <= 103)
  })
}

import { chmodSync, closeSync, openSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

import test from 'ava'

import { dyingWithHost } from '../../../src/plugins/process/setpriv.ts'
import { temporaryDirectory } from '../_setup.ts'

test('does without a setpriv that Node refuses to run', async (t) => {
  const directory = temporaryDirectory(t)
  const path = join(directory, 'setpriv')
  writeFileSync(path, 'no program')
  chmodSync(path, 0o755)
  process.env['PATH'] = directory
  // nobody may run what is being written: there Node throws
  const writing = openSync(path, 'a')
  t.teardown(() => {
    closeSync(writing)
  })
  t.is(await dyingWithHost('/bin/true'), undefined)
})

import { chmodSync, mkdirSync, renameSync, rmSync, symlinkSync, utimesSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

import test from 'ava'

import { executableNames, findExecutable, isInside, stampOf } from '../../src/plugins/executable.ts'
import { temporaryDirectory, writeScript } from './_setup.ts'

for (const [platform, arch, name] of [
  ['linux', 'x64', 'gpx_linux_amd64'],
  ['linux', 'arm64', 'gpx_linux_arm64'],
  ['linux', 'arm', 'gpx_linux_arm'],
  ['linux', 'ia32', 'gpx_linux_386'],
  ['darwin', 'arm64', 'gpx_darwin_arm64'],
  ['win32', 'x64', 'gpx_windows_amd64.exe'],
] as const) {
  test(`names the program of ${platform} on ${arch} as Go does`, (t) => {
    t.deepEqual(executableNames('gpx', { platform, arch }), [name, 'gpx'])
  })
}

test('finds the program of the platform before the bare one', (t) => {
  const directory = temporaryDirectory(t)
  const bare = writeScript(directory, 'gpx', 'true')
  const platform = { platform: 'linux', arch: 'x64' }
  t.is(findExecutable(directory, 'gpx', platform), bare)
  const own = writeScript(directory, 'gpx_linux_amd64', 'true')
  t.is(findExecutable(directory, 'gpx', platform), own)
})

test('says what it looked for when there is none', (t) => {
  const directory = temporaryDirectory(t)
  mkdirSync(join(directory, 'gpx'))
  t.throws(() => findExecutable(directory, 'gpx', { platform: 'linux', arch: 'x64' }), {
    message: 'expected an executable beside plugin.json, found none of "gpx_linux_amd64", "gpx"',
  })
})

test('says when a program may not be run', (t) => {
  const directory = temporaryDirectory(t)
  const path = writeScript(directory, 'gpx', 'true')
  chmodSync(path, 0o644)
  t.throws(() => findExecutable(directory, 'gpx'), {
    message: `expected an executable, got a file that may not be run: chmod +x "${path}"`,
  })
})

test('tells a program from the one that takes its place', (t) => {
  const directory = temporaryDirectory(t)
  const platform = { platform: 'linux', arch: 'x64' }
  const stamp = () => stampOf(directory, 'gpx', platform)
  t.is(stamp(), undefined)
  const target = writeScript(join(directory, 'v1'), 'program', 'true')
  symlinkSync(target, join(directory, 'gpx'))
  const stamps = [stamp()]
  t.is(stamp(), stamps[0])
  // written to, in place
  utimesSync(target, 1, 1)
  stamps.push(stamp())
  writeFileSync(target, 'true, indeed')
  utimesSync(target, 1, 1)
  stamps.push(stamp())
  // replaced
  renameSync(writeScript(join(directory, 'v2'), 'program', 'true'), target)
  stamps.push(stamp())
  // preferred to
  writeScript(directory, 'gpx_linux_amd64', 'true')
  stamps.push(stamp())
  t.is(new Set(stamps).size, 5)
  t.false(stamps.includes(undefined))
  rmSync(join(directory, 'gpx_linux_amd64'))
  rmSync(target)
  t.is(stamp(), undefined)
})

for (const [path, expected] of [
  ['gpx', true],
  ['bin/gpx', true],
  ['./gpx', true],
  ['a/../gpx', true],
  ['..gpx', true],
  ['.', false],
  ['..', false],
  ['../gpx', false],
  ['a/../../gpx', false],
  ['/bin/sh', false],
  ['gpx\0', false],
] as const) {
  test(`says that ${JSON.stringify(path)} is ${expected ? 'inside' : 'outside'}`, (t) => {
    t.is(isInside(path), expected)
  })
}

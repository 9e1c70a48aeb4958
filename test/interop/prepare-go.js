// Finds Go, and builds the programs of this folder.
import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, utimesSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

import { Missing, onPath, run, timed } from './prepare-tools.js'

const source = fileURLToPath(new URL('.', import.meta.url))

/** What Go says when it is the network, or the registry, that fails it, and not our source. */
const outOfReach =
  /dial tcp|lookup .* on|connect: |no such host|i\/o timeout|TLS handshake|: EOF|\b(40[34]|410|429|5\d\d) |GOPROXY=off|killed/

const isAtLeast = (version, wanted) => {
  const [have, need] = [version, wanted].map((text) => text.split('.').map(Number))
  const differs = need.findIndex((part, index) => (have[index] ?? 0) !== part)
  return differs === -1 || (have[differs] ?? 0) > need[differs]
}

export const findGo = () => {
  const wanted = /^go (\S+)$/m.exec(readFileSync(join(source, 'go.mod'), 'utf8'))[1]
  const go = [onPath('go'), '/usr/local/go/bin/go', '/usr/lib/go/bin/go'].find((path) => path && existsSync(path))
  if (go === undefined) throw new Missing(`no Go, wanted ${wanted} or later`)
  const { text, complaint } = run(go, ['env', 'GOVERSION', 'GOOS', 'GOARCH'], { env: { GOTOOLCHAIN: 'local' } })
  const [version = '', os = '', arch = ''] = text.split('\n')
  // a release candidate is as good as its release
  const number = /^go([\d.]+)/.exec(version)?.[1]
  if (number === undefined) throw new Missing(`no Go, "${go} env" said: ${complaint}`)
  if (!isAtLeast(number, wanted)) throw new Missing(`no Go ${wanted} or later, found ${number}`)
  return { go, version, platform: `${os}_${arch}` }
}

/** Its name, its package, and how it is built. The second build of the plugin is the same but for its number. */
const programs = [
  ['plugin', './plugin', []],
  ['plugin-2', './plugin', ['-ldflags', '-s -w -X main.build=2']],
  ['plugin-sdk2023', './plugin', ['-modfile=sdk2023.mod', '-tags', 'sdk2023']],
  ['prometheus', './prometheus', []],
  ['host', './host', []],
  // a program of the SDK's own, as it is: a data source that offers nothing
  ['empty', 'github.com/grafana/grafana-plugin-sdk-go/experimental/marketplace/testdata/datasourcefixture', []],
]

const goFiles = () =>
  readdirSync(source, { recursive: true })
    .filter((name) => /\.(go|mod|sum)$/.test(name) && !/^(?:apiserver|converter|kubernetes)\b/.test(name))
    .sort()

const hashOf = (version, platform) => {
  const hash = createHash('sha256').update(`${version} ${platform} ${JSON.stringify(programs)}`)
  for (const name of goFiles()) hash.update(`${name}\n`).update(readFileSync(join(source, name)))
  return hash.digest('hex').slice(0, 16)
}

const goEnvironment = { GOTOOLCHAIN: 'local', GOWORK: 'off', GOFLAGS: '-mod=readonly', CGO_ENABLED: '0' }
const flags = ['-trimpath', '-buildvcs=false', '-ldflags', '-s -w']

/** @returns {never} */
const failList = (name, complaint) => {
  if (outOfReach.test(complaint)) throw new Missing(`no Go modules for ${name}: ${complaint.split('\n').at(-1)}`)
  throw new Error(`go list of ${name} failed:\n${complaint}`)
}

const fetchModules = (go, [name, path, own], cwd) => {
  const modules = own.filter((flag) => flag.startsWith('-modfile') || flag.startsWith('-tags') || flag === 'sdk2023')
  const args = ['list', '-deps', '-f', '{{.ImportPath}}', ...modules, path]
  const { isDone, complaint } = run(go, args, { cwd, env: goEnvironment, timeoutMs: 300_000 })
  if (!isDone) failList(name, complaint)
}

export const compile = (go, program, made, cwd = source) => {
  const [name, path, own] = program
  timed(`modules of ${name}`, () => fetchModules(go, program, cwd))
  timed(`build of ${name}`, () => {
    const unfinished = `${made}.${process.pid}`
    const args = ['build', ...flags, ...own, '-o', unfinished, path]
    const { isDone, complaint } = run(go, args, { cwd, env: goEnvironment, timeoutMs: 900_000 })
    if (!isDone) throw new Error(`go build of ${name} failed:\n${complaint}`)
    renameSync(unfinished, made)
  })
}

const buildProgram = (go, directory, program) => {
  const made = join(directory, program[0])
  if (!existsSync(made)) compile(go, program, made)
  return made
}

const directoryOf = (go, path) => {
  const { isDone, text, complaint } = run(go, ['list', '-m', '-f', '{{.Dir}}', path], { env: goEnvironment })
  if (!isDone) failList(path, complaint)
  return text.trim()
}

export const buildAll = (cache) => {
  const { go, version, platform } = findGo()
  const directory = join(cache, hashOf(version, platform))
  mkdirSync(directory, { recursive: true })
  utimesSync(directory, new Date(), new Date())
  const paths = programs.map((program) => [program[0], buildProgram(go, directory, program)])
  const protos = {
    sdk: join(directoryOf(go, 'github.com/grafana/grafana-plugin-sdk-go'), 'proto'),
    goPlugin: join(directoryOf(go, 'github.com/hashicorp/go-plugin'), 'internal/plugin'),
  }
  return { version, platform, protos, ...Object.fromEntries(paths) }
}

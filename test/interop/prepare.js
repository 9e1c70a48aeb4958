// Makes what these tests run beside Node: Go programs, plugins as a generator writes them, and a Prometheus. It lies in a cache
// outside of the tree, so that a second run finds it there. What cannot be had is told with its reason, and the tests that need it
// are skipped.
import { spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  utimesSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { delimiter, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const source = fileURLToPath(new URL('.', import.meta.url))
const day = 24 * 60 * 60_000

/** What Go says when it is the network, or the registry, that fails it, and not our source. */
const outOfReach =
  /dial tcp|lookup .* on|connect: |no such host|i\/o timeout|TLS handshake|: EOF|\b(40[34]|410|429|5\d\d) |GOPROXY=off|killed/

class Missing extends Error {}

/** @returns {never} */
const missing = (name) => {
  throw new Missing(`no ${name}`)
}

const say = (text) => process.stderr.write(`${text}\n`)

const run = (program, args, { env = {}, cwd = source, timeoutMs = 30_000 } = {}) => {
  const { status, error, stdout, stderr } = spawnSync(program, args, {
    cwd,
    env: { ...process.env, ...env },
    encoding: 'utf8',
    maxBuffer: 64 * 1024 * 1024,
    timeout: timeoutMs,
    killSignal: 'SIGKILL',
  })
  const reason = error === undefined ? '' : error.code === 'ETIMEDOUT' ? 'killed, it took too long' : error.message
  return { isDone: status === 0, text: stdout ?? '', complaint: `${stderr ?? ''}${reason}`.trim() }
}

const timed = (what, act) => {
  const begun = performance.now()
  const made = act()
  say(`${what}: ${((performance.now() - begun) / 1000).toFixed(1)} s`)
  return made
}

/** One directory a user, so that nobody else puts programs there. */
const cacheDirectory = () => {
  const parent = process.env.XDG_CACHE_HOME
  const directory = parent
    ? join(parent, 'dataplane-aggregator-interop')
    : join(tmpdir(), `dataplane-aggregator-interop-${process.getuid?.() ?? 0}`)
  mkdirSync(directory, { recursive: true, mode: 0o700 })
  if (process.getuid !== undefined && statSync(directory).uid !== process.getuid())
    throw new Error(`${directory} belongs to another user`)
  return directory
}

/** Deletes what no run has used for a day. */
const prune = (directory) => {
  for (const name of readdirSync(directory)) {
    const path = join(directory, name)
    if (Date.now() - statSync(path).mtimeMs > day) rmSync(path, { recursive: true, force: true })
  }
}

const onPath = (name) =>
  (process.env.PATH ?? '')
    .split(delimiter)
    .filter((directory) => directory !== '')
    .map((directory) => join(directory, name))
    .find((path) => existsSync(path))

const isAtLeast = (version, wanted) => {
  const [have, need] = [version, wanted].map((text) => text.split('.').map(Number))
  const differs = need.findIndex((part, index) => (have[index] ?? 0) !== part)
  return differs === -1 || (have[differs] ?? 0) > need[differs]
}

const findGo = () => {
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
    .filter((name) => /\.(go|mod|sum)$/.test(name))
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

const compile = (go, program, made, cwd = source) => {
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

const buildAll = (cache) => {
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

/** What Grafana gives to whoever begins a plugin; it writes a data source, or an app, with a backend in Go. */
const generator = { name: '@grafana/create-plugin', version: '7.1.7' }
const published = ['datasource', 'app']

const fetchGenerator = (cwd) => {
  const npm = onPath('npm') ?? missing('npm')
  const quiet = ['--no-save', '--no-audit', '--no-fund', '--fetch-retries=1']
  const args = ['install', '--ignore-scripts', ...quiet, '--prefix', cwd]
  const { isDone, complaint } = run(npm, [...args, `${generator.name}@${generator.version}`], {
    cwd,
    timeoutMs: 120_000,
  })
  const why = complaint.split('\n').find((line) => /error|killed/.test(line))
  if (!isDone) throw new Missing(`no ${generator.name}: ${why ?? complaint}`)
  return join(cwd, 'node_modules', generator.name, 'dist/bin/run.js')
}

/** As its authors' build does: the program and plugin.json lie in `dist`. Of the source it writes, nothing is changed. */
const buildPublished = (go, platform, cwd, script, type) => {
  const args = [
    script,
    'generate',
    '--plugin-type',
    type,
    '--backend',
    '--plugin-name',
    'interop',
    '--org-name',
    'acme',
  ]
  // it finds no Go, and leaves the modules as they were published; no npx, and leaves the frontend as it is
  const { isDone, text, complaint } = run(process.execPath, args, { cwd, env: { PATH: cwd } })
  const directory = join(cwd, `acme-interop-${type}`)
  const pluginJson = join(directory, 'src/plugin.json')
  if (!isDone || !existsSync(pluginJson)) throw new Error(`${generator.name} made no ${type}:\n${text}${complaint}`)
  mkdirSync(join(directory, 'dist'))
  const { executable } = JSON.parse(readFileSync(pluginJson, 'utf8'))
  compile(go, [`published ${type}`, './pkg', []], join(directory, 'dist', `${executable}_${platform}`), directory)
  copyFileSync(pluginJson, join(directory, 'dist/plugin.json'))
}

/** The directory of all of them, made at once or not at all. */
const makePublished = (cache) => {
  const { go, version, platform } = findGo()
  const hash = createHash('sha256').update(JSON.stringify([generator, published, version, platform]))
  const made = join(cache, `published-${hash.digest('hex').slice(0, 16)}`)
  if (existsSync(made)) {
    utimesSync(made, new Date(), new Date())
    return made
  }
  const unfinished = `${made}.${process.pid}`
  mkdirSync(unfinished, { recursive: true })
  try {
    const script = timed(`fetch of ${generator.name}`, () => fetchGenerator(unfinished))
    for (const type of published) buildPublished(go, platform, unfinished, script, type)
    rmSync(join(unfinished, 'node_modules'), { recursive: true })
    renameSync(unfinished, made)
  } finally {
    rmSync(unfinished, { recursive: true, force: true })
  }
  return made
}

/** The one of this machine, or Debian's package, laid open in the cache and not installed. */
const findPrometheus = (cache) => {
  const installed = onPath('prometheus')
  if (installed !== undefined) return installed
  const made = join(cache, 'prometheus')
  const program = join(made, 'usr/bin/prometheus')
  if (existsSync(program)) {
    utimesSync(made, new Date(), new Date())
    return program
  }
  if (onPath('apt-get') === undefined || onPath('dpkg-deb') === undefined)
    throw new Missing('no prometheus on the PATH, and no apt-get to fetch it with')
  const unfinished = `${made}.${process.pid}`
  mkdirSync(unfinished, { recursive: true })
  try {
    timed('fetch of prometheus', () => {
      const download = () => run('apt-get', ['download', '-q', 'prometheus'], { cwd: unfinished, timeoutMs: 120_000 })
      let { isDone, complaint } = download()
      // the lists of packages may be old, or not there yet
      if (!isDone && process.getuid?.() === 0 && run('apt-get', ['update', '-q'], { timeoutMs: 120_000 }).isDone)
        ({ isDone, complaint } = download())
      if (!isDone) throw new Missing(`no prometheus: ${complaint.split('\n').at(-1)}`)
      const [file = ''] = readdirSync(unfinished).filter((name) => name.endsWith('.deb'))
      const opened = run('dpkg-deb', ['-x', file, '.'], { cwd: unfinished, timeoutMs: 120_000 })
      if (!opened.isDone) throw new Missing(`no prometheus: ${opened.complaint}`)
      for (const other of [file, 'usr/bin/promtool', 'usr/share', 'var', 'etc', 'lib'])
        rmSync(join(unfinished, other), { recursive: true, force: true })
      renameSync(unfinished, made)
    })
  } finally {
    rmSync(unfinished, { recursive: true, force: true })
  }
  return program
}

const orReason = (make) => {
  try {
    return { have: make() }
  } catch (error) {
    if (!(error instanceof Missing)) throw error
    say(`skipped: ${error.message}`)
    return { skipped: error.message }
  }
}

/** Shape: `{ go: { have: { plugin: '/…', … } }, prometheus: { skipped: 'no prometheus…' }, curl: { have: '/usr/bin/curl' } }`. */
export const prepare = () => {
  const cache = cacheDirectory()
  prune(cache)
  const go = orReason(() => buildAll(cache))
  return {
    go,
    published: go.have === undefined ? go : orReason(() => makePublished(cache)),
    prometheus: go.have === undefined ? go : orReason(() => findPrometheus(cache)),
    // ends a process together with the one that started it
    setpriv: orReason(() => onPath('setpriv') ?? missing('setpriv')),
    curl: orReason(() => onPath('curl') ?? missing('curl')),
  }
}

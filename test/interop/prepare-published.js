// Builds plugins as a generator of Grafana's writes them.
import { createHash } from 'node:crypto'
import { copyFileSync, existsSync, mkdirSync, readFileSync, renameSync, rmSync, utimesSync } from 'node:fs'
import { join } from 'node:path'

import { compile, findGo } from './prepare-go.js'
import { Missing, missing, onPath, run, timed } from './prepare-tools.js'

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
export const makePublished = (cache) => {
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

// Bundles the tests, and the programs that they run, before a run: types are stripped, and what two of them import is in chunks
// that they share, so that a module is still there once. An import of `src/index.ts` by its 400 files costs each worker as much
// again as all that they import. Packages are imported as they are.
import { existsSync, mkdirSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { join, relative, resolve } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'

import { build, stop } from 'esbuild'

const root = fileURLToPath(new URL('../..', import.meta.url))
const fastCheck = fileURLToPath(new URL('fast-check.js', import.meta.url))
const bundles = join(root, 'node_modules/.cache/test-bundles')

/** Of what AVA is told to run: a file, with lines or without, a directory, or a pattern of them. */
const patternOf = (argument) => {
  const path = relative(root, resolve(argument.replace(/:[\d,-]+$/, '')))
  const parts = { '**/': '(.*/)?', '**': '.*', '*': '[^/]*' }
  return new RegExp(`^${path.replace(/[*][*][/]?|[^\w/]/g, (part) => parts[part] ?? `\\${part}`)}(/|$)`)
}

/** What AVA runs, so that a single test does not wait for all to be bundled, nor for all to be right. */
const asked = (tests) => {
  const patterns = process.argv.slice(2).map(patternOf)
  const some = tests.filter((test) => patterns.some((pattern) => pattern.test(test)))
  return some.length === 0 ? tests : some
}

/** What is named in a test by its path from the root. */
const programsOf = (test) =>
  [...readFileSync(join(root, test), 'utf8').matchAll(/'((?:src|examples|test)[/][\w/.-]+[.]ts)'/g)]
    .map(([, path]) => path)
    .filter((path) => existsSync(join(root, path)))

const entryPoints = (isTest) => {
  const all = ['test', 'examples']
    .flatMap((folder) => readdirSync(join(root, folder), { recursive: true }).map((name) => join(folder, name)))
    .filter((name) => name.endsWith('.test.ts') && isTest(name))
  const tests = asked(all)
  return [...new Set([...tests, ...tests.flatMap(programsOf)])]
}

/** A file finds what lies beside it by where it was, not by the bundle's place. */
const knowWhereItWas = {
  name: 'know-where-it-was',
  setup: ({ onLoad }) =>
    onLoad({ filter: /[.]ts$/ }, ({ path }) => {
      const url = JSON.stringify(pathToFileURL(path).href)
      return { loader: 'ts', contents: readFileSync(path, 'utf8').replaceAll('import.meta.url', url) }
    }),
}

const ownFastCheck = {
  name: 'own-fast-check',
  setup: ({ onResolve }) =>
    onResolve({ filter: /^fast-check$/ }, ({ importer }) =>
      importer === fastCheck ? { path: 'fast-check', external: true } : { path: fastCheck },
    ),
}

/** Deletes what runs have left that were killed. */
const prune = () => {
  for (const pid of readdirSync(bundles)) {
    try {
      process.kill(Number(pid), 0)
    } catch {
      rmSync(join(bundles, pid), { recursive: true, force: true })
    }
  }
}

/** Bundles what is a test. Gives the directory, where `test/a.test.ts` is `test/a.test.js`. It is there until this process ends. */
export const bundle = async (isTest) => {
  mkdirSync(bundles, { recursive: true })
  prune()
  const directory = join(bundles, String(process.pid))
  process.on('exit', () => rmSync(directory, { recursive: true, force: true }))
  await build({
    absWorkingDir: root,
    entryPoints: entryPoints(isTest),
    outbase: '.',
    outdir: directory,
    bundle: true,
    splitting: true,
    format: 'esm',
    platform: 'node',
    target: 'node20',
    packages: 'external',
    // what an example imports by the package's name
    alias: { 'dataplane-aggregator': './src/index.ts', 'dataplane-aggregator/testing': './src/testing/index.ts' },
    plugins: [knowWhereItWas, ownFastCheck],
    treeShaking: false,
    sourcemap: 'linked',
    sourcesContent: false,
    logLevel: 'warning',
  })
  await stop()
  writeFileSync(join(directory, 'package.json'), '{ "type": "module" }')
  return directory
}

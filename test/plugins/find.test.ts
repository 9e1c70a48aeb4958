import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

import test, { type ExecutionContext } from 'ava'

import { findPlugins } from '../../src/plugins/find.ts'
import { recordingLogger, temporaryDirectory } from './_setup.ts'

const pluginJson = (id: string, extra: object = {}): string =>
  JSON.stringify({ id, type: 'datasource', backend: true, executable: 'gpx_x', info: { version: '1.0.0' }, ...extra })

/** Finds in a directory of the given files; warnings are told with the directory cut off. */
const find = (t: ExecutionContext, files: Readonly<Record<string, string>>, prepare?: (root: string) => void) => {
  const root = temporaryDirectory(t)
  for (const [path, text] of Object.entries(files)) {
    mkdirSync(join(root, path, '..'), { recursive: true })
    writeFileSync(join(root, path), text)
  }
  prepare?.(root)
  const logger = recordingLogger()
  const found = findPlugins(root, logger).map(({ pluginJson, ...plugin }) => ({
    ...plugin,
    directory: plugin.directory.slice(root.length + 1),
    ...(pluginJson.routes === undefined ? {} : { routes: pluginJson.routes.length }),
  }))
  const warnings = logger.lines.map(({ level, fields }) => [
    level,
    String(fields['file'] ?? fields['directory']).slice(root.length + 1),
    String(fields['cause']).replace(root, ''),
  ])
  return { found, warnings }
}
const ids = (found: ReadonlyArray<{ readonly id: string }>): ReadonlyArray<string> => found.map(({ id }) => id)

test('finds plugins at any depth', (t) => {
  const { found, warnings } = find(t, {
    'a/plugin.json': pluginJson('a'),
    'b/c/d/plugin.json': pluginJson('d', { info: {}, executable: 'bin/gpx_d' }),
  })
  t.deepEqual(found, [
    { id: 'a', version: '1.0.0', directory: 'a', executable: 'gpx_x' },
    { id: 'd', version: '', directory: 'b/c/d', executable: 'bin/gpx_d' },
  ])
  t.deepEqual(warnings, [])
})

test('finds a plugin inside the directory of another', (t) => {
  const { found } = find(t, {
    'app/plugin.json': pluginJson('app', { type: 'app' }),
    'app/datasource/plugin.json': pluginJson('child'),
  })
  t.deepEqual(ids(found), ['app', 'child'])
})

test('takes the built plugin.json where there is a second one beside its directory', (t) => {
  const { found, warnings } = find(t, {
    'a/plugin.json': pluginJson('a'),
    'a/dist/plugin.json': pluginJson('a', { info: { version: '2.0.0' } }),
  })
  t.deepEqual(found, [{ id: 'a', version: '2.0.0', directory: 'a/dist', executable: 'gpx_x' }])
  t.deepEqual(warnings, [])
})

test('finds a plugin without a program when it has routes', (t) => {
  const routes = [{ path: 'api' }]
  const { found, warnings } = find(t, {
    'frontend/plugin.json': pluginJson('frontend', { backend: false, routes }),
    'panel/plugin.json': pluginJson('panel', { type: 'panel', backend: false, routes }),
  })
  t.deepEqual(found, [{ id: 'frontend', version: '1.0.0', directory: 'frontend', executable: undefined, routes: 1 }])
  t.deepEqual(warnings, [])
})

test('passes over what has no program to run and no routes', (t) => {
  const { found, warnings } = find(t, {
    'frontend/plugin.json': pluginJson('frontend', { backend: false }),
    'panel/plugin.json': pluginJson('panel', { type: 'panel' }),
    'silent/plugin.json': JSON.stringify({ id: 'silent', type: 'datasource' }),
    'node_modules/x/plugin.json': pluginJson('x'),
    'other/plugin.json.bak': 'not read',
  })
  t.deepEqual(found, [])
  t.deepEqual(warnings, [])
})

test('takes the first of two plugins with one id, in the order of their paths', (t) => {
  const { found, warnings } = find(t, {
    'b/plugin.json': pluginJson('same', { info: { version: '2.0.0' } }),
    'a/plugin.json': pluginJson('same'),
  })
  t.deepEqual(
    found.map(({ directory }) => directory),
    ['a'],
  )
  t.deepEqual(warnings, [['warn', 'b/plugin.json', 'plugin "same" was found before, in /a']])
})

for (const [what, text, cause] of [
  ['that is no JSON', '{', /JSON/],
  ['that is empty', '', /JSON/],
  ['without id', JSON.stringify({ type: 'app' }), /^id: expected string, got nothing$/],
  ['of an unknown type', pluginJson('x', { type: 'theme' }), /^type: expected /],
  ['with an id that is a path', pluginJson('../x'), /^id: expected letters/],
  ['with a backend but no executable', pluginJson('x', { executable: '' }), /^expected "executable"/],
  ['with an executable outside', pluginJson('x', { executable: '../../bin/sh' }), /^expected "executable" inside/],
  ['with an absolute executable', pluginJson('x', { executable: '/bin/sh' }), /^expected "executable" inside/],
] as const) {
  test(`skips a plugin.json ${what} with a warning, and finds the others`, (t) => {
    const { found, warnings } = find(t, { 'bad/plugin.json': text, 'good/plugin.json': pluginJson('good') })
    t.deepEqual(ids(found), ['good'])
    t.is(warnings.length, 1)
    t.deepEqual(warnings[0]?.slice(0, 2), ['warn', 'bad/plugin.json'])
    t.regex(warnings[0]?.[2] ?? '', cause)
  })
}

test('follows symlinks, but not round and round', (t) => {
  const elsewhere = temporaryDirectory(t)
  writeFileSync(join(elsewhere, 'plugin.json'), pluginJson('linked'))
  const { found, warnings } = find(t, { 'a/plugin.json': pluginJson('a') }, (root) => {
    symlinkSync(root, join(root, 'a', 'up'))
    symlinkSync(elsewhere, join(root, 'b'))
    symlinkSync(join(root, 'nowhere'), join(root, 'broken'))
  })
  t.deepEqual(ids(found), ['a', 'linked'])
  t.deepEqual(warnings, [])
})

test('warns of a root that is missing', (t) => {
  const logger = recordingLogger()
  t.deepEqual(findPlugins('/nowhere/at/all', logger), [])
  t.like(logger.lines[0], { level: 'warn', fields: { directory: '/nowhere/at/all' } })
  t.is(logger.lines.length, 1)
})

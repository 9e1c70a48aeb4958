import { execFile } from 'node:child_process'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'

import test, { type ExecutionContext } from 'ava'

import { lint, type InstalledPlugins } from '../../src/cli/lint.ts'
import { E } from '../../src/fp.ts'
import { bundleOf } from '../_setup/bundle-of.ts'

const object = (name: string, more = '', services = '\n    - type: query') =>
  `apiVersion: aggregation.grafana.app/v0alpha1
kind: DataPlaneService
metadata:
  name: ${name}
spec:
  pluginID: p
  pluginType: datasource
  group: ${name}.example.com
  version: v1${more}
  services:${services}
`

const check = (files: Readonly<Record<string, string>>, plugins?: InstalledPlugins): ReadonlyArray<string> =>
  lint(
    Object.entries(files).map(([name, text]) => ({ name, text: E.right(text) })),
    plugins,
  ).map(({ file, line, message }) => `${file}:${String(line)}: ${message}`)

test('finds nothing wrong with what serves', (t) => {
  t.deepEqual(check({ 'a.yml': object('a'), 'b.json': '{"kind":"List","items":[]}' }), [])
})

test('tells the line of a wrong field, behind comments and other documents', (t) => {
  const text = `# one\n${object('a')}---\n\n# two\n${object('b', '', '\n    - type: query\n    - type: route\n      path: nope')}`
  t.deepEqual(check({ 'a.yml': text }), ['a.yml:28: spec.services[1].path: must start with "/"'])
})

test('tells the line of the object for a field that is missing', (t) => {
  t.deepEqual(check({ 'a.yml': object('a').replace('  pluginID: p\n', '') }), [
    'a.yml:5: spec.pluginID: expected string, got nothing',
  ])
})

test('tells the line of an item of a list', (t) => {
  const item = (name: string, group: string) =>
    JSON.stringify({
      apiVersion: 'aggregation.grafana.app/v0alpha1',
      kind: 'DataPlaneService',
      metadata: { name },
      spec: { pluginID: 'p', pluginType: 'app', group, version: 'v1', services: [{ type: 'settings' }] },
    })
  const text = `{"kind": "List", "items": [\n${item('a', 'a.example.com')},\n${item('b', 'apps')}\n]}`
  t.deepEqual(check({ 'a.json': text }), ['a.json:3: spec.group: group "apps" is reserved'])
})

test('finds a name that two files define, and a path that two objects claim', (t) => {
  const other = object('b').replace('b.example.com', 'a.example.com')
  t.deepEqual(check({ 'a.yml': object('a'), 'b.yml': `${other}---\n${object('a')}` }), [
    'b.yml:11: spec.services[0]: POST /namespaces/{namespace}/connections/{uid}/query is claimed by DataPlaneService "a"',
    'b.yml:11: spec.services[0]: POST /namespaces/{namespace}/datasources/{uid}/query is claimed by DataPlaneService "a"',
    'b.yml:16: metadata.name: "a" is already defined in a.yml',
  ])
})

test('tells where YAML ends to be YAML, and goes on with the other files', (t) => {
  t.deepEqual(
    check({ 'a.yml': 'a: 1\nb: [\n', 'b.yml': object('b', '\n  services: 1') }).map((line) => line.slice(0, 28)),
    ['a.yml:3: expected YAML, got ', 'b.yml:11: expected YAML, got'],
  )
})

test('checks the objects against the plugins that there are', (t) => {
  const plugins = new Map([['p', { id: 'p', type: 'app' as const }]])
  t.deepEqual(check({ 'a.yml': object('a'), 'b.yml': object('b').replace('ID: p', 'ID: q') }, plugins), [
    'a.yml:7: spec.pluginType: plugin "p" is of type "app"',
    'b.yml:6: spec.pluginID: plugin "q" is not installed',
  ])
  const backend = object('a', '\n  backend: { type: http, baseURL: "http://b:80" }')
  t.deepEqual(check({ 'a.yml': backend }, new Map()), [])
})

interface Ended {
  readonly code: number
  readonly stdout: string
  readonly stderr: string
}

const program = bundleOf('src/cli/main.ts')

const start = (...args: ReadonlyArray<string>) => promisify(execFile)(process.execPath, [program, ...args])

const ended = async (started: ReturnType<typeof start>): Promise<Ended> => {
  try {
    return { code: 0, ...(await started) }
  } catch (cause) {
    return cause as Ended
  }
}

const run = (...args: ReadonlyArray<string>): Promise<Ended> => ended(start(...args))

const folder = async (t: ExecutionContext, files: Readonly<Record<string, string>>): Promise<string> => {
  const dir = await mkdtemp(join(tmpdir(), 'lint-'))
  t.teardown(() => rm(dir, { recursive: true }))
  for (const [name, text] of Object.entries(files)) await writeFile(join(dir, name), text)
  return dir
}

test('prints file and line, and ends with 1 where something is wrong', async (t) => {
  const dir = await folder(t, { 'a.yml': object('a').replace('v1', 'V1') })
  const cut = start('lint', dir)
  // as `head` does when it has read enough
  cut.child.stdout?.destroy()
  const [wrong, unread, right, nowhere] = await Promise.all([
    run('lint', dir),
    ended(cut),
    run('lint', 'examples/dataplaneservices', '--plugins', 'examples/plugins'),
    run('lint', join(dir, 'nope')),
  ])
  t.like(wrong, {
    code: 1,
    stdout: `${join(dir, 'a.yml')}:9: spec.version: expected a version such as "v0alpha1", got "V1"\n`,
    stderr: '1 files, 1 problems\n',
  })
  t.like(unread, { code: 1, stderr: '1 files, 1 problems\n' })
  t.like(right, { code: 0, stdout: '' })
  t.is(nowhere.code, 2)
  t.regex(nowhere.stderr, /no such file or directory/)
})

test('explains a request to the objects of a folder', async (t) => {
  const dir = await folder(t, { 'a.yml': object('a') })
  const path = '/apis/a.example.com/v1/namespaces/default/datasources/p1/query'
  const [claimed, missed, misused] = await Promise.all([
    run('explain', dir, 'post', `http://localhost:3000${path}?x=1`),
    run('explain', dir, 'GET', '/healthz'),
    run('explain', dir),
  ])
  t.like(JSON.parse(claimed.stdout), { to: 'us', dataPlaneService: 'a', type: 'query', path })
  t.like(missed, { code: 1 })
  t.like(JSON.parse(missed.stdout), { to: 'next' })
  t.is(misused.code, 2)
  t.regex(misused.stderr, /^cannot make sense of "explain .*"\nusage:/)
})

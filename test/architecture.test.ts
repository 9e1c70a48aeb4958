import { execFile } from 'node:child_process'
import { cp, mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join, relative } from 'node:path'
import { fileURLToPath } from 'node:url'

import test from 'ava'

interface Plant {
  readonly file: string
  readonly text: string
  /** The one rule that must be red for the file; `undefined`: none may be. */
  readonly breaks: string | undefined
}

/** Rules that are red, by file. */
type Findings = ReadonlyMap<string, ReadonlySet<string>>

const root = fileURLToPath(new URL('..', import.meta.url))

const innocents = [
  'examples/innocent.ts',
  'src/decode.ts',
  'src/errors.ts',
  'src/index.ts',
  'src/options.ts',
  'src/api/innocent.ts',
  'src/cli/innocent.ts',
  'src/frames/innocent.ts',
  'src/plugins/grpc/innocent.ts',
  'src/testing/innocent.ts',
  'test/innocent.ts',
].map((file): Plant => ({ file, text: "export type Innocent = 'a' | 'b'\n", breaks: undefined }))

/** A file that imports a type, which is the easiest import to miss. */
const importing = (file: string, breaks: string | undefined, from: string): Plant => ({
  file,
  text: `import type * as imported from '${from}'\nexport type Imported = typeof imported\n`,
  breaks,
})

const doorOf = (name: string, file: string): ReadonlyArray<Plant> => [
  importing(file, undefined, name),
  importing(`src/sources/${name.replace(/\W/g, '-')}.ts`, `one-door-for-${name}`, name),
]

const forbiddenImports = [
  importing('src/routing/room.ts', 'rooms-never-import-rooms', '../frames/innocent.ts'),
  importing('src/layers/subfolder.ts', 'rooms-never-import-rooms', '../plugins/grpc/innocent.ts'),
  importing('src/plugins/process/room.ts', 'rooms-never-import-rooms', '../../frames/innocent.ts'),
  importing('src/plugins/own-room.ts', undefined, './grpc/innocent.ts'),
  importing('src/routing/ground-floor.ts', undefined, '../errors.ts'),
  importing('src/routing/api.ts', undefined, '../api/innocent.ts'),
  importing('src/services/roof.ts', 'rooms-never-import-the-roof', '../options.ts'),
  importing('src/api/ground-floor.ts', 'api-stands-on-decode-and-fp', '../errors.ts'),
  importing('src/api/room.ts', 'api-stands-on-decode-and-fp', '../frames/innocent.ts'),
  importing('src/api/decode.ts', undefined, '../decode.ts'),
  importing('src/room.ts', 'ground-floor-knows-no-room', './frames/innocent.ts'),
  importing('src/roof.ts', 'ground-floor-knows-no-room', './index.ts'),
  importing('src/aggregator.ts', undefined, './frames/innocent.ts'),
  importing('src/dispatch.ts', 'testing-is-for-users', './testing/innocent.ts'),
  importing('src/testing/anything.ts', undefined, '../frames/innocent.ts'),
  importing('src/testing/program.ts', 'cli-is-a-program', '../cli/innocent.ts'),
  importing('src/cli/anything.ts', undefined, '../frames/innocent.ts'),
  importing('src/test.ts', 'src-stands-alone', '../test/innocent.ts'),
  importing('examples/inside.ts', 'examples-use-the-public-entries', '../src/errors.ts'),
  importing('examples/public.ts', undefined, 'dataplane-aggregator'),
  importing('src/layers/file.ts', 'pure-rooms-touch-no-node', 'node:fs'),
  importing('src/frames/arrow.ts', 'no-package-without-a-door', 'apache-arrow'),
  { file: 'src/express/app.ts', text: "import 'express'\n", breaks: 'express-lends-only-types' },
  importing('src/sources/one.ts', 'no-cycles', './two.ts'),
  // The cycle is told once, of the file where it was found first.
  importing('src/sources/two.ts', undefined, './one.ts'),
  ...doorOf('@grpc/grpc-js', 'src/plugins/grpc/client.ts'),
  ...doorOf('@grpc/proto-loader', 'src/plugins/grpc/proto.ts'),
  ...doorOf('@opentelemetry/api', 'src/telemetry/tracing.ts'),
  ...doorOf('express', 'src/express/types.ts'),
  ...doorOf('fast-json-patch', 'src/json-patch.ts'),
  ...doorOf('fp-ts', 'src/fp.ts'),
  ...doorOf('http-proxy-middleware', 'src/proxy/forward.ts'),
  ...doorOf('io-ts', 'src/api/codec.ts'),
  ...doorOf('lru-cache', 'src/contexts/cached.ts'),
  importing('src/proxy/pools.ts', undefined, 'lru-cache'),
  ...doorOf('node:child_process', 'src/plugins/process/child.ts'),
  ...doorOf('node:http', 'src/express/server.ts'),
  importing('src/proxy/server.ts', undefined, 'node:http'),
  ...doorOf('node:https', 'src/kubernetes/transport.ts'),
  ...doorOf('prom-client', 'src/telemetry/metrics.ts'),
  ...doorOf('ws', 'src/express/websocket.ts'),
  ...doorOf('yaml', 'src/yaml.ts'),
]

const asserted =
  "import type { Innocent } from '../errors.ts'\nexport const asserted = JSON.parse('\"a\"') as Innocent\n"

const forbiddenCode: ReadonlyArray<Plant> = [
  { file: 'src/console.ts', text: "console.log('said')\n", breaks: 'no-console' },
  { file: 'src/disabled.ts', text: "/* eslint-disable */\nconsole.log('said')\n", breaks: 'no-console' },
  { file: 'src/default.ts', text: 'export default 1\n', breaks: 'no-restricted-exports' },
  { file: 'src/testing/index.ts', text: "export type * from './innocent.ts'\n", breaks: 'no-restricted-syntax' },
  { file: 'src/comment.ts', text: '// To' + 'do: later\n', breaks: 'no-warning-comments' },
  { file: 'src/any.ts', text: 'export type Loose = any\n', breaks: '@typescript-eslint/no-explicit-any' },
  {
    file: 'src/floating.ts',
    text: 'void 0\nPromise.resolve()\n',
    breaks: '@typescript-eslint/no-floating-promises',
  },
  {
    file: 'src/import.ts',
    text: "import { Innocent } from './errors.ts'\nexport const imported: Innocent = 'a'\n",
    breaks: '@typescript-eslint/consistent-type-imports',
  },
  {
    file: 'src/switch.ts',
    text: [
      "import type { Innocent } from './errors.ts'",
      'export const toNumber = (value: Innocent): number => {',
      "  switch (value) { case 'a': return 1 }",
      '}\n',
    ].join('\n'),
    breaks: '@typescript-eslint/switch-exhaustiveness-check',
  },
  { file: 'src/routing/asserted.ts', text: asserted, breaks: '@typescript-eslint/consistent-type-assertions' },
  {
    file: 'src/asserted.ts',
    text: asserted.replace('../', './'),
    breaks: '@typescript-eslint/consistent-type-assertions',
  },
  { file: 'src/contexts/asserted.ts', text: asserted, breaks: undefined },
  { file: 'src/routing/constant.ts', text: "export const constant = ['a'] as const\n", breaks: undefined },
]

const plant = async (plants: ReadonlyArray<Plant>): Promise<string> => {
  const directory = await mkdtemp(join(tmpdir(), 'architecture-'))
  for (const name of ['.dependency-cruiser.js', 'eslint.config.js', 'package.json', 'tsconfig.json']) {
    await cp(join(root, name), join(directory, name))
  }
  await symlink(join(root, 'node_modules'), join(directory, 'node_modules'))
  for (const { file, text } of plants) {
    await mkdir(join(directory, dirname(file)), { recursive: true })
    await writeFile(join(directory, file), text)
  }
  return directory
}

/** What a tool writes to stdout, whatever its exit code, which tells no more than the findings do. */
const output = (directory: string, tool: string, ...options: ReadonlyArray<string>): Promise<string> =>
  new Promise((resolve, reject) => {
    const settle = (error: Error | null, stdout: string, stderr: string): void => {
      if (stdout === '') reject(new Error(`expected findings of ${tool}, got "${stderr}"`, { cause: error }))
      else resolve(stdout)
    }
    const file = join(root, 'node_modules', tool)
    execFile(process.execPath, [file, ...options], { cwd: directory, maxBuffer: 2 ** 26 }, settle)
  })

const group = (findings: ReadonlyArray<readonly [file: string, rule: string]>): Findings => {
  const byFile = new Map<string, Set<string>>()
  for (const [file, rule] of findings) byFile.set(file, (byFile.get(file) ?? new Set()).add(rule))
  return byFile
}

interface Cruise {
  readonly summary: {
    readonly violations: ReadonlyArray<{ readonly from: string; readonly rule: { readonly name: string } }>
    readonly ruleSetUsed: { readonly forbidden: ReadonlyArray<{ readonly name: string }> }
  }
}

const cruise = async (directory: string): Promise<Cruise['summary']> => {
  const options = ['--output-type', 'json', 'src', 'examples']
  const text = await output(directory, 'dependency-cruiser/bin/dependency-cruise.mjs', ...options)
  return (JSON.parse(text) as Cruise).summary
}

const brokenWalls = async (directory: string): Promise<Findings> => {
  const { violations } = await cruise(directory)
  return group(violations.map(({ from, rule }) => [from, rule.name]))
}

const brokenRules = async (directory: string): Promise<Findings> => {
  const text = await output(directory, 'eslint/bin/eslint.js', '--quiet', '--format', 'json', 'src')
  const files = JSON.parse(text) as { filePath: string; messages: { ruleId: string | null; message: string }[] }[]
  return group(
    files.flatMap(({ filePath, messages }) =>
      messages.map(({ ruleId, message }) => [relative(directory, filePath), ruleId ?? message] as const),
    ),
  )
}

const holds = (name: string, plants: ReadonlyArray<Plant>, check: (directory: string) => Promise<Findings>): void => {
  test(`sees each forbidden ${name}, and nothing else`, async (t) => {
    const directory = await plant([...innocents, ...plants])
    t.teardown(() => rm(directory, { recursive: true }))
    const findings = await check(directory)
    for (const { file, breaks } of [...innocents, ...plants]) {
      t.deepEqual([...(findings.get(file) ?? [])], breaks === undefined ? [] : [breaks], file)
    }
  })
}

holds('import', forbiddenImports, brokenWalls)
holds('piece of code', forbiddenCode, brokenRules)

test('finds every wall standing in the present tree, and knows a violation of each', async (t) => {
  const { violations, ruleSetUsed } = await cruise(root)
  t.deepEqual(violations, [])
  const planted = new Set(forbiddenImports.map(({ breaks }) => breaks))
  const unproven = ruleSetUsed.forbidden.filter(({ name }) => !planted.has(name))
  t.deepEqual(unproven, [])
})

import { prepare } from './prepare.js'

export default {
  files: ['test/interop/**/*.test.ts'],
  extensions: { ts: 'module' },
  require: ['./test/_setup/typescript.js'],
  nodeArguments: ['--conditions=dataplane-aggregator:source'],
  environmentVariables: { INTEROP_TOOLS: JSON.stringify(prepare()) },
  // processes that the tests start are measured and killed: one file at a time, each in a process of its own
  concurrency: 1,
  workerThreads: false,
  timeout: '120s',
}

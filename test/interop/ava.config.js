import { bundle } from '../_setup/bundle.js'
import { prepare } from './prepare.js'

export default async () => ({
  files: ['test/interop/**/*.test.ts'],
  extensions: ['ts'],
  require: ['./test/_setup/load.js'],
  environmentVariables: {
    INTEROP_TOOLS: JSON.stringify(prepare()),
    TEST_BUNDLE: await bundle((test) => test.startsWith('test/interop/')),
  },
  // processes that the tests start are measured and killed: one file at a time, each in a process of its own
  concurrency: 1,
  workerThreads: false,
  timeout: '120s',
})

import { bundle } from './test/_setup/bundle.js'

export default async () => ({
  files: ['test/**/*.test.ts', 'examples/**/*.test.ts', '!test/interop/**'],
  extensions: ['ts'],
  require: ['./test/_setup/load.js'],
  environmentVariables: { TEST_BUNDLE: await bundle((test) => !test.startsWith('test/interop/')) },
  timeout: '60s',
})

// Has a worker of AVA, which imports a test by its name, import what it was bundled to.
import { createRequire } from 'node:module'
import { join, relative } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'

const root = fileURLToPath(new URL('../..', import.meta.url))

// AVA awaits what it requires
createRequire(import.meta.url).extensions['.ts'] = (module, path) => {
  const file = join(process.env.TEST_BUNDLE, relative(root, path).replace(/ts$/, 'js'))
  module.exports = import(pathToFileURL(file).href)
}

import { existsSync } from 'node:fs'
import { join } from 'node:path'

/**
 * The file that a module was bundled to, for a process that a test starts. A test names the module by its path from the root, such
 * as 'src/cli/main.ts', and in single quotes: bundle.js looks for that.
 */
export const bundleOf = (path: string): string => {
  const bundle = join(process.env['TEST_BUNDLE'] ?? '', path.replace(/ts$/, 'js'))
  if (!existsSync(bundle)) throw new Error(`expected a test that names '${path}' in single quotes, got none`)
  return bundle
}

// A loader hook of Node that strips types, keeps what it made of a file until the file changes, and imports JSON as TypeScript does.
import { mkdirSync, readFileSync, renameSync, statSync, writeFileSync } from 'node:fs'
import { createHash } from 'node:crypto'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

const cache = fileURLToPath(new URL('../../node_modules/.cache/stripped/', import.meta.url))
mkdirSync(cache, { recursive: true })

/** Loaded when it is needed: most of the time everything is there already. */
const strip = async (text, sourcefile) => {
  const { transformSync } = await import('esbuild')
  return transformSync(text, { loader: 'ts', target: 'node20', sourcefile, sourcemap: 'inline' }).code
}

const strippedOf = async (path) => {
  const { mtimeMs, size } = statSync(path)
  const kept = join(cache, `${createHash('sha1').update(`${path} ${mtimeMs} ${size}`).digest('hex')}.js`)
  try {
    return readFileSync(kept, 'utf8')
  } catch {
    const made = await strip(readFileSync(path, 'utf8'), path)
    const draft = `${kept}.${process.pid}.${performance.now()}`
    writeFileSync(draft, made)
    renameSync(draft, kept)
    return made
  }
}

export const load = async (url, context, nextLoad) => {
  const [, extension] = /^file:.*\.(m?ts|json)(?:\?|$)/.exec(url) ?? []
  if (extension === undefined) return nextLoad(url, context)
  const path = fileURLToPath(url)
  const source = extension === 'json' ? `export default ${readFileSync(path, 'utf8')}` : await strippedOf(path)
  return { format: 'module', source, shortCircuit: true }
}

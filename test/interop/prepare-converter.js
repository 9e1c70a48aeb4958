// Builds the converter of Kubernetes' own apiserver: half of Kubernetes, so that its modules are its own affair.
import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, readdirSync, readFileSync, utimesSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

import { compile, findGo } from './prepare-go.js'

const source = fileURLToPath(new URL('converter', import.meta.url))

export const makeConverter = (cache) => {
  const { go, version, platform } = findGo()
  const hash = createHash('sha256').update(`${version} ${platform}`)
  for (const name of readdirSync(source).sort()) hash.update(`${name}\n`).update(readFileSync(join(source, name)))
  const directory = join(cache, `converter-${hash.digest('hex').slice(0, 16)}`)
  mkdirSync(directory, { recursive: true })
  utimesSync(directory, new Date(), new Date())
  const made = join(directory, 'converter')
  if (!existsSync(made)) compile(go, ['converter', '.', []], made, source)
  return made
}

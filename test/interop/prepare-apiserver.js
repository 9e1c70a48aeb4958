// Builds Kubernetes' own apiserver with its etcd: most of Kubernetes, so that its modules are its own affair. It takes minutes, once.
import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, readdirSync, readFileSync, utimesSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

import { compile, findGo } from './prepare-go.js'

const source = fileURLToPath(new URL('apiserver', import.meta.url))

export const makeApiserver = (cache) => {
  const { go, version, platform } = findGo()
  const hash = createHash('sha256').update(`${version} ${platform}`)
  for (const name of readdirSync(source).sort()) hash.update(`${name}\n`).update(readFileSync(join(source, name)))
  const directory = join(cache, `apiserver-${hash.digest('hex').slice(0, 16)}`)
  mkdirSync(directory, { recursive: true })
  utimesSync(directory, new Date(), new Date())
  const made = join(directory, 'apiserver')
  if (!existsSync(made)) compile(go, ['apiserver', '.', []], made, source)
  return made
}

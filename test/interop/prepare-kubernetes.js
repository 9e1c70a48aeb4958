// A cluster's control plane, as far as it is asked by clients: kube-apiserver itself, built from its module, unmodified, and an etcd.
// The build takes minutes, once.
import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, readdirSync, readFileSync, utimesSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

import { fetchDebian } from './prepare-debian.js'
import { compile, findGo } from './prepare-go.js'
import { Missing, missing, onPath, say } from './prepare-tools.js'

const source = fileURLToPath(new URL('kubernetes', import.meta.url))

const versionOf = (module) =>
  new RegExp(`${module.replaceAll('.', '\\.')} (v\\S+)$`, 'm').exec(readFileSync(join(source, 'go.mod'), 'utf8'))[1]

/** Its own build tells it its version in this way; without it clients are told v0.0.0. */
const versionFlags = () => [
  '-ldflags',
  `-s -w -X k8s.io/component-base/version.gitVersion=${versionOf('k8s.io/kubernetes')}`,
]

const build = ({ go, version, platform }, cache, name, path, own) => {
  const hash = createHash('sha256').update(`${version} ${platform} ${path} ${JSON.stringify(own)}`)
  for (const file of readdirSync(source).sort()) hash.update(`${file}\n`).update(readFileSync(join(source, file)))
  const directory = join(cache, `${name}-${hash.digest('hex').slice(0, 16)}`)
  mkdirSync(directory, { recursive: true })
  utimesSync(directory, new Date(), new Date())
  const made = join(directory, name)
  if (!existsSync(made)) compile(go, [name, path, own], made, source)
  return made
}

const findEtcd = (go, cache) => {
  try {
    return fetchDebian(cache, 'etcd-server', 'usr/bin/etcd')
  } catch (error) {
    if (!(error instanceof Missing)) throw error
    say(`${error.message}; it is built instead`)
    return build(go, cache, 'etcd', 'go.etcd.io/etcd/server/v3', [])
  }
}

/** Shape: `{ apiserver: '/…/kube-apiserver', etcd: '/…/etcd', openssl: '/…/openssl', version: 'v1.37.2' }`. */
export const makeKubernetes = (cache) => {
  const go = findGo()
  const openssl = onPath('openssl') ?? missing('openssl, which makes certificates')
  return {
    openssl,
    etcd: findEtcd(go, cache),
    apiserver: build(go, cache, 'kube-apiserver', 'k8s.io/kubernetes/cmd/kube-apiserver', versionFlags()),
    version: versionOf('k8s.io/kubernetes'),
  }
}

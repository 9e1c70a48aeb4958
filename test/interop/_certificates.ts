import { execFileSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import { tools } from './_setup.ts'

/** Both in PEM. */
export interface Certificate {
  readonly key: string
  readonly cert: string
}

export interface Authority extends Certificate {
  /** For a client that is called so, or for a server at these names; shape of names: `DNS:localhost`, `IP:127.0.0.1`. */
  readonly sign: (commonName: string, names?: ReadonlyArray<string>) => Certificate
}

/** Keys and certificates of a test, each of one run of openssl. */
export const createAuthority = (name: string): Authority => {
  const { have } = tools.kubernetes
  if (have === undefined) throw new Error(tools.kubernetes.skipped)
  const make = (subject: string, extensions: ReadonlyArray<string>, issuer?: Certificate): Certificate => {
    const directory = mkdtempSync(join(tmpdir(), 'certificates-'))
    const of = (file: string): string => join(directory, file)
    const [key, cert, caKey, ca, config] = [of('key'), of('cert'), of('ca.key'), of('ca'), of('config')]
    // its configuration on this machine adds extensions of its own
    const args = [
      ['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-days', '2'],
      ['-config', config, '-subj', `/CN=${subject}`, '-keyout', key, '-out', cert],
      ...extensions.map((extension) => ['-addext', extension]),
      ...(issuer === undefined ? [] : [['-CA', ca, '-CAkey', caKey]]),
    ].flat()
    try {
      if (issuer !== undefined) {
        writeFileSync(caKey, issuer.key)
        writeFileSync(ca, issuer.cert)
      }
      writeFileSync(config, '[req]\ndistinguished_name = dn\n[dn]\n')
      execFileSync(have.openssl, args, { stdio: ['ignore', 'ignore', 'pipe'] })
      return { key: readFileSync(key, 'utf8'), cert: readFileSync(cert, 'utf8') }
    } finally {
      rmSync(directory, { recursive: true, force: true })
    }
  }
  const own = make(name, ['basicConstraints=critical,CA:TRUE', 'keyUsage=critical,keyCertSign,digitalSignature'])
  return {
    ...own,
    sign: (commonName, names = []) =>
      make(
        commonName,
        [
          'basicConstraints=critical,CA:FALSE',
          `extendedKeyUsage=${names.length === 0 ? 'clientAuth' : 'serverAuth'}`,
          ...(names.length === 0 ? [] : [`subjectAltName=${names.join()}`]),
        ],
        own,
      ),
  }
}

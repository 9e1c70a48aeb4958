import { X509Certificate } from 'node:crypto'
import { createSecureContext, type SecureContext } from 'node:tls'

import type { Clock } from '../clock.ts'
import { E } from '../fp.ts'
import type { KubernetesFailure } from '../kubernetes.ts'
import type { Logger } from '../logger.ts'
import type { Access, Presented, TextSource } from './access.ts'
import { unreachable } from './failure.ts'
import { createText } from './file-text.ts'
import { createLogin, type Secrets } from './login.ts'

/** What requests show of themselves: who asks, with which certificate, whom to trust. */
export interface Credentials {
  /** Never rejects; fails with Unreachable. */
  readonly current: () => Promise<E.Either<KubernetesFailure, Presented>>
  /** After a 401: all is asked for afresh. The very same object when nothing else came of it. */
  readonly renew: (refused: Presented) => Promise<E.Either<KubernetesFailure, Presented>>
  /** Resolves when no command runs. */
  readonly close: () => Promise<void>
}

type Pems = Readonly<Record<'ca' | 'cert' | 'key', string | undefined>>

const isSame = (a: Pems, b: Pems): boolean => a.ca === b.ca && a.cert === b.cert && a.key === b.key

const toContext = ({ ca, cert, key }: Pems): E.Either<string, SecureContext> =>
  E.tryCatch(
    () => {
      // a text without a certificate would mean to Node that nobody is trusted
      if (ca !== undefined) new X509Certificate(ca)
      return createSecureContext({ ca, cert, key })
    },
    // what Node says of a PEM may quote the key
    () => 'the certificates and the key for the apiserver cannot be used',
  )

/** Makes TLS contexts of texts, one for as long as they stay the same. Those that were good serve on while newer ones are not. */
const createContexts = (logger: Logger) => {
  let good: { readonly pems: Pems; readonly context: SecureContext } | undefined
  let bad: { readonly pems: Pems; readonly problem: string } | undefined
  return (pems: Pems): E.Either<string, SecureContext> => {
    if (good !== undefined && isSame(good.pems, pems)) return E.right(good.context)
    if (bad === undefined || !isSame(bad.pems, pems)) {
      const made = toContext(pems)
      if (E.isRight(made)) {
        good = { pems, context: made.right }
        return made
      }
      bad = { pems, problem: made.left }
      if (good !== undefined) logger.warn(`${made.left}, the last ones serve`)
    }
    return good === undefined ? E.left(bad.problem) : E.right(good.context)
  }
}

export const createCredentials = (access: Access, clock: Clock, logger: Logger): Credentials => {
  const { tls, server } = access
  const login = createLogin(access.login, clock, logger)
  const textOf = (source: TextSource | undefined) =>
    source === undefined ? undefined : createText(source, clock, logger)
  const texts = { ca: textOf(tls.ca), cert: textOf(tls.cert), key: textOf(tls.key) }
  const contextOf = createContexts(logger)
  const secretsOf = new WeakMap<Presented, Secrets>()
  let last: Presented | undefined

  const readPems = async ({ cert, key }: Secrets): Promise<E.Either<string, Pems>> => {
    const none = E.right(undefined)
    const own = cert !== undefined
    const [ca, ownCert, ownKey] = await Promise.all([
      texts.ca?.read() ?? none,
      own ? E.right(cert) : (texts.cert?.read() ?? none),
      own ? E.right(key) : (texts.key?.read() ?? none),
    ])
    if (E.isLeft(ca)) return ca
    if (E.isLeft(ownCert)) return ownCert
    if (E.isLeft(ownKey)) return ownKey
    return E.right({ ca: ca.right, cert: ownCert.right, key: ownKey.right })
  }

  const present = async (): Promise<E.Either<string, Presented>> => {
    const secrets = await login.current()
    if (E.isLeft(secrets)) return secrets
    let secureContext: SecureContext | undefined
    if (server.protocol === 'https:') {
      const made = E.flatMap(contextOf)(await readPems(secrets.right))
      if (E.isLeft(made)) {
        // maybe one was read before its other half was written: no reason to wait a minute
        for (const text of Object.values(texts)) text?.forget()
        return made
      }
      secureContext = made.right
    }
    const { authorization } = secrets.right
    if (last === undefined || last.authorization !== authorization || last.secureContext !== secureContext)
      last = { authorization, secureContext }
    secretsOf.set(last, secrets.right)
    return E.right(last)
  }
  const current = async () => E.mapLeft(unreachable)(await present())

  return {
    current,
    renew: (refused) => {
      const secrets = secretsOf.get(refused)
      // others that were refused the same have asked already
      if (secrets !== undefined) login.forget(secrets)
      for (const text of Object.values(texts)) text?.forget()
      return current()
    },
    close: login.close,
  }
}

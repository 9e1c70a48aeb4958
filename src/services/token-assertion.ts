import type { AggregatorError, Result } from '../errors.ts'
import { pipe, TE } from '../fp.ts'

/** What a service account signs to get a token. */
export interface AssertionClaims {
  readonly issuer: string
  readonly audience: string
  readonly scopes: ReadonlyArray<string>
  /** ms since the epoch. */
  readonly nowMs: number
}

/** How long an assertion may be used, s: as long as Google takes. */
const lifeSeconds = 3600

const algorithm = { name: 'RSASSA-PKCS1-v1_5', hash: 'SHA-256' } as const

const base64url = (data: string | ArrayBuffer): string =>
  (typeof data === 'string' ? Buffer.from(data) : Buffer.from(data)).toString('base64url')

/** PKCS #8 out of PEM; keys that went through an environment variable have `\n` in two characters. */
const derOf = (privateKey: string): Uint8Array<ArrayBuffer> => {
  const lines = privateKey.replaceAll('\\n', '\n').split('\n')
  const base64 = lines.filter((line) => !line.startsWith('-----')).join('')
  return new Uint8Array(Buffer.from(base64, 'base64'))
}

const noKey: AggregatorError = {
  _tag: 'BadGateway',
  message: 'the private key of jwtTokenAuth is no RSA key in PEM (PKCS #8)',
}

/**
 * A JSON Web Token, signed with RS256. Fails with BadGateway when the key cannot sign; the reason is left out, for it may quote the key.
 * Source: RFC 7523, and Google's service accounts.
 */
export const signAssertion = (
  { issuer, audience, scopes, nowMs }: AssertionClaims,
  privateKey: string,
): Result<string> => {
  const issuedAt = Math.floor(nowMs / 1000)
  const claims = { iss: issuer, scope: scopes.join(' '), aud: audience, iat: issuedAt, exp: issuedAt + lifeSeconds }
  const signed = `${base64url(JSON.stringify({ alg: 'RS256', typ: 'JWT' }))}.${base64url(JSON.stringify(claims))}`
  const { subtle } = globalThis.crypto
  return pipe(
    TE.tryCatch(
      () => subtle.importKey('pkcs8', derOf(privateKey), algorithm, false, ['sign']),
      () => noKey,
    ),
    TE.flatMap((key) =>
      TE.tryCatch(
        () => subtle.sign(algorithm, key, Buffer.from(signed)),
        () => noKey,
      ),
    ),
    TE.map((signature) => `${signed}.${base64url(signature)}`),
  )
}

import { createPrivateKey, X509Certificate } from 'node:crypto'
import { createSecureContext } from 'node:tls'

import { quote } from '../decode.ts'

/** Refuses a wrong setting; `where` is its name as its user knows it. */
export const refuse = (where: string, expected: string, got: string): never => {
  throw new TypeError(`${where}: expected ${expected}, got ${got}`)
}

const toUrl = (where: string, expected: string, text: string): URL =>
  // not quoted: what is wrong about it may be the password in it
  URL.canParse(text) ? new URL(text) : refuse(where, expected, 'no URL')

const serverForm = 'a URL such as "https://10.0.0.1:6443"'

/** Throws a TypeError unless it is http or https and names a place only. */
export const toServer = (where: string, text: string): URL => {
  const url = toUrl(where, serverForm, text)
  if (url.protocol !== 'https:' && url.protocol !== 'http:') return refuse(where, serverForm, quote(url.protocol))
  if (url.username !== '' || url.password !== '') return refuse(where, serverForm, 'one that holds a login')
  if (url.search !== '' || url.hash !== '') return refuse(where, serverForm, 'one with a query or a fragment')
  return url
}

/** Throws a TypeError unless it is http or https: there is no SOCKS here. */
export const toProxy = (where: string, text: string): URL => {
  const form = 'a proxy such as "http://10.0.0.1:3128"'
  const url = toUrl(where, form, text)
  try {
    decodeURIComponent(url.username + url.password)
  } catch {
    return refuse(where, form, 'a login with a wrong percent sign')
  }
  return url.protocol === 'https:' || url.protocol === 'http:' ? url : refuse(where, form, quote(url.protocol))
}

/** What a header can carry: RFC 9110, 5.5. */
export const isHeaderText = (text: string): boolean => /^[\t\x20-\x7e\x80-\xff]*$/.test(text)

/** A token that can stand in a header: RFC 6750, 2.1, and what else is printed and seen. */
export const isToken = (text: string): boolean => /^[\x21-\x7e]+$/.test(text)

export const toBearer = (where: string, token: string): string =>
  isToken(token) ? `Bearer ${token}` : refuse(where, 'a token', 'a text that no header can carry')

const attempt = (where: string, expected: string, use: () => unknown): void => {
  try {
    use()
  } catch {
    // what Node says of a PEM may quote the key
    refuse(where, expected, 'something else')
  }
}

/** Each by the name that its user knows. */
export interface NamedPem {
  readonly where: string
  readonly pem: string
}

/** Throws a TypeError that names the one to blame. */
export const checkPems = (
  ca: NamedPem | undefined,
  cert: NamedPem | undefined,
  key: NamedPem | undefined,
  missing: { readonly cert: string; readonly key: string },
): void => {
  // a text without a certificate would mean to Node that nobody is trusted
  if (ca !== undefined) attempt(ca.where, 'certificates in PEM', () => new X509Certificate(ca.pem))
  if (cert !== undefined) attempt(cert.where, 'a certificate in PEM', () => new X509Certificate(cert.pem))
  if (key !== undefined) attempt(key.where, 'a private key in PEM', () => createPrivateKey(key.pem))
  if (cert !== undefined && key === undefined) refuse(missing.key, 'the key of the certificate', 'nothing')
  if (key !== undefined && cert === undefined) refuse(missing.cert, 'the certificate of the key', 'nothing')
  if (cert !== undefined && key !== undefined) {
    attempt(key.where, 'the key of the certificate', () => createSecureContext({ cert: cert.pem, key: key.pem }))
  }
}

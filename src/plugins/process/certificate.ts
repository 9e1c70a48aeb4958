import { generateKeyPair, randomBytes, sign, X509Certificate, type KeyObject } from 'node:crypto'
import { promisify } from 'node:util'

/** One side of a TLS connection: a key of its own, and the certificate that the other side is to trust alone. */
export interface Identity {
  /** PEM. */
  readonly key: string
  /** PEM. */
  readonly certificate: string
}

const tags = { integer: 0x02, bits: 0x03, octets: 0x04, oid: 0x06, utf8: 0x0c, utcTime: 0x17, time: 0x18 }
const sequenceTag = 0x30
const setTag = 0x31

/** A value in DER: what it is, how many bytes, the bytes. */
const der = (tag: number, ...parts: ReadonlyArray<Uint8Array>): Buffer => {
  const content = Buffer.concat(parts)
  const { length } = content
  if (length < 0x80) return Buffer.concat([Buffer.from([tag, length]), content])
  const size = length < 0x100 ? [0x81, length] : [0x82, length >> 8, length & 0xff]
  return Buffer.concat([Buffer.from([tag, ...size]), content])
}

const sequence = (...parts: ReadonlyArray<Uint8Array>): Buffer => der(sequenceTag, ...parts)

/** Shape: `2.5.4.3`. The first two numbers share a byte; a larger one takes seven bits a byte, all but the last marked. */
const oid = (dotted: string): Buffer => {
  const [first = 0, second = 0, ...rest] = dotted.split('.').map(Number)
  const bytes = rest.flatMap((number) => {
    const digits = [number & 0x7f]
    for (let left = number >>> 7; left > 0; left >>>= 7) digits.unshift((left & 0x7f) | 0x80)
    return digits
  })
  return der(tags.oid, Buffer.from([first * 40 + second, ...bytes]))
}

/** The standard wants two digits for the year up to 2049, and four from then on. */
const time = (ms: number): Buffer => {
  const digits = new Date(ms).toISOString().replace(/\.\d+|[-:T]/g, '')
  return digits < '2050' ? der(tags.utcTime, Buffer.from(digits.slice(2))) : der(tags.time, Buffer.from(digits))
}

const name = sequence(
  der(setTag, sequence(oid('2.5.4.10'), der(tags.utf8, Buffer.from('dataplane-aggregator')))),
  der(setTag, sequence(oid('2.5.4.3'), der(tags.utf8, Buffer.from('localhost')))),
)
const ecdsaWithSha256 = sequence(oid('1.2.840.10045.4.3.2'))
const yes = Buffer.from([0x01, 0x01, 0xff])

const extension = (id: string, isCritical: boolean, value: Uint8Array): Buffer =>
  sequence(oid(id), ...(isCritical ? [yes] : []), der(tags.octets, value))

/** What Go's TLS asks of a certificate that is its own authority, and of either end of a connection. */
const extensions = sequence(
  // basicConstraints: an authority
  extension('2.5.29.19', true, sequence(yes)),
  // keyUsage: digitalSignature, keyEncipherment, keyAgreement, keyCertSign; the last two bits are not in use
  extension('2.5.29.15', true, der(tags.bits, Buffer.from([2, 0b1010_1100]))),
  // extendedKeyUsage: clientAuth, serverAuth
  extension('2.5.29.37', false, sequence(oid('1.3.6.1.5.5.7.3.2'), oid('1.3.6.1.5.5.7.3.1'))),
  // subjectAltName: a DNS name
  extension('2.5.29.17', false, sequence(der(0x82, Buffer.from('localhost')))),
)

const clockSkewMs = 30_000
/** The life of a process; nobody renews it. */
const validMs = 30 * 365 * 24 * 3600 * 1000

const selfSigned = (publicKey: KeyObject, privateKey: KeyObject): Buffer => {
  const serial = randomBytes(16)
  // positive, and as long as it looks
  serial[0] = ((serial[0] ?? 0) & 0x3f) | 0x40
  const now = Date.now()
  const version3 = der(0xa0, der(tags.integer, Buffer.from([2])))
  const content = sequence(
    version3,
    der(tags.integer, serial),
    ecdsaWithSha256,
    name,
    sequence(time(now - clockSkewMs), time(now + validMs)),
    name,
    publicKey.export({ type: 'spki', format: 'der' }),
    der(0xa3, extensions),
  )
  const signature = sign('sha256', content, privateKey)
  return sequence(content, ecdsaWithSha256, der(tags.bits, Buffer.from([0]), signature))
}

/** PEM of a certificate in DER. Throws when it is none. */
export const toPem = (certificate: Uint8Array): string => new X509Certificate(certificate).toString()

/**
 * Makes an ECDSA P-256 key and a certificate for `localhost` that it signs itself. Written by hand, as Node can read certificates
 * but not make them. Source: mtls.go of go-plugin, RFC 5280.
 */
export const createIdentity = async (): Promise<Identity> => {
  const { publicKey, privateKey } = await promisify(generateKeyPair)('ec', { namedCurve: 'P-256' })
  return {
    key: privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(),
    certificate: toPem(selfSigned(publicKey, privateKey)),
  }
}

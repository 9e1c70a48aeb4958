import { X509Certificate } from 'node:crypto'
import { once } from 'node:events'
import { connect, createServer, type TLSSocket } from 'node:tls'

import test from 'ava'

import { createIdentity, toPem } from '../../../src/plugins/process/certificate.ts'

test("makes a certificate of its own for localhost, in the form of go-plugin's", async (t) => {
  const { key, certificate } = await createIdentity()
  const read = new X509Certificate(certificate)
  t.is(read.subject, 'O=dataplane-aggregator\nCN=localhost')
  t.is(read.issuer, read.subject)
  t.is(read.subjectAltName, 'DNS:localhost')
  t.true(read.ca)
  t.true(read.verify(read.publicKey))
  t.like(read.publicKey, { asymmetricKeyType: 'ec', asymmetricKeyDetails: { namedCurve: 'prime256v1' } })
  // clientAuth, serverAuth
  t.deepEqual(read.keyUsage, ['1.3.6.1.5.5.7.3.2', '1.3.6.1.5.5.7.3.1'])
  t.true(Date.parse(read.validFrom) < Date.now() - 20_000)
  t.true(Date.parse(read.validTo) > Date.now() + 29 * 365 * 24 * 3600 * 1000)
  t.regex(key, /^-----BEGIN PRIVATE KEY-----/)
  t.is(toPem(read.raw), certificate)
  const other = new X509Certificate((await createIdentity()).certificate)
  t.not(other.serialNumber, read.serialNumber)
  t.throws(() => toPem(read.raw.subarray(1)))
})

test('serves both ends of a TLS connection that trust nobody else', async (t) => {
  const [ours, theirs, stranger] = await Promise.all([createIdentity(), createIdentity(), createIdentity()])
  const server = createServer({ key: theirs.key, cert: theirs.certificate, ca: ours.certificate, requestCert: true })
  server.on('tlsClientError', () => undefined)
  server.on('secureConnection', (socket) => socket.on('error', () => undefined).end('hello'))
  await once(server.listen(0, '127.0.0.1'), 'listening')
  t.teardown(() => server.close())
  const address = server.address()
  const port = typeof address === 'object' && address !== null ? address.port : 0
  /** What the server says. */
  const hear = async (identity: typeof ours, ca: string): Promise<string> => {
    const options = {
      port,
      host: '127.0.0.1',
      servername: 'localhost',
      key: identity.key,
      cert: identity.certificate,
      ca,
    }
    const socket: TLSSocket = connect(options)
    const chunks: Array<Buffer> = []
    socket.on('data', (chunk: Buffer) => chunks.push(chunk))
    await once(socket, 'end')
    return Buffer.concat(chunks).toString()
  }
  t.is(await hear(ours, theirs.certificate), 'hello')
  await t.throwsAsync(hear(ours, stranger.certificate), { code: 'DEPTH_ZERO_SELF_SIGNED_CERT' })
  t.not(await hear(stranger, theirs.certificate).catch(() => 'refused'), 'hello')
})

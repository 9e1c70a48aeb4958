import { X509Certificate } from 'node:crypto'

import test from 'ava'

import { E } from '../../../src/fp.ts'
import { createIdentity } from '../../../src/plugins/process/certificate.ts'
import { parseHandshake } from '../../../src/plugins/process/handshake.ts'

const good: ReadonlyArray<readonly [string, string]> = [
  ['1|2|unix|/tmp/plugin1958792785|grpc|', 'unix:/tmp/plugin1958792785'],
  ['1|2|unix|/tmp/p|grpc', 'unix:/tmp/p'],
  ['  1|2|unix|/tmp/p|grpc|\r', 'unix:/tmp/p'],
  ['1|2|unix|/tmp/a b%20?#|grpc|', 'unix:/tmp/a b%20?#'],
  ['1|2|unix|/tmp/p|grpc||false', 'unix:/tmp/p'],
  ['1|2|unix|/tmp/p|grpc|short', 'unix:/tmp/p'],
  ['1|2|tcp|127.0.0.1:10000|grpc|', 'ipv4:127.0.0.1:10000'],
  ['1|2|tcp|localhost:10000|grpc|', 'ipv4:127.0.0.1:10000'],
  ['1|2|tcp|:54321|grpc', 'ipv4:127.0.0.1:54321'],
  ['1|2|tcp|[::1]:54321|grpc', 'ipv6:[::1]:54321'],
]

const bad: ReadonlyArray<readonly [string, string]> = [
  ['', 'handshake: expected a line such as "1|2|unix|/path/of/socket|grpc|", got ""'],
  ['hello', 'handshake: expected a line such as "1|2|unix|/path/of/socket|grpc|", got "hello"'],
  ['1|2|unix', 'handshake: expected a line such as "1|2|unix|/path/of/socket|grpc|", got "1|2|unix"'],
  ['x|2|unix|/tmp/p|grpc|', 'handshake: expected core protocol version 1, got "x"'],
  ['2|2|unix|/tmp/p|grpc|', 'handshake: expected core protocol version 1, got "2"'],
  ['01|2|unix|/tmp/p|grpc|', 'handshake: expected core protocol version 1, got "01"'],
  ['1|1|unix|/tmp/p|grpc|', 'handshake: expected plugin protocol version 2, got "1"'],
  ['1|x|unix|/tmp/p|grpc|', 'handshake: expected plugin protocol version 2, got "x"'],
  ['1|2|udp|/tmp/p|grpc|', 'handshake: expected network "unix" or "tcp", got "udp"'],
  ['1|2|unix|tmp/p|grpc|', 'handshake: expected an absolute path of a unix socket, got "tmp/p"'],
  ['1|2|unix||grpc|', 'handshake: expected an absolute path of a unix socket, got ""'],
  [
    '1|2|tcp|notanaddr|grpc|',
    'handshake: expected a tcp address of this host such as "127.0.0.1:10000", got "notanaddr"',
  ],
  [
    '1|2|tcp|10.0.0.1:80|grpc|',
    'handshake: expected a tcp address of this host such as "127.0.0.1:10000", got "10.0.0.1:80"',
  ],
  ['1|2|tcp|:0|grpc|', 'handshake: expected a tcp address of this host such as "127.0.0.1:10000", got ":0"'],
  ['1|2|tcp|:65536|grpc|', 'handshake: expected a tcp address of this host such as "127.0.0.1:10000", got ":65536"'],
  ['1|2|unix|/tmp/p', 'handshake: expected protocol "grpc", got "netrpc"'],
  ['1|2|unix|/tmp/p|GRPC|', 'handshake: expected protocol "grpc", got "GRPC"'],
  [`1|2|unix|/tmp/p|grpc|${'A'.repeat(51)}`, 'handshake: expected plain text, got a TLS certificate'],
  ['1|2|unix|/tmp/p|grpc||true', 'handshake: expected one connection per socket, got multiplexing'],
]

for (const [line, target] of good) {
  test(`reads ${JSON.stringify(line)}`, (t) => {
    t.deepEqual(parseHandshake(line, false), E.right({ target, certificate: undefined }))
  })
}

for (const [line, message] of bad) {
  test(`refuses ${JSON.stringify(line)}`, (t) => {
    t.deepEqual(parseHandshake(line, false), E.left(message))
  })
}

test('quotes no more than the beginning of a long line', (t) => {
  const result = parseHandshake('x'.repeat(64 * 1024), false)
  t.true(E.isLeft(result) && result.left.length < 300)
})

test('reads the certificate where TLS was asked for, and refuses plain text', async (t) => {
  const { certificate } = await createIdentity()
  const field = new X509Certificate(certificate).raw.toString('base64').replace(/=+$/, '')
  const line = `1|2|unix|/tmp/p|grpc|${field}`
  t.deepEqual(parseHandshake(line, true), E.right({ target: 'unix:/tmp/p', certificate }))
  t.deepEqual(parseHandshake(line, false), E.left('handshake: expected plain text, got a TLS certificate'))
  const plain =
    'handshake: expected a TLS certificate (option plugins.autoMTLS), got plain text: the plugin does not know AutoMTLS'
  t.deepEqual(parseHandshake('1|2|unix|/tmp/p|grpc|', true), E.left(plain))
  t.deepEqual(parseHandshake('1|2|unix|/tmp/p|grpc', true), E.left(plain))
  const garbage = 'A'.repeat(51)
  const message = `handshake: expected a TLS certificate, got "${garbage}"`
  t.deepEqual(parseHandshake(`1|2|unix|/tmp/p|grpc|${garbage}`, true), E.left(message))
})

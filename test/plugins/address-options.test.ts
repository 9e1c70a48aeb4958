import test from 'ava'

import { attachedPlugins } from '../../src/plugins/address.ts'
import { parsePluginAddress } from '../../src/plugins/address-options.ts'
import { parseTarget } from '../../src/plugins/address-target.ts'
import { createIdentity } from '../../src/plugins/process/certificate.ts'

const [{ certificate }, { key }] = await Promise.all([createIdentity(), createIdentity()])

const local: ReadonlyArray<readonly [address: string, name: string]> = [
  ['unix:/run/p.sock', 'unix:/run/p.sock'],
  ['unix:///run/p.sock', 'unix:/run/p.sock'],
  ['/run/a b%20?#.sock', 'unix:/run/a b%20?#.sock'],
  [':54321', 'ipv4:127.0.0.1:54321'],
  ['0.0.0.0:54321', 'ipv4:127.0.0.1:54321'],
  ['[::]:54321', 'ipv4:127.0.0.1:54321'],
  ['127.0.0.1:54321', 'ipv4:127.0.0.1:54321'],
  ['ipv4:127.1.2.3:1', 'ipv4:127.1.2.3:1'],
  ['tcp://127.0.0.1:65535', 'ipv4:127.0.0.1:65535'],
  ['[::1]:1', 'ipv6:[::1]:1'],
  ['ipv6:[::1]:1', 'ipv6:[::1]:1'],
  ['localhost:1', 'dns:///localhost:1'],
  ['tcp://LOCALHOST:1', 'dns:///LOCALHOST:1'],
]
for (const [address, name] of local) {
  test(`reads ${address} as an address of this host`, (t) => {
    t.like(parseTarget(address), { name, isLocal: true })
  })
}

const distant: ReadonlyArray<readonly [address: string, name: string]> = [
  ['10.0.0.1:443', 'ipv4:10.0.0.1:443'],
  ['128.0.0.1:443', 'ipv4:128.0.0.1:443'],
  ['[2001:db8::1]:443', 'ipv6:[2001:db8::1]:443'],
  ['[::ffff:10.0.0.1]:443', 'ipv6:[::ffff:10.0.0.1]:443'],
  ['testds.plugins:443', 'dns:///testds.plugins:443'],
  ['dns:testds.plugins:443', 'dns:///testds.plugins:443'],
  ['dns:///testds.plugins:443', 'dns:///testds.plugins:443'],
  ['tcp://testds.plugins:443', 'dns:///testds.plugins:443'],
  // names that look like the loopback to a reader alone
  ['127.0.0.1.example.com:443', 'dns:///127.0.0.1.example.com:443'],
  ['localhost.example.com:443', 'dns:///localhost.example.com:443'],
  ['127.1:443', 'dns:///127.1:443'],
]
for (const [address, name] of distant) {
  test(`reads ${address} as an address of another host`, (t) => {
    t.like(parseTarget(address), { name, isLocal: false })
    const message = `option testds.address: expected an address of this host, got "${address}": settings and secrets would cross the network in the clear; give testds.tls, or testds.insecure: true`
    t.throws(() => parsePluginAddress('testds', { address }), { instanceOf: TypeError, message })
    t.is(parsePluginAddress('testds', { address, tls: {} }).target, name)
    t.is(parsePluginAddress('testds', { address, insecure: true }).target, name)
  })
}

const unreadable = [
  ...['', 'x', 'unix:', 'unix:run/p.sock', 'unix://run/p.sock', `/${'x'.repeat(107)}`, '/a\0b'],
  ...['localhost', ':0', ':65536', ':', 'a:b:1', 'http://a:1', 'tcp://a:1/', 'dns://8.8.8.8/a:1', '-a:1', 'a b:1'],
  ...['[::1:1', '::1:1', '[127.0.0.1]:1', '[fe80::1%eth0]:1', 'unix-abstract:x', 'a:1,b:1', 'user@a:1'],
]
for (const address of unreadable) {
  test(`refuses ${JSON.stringify(address)}`, (t) => {
    t.is(parseTarget(address), undefined)
    const { message = '' } = t.throws(() => parsePluginAddress('testds', { address }), { instanceOf: TypeError }) ?? {}
    t.true(message.startsWith('option testds.address: expected an address such as'), message)
  })
}

test('tells a proxy of a cluster whom it is looking for, unless told otherwise', (t) => {
  const address = 'testds.plugins:443'
  t.like(parsePluginAddress('testds', { address, tls: {} }), { tls: { serverName: 'testds.plugins' } })
  t.like(parsePluginAddress('testds', { address, tls: { serverName: 'x' } }), { tls: { serverName: 'x' } })
  t.deepEqual(parsePluginAddress('testds', { address: '10.0.0.1:443', tls: {} }).tls, {})
})

const Addr = { Network: 'unix', String: '/tmp/plugin123' } as const
const reattach = { Protocol: 'grpc', Addr } as const

test('reads what Terraform and go-plugin write of a plugin that runs', (t) => {
  const json =
    '{"Protocol":"grpc","ProtocolVersion":2,"Pid":42,"Test":true,"Addr":{"Network":"unix","String":"/tmp/p"}}'
  t.deepEqual(
    Reflect.apply(parsePluginAddress, undefined, ['testds', { reattach: JSON.parse(json) as unknown, version: '1' }]),
    {
      ...{ id: 'testds', version: '1', target: 'unix:/tmp/p', tls: undefined, pid: 42, endsWithHost: false },
    },
  )
  const tcp = { ...reattach, Addr: { Network: 'tcp', String: '127.0.0.1:1234' } } as const
  t.like(parsePluginAddress('testds', { reattach: tcp }), { target: 'ipv4:127.0.0.1:1234', endsWithHost: true })
})

const secret = 'hunter2secret'
const wrong: ReadonlyArray<readonly [given: unknown, message: string]> = [
  [undefined, 'option testds: expected an object such as { address: "127.0.0.1:54321" }, got nothing'],
  ['127.0.0.1:1', 'option testds: expected an object such as { address: "127.0.0.1:54321" }, got "127.0.0.1:1"'],
  [{}, 'option testds.address: expected a text, got nothing'],
  [{ adress: ':1' }, 'unknown option testds.adress'],
  [{ address: ':1', version: 1 }, 'option testds.version: expected a text, got 1'],
  [{ address: ':1', insecure: 'yes' }, 'option testds.insecure: expected true or false, got string'],
  [{ address: ':1', tls: true }, 'option testds.tls: expected an object, got boolean'],
  [{ address: ':1', tls: { rootCa: '' } }, 'unknown option testds.tls.rootCa'],
  [
    { address: ':1', tls: { ca: '/etc/ca.pem' } },
    'option testds.tls: expected PEM texts, and a key that fits the certificate',
  ],
  [{ address: ':1', tls: { cert: certificate } }, 'option testds.tls: expected cert and key together'],
  [
    { address: ':1', tls: { cert: certificate, key: secret } },
    'option testds.tls: expected PEM texts, and a key that fits the certificate',
  ],
  [
    { address: ':1', tls: { cert: certificate, key } },
    'option testds.tls: expected PEM texts, and a key that fits the certificate',
  ],
  [{ address: ':1', reattach }, 'unknown option testds.address'],
  [{ reattach: 5 }, 'option testds.reattach: expected an object, got 5'],
  [{ reattach: { ...reattach, Protocol: 'netrpc' } }, 'option testds.reattach.Protocol: expected "grpc", got "netrpc"'],
  [{ reattach: { ...reattach, ProtocolVersion: 5 } }, 'option testds.reattach.ProtocolVersion: expected 2, got 5'],
  [
    { reattach: { ...reattach, Pid: -1 } },
    'option testds.reattach.Pid: expected a whole number from 0 to 2147483647, got -1',
  ],
  [{ reattach: { Protocol: 'grpc' } }, 'option testds.reattach.Addr: expected an object, got nothing'],
  [
    { reattach: { ...reattach, Addr: { Network: 'udp', String: 'x' } } },
    'option testds.reattach.Addr: expected a unix or tcp address, got {"Network":"udp","String":"x"}',
  ],
  [
    { reattach: { ...reattach, Addr: { Network: 'tcp', String: '10.0.0.1:1' } } },
    'option testds.reattach.Addr: expected an address of this host, got "10.0.0.1:1": settings and secrets would cross the network in the clear',
  ],
]
for (const [index, [given, message]] of wrong.entries()) {
  test(`throws a TypeError: ${message} (${String(index)})`, (t) => {
    const attempt = (): unknown => Reflect.apply(attachedPlugins, undefined, [{ testds: given }])
    t.throws(attempt, { instanceOf: TypeError, message })
  })
}

test('throws for a wrong option of the host', (t) => {
  t.throws(() => attachedPlugins({}, { backoff: { maxMs: 0 } }), { instanceOf: TypeError })
})

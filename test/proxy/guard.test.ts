import type { lookup as systemLookup, LookupAddress } from 'node:dns'
import { once } from 'node:events'
import { request } from 'node:http'
import { request as tlsRequest } from 'node:https'
import type { Socket } from 'node:net'
import { createSecureContext } from 'node:tls'

import test from 'ava'

import { createConnections } from '../../src/proxy/agent.ts'
import { BlockedAddress } from '../../src/proxy/failure.ts'
import { sharedLookup } from '../../src/proxy/lookup.ts'
import { createGuard, neverReached, parseNetwork, type Network } from '../../src/proxy/networks.ts'
import { toProxySettings } from '../../src/proxy/options.ts'
import { leftOf, makeForwarder, send, serve, serveRaw, signalOf, textOf, transport } from './_setup.ts'

const networks = (...texts: ReadonlyArray<string>): ReadonlyArray<Network> =>
  toProxySettings({ blockedNetworks: texts }).blockedNetworks

const forbidden = {
  _tag: 'Forbidden',
  message:
    'what stands behind this path has an address that no request may go to, unless option proxy.allowedNetworks lists it',
}

/** A resolver that gives one answer after the other. */
const answering = (...answers: ReadonlyArray<ReadonlyArray<string>>): typeof systemLookup => {
  let count = 0
  const lookup = (_name: string, _options: unknown, callback: (error: null, found: LookupAddress[]) => void): void => {
    const answer = answers[count++] ?? []
    setImmediate(
      callback,
      null,
      answer.map((address) => ({ address, family: address.includes(':') ? 6 : 4 })),
    )
  }
  return lookup as unknown as typeof systemLookup
}

test('refuses addresses that hand out credentials or are no machine, in each of their spellings (S13)', (t) => {
  const guard = createGuard([], [])
  const refused = [
    ...['169.254.169.254', '169.254.170.2', '169.254.0.0', '169.254.255.255', '100.100.100.200', '168.63.129.16'],
    ...['0.0.0.0', '0.1.2.3', '224.0.0.1', '239.255.255.255', '255.255.255.255', '192.0.0.192'],
    ...['::', 'fe80::1', 'fe80::1%eth0', 'febf:ffff::1', 'ff02::1', 'fd00:ec2::254', 'fd00:ec2::23', 'fd20:ce::254'],
    ...['::ffff:169.254.169.254', '::ffff:a9fe:a9fe', '::169.254.169.254', '64:ff9b::a9fe:a9fe', '2002:a9fe:a9fe::1'],
    ...['64:ff9b:1::a9fe:a9fe', '::ffff:0:a9fe:a9fe', 'fd00:42::42'],
    ...['::ffff:0.0.0.0', '64:ff9b::', '2002:a83f:8110::', '::ffff:168.63.129.16', '64:ff9b::6464:64c8'],
    ...['', 'localhost', '1.2.3', '169.254.169.254.', '[::1]'],
  ]
  t.deepEqual(refused.filter(guard), [])
  const passed = [
    ...['127.0.0.1', '10.1.2.3', '192.168.0.1', '172.16.0.1', '100.100.100.201', '168.63.129.17', '169.253.255.255'],
    ...['169.255.0.0', '1.0.0.0', '223.255.255.255', '8.8.8.8', '::1', 'fd00::1', 'fec0::1', '2001:db8::1'],
    ...['::ffff:127.0.0.1', '64:ff9b::808:808', '2002:808:808::1', 'fd00:ec3::1'],
  ]
  t.deepEqual(
    passed.filter((address) => !guard(address)),
    [],
  )
  t.true(neverReached.every((text) => parseNetwork(text) !== undefined))
})

test('refuses what its owner blocks, but for what is allowed', (t) => {
  const guard = createGuard(
    networks('10.0.0.0/8', '127.0.0.1', '::1', 'fd00::/8'),
    networks('10.1.0.0/16', '169.254.169.254'),
  )
  const refused = ['10.0.0.1', '::ffff:10.2.3.4', '64:ff9b::a02:304', '127.0.0.1', '::1', 'fd12::1', '169.254.169.253']
  t.deepEqual(refused.filter(guard), [])
  const passed = [
    '10.1.2.3',
    '::ffff:10.1.2.3',
    '127.0.0.2',
    '169.254.169.254',
    '::ffff:169.254.169.254',
    '64:ff9b::a9fe:a9fe',
  ]
  t.deepEqual(
    passed.filter((address) => !guard(address)),
    [],
  )
  const none = createGuard(networks('0.0.0.0/0', '::/0'), networks('127.0.0.0/8'))
  t.deepEqual(['1.2.3.4', '2001:db8::1', '127.9.9.9'].map(none), [false, false, true])
})

test('connects to no refused address, however the URL spells it (S13)', async (t) => {
  const upstream = await serve(t, (_request, response) => response.end('reached'))
  const forwarder = makeForwarder(t, { blockedNetworks: ['127.0.0.0/8', '::1'] })
  const hosts = ['127.0.0.1', '2130706433', '0x7f000001', '0177.0.0.1', '127.1', '[::ffff:127.0.0.1]', 'localhost']
  for (const host of [...hosts, '0', '169.254.169.254', '0xA9FEA9FE', '[fe80::1]', '[::]']) {
    const error = leftOf(t, await send(forwarder, `http://${host}:${String(upstream.port)}/latest/meta-data`))
    t.deepEqual(error, forbidden)
  }
  t.is(upstream.accepted(), 0)
  t.is(await textOf(t, await send(makeForwarder(t), upstream.url)), 'reached')
})

test('connects to the addresses that it checked, and looks again for each connection (S13)', async (t) => {
  const upstream = await serve(t, (_request, response) => response.setHeader('connection', 'close').end('reached'))
  const url = `http://rebound.example:${String(upstream.port)}/`
  // of several only the good one; then none
  const lookup = answering(
    ['169.254.169.254', '127.0.0.1'],
    ['169.254.169.254'],
    ['::ffff:169.254.169.254', 'fe80::1%lo'],
    ['127.0.0.1'],
  )
  const forwarder = makeForwarder(t, { lookup })
  t.is(await textOf(t, await send(forwarder, url)), 'reached')
  t.deepEqual(leftOf(t, await send(forwarder, url)), forbidden)
  t.deepEqual(leftOf(t, await send(forwarder, url)), forbidden)
  t.is(await textOf(t, await send(forwarder, url)), 'reached')
  t.is(upstream.accepted(), 2)
})

test('looks a name up once for all who want it at the same time, so that one name cannot keep the others waiting', async (t) => {
  const upstream = await serve(t, (_request, response) => response.end('reached'))
  const pending: Array<(error: Error | null, found: ReadonlyArray<LookupAddress>) => void> = []
  const two = signalOf()
  const three = signalOf()
  const lookup = ((_name: string, _options: unknown, callback: (typeof pending)[number]) => {
    pending.push(callback)
    if (pending.length === 2) two.resolve()
    if (pending.length === 3) three.resolve()
  }) as unknown as typeof systemLookup
  const forwarder = makeForwarder(t, { lookup })
  const ask = (name: string) => send(forwarder, `http://${name}:${String(upstream.port)}/`)
  const same = [ask('slow.example'), ask('slow.example'), ask('slow.example')]
  const other = ask('other.example')
  await two.promise
  t.is(pending.length, 2)
  pending[1]?.(null, [{ address: '127.0.0.1', family: 4 }])
  t.is(await textOf(t, await other), 'reached')
  pending[0]?.(Object.assign(new Error('none'), { code: 'ENOTFOUND' }), [])
  for (const sent of same) t.like(leftOf(t, await sent), { _tag: 'BadGateway' })
  // nothing is remembered
  const again = ask('slow.example')
  await three.promise
  pending[2]?.(null, [{ address: '127.0.0.1', family: 4 }])
  t.is(await textOf(t, await again), 'reached')
})

test('writes nothing to a connection that went where it should not (S13)', async (t) => {
  for (const isTls of [false, true]) {
    const heard = signalOf<number>()
    const upstream = await serveRaw(t, (socket) => {
      socket.resume().once('close', () => heard.resolve(socket.bytesRead))
    })
    // passes as an address that may be connected to, and fails as the one that was
    const verdicts = [true, false]
    const gate = {
      guard: () => verdicts.shift() ?? false,
      sockets: new Set<Socket>(),
      isClosed: () => false,
      lookup: sharedLookup(),
    }
    const { agent } = createConnections(transport, isTls ? createSecureContext() : undefined, gate)
    const sent = (isTls ? tlsRequest : request)({ host: '127.0.0.1', port: upstream.port, agent }).end('secret')
    const [error] = (await once(sent, 'error')) as [unknown]
    t.true(error instanceof BlockedAddress)
    t.is(await heard.promise, 0)
    t.is(gate.sockets.size, 0)
  }
})

test('goes to listed hosts only, by the port as well', async (t) => {
  const upstream = await serve(t, (_request, response) => response.end('reached'))
  const { port, url } = upstream
  const forwarder = makeForwarder(t, { allowedHosts: [`LocalHost:${String(port)}`, 'prometheus:80', '[::1]:443'] })
  t.is(await textOf(t, await send(forwarder, url)), 'reached')
  const refusedHosts = [`127.0.0.1:${String(port)}`, 'localhost:1', 'prometheus:81', '[::1]:80']
  for (const host of refusedHosts) {
    const error = leftOf(t, await send(forwarder, `http://${host}/`))
    t.deepEqual(error, {
      _tag: 'Forbidden',
      message: 'what stands behind this path is not listed, with this port, in option proxy.allowedHosts',
    })
  }
  t.like(leftOf(t, await send(makeForwarder(t, { allowedHosts: [] }), url)), { _tag: 'Forbidden' })
  t.is(upstream.accepted(), 1)
})

test('checks options, and names the wrong one', (t) => {
  t.deepEqual(toProxySettings(), { maxPools: 1000, blockedNetworks: [], allowedNetworks: [], allowedHosts: undefined })
  t.deepEqual(
    toProxySettings({ allowedHosts: ['Example.com:0443', '0x7f.1:80'] }).allowedHosts,
    new Set(['example.com:443', '127.0.0.1:80']),
  )
  const settings = toProxySettings({ maxPools: 2, blockedNetworks: ['10.0.0.0/8', '::1'] })
  t.deepEqual(settings.blockedNetworks, [
    { address: '10.0.0.0', prefix: 8, family: 'ipv4' },
    { address: '::1', prefix: 128, family: 'ipv6' },
  ])
  for (const [given, message] of [
    [null, /option proxy to be an object, got null/],
    [{ allowedHost: [] }, /unknown option proxy\.allowedHost, known: maxPools/],
    [{ maxPools: 0 }, /option proxy\.maxPools to be an integer from 1/],
    [
      { blockedNetworks: '10.0.0.0/8' },
      /option proxy\.blockedNetworks to be a list of networks .* got "10\.0\.0\.0\/8"/,
    ],
    ...['10.0.0.0/33', '10.0.0/8', '::1/129', 'fe80::1%lo', '10.0.0.0/8/8', '10.0.0.0/', 'x'].map(
      (text) => [{ allowedNetworks: [text] }, /option proxy\.allowedNetworks to be a list of networks/] as const,
    ),
    ...['prometheus', 'http://prometheus:9090', 'a:b@c:1', 'x:99999', '::1:80', ':80', 7].map(
      (host) =>
        [{ allowedHosts: [host] }, /option proxy\.allowedHosts to be a list of hosts with their ports/] as const,
    ),
  ] as const)
    t.throws(() => toProxySettings(given as never), { instanceOf: TypeError, message })
})

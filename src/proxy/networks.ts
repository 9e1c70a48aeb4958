import { BlockList, isIP } from 'node:net'

/** Shape: `{ address: '10.0.0.0', prefix: 8, family: 'ipv4' }`. */
export interface Network {
  readonly address: string
  readonly prefix: number
  readonly family: 'ipv4' | 'ipv6'
}

/** Reads `10.0.0.0/8`, `fd00::/8` or a single address. `undefined`: it is none of them. */
export const parseNetwork = (text: string): Network | undefined => {
  const [address = '', length, ...rest] = text.split('/')
  const version = isIP(address)
  const bits = version === 4 ? 32 : 128
  const prefix = length === undefined ? bits : /^\d{1,3}$/.test(length) ? Number(length) : bits + 1
  if (version === 0 || address.includes('%') || prefix > bits || rest.length > 0) return undefined
  return { address, prefix, family: version === 4 ? 'ipv4' : 'ipv6' }
}

/**
 * Where no datasource lives, but much that hands out credentials to whoever asks from this machine. Loopback and private networks
 * are not among them: datasources live there.
 */
export const neverReached: ReadonlyArray<string> = [
  // this very machine, by another name
  '0.0.0.0/8',
  '::',
  // link-local: the metadata of AWS, Azure, Google Cloud, Oracle Cloud, OpenStack
  '169.254.0.0/16',
  'fe80::/10',
  // metadata: AWS and Google Cloud over IPv6, Alibaba Cloud, Oracle Cloud Classic
  'fd00:ec2::/32',
  'fd20:ce::254',
  // and Scaleway's
  'fd00:42::42',
  '100.100.100.200',
  '192.0.0.192',
  // Azure's wire server, which knows the secrets of a virtual machine's extensions
  '168.63.129.16',
  // multicast, broadcast
  '224.0.0.0/4',
  'ff00::/8',
  '255.255.255.255',
]

/** IPv6 addresses that lead to an IPv4 network: NAT64 (RFC 6052, RFC 8215), IPv4-translated (RFC 2765), 6to4 (RFC 3056), IPv4-compatible. BlockList knows the mapped ones itself. */
const disguises = ({ address, prefix }: Network): ReadonlyArray<Network> => {
  const [a = 0, b = 0, c = 0, d = 0] = address.split('.').map(Number)
  const groups = [(a << 8) | b, (c << 8) | d].map((group) => group.toString(16)).join(':')
  const family = 'ipv6'
  return [
    ...['64:ff9b::', '64:ff9b:1::', '::ffff:0:'].map(
      (before) => ({ address: `${before}${address}`, prefix: 96 + prefix, family }) as const,
    ),
    { address: `2002:${groups}::`, prefix: 16 + prefix, family },
    // of 0.0.0.0/8 that is where ::1 lives
    ...(a === 0 ? [] : [{ address: `::${address}`, prefix: 96 + prefix, family } as const]),
  ]
}

const toBlockList = (networks: ReadonlyArray<Network>): BlockList => {
  const list = new BlockList()
  for (const network of networks) {
    const spellings = network.family === 'ipv4' ? [network, ...disguises(network)] : [network]
    for (const { address, prefix, family } of spellings) list.addSubnet(address, prefix, family)
  }
  return list
}

/** Whether connections may go to an address. What is not an address may not be connected to. */
export type Guard = (address: string) => boolean

/** What is allowed is so even if it is blocked, too. */
export const createGuard = (blocked: ReadonlyArray<Network>, allowed: ReadonlyArray<Network>): Guard => {
  const refused = toBlockList([...neverReached.flatMap((text) => parseNetwork(text) ?? []), ...blocked])
  const exempt = toBlockList(allowed)
  return (address) => {
    const version = isIP(address)
    if (version === 0) return false
    const family = version === 4 ? 'ipv4' : 'ipv6'
    return !refused.check(address, family) || exempt.check(address, family)
  }
}

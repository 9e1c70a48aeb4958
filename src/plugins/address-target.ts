import { isIPv4, isIPv6 } from 'node:net'

/** Where a plugin listens. */
export interface Target {
  /** As grpc-js names it. Shape: `unix:/run/p.sock`, `ipv4:127.0.0.1:10000`, `dns:///plugins.example.com:443`. */
  readonly name: string
  /** On this host: what is said to it crosses no network. */
  readonly isLocal: boolean
  /** Where a name was given. */
  readonly hostName?: string
}

const maxUnixPathBytes = 107

/** A relative path would depend on where the host was started. */
const toUnixTarget = (path: string): Target | undefined =>
  path.startsWith('/') && Buffer.byteLength(path) <= maxUnixPathBytes && !path.includes('\0')
    ? { name: `unix:${path}`, isLocal: true }
    : undefined

/** How Go prints that it listens on every address of its host. */
const anyAddress = ['', '0.0.0.0', '[::]']

const isHostName = (host: string): boolean => /^(?=.{1,253}$)[a-z0-9_](?:[a-z0-9_.-]*[a-z0-9_])?$/i.test(host)

const toTcpTarget = (address: string): Target | undefined => {
  const match = /^(\[[0-9a-f:.]*\]|[^:[\]]*):(\d{1,5})$/i.exec(address)
  if (match === null) return undefined
  const [, host = '', port = ''] = match
  if (Number(port) < 1 || Number(port) > 65535) return undefined
  if (anyAddress.includes(host)) return { name: `ipv4:127.0.0.1:${port}`, isLocal: true }
  if (isIPv4(host)) return { name: `ipv4:${address}`, isLocal: host.startsWith('127.') }
  if (host.startsWith('['))
    return isIPv6(host.slice(1, -1)) ? { name: `ipv6:${address}`, isLocal: host === '[::1]' } : undefined
  return isHostName(host)
    ? { name: `dns:///${address}`, isLocal: host.toLowerCase() === 'localhost', hostName: host }
    : undefined
}

/**
 * Reads an address in the spellings of gRPC (`unix:/run/p.sock`, `unix:///run/p.sock`, `dns:///host:443`, `ipv4:10.0.0.1:443`), of
 * the plugin SDK's standalone.txt and `GF_PLUGIN_GRPC_ADDRESS_*` (`127.0.0.1:54321`, `:54321`), and as a URL (`tcp://host:443`).
 * Undefined: it is none of them.
 */
export const parseTarget = (address: string): Target | undefined => {
  if (address.startsWith('/')) return toUnixTarget(address)
  const unix = /^unix:(?:\/\/)?/.exec(address)
  return unix === null
    ? toTcpTarget(address.replace(/^(?:tcp:\/\/|dns:(?:\/\/\/)?|ipv4:|ipv6:)/, ''))
    : toUnixTarget(address.slice(unix[0].length))
}

/** The same of `network` and `address` apart, as go-plugin writes them. */
export const parseNetworkAddress = (network: unknown, address: string): Target | undefined => {
  if (network === 'unix') return toUnixTarget(address)
  return network === 'tcp' ? toTcpTarget(address) : undefined
}

import { integerOption } from '../integer-option.ts'
import { parseNetwork, type Network } from './networks.ts'

/** How proxied paths reach datasources. */
export interface ProxyOptions {
  /** Datasources whose connections are kept at once, default 1000; the least recently used goes first. */
  readonly maxPools?: number
  /**
   * Where no request may go, beside what hands out credentials to this machine (link-local addresses and other metadata services)
   * and what is no single machine (multicast, broadcast, `0.0.0.0`). Shape: `['127.0.0.0/8', '::1', '10.0.0.0/8']`.
   */
  readonly blockedNetworks?: ReadonlyArray<string>
  /** Where requests may go all the same; in the same shape. */
  readonly allowedNetworks?: ReadonlyArray<string>
  /** The only hosts that requests may go to. Shape: `['prometheus:9090', '[fd00::1]:443']`. Default: any. Source: data_source_proxy_whitelist of Grafana. */
  readonly allowedHosts?: ReadonlyArray<string>
}

/** `ProxyOptions`, checked, with defaults filled in. */
export interface ProxySettings {
  readonly maxPools: number
  readonly blockedNetworks: ReadonlyArray<Network>
  readonly allowedNetworks: ReadonlyArray<Network>
  /** As a URL spells them, the port always there; `undefined`: any. */
  readonly allowedHosts: ReadonlySet<string> | undefined
}

const names: ReadonlyArray<string> = ['maxPools', 'blockedNetworks', 'allowedNetworks', 'allowedHosts']

const wrong = (option: string, expected: string, value: unknown): TypeError =>
  new TypeError(
    `expected option ${option} to be ${expected}, got ${typeof value === 'string' ? JSON.stringify(value) : value === null ? 'null' : typeof value}`,
  )

const list = <A>(
  name: keyof ProxyOptions,
  expected: string,
  given: unknown,
  parse: (text: string) => A | undefined,
): ReadonlyArray<A> => {
  const option = `proxy.${name}`
  if (!Array.isArray(given)) throw wrong(option, `a list of ${expected}`, given)
  return given.map((item: unknown) => {
    const parsed = typeof item === 'string' ? parse(item) : undefined
    if (parsed === undefined) throw wrong(option, `a list of ${expected}`, item)
    return parsed
  })
}

/** The port may not be left out: one host has many services, and not all of them are datasources. */
const parseHost = (text: string): string | undefined => {
  const [, host, port = ''] = /^([^/?#@\\:[\]]+|\[[^/?#@\\[\]]+\]):(\d{1,5})$/.exec(text) ?? []
  const url = `ws://${host ?? ''}`
  if (host === undefined || !URL.canParse(url) || Number(port) > 65_535) return undefined
  return `${new URL(url).hostname}:${String(Number(port))}`
}

/** Checks options and fills in defaults. Throws a TypeError that names the option. */
export const toProxySettings = (options: ProxyOptions = {}): ProxySettings => {
  const given: unknown = options
  if (typeof given !== 'object' || given === null) throw wrong('proxy', 'an object', given)
  const unknown = Object.keys(given).find((name) => !names.includes(name))
  if (unknown !== undefined) throw new TypeError(`unknown option proxy.${unknown}, known: ${names.join(', ')}`)
  const { maxPools, blockedNetworks = [], allowedNetworks = [], allowedHosts } = options
  const networks = 'networks such as "10.0.0.0/8" or "::1"'
  return {
    maxPools: integerOption('proxy.maxPools', maxPools, 1000, 1),
    blockedNetworks: list('blockedNetworks', networks, blockedNetworks, parseNetwork),
    allowedNetworks: list('allowedNetworks', networks, allowedNetworks, parseNetwork),
    allowedHosts:
      allowedHosts === undefined
        ? undefined
        : new Set(list('allowedHosts', 'hosts with their ports such as "prometheus:9090"', allowedHosts, parseHost)),
  }
}

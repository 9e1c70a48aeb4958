import { X509Certificate } from 'node:crypto'
import { createSecureContext } from 'node:tls'

import { parseNetworkAddress, parseTarget, type Target } from './address-target.ts'
import { checkKinds, type Kinds } from './option-kinds.ts'

/** PEM texts. */
export interface PluginTls {
  /** Who may have signed the plugin's certificate. Default: the authorities that Node knows. */
  readonly ca?: string
  /** Our own certificate, for a plugin that asks for one; with `key`. */
  readonly cert?: string
  readonly key?: string
  /** Name in the plugin's certificate. Default: the host of its address. */
  readonly serverName?: string
}

/** A plugin that serves somewhere: under a debugger, in a container, in a cluster. */
export interface PluginAtAddress {
  /**
   * As gRPC writes it: `unix:/run/testds.sock`, `dns:///testds.plugins:443`; as the plugin SDK does: `127.0.0.1:54321`, `:54321`;
   * or `tcp://127.0.0.1:54321`.
   */
  readonly address: string
  readonly version?: string
  readonly tls?: PluginTls
  /** Speak plain text with another host: settings and secrets cross the network for all to read. Default: false. */
  readonly insecure?: boolean
}

/** How go-plugin tells of a plugin that runs. Source: ReattachConfig of go-plugin, TF_REATTACH_PROVIDERS of Terraform. */
export interface ReattachConfig {
  readonly Protocol: 'grpc'
  /** Of the plugin protocol: 2. */
  readonly ProtocolVersion?: number
  readonly Pid?: number
  /** The plugin is run by a test or a debugger, and not ours to end. */
  readonly Test?: boolean
  readonly Addr: { readonly Network: 'unix' | 'tcp'; readonly String: string }
}

/** A plugin that go-plugin started for somebody else. It is told to end when the host closes, unless `Test` is true. */
export interface ReattachedPlugin {
  readonly reattach: ReattachConfig
  readonly version?: string
}

export type PluginAddress = PluginAtAddress | ReattachedPlugin

/** A plugin to connect to, checked. */
export interface Attachment {
  readonly id: string
  readonly version: string
  /** As grpc-js names it. */
  readonly target: string
  readonly tls: PluginTls | undefined
  readonly pid: number | undefined
  /** Whether closing the host ends it. */
  readonly endsWithHost: boolean
}

const expectedOfAddress: Kinds<PluginAtAddress> = {
  address: 'a text',
  version: 'a text',
  tls: 'an object',
  insecure: 'true or false',
}
const expectedOfTls: Kinds<PluginTls> = { ca: 'a text', cert: 'a text', key: 'a text', serverName: 'a text' }
const expectedOfReattached: Kinds<ReattachedPlugin> = { reattach: 'an object', version: 'a text' }
const expectedOfReattach: Kinds<ReattachConfig> = {
  Protocol: 'a text',
  ProtocolVersion: 'a whole number from 0 to 2147483647',
  Pid: 'a whole number from 0 to 2147483647',
  Test: 'true or false',
  Addr: 'an object',
}
const expectedOfAddr: Kinds<ReattachConfig['Addr']> = { Network: 'a text', String: 'a text' }

const addressForms = 'an address such as "unix:/run/plugin.sock", "127.0.0.1:54321" or "dns:///plugin.example.com:443"'

const refuse = (option: string, expected: string, got: unknown): never => {
  throw new TypeError(
    `option ${option}: expected ${expected}, got ${got === undefined ? 'nothing' : JSON.stringify(got)}`,
  )
}

/** What a caller without types may have left out. */
const textAt = (option: string, value: unknown): string =>
  typeof value === 'string' ? value : refuse(option, 'a text', value)

const isObject = (value: unknown): value is object => typeof value === 'object' && value !== null

const checkTls = (option: string, tls: PluginTls): void => {
  checkKinds(tls, expectedOfTls, `${option}.`)
  const { ca, cert, key } = tls
  if ((cert === undefined) !== (key === undefined))
    throw new TypeError(`option ${option}: expected cert and key together`)
  try {
    createSecureContext({ ca, cert, key })
    // a ca that holds no certificate, such as the path of one, would mean that nobody is trusted
    if (ca !== undefined) new X509Certificate(ca)
  } catch {
    // what it says may quote the key
    throw new TypeError(`option ${option}: expected PEM texts, and a key that fits the certificate`)
  }
}

const elsewhere = (option: string, target: Target, address: string, remedy: string): string => {
  if (target.isLocal) return target.name
  const danger = 'settings and secrets would cross the network in the clear'
  throw new TypeError(`option ${option}: expected an address of this host, got "${address}": ${danger}${remedy}`)
}

const parseAtAddress = (id: string, given: PluginAtAddress): Attachment => {
  checkKinds(given, expectedOfAddress, `${id}.`)
  const { version = '', tls, insecure = false } = given
  const option = `${id}.address`
  const address = textAt(option, given.address)
  const target = parseTarget(address) ?? refuse(option, addressForms, address)
  if (tls !== undefined) checkTls(`${id}.tls`, tls)
  const isProtected = tls !== undefined || insecure
  const name = isProtected
    ? target.name
    : elsewhere(option, target, address, `; give ${id}.tls, or ${id}.insecure: true`)
  const { hostName } = target
  // proxies of a cluster route by this name, too
  const named = tls === undefined || hostName === undefined ? tls : { serverName: hostName, ...tls }
  return { id, version, target: name, tls: named, pid: undefined, endsWithHost: false }
}

const parseReattached = (id: string, given: ReattachedPlugin): Attachment => {
  checkKinds(given, expectedOfReattached, `${id}.`)
  const { reattach, version = '' } = given
  const option = `${id}.reattach`
  if (!isObject(reattach)) return refuse(option, 'an object', reattach)
  checkKinds(reattach, expectedOfReattach, `${option}.`)
  const { Protocol, ProtocolVersion = 2, Pid, Test = false, Addr } = reattach
  // net/rpc, or a plugin of another program
  if (Protocol !== 'grpc') refuse(`${option}.Protocol`, '"grpc"', Protocol)
  if (ProtocolVersion !== 2) refuse(`${option}.ProtocolVersion`, '2', ProtocolVersion)
  if (!isObject(Addr)) return refuse(`${option}.Addr`, 'an object', Addr)
  checkKinds(Addr, expectedOfAddr, `${option}.Addr.`)
  const address = textAt(`${option}.Addr.String`, Addr.String)
  const target = parseNetworkAddress(Addr.Network, address) ?? refuse(`${option}.Addr`, 'a unix or tcp address', Addr)
  const name = elsewhere(`${option}.Addr`, target, address, '')
  return { id, version, target: name, tls: undefined, pid: Pid, endsWithHost: !Test }
}

/** Checks what a plugin's address says. Throws a TypeError that names the option; keys and certificates are never quoted. */
export const parsePluginAddress = (id: string, given: PluginAddress): Attachment => {
  if (!isObject(given)) return refuse(id, 'an object such as { address: "127.0.0.1:54321" }', given)
  return 'reattach' in given ? parseReattached(id, given) : parseAtAddress(id, given)
}

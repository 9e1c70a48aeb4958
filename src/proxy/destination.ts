import { LRUCache } from 'lru-cache'

/** Where a request goes, read out of its URL. */
export interface Destination {
  /** As http-proxy wants it. IPv6 addresses stand without brackets. */
  readonly target: { readonly protocol: 'http:' | 'https:'; readonly host: string; readonly port: number }
  /** Path and query, byte for byte; `/` where there is none. */
  readonly path: string
  /** As a URL spells it, the port always there. Shape: `prometheus:9090`, `[::1]:443`. */
  readonly hostAndPort: string
}

/** What stands before the path: all of it that costs to be read. */
type Origin = Omit<Destination, 'path'>

/** The host is told apart where it ends for every parser there is; what follows is printable ASCII, without a fragment. */
const shape = /^(https?:\/\/[^/?#@\\\s]+)([/?][\x21\x22\x24-\x7e]*)?$/i

const parseOrigin = (text: string): Origin | undefined => {
  if (!URL.canParse(text)) return undefined
  const { protocol, hostname, port } = new URL(text)
  const isTls = protocol === 'https:'
  const number = port === '' ? (isTls ? 443 : 80) : Number(port)
  return {
    target: { protocol: isTls ? 'https:' : 'http:', host: hostname.replace(/^\[|\]$/g, ''), port: number },
    hostAndPort: `${hostname}:${String(number)}`,
  }
}

/**
 * Reads absolute URLs. Shape: `https://prometheus:9090/base/api/v1/query?query=up`. `undefined`: it is not http or https, or has a
 * user, a fragment, or characters that could end the request line. The host may be in any spelling (decimal, octal): the URL
 * parser knows them. Remembers origins, as datasources have few.
 */
export const createDestinations = (maxOrigins: number): ((url: string) => Destination | undefined) => {
  const origins = new LRUCache<string, Origin>({ max: maxOrigins })
  return (url) => {
    const [, text, rest = ''] = shape.exec(url) ?? []
    if (text === undefined) return undefined
    const known = origins.get(text)
    const origin = known ?? parseOrigin(text)
    if (origin === undefined) return undefined
    if (known === undefined) origins.set(text, origin)
    return { ...origin, path: rest.startsWith('/') ? rest : `/${rest}` }
  }
}

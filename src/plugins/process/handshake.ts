import { E, pipe } from '../../fp.ts'
import { toPem } from './certificate.ts'

const example = '1|2|unix|/path/of/socket|grpc|'
const coreVersion = '1'
const appVersion = '2'
/** A certificate is longer; anything shorter counts as none. Source: client.go of go-plugin. */
const maxIgnoredCertificate = 50

const quote = (text: string): string => JSON.stringify(text.length > 200 ? `${text.slice(0, 200)}…` : text)

const refuse = (what: string): E.Either<string, never> => E.left(`handshake: ${what}`)

/**
 * Port on this host. A locator in front of a plugin under a debugger leaves the host part out. Another host is refused: settings
 * and secrets would cross the network in the clear.
 */
const parseTcpAddress = (address: string): E.Either<string, string> => {
  const match = /^(|localhost|127(?:\.\d{1,3}){3}|\[::1\]):(\d{1,5})$/.exec(address)
  const port = Number(match?.[2])
  if (match === null || port < 1 || port > 65535)
    return refuse(`expected a tcp address of this host such as "127.0.0.1:10000", got ${quote(address)}`)
  return E.right(match[1] === '[::1]' ? `ipv6:[::1]:${String(port)}` : `ipv4:127.0.0.1:${String(port)}`)
}

const parseAddress = (network: string, address: string): E.Either<string, string> => {
  if (network === 'tcp') return parseTcpAddress(address)
  if (network !== 'unix') return refuse(`expected network "unix" or "tcp", got ${quote(network)}`)
  return address.startsWith('/')
    ? E.right(`unix:${address}`)
    : refuse(`expected an absolute path of a unix socket, got ${quote(address)}`)
}

const checkVersions = (core: string, app: string): string | undefined => {
  if (core !== coreVersion) return `expected core protocol version ${coreVersion}, got ${quote(core)}`
  if (app !== appVersion) return `expected plugin protocol version ${appVersion}, got ${quote(app)}`
  return undefined
}

/** Of the certificate that a plugin sends: base64 of its DER, without padding. */
const parseCertificate = (field: string): E.Either<string, string> => {
  try {
    return E.right(toPem(Buffer.from(field, 'base64')))
  } catch {
    return refuse(`expected a TLS certificate, got ${quote(field)}`)
  }
}

/** Fields that older and other plugins leave out. Right: the certificate to trust, in PEM; undefined: plain text. */
const parseTransport = (
  [protocol = 'netrpc', certificate = '', multiplex = '']: ReadonlyArray<string>,
  wantsTls: boolean,
): E.Either<string, string | undefined> => {
  if (protocol !== 'grpc') return refuse(`expected protocol "grpc", got ${quote(protocol)}`)
  if (multiplex === 'true') return refuse('expected one connection per socket, got multiplexing')
  const offersTls = certificate.length > maxIgnoredCertificate
  if (wantsTls)
    return offersTls
      ? parseCertificate(certificate)
      : refuse(
          'expected a TLS certificate (option plugins.autoMTLS), got plain text: the plugin does not know AutoMTLS',
        )
  return offersTls ? refuse('expected plain text, got a TLS certificate') : E.right(undefined)
}

export interface Handshake {
  /** Where the plugin listens, as grpc-js names it. Shape: `unix:/run/plugin123`, `ipv4:127.0.0.1:10000`. */
  readonly target: string
  /** The one certificate to trust there, in PEM; undefined: it speaks plain text. */
  readonly certificate: string | undefined
}

/**
 * Reads the first line that a plugin prints. Left: a sentence for the log. Source: client.go of go-plugin; stricter where TLS,
 * multiplexing or another host would have to be asked for first, and where TLS was asked for.
 */
export const parseHandshake = (line: string, wantsTls: boolean): E.Either<string, Handshake> => {
  const [core, app, network, address, ...transport] = line.trim().split('|')
  if (core === undefined || app === undefined || network === undefined || address === undefined)
    return refuse(`expected a line such as "${example}", got ${quote(line.trim())}`)
  const wrong = checkVersions(core, app)
  if (wrong !== undefined) return refuse(wrong)
  return pipe(
    E.Do,
    E.bind('certificate', () => parseTransport(transport, wantsTls)),
    E.bind('target', () => parseAddress(network, address)),
  )
}

import { Channel, credentials } from '@grpc/grpc-js'

/** Certificates and keys in PEM. */
export interface TlsOptions {
  /** Trusted, and nothing else; a self-signed certificate of the plugin does. Default: the authorities that Node trusts. */
  readonly ca?: string
  /** Ours, where the plugin asks for one; both or none. */
  readonly cert?: string
  readonly key?: string
  /** Name in the plugin's certificate. Default: `localhost` over a Unix socket, the address over TCP. */
  readonly serverName?: string
}

const channelOptions = (receiveLimitBytes: number, serverName: string | undefined) => ({
  'grpc.max_receive_message_length': receiveLimitBytes,
  'grpc.max_send_message_length': -1,
  // a retried call would reach the plugin twice, and forbidden metadata would be retried for ever
  'grpc.enable_retries': 0,
  // the default of 64 KiB throttles large answers
  'grpc-node.flow_control_window': 1024 * 1024,
  'grpc.initial_reconnect_backoff_ms': 100,
  'grpc.max_reconnect_backoff_ms': 1000,
  'grpc.use_local_subchannel_pool': 1,
  'grpc.enable_channelz': 0,
  // would send even 127.0.0.1 through http_proxy
  'grpc.enable_http_proxy': 0,
  // strict HTTP/2 servers refuse a path as authority
  'grpc.default_authority': serverName ?? 'localhost',
  'grpc.service_config_disable_resolution': 1,
  ...(serverName === undefined ? {} : { 'grpc.ssl_target_name_override': serverName }),
})

const pem = (text: string | undefined): Buffer | null => (text === undefined ? null : Buffer.from(text))

/**
 * A channel to one plugin, connected at the first call. Shape of `target`: `unix:/run/plugin1` or `ipv4:127.0.0.1:10000`.
 * Throws for certificates and keys that cannot be read.
 */
export const openChannel = (target: string, receiveLimitBytes: number, tls: TlsOptions | undefined): Channel =>
  new Channel(
    target,
    tls === undefined ? credentials.createInsecure() : credentials.createSsl(pem(tls.ca), pem(tls.key), pem(tls.cert)),
    channelOptions(receiveLimitBytes, tls?.serverName),
  )

/** Environment variables by name. */
export type Variables = Readonly<Record<string, string | undefined>>

/** All that a plugin learns of the host's environment. Its secrets stay here. */
const inherited = [
  'PATH',
  'HOME',
  'TMPDIR',
  'TZ',
  'LANG',
  'SSL_CERT_FILE',
  'SSL_CERT_DIR',
  'HTTP_PROXY',
  'HTTPS_PROXY',
  'NO_PROXY',
  'http_proxy',
  'https_proxy',
  'no_proxy',
  // without these two no program starts on Windows
  'SystemRoot',
  'TEMP',
] as const

/** Whose behaviour a plugin may expect of us. Keep it in step with the user agent of the plugin context. */
const grafanaVersion = '12.4.0'

/** What a process is told of its own start. */
export interface HandshakeVariables {
  readonly socketDirectory: string
  /** PEM; has it speak TLS, and with nobody else. */
  readonly clientCertificate?: string | undefined
}

export interface EnvironmentOptions extends HandshakeVariables {
  readonly host: Variables
  /** Variables for this plugin as they are; they win over the host's. */
  readonly env: Variables
  /** The plugin's own settings: `max_rows` becomes `GF_PLUGIN_MAX_ROWS`. Source: `[plugin.<id>]` of grafana.ini. */
  readonly settings: Readonly<Record<string, string>>
}

/** What decides how a plugin talks to its host. A leaked `PLUGIN_CLIENT_CERT` would make it speak TLS. */
const belongsToHandshake = (name: string): boolean => name.startsWith('PLUGIN_') || name === 'grafana_plugin_type'

/** The whole environment of a plugin process: allow list, then the caller's, then the handshake's, the last one wins. */
export const pluginEnvironment = ({
  host,
  env,
  settings,
  socketDirectory,
  clientCertificate,
}: EnvironmentOptions): Record<string, string> => {
  const variables = new Map([['GF_VERSION', grafanaVersion]])
  for (const name of inherited) {
    const value = host[name]
    if (value !== undefined) variables.set(name, value)
  }
  for (const [name, value] of Object.entries(env)) {
    if (value !== undefined && !belongsToHandshake(name)) variables.set(name, value)
  }
  for (const [key, value] of Object.entries(settings)) variables.set(`GF_PLUGIN_${key.toUpperCase()}`, value)
  return {
    ...Object.fromEntries(variables),
    // the magic cookie: the same for plugins of every type
    grafana_plugin_type: 'datasource',
    PLUGIN_PROTOCOL_VERSIONS: '2',
    PLUGIN_MIN_PORT: '10000',
    PLUGIN_MAX_PORT: '25000',
    PLUGIN_UNIX_SOCKET_DIR: socketDirectory,
    ...(clientCertificate === undefined ? {} : { PLUGIN_CLIENT_CERT: clientCertificate }),
  }
}

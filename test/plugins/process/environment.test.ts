import test from 'ava'

import { pluginEnvironment } from '../../../src/plugins/process/environment.ts'

const handshake = {
  grafana_plugin_type: 'datasource',
  PLUGIN_PROTOCOL_VERSIONS: '2',
  PLUGIN_MIN_PORT: '10000',
  PLUGIN_MAX_PORT: '25000',
  PLUGIN_UNIX_SOCKET_DIR: '/run/dpa',
}
const empty = { host: {}, env: {}, settings: {}, socketDirectory: '/run/dpa' }

test('gives the handshake and a version to a plugin that gets nothing else', (t) => {
  t.deepEqual(pluginEnvironment(empty), { GF_VERSION: '12.4.0', ...handshake })
})

test('passes on no variable of the host but those listed', (t) => {
  const host = {
    PATH: '/bin',
    HOME: '/root',
    https_proxy: 'http://proxy:1',
    DATABASE_PASSWORD: 'secret',
    AWS_SECRET_ACCESS_KEY: 'secret',
    GF_SECURITY_ADMIN_PASSWORD: 'secret',
    NODE_OPTIONS: '--inspect',
    TZ: undefined,
  }
  t.deepEqual(pluginEnvironment({ ...empty, host }), {
    PATH: '/bin',
    HOME: '/root',
    https_proxy: 'http://proxy:1',
    GF_VERSION: '12.4.0',
    ...handshake,
  })
})

test("lets the caller's variables win over the host's", (t) => {
  const { PATH, GF_VERSION } = pluginEnvironment({
    ...empty,
    host: { PATH: '/bin' },
    env: { PATH: '/opt', GF_VERSION: '13.0.0' },
  })
  t.deepEqual({ PATH, GF_VERSION }, { PATH: '/opt', GF_VERSION: '13.0.0' })
})

test('lets no variable of the host change what a plugin is told of Grafana', (t) => {
  const host = { GF_VERSION: '1.0.0', GF_PLUGIN_MAX_ROWS: '1', GF_APP_URL: 'http://other' }
  const { GF_VERSION, GF_PLUGIN_MAX_ROWS, GF_APP_URL } = pluginEnvironment({
    ...empty,
    host,
    env: { GF_APP_URL: 'http://own' },
    settings: { max_rows: '100' },
  })
  t.deepEqual([GF_VERSION, GF_PLUGIN_MAX_ROWS, GF_APP_URL], ['12.4.0', '100', 'http://own'])
})

test('asks for TLS when it is given a certificate, and never else', (t) => {
  t.is(pluginEnvironment({ ...empty, clientCertificate: 'pem' })['PLUGIN_CLIENT_CERT'], 'pem')
  t.false('PLUGIN_CLIENT_CERT' in pluginEnvironment({ ...empty, clientCertificate: undefined }))
})

test('scrubs what would change the handshake, whoever set it', (t) => {
  const leaked = {
    PLUGIN_CLIENT_CERT: 'pem',
    PLUGIN_MULTIPLEX_GRPC: 'true',
    PLUGIN_MIN_PORT: '1',
    grafana_plugin_type: 'x',
    PLUGIN_UNIX_SOCKET_DIR: '/tmp',
  }
  t.deepEqual(pluginEnvironment({ ...empty, host: leaked, env: leaked }), { GF_VERSION: '12.4.0', ...handshake })
})

test("turns a plugin's settings into GF_PLUGIN_ variables", (t) => {
  const { GF_PLUGIN_MAX_ROWS } = pluginEnvironment({
    ...empty,
    env: { GF_PLUGIN_MAX_ROWS: '1' },
    settings: { max_rows: '100' },
  })
  t.is(GF_PLUGIN_MAX_ROWS, '100')
})

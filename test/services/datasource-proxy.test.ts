import test from 'ava'

import type { HeaderMap } from '../../src/http.ts'
import { base, createProxy, type Asking, type ProxySetup, type Sent } from './_proxy.ts'

interface Row extends Asking {
  readonly title: string
  readonly given?: ProxySetup
  /** Shape: `GET /proxy/a`; default that. */
  readonly ask?: string
  /** Of what is sent on; a header that is `undefined` must not be there. */
  readonly sends?: {
    readonly url?: string
    readonly method?: string
    readonly body?: string | undefined
    readonly headers?: HeaderMap
  }
  /** Of the answer. A refusal sends nothing, unless `sends` says so. */
  readonly status?: number
  readonly message?: RegExp
  readonly answers?: HeaderMap
}

const db = (url: string): ProxySetup => ({ settings: { url } })
const routes = (...list: NonNullable<ProxySetup['routes']>): ProxySetup => ({ routes: list })
const jsonData = (
  data: Readonly<Record<string, unknown>>,
  secureJsonData: Readonly<Record<string, string>> = {},
): ProxySetup => ({
  settings: { jsonData: data, secureJsonData },
})
const plugin = (id: string, ...list: NonNullable<ProxySetup['routes']>): ProxySetup => ({
  plugin: id,
  ...(list.length === 0 ? {} : { routes: list }),
})
const basic = (text: string): string => `Basic ${Buffer.from(text).toString('base64')}`
const jane = { name: 'jane', role: 'Editor', tokens: { access: 'a1', id: 'i1', grafanaId: 'g1' } }

/** Each row of what Grafana's proxy does, and where this one does better, says so. Source: the fact sheets' G13 and 6.2 to 6.5. */
const rows: ReadonlyArray<Row> = [
  // where requests go
  {
    title: 'joins path and base by one slash',
    given: db('http://db:9090/base'),
    ask: 'GET /proxy/a/b',
    sends: { url: 'http://db:9090/base/a/b' },
  },
  {
    title: 'joins behind a slash that is there',
    given: db('http://db:9090/base/'),
    ask: 'GET /proxy/a',
    sends: { url: 'http://db:9090/base/a' },
  },
  {
    title: 'asks for the base itself',
    given: db('https://db/base'),
    ask: 'GET /proxy',
    sends: { url: 'https://db/base' },
  },
  {
    title: 'asks for the base itself behind a slash',
    given: db('http://db'),
    ask: 'GET /proxy/',
    sends: { url: 'http://db/' },
  },
  { title: 'keeps a slash at the end', ask: 'GET /proxy/a/', sends: { url: 'http://db:9090/a/' } },
  {
    title: 'keeps the escaped form of the path',
    ask: 'GET /proxy/a%2Fb%20c/%C3%A9;v=1',
    sends: { url: 'http://db:9090/a%2Fb%20c/%C3%A9;v=1' },
  },
  {
    title: 'keeps the query byte for byte',
    ask: 'GET /proxy/a?b=%20+c&b=[]&a',
    sends: { url: 'http://db:9090/a?b=%20+c&b=[]&a' },
  },
  {
    title: "leaves out the query of the datasource's URL",
    given: db('http://db/?a=1#b'),
    sends: { url: 'http://db/a' },
  },
  {
    title: 'serves the older spelling',
    ask: `GET ${base.replace('datasources', 'connections')}/proxy/a`,
    sends: { url: 'http://db:9090/a' },
  },
  {
    title: 'takes any method, body and all',
    ask: 'PATCH /proxy/a',
    body: 'x=1',
    sends: { method: 'PATCH', body: 'x=1' },
  },
  {
    title: 'takes only the method of its entry',
    given: { services: [{ type: 'datasource-proxy', method: 'GET' }] },
    ask: 'POST /proxy/a',
    status: 405,
  },
  { title: 'knows no datasource of another uid', ask: `GET ${base.replace('p1', 'p2')}/proxy/a`, status: 404 },
  {
    title: 'is unavailable without a plugin of that name',
    given: { plugins: { plugin: () => undefined, close: () => Promise.resolve() } },
    status: 503,
  },
  {
    title: 'refuses a datasource without URL',
    given: db(''),
    status: 502,
    message: /the url of datasource "p1" is not an absolute http or https URL$/,
  },
  {
    title: 'refuses a URL of another scheme',
    given: db('file:///etc/passwd'),
    status: 502,
    message: /is not an absolute http or https URL$/,
  },
  {
    title: 'refuses a URL with a password, and does not tell it',
    given: db('http://joe:geheim@db/'),
    status: 502,
    message: /^(?!.*(joe|geheim)).*holds a user or a password$/,
  },

  // 6.2: what is refused
  { title: 'lets Elasticsearch be read', given: plugin('elasticsearch'), ask: 'GET /proxy/index/_doc/1', sends: {} },
  { title: 'lets Elasticsearch be searched', given: plugin('elasticsearch'), ask: 'POST /proxy/_msearch', sends: {} },
  ...[
    'POST /proxy/_bulk',
    'POST /proxy/_msearch/template',
    'POST /proxy/%5Fmsearch',
    'PUT /proxy/a',
    'DELETE /proxy/a',
    'PATCH /proxy/a',
  ].map((ask) => ({
    title: `refuses Elasticsearch ${ask}`,
    given: plugin('elasticsearch'),
    ask,
    status: 403,
    message: /no route of plugin "elasticsearch" allows/,
  })),
  ...['prometheus', 'loki', 'grafana-amazonprometheus-datasource', 'grafana-azureprometheus-datasource'].flatMap(
    (id) => [
      {
        title: `reads ${id} where no route says so`,
        given: plugin(id, { method: 'POST', path: 'rules' }),
        ask: 'GET /proxy/api/v1/x',
        sends: {},
      },
      {
        title: `changes ${id} where a route says so`,
        given: plugin(id, { method: 'POST', path: '/rules' }),
        ask: 'POST /proxy/rules/a',
        sends: { url: 'http://db:9090/rules/a' },
      },
      ...['POST', 'PUT', 'DELETE'].map((method) => ({
        title: `refuses ${method} on ${id} where no route says so`,
        given: plugin(id),
        ask: `${method} /proxy/rules`,
        status: 403,
      })),
    ],
  ),
  {
    title: 'lets everything to a datasource whose plugin has no routes',
    ask: 'DELETE /proxy/x',
    sends: { method: 'DELETE' },
  },
  {
    title: 'refuses what no route matches, where Grafana lets it pass',
    given: routes({ path: 'api' }),
    ask: 'GET /proxy/other?a=1',
    status: 403,
    message: /^no route of plugin "p" allows GET on path "other"$/,
  },
  {
    title: 'matches whole segments, not beginnings of texts (S1)',
    given: routes({ path: 'api' }),
    ask: 'GET /proxy/apifoo',
    status: 403,
  },
  {
    title: "takes slashes around a route's path",
    given: routes({ path: '/api/v1/' }),
    ask: 'GET /proxy/api/v1',
    sends: {},
  },
  ...['', '.', '/', './'].map((path) => ({
    title: `takes the route path ${JSON.stringify(path)} for all paths`,
    given: routes({ path }),
    ask: 'GET /proxy/x/y',
    sends: {},
  })),
  ...['', '*', 'GET', 'get'].map((method) => ({
    title: `takes the route method ${JSON.stringify(method)} for GET`,
    given: routes({ path: 'a', method }),
    sends: {},
  })),
  {
    title: 'lets HEAD to where GET may go',
    given: routes({ path: 'a', method: 'GET' }),
    ask: 'HEAD /proxy/a',
    sends: { method: 'HEAD' },
  },
  { title: 'refuses another method than the route', given: routes({ path: 'a', method: 'POST' }), status: 403 },
  {
    title: 'lets the first route decide',
    given: routes({ path: 'a', reqRole: 'Admin' }, { path: 'a', reqRole: 'Viewer' }),
    user: jane,
    status: 403,
    message: /needs role "Admin"$/,
  },
  { title: 'lets the role in', given: routes({ path: 'a', reqRole: 'Editor' }), user: jane, sends: {} },
  {
    title: 'asks for the action, not for the role',
    given: {
      ...routes({ path: 'a', reqRole: 'Admin', reqAction: 'x:read' }),
      authorize: ({ access }) => access?.reqRole === undefined,
    },
    sends: {},
  },
  {
    title: 'refuses without the action',
    given: { ...routes({ path: 'a', reqAction: 'x:read' }), authorize: ({ access }) => access === undefined },
    status: 403,
  },
  { title: 'refuses whom it does not know', given: routes({ path: 'a', reqRole: 'Viewer' }), status: 403 },

  // 6.3: what is sent
  {
    title: 'logs in by basic auth',
    given: { settings: { basicAuth: true, basicAuthUser: 'joe', secureJsonData: { basicAuthPassword: 'p:é' } } },
    sends: { headers: { authorization: basic('joe:p:é') } },
  },
  {
    title: 'logs in to InfluxDB by user and password',
    given: { plugin: 'influxdb', settings: { user: 'joe', secureJsonData: { password: 'p' } } },
    sends: { headers: { authorization: basic('joe:p') } },
  },
  {
    title: 'lets X-DS-Authorization stand for Authorization',
    given: { settings: { basicAuth: true, basicAuthUser: 'joe' } },
    headers: { 'x-ds-authorization': 'Bearer mine' },
    sends: { headers: { authorization: 'Bearer mine', 'x-ds-authorization': undefined } },
  },
  {
    title: 'sends cookies that are named, and none of a login',
    given: jsonData({ keepCookies: ['app', 'grafana_session'] }),
    headers: { cookie: 'app=1; other=2; grafana_session=s' },
    sends: { headers: { cookie: 'app=1' } },
  },
  {
    title: 'sends no cookie that nobody named',
    headers: { cookie: 'app=1' },
    sends: { headers: { cookie: undefined } },
  },
  {
    title: "calls itself Grafana, and not the client's name",
    headers: { 'user-agent': 'curl/8' },
    sends: { headers: { 'user-agent': 'Grafana/12.4.0' } },
  },
  {
    title: "sends a user's tokens where the datasource asks for them",
    given: jsonData({ oauthPassThru: true }),
    user: jane,
    sends: { headers: { authorization: 'Bearer a1', 'x-id-token': 'i1', 'x-grafana-id': 'g1' } },
  },
  {
    title: "sends a user's identity token to everybody, others to nobody",
    user: jane,
    sends: { headers: { authorization: undefined, 'x-id-token': undefined, 'x-grafana-id': 'g1' } },
  },
  {
    title: "sends custom headers behind a user's tokens, too",
    given: jsonData({ oauthPassThru: true, httpHeaderName1: 'authorization' }, { httpHeaderValue1: 'Token t' }),
    user: jane,
    sends: { headers: { authorization: ['Token t'], 'x-id-token': 'i1' } },
  },
  {
    title: 'sends custom headers last, and up to the first that is missing',
    given: jsonData(
      {
        httpHeaderName1: 'X-Org',
        httpHeaderName2: 'Authorization',
        httpHeaderName3: 'No-Value',
        httpHeaderName5: 'Not-Reached',
      },
      { httpHeaderValue1: 'o', httpHeaderValue2: 'Token t', httpHeaderValue5: 'x' },
    ),
    headers: { 'x-ds-authorization': 'mine' },
    sends: { headers: { 'x-org': ['o'], authorization: ['Token t'], 'no-value': undefined, 'not-reached': undefined } },
  },
  {
    title: 'sends what says how a resource is to be given',
    headers: {
      accept: 'a/b',
      'accept-encoding': 'gzip',
      'if-none-match': '"e"',
      range: 'bytes=0-1',
      'x-panel-id': '7',
    },
    sends: {
      headers: {
        accept: 'a/b',
        'accept-encoding': 'gzip',
        'if-none-match': '"e"',
        range: 'bytes=0-1',
        'x-panel-id': '7',
      },
    },
  },
  {
    title: 'sends nothing that tells of the way',
    headers: {
      origin: 'o',
      referer: 'r',
      'x-forwarded-for': 'f',
      'x-forwarded-host': 'h',
      'x-forwarded-proto': 'p',
      via: 'v',
    },
    sends: {
      headers: {
        origin: undefined,
        referer: undefined,
        'x-grafana-referer': undefined,
        'x-forwarded-for': undefined,
        'x-forwarded-host': undefined,
        'x-forwarded-proto': undefined,
        via: undefined,
      },
    },
  },
  {
    title: 'sends the trace context, and no baggage',
    given: { trace: { traceparent: '00-1', tracestate: 'a=b', baggage: 'user=jane' } },
    sends: { headers: { traceparent: '00-1', tracestate: 'a=b', baggage: undefined } },
  },
  {
    title: 'sends headers that the owner of the host lets through',
    given: { forwardedHeaders: ['x-tenant'] },
    headers: { 'x-tenant': 't' },
    sends: { headers: { 'x-tenant': 't' } },
  },
  {
    title: "keeps the client's credentials from the datasource (S7)",
    given: { forwardedHeaders: ['x-api-key'] },
    headers: {
      authorization: 'Bearer s',
      cookie: 's=1',
      'proxy-authorization': 's',
      'x-remote-user': 's',
      'x-grafana-id': 's',
      'x-id-token': 's',
      'x-grafana-user': 's',
      connection: 'x-api-key',
      'x-api-key': 's',
    },
    sends: {
      headers: {
        authorization: undefined,
        cookie: undefined,
        'proxy-authorization': undefined,
        'x-remote-user': undefined,
        'x-grafana-id': undefined,
        'x-id-token': undefined,
        'x-grafana-user': undefined,
        'x-api-key': undefined,
        connection: undefined,
      },
    },
  },
  {
    title: 'keeps tokens in the query from the datasource (S8)',
    ask: 'GET /proxy/a?b=1&auth_token=s&%61ccess_token=s&c=2',
    sends: { url: 'http://db:9090/a?b=1&c=2' },
  },

  // 6.4: routes of plugin.json
  {
    title: 'sends a route to its own URL, and takes its path away',
    given: {
      ...routes({ path: 'api/v1', url: 'https://{{ .JsonData.host }}/base' }),
      settings: { jsonData: { host: 'h' } },
    },
    ask: 'GET /proxy/api/v1/x%2Fy',
    sends: { url: 'https://h/base/x%2Fy' },
  },
  {
    title: 'takes the path of a route away that begins with a slash',
    given: routes({ path: '/api', url: 'http://h/' }),
    ask: 'GET /proxy/api',
    sends: { url: 'http://h/' },
  },
  {
    title: 'leaves the path of a route that has no URL',
    given: routes({ path: 'api' }),
    ask: 'GET /proxy/api/x',
    sends: { url: 'http://db:9090/api/x' },
  },
  {
    title: "fills in the datasource's own URL",
    given: routes({ path: 'api', url: '{{ .URL }}/v2' }),
    ask: 'GET /proxy/api/x',
    sends: { url: 'http://db:9090/v2/x' },
  },
  {
    title: 'adds parameters, sorted by name',
    given: {
      ...routes({ path: 'a', urlParams: [{ name: 'k{{ .JsonData.n }}', content: '{{ .SecureJsonData.key }} ä' }] }),
      settings: { jsonData: { n: 1 }, secureJsonData: { key: 's' } },
    },
    ask: 'GET /proxy/a?z=1&k1=mine&a=%2B&access_token=x',
    sends: { url: 'http://db:9090/a?a=%2B&k1=mine&k1=s+%C3%A4&z=1' },
  },
  {
    title: 'sets headers',
    given: {
      ...routes({
        path: 'a',
        headers: [
          { name: 'Authorization', content: 'Bearer {{ .SecureJsonData.key }}' },
          { name: 'ACCEPT', content: 'x/y' },
        ],
      }),
      settings: { secureJsonData: { key: 's' } },
    },
    headers: { accept: 'a/b', 'x-ds-authorization': 'mine' },
    sends: { headers: { authorization: 'Bearer s', accept: 'x/y' } },
  },
  {
    title: "puts a body in the place of the client's",
    given: {
      ...routes({ path: 'a', body: { key: '{{ .SecureJsonData.key }}', n: [1] } }),
      settings: { secureJsonData: { key: 'a"\n' } },
    },
    ask: 'POST /proxy/a',
    body: 'mine',
    headers: { 'content-encoding': 'gzip', 'content-type': 'application/json' },
    sends: {
      body: '{"key":"a\\"\\n","n":[1]}',
      headers: { 'content-encoding': undefined, 'content-type': 'application/json' },
    },
  },
  ...[
    { path: 'a', url: 'https://{{ .JsonData.host }}' },
    { path: 'a', url: 'file:///x' },
    { path: 'a', url: 'http://joe:pw@h/' },
    { path: 'a', headers: [{ name: 'x', content: '{{ .SecureJsonData.missing }}' }] },
    { path: 'a', headers: [{ name: 'x', content: '{{ printf "x" }}' }] },
    { path: 'a', headers: [{ name: 'x', content: 'a\r\nb: c' }] },
    { path: 'a', headers: [{ name: 'Host', content: 'x' }] },
    { path: 'a', urlParams: [{ name: '{{', content: 'x' }] },
    { path: 'a', body: { x: '{{ .JsonData.x }}' } },
    { path: 'a', tokenAuth: { url: '{{ .JsonData.x }}' } },
    { path: 'a', tokenAuth: { url: 'nowhere' } },
  ].map((route) => ({
    title: `sends nothing for ${JSON.stringify(route)}, where Grafana sends it all the same`,
    given: routes(route),
    status: 502,
  })),
  ...['azure', 'gce', 'other'].map((authType) => ({
    title: `sends nothing where a route asks for "${authType}" authentication`,
    given: routes({ path: 'a', authType, tokenAuth: { url: 'http://t' } }),
    status: 501,
    message: new RegExp(`^authentication type "${authType}" is not served`),
  })),
  {
    title: 'lets jsonData say how to authenticate',
    given: {
      ...routes({ path: 'a', tokenAuth: { url: 'http://t' } }),
      settings: { jsonData: { authenticationType: 'azure' } },
    },
    status: 501,
  },
  {
    title: 'does not mind an authenticationType of jsonData where no route needs a token',
    given: { ...routes({ path: 'a' }), settings: { jsonData: { authenticationType: 'keys' } } },
    sends: {},
  },

  // 9.3: the way to a datasource
  ...(
    [
      ['timeout', '30'],
      ['timeout', -1],
      ['dialTimeout', true],
      ['tlsSkipVerify', 'true'],
      ['tlsAuth', 1],
      ['serverName', 5],
      ['keepCookies', 'a'],
      ['httpHeaderName1', 7],
    ] as const
  ).map(([field, value]) => ({
    title: `names the field where jsonData.${field} is ${JSON.stringify(value)}`,
    given: jsonData({ [field]: value }),
    status: 502,
    message: new RegExp(`settings of datasource "p1": jsonData\\.${field}: expected `),
  })),
  ...['Content-Length', 'host', 'Connection', 'a b', ''].map((name) => ({
    title: `sends nothing with a custom header ${JSON.stringify(name)}`,
    given: jsonData({ httpHeaderName1: name }, { httpHeaderValue1: 'x' }),
    status: 502,
    message: /jsonData\.httpHeaderName1: /,
  })),
  {
    title: 'sends nothing with a value that fits into no header, and does not tell it',
    given: jsonData({ httpHeaderName1: 'x' }, { httpHeaderValue1: 'geheim\n' }),
    status: 502,
    message: /^(?!.*geheim).*its value/,
  },
  {
    title: "sends nothing without the client's certificate that it needs",
    given: jsonData({ tlsAuth: true }),
    status: 502,
    message: /secureJsonData\.tlsClientCert is missing$/,
  },

  // 6.5: what comes back
  {
    title: 'lets status, headers and body through',
    given: {
      answer: {
        status: 418,
        headers: { 'content-type': 'text/x', etag: '"e"', 'content-encoding': 'gzip' },
        body: 'b',
      },
    },
    sends: {},
    status: 418,
    answers: { 'content-type': 'text/x', etag: '"e"', 'content-encoding': 'gzip' },
  },
  {
    title: 'lets no script of a datasource run on this origin (S11)',
    given: { answer: { headers: { 'content-security-policy': 'script-src *', 'content-type': 'text/html' } } },
    sends: {},
    status: 200,
    answers: { 'content-security-policy': 'sandbox', 'x-content-type-options': 'nosniff' },
  },
  {
    title: 'lets no script run in an error either (S11)',
    given: db(''),
    status: 502,
    answers: { 'content-security-policy': 'sandbox', 'x-content-type-options': 'nosniff' },
  },
  {
    title: 'drops Set-Cookie, and what acts on this origin',
    given: {
      answer: {
        headers: {
          'set-cookie': ['a=1'],
          'access-control-allow-origin': '*',
          'strict-transport-security': 'x',
          'content-length': '5',
          server: 's',
        },
      },
    },
    sends: {},
    status: 200,
    answers: {
      'set-cookie': undefined,
      'access-control-allow-origin': undefined,
      'strict-transport-security': undefined,
      'content-length': undefined,
      server: undefined,
    },
  },
  {
    title: 'turns 401 into 400, and drops its headers',
    given: { answer: { status: 401, headers: { 'www-authenticate': 'Basic', etag: 'x' }, body: 'who?' } },
    sends: {},
    status: 400,
    message: /^Authentication to data source failed$/,
    answers: { 'www-authenticate': undefined, etag: undefined },
  },
  ...['BadGateway', 'GatewayTimeout', 'Forbidden'].map((_tag, index) => ({
    title: `tells ${_tag} apart`,
    given: { answer: () => ({ _tag, message: 'm' }) as never },
    sends: {},
    status: [502, 504, 403][index] ?? 0,
    message: /^m$/,
  })),
  {
    title: 'lets one content type through where there are two',
    given: { answer: { headers: { 'content-type': ['text/plain', 'text/html'], vary: ['a', 'b'] } } },
    sends: {},
    answers: { 'content-type': 'text/plain', vary: ['a', 'b'] },
  },
  {
    title: 'takes 304 for no redirect',
    given: { answer: { status: 304, headers: { location: 'http://elsewhere/' } } },
    sends: {},
    status: 304,
    answers: { location: undefined },
  },
  { title: 'refuses a status that HTTP has not', given: { answer: { status: 99 } }, sends: {}, status: 502 },
]

const sentHeaders = ({ headers }: Sent, names: ReadonlyArray<string>): HeaderMap =>
  Object.fromEntries(names.map((name) => [name, headers[name]]))

for (const {
  title,
  given,
  ask = 'GET /proxy/a',
  sends,
  status = 200,
  message = /^/,
  answers = {},
  ...asking
} of rows) {
  test(title, async (t) => {
    const { ask: send, sent } = createProxy(given)
    const [method = '', path = ''] = ask.split(' ')
    const answer = await send(method, path, asking)
    t.is(answer.status, status, answer.message)
    t.regex(answer.message, message)
    for (const [name, value] of Object.entries(answers)) t.deepEqual(answer.headers[name], value, name)
    t.is(sent.length, sends === undefined ? 0 : 1)
    const [first] = sent
    if (sends === undefined || first === undefined) return
    const { headers = {}, ...rest } = sends
    t.like(first, { method, ...rest })
    t.deepEqual(sentHeaders(first, Object.keys(headers)), headers)
  })
}

import { writeFileSync } from 'node:fs'
import { join } from 'node:path'

import test from 'ava'

import { toApiServer, type ApiServerOptions } from '../../src/kubernetes/api-server.ts'
import { apiServer } from '../../src/kubernetes/index.ts'
import { authority, clientCertificate, serverCertificate } from '../proxy/_certificates.ts'
import { temporaryDirectory } from '../plugins/_setup.ts'

test('takes what it is given, and opens nothing', (t) => {
  const { server, ...access } = toApiServer(new URL('https://a:6443/base'), {
    token: 'x',
    ca: authority,
    ...clientCertificate,
    serverName: 'b',
    proxyUrl: 'https://u:p@c',
    headers: { 'X-A': '1' },
  })
  t.is(server.href, 'https://a:6443/base')
  t.deepEqual(access, {
    namespace: 'default',
    headers: { 'x-a': '1' },
    tls: {
      ca: { text: authority },
      cert: { text: clientCertificate.cert },
      key: { text: clientCertificate.key },
      serverName: 'b',
      isInsecure: false,
    },
    proxy: new URL('https://u:p@c'),
    login: { _tag: 'Fixed', authorization: 'Bearer x' },
  })
  t.is(typeof apiServer('http://127.0.0.1:1', { token: 'loopback' }).connect, 'function')
})

test('names the option that is wrong, and no secret', (t) => {
  const directory = temporaryDirectory(t)
  writeFileSync(join(directory, 'empty'), '\n')
  const cases: ReadonlyArray<readonly [url: string, options: Record<string, unknown>, message: string]> = [
    ['10.0.0.1:6443', {}, 'url: expected a URL such as "https://10.0.0.1:6443", got no URL'],
    ['ftp://a', {}, 'url: expected a URL such as "https://10.0.0.1:6443", got "ftp:"'],
    ['https://a:secret@b', {}, 'url: expected a URL such as "https://10.0.0.1:6443", got one that holds a login'],
    ['https://a?b', {}, 'url: expected a URL such as "https://10.0.0.1:6443", got one with a query or a fragment'],
    [
      'https://a',
      { tokn: 'x' },
      'unknown option tokn, known: headers, token, tokenFile, ca, cert, key, serverName, insecure, proxyUrl, namespace',
    ],
    ['https://a', { token: 7 }, 'option token: expected a text or a function, got number'],
    ['https://a', { token: 'sec ret' }, 'option token: expected a token, got a text that no header can carry'],
    ['https://a', { token: 'x', tokenFile: 'y' }, 'options: expected one way to log in, got token and tokenFile'],
    ['https://a', { tokenFile: join(directory, 'none') }, 'option tokenFile: expected a readable file, got ENOENT'],
    [
      'https://a',
      { tokenFile: join(directory, 'empty') },
      'option tokenFile: expected a token, got a text that no header can carry',
    ],
    [
      'http://a',
      { token: 'x' },
      'option token: expected a server by https, got one by http: all that lies between could read it',
    ],
    [
      'http://a',
      { headers: { Authorization: 'x' } },
      'option headers.authorization: expected a server by https, got one by http: all that lies between could read it',
    ],
    [
      'https://a',
      { headers: { Host: 'x' } },
      'option headers.Host: expected a header that is not set by the client, got one',
    ],
    [
      'https://a',
      { headers: { 'X-A': 'a\r\nb' } },
      'option headers.X-A: expected a text for a header, got another value',
    ],
    ['https://a', { headers: { 'a b': '' } }, 'option headers: expected names of headers, got another'],
    ['https://a', { ca: 'secret' }, 'option ca: expected certificates in PEM, got something else'],
    ['https://a', { cert: clientCertificate.cert }, 'option key: expected the key of the certificate, got nothing'],
    ['https://a', { key: clientCertificate.key }, 'option cert: expected the certificate of the key, got nothing'],
    [
      'https://a',
      { cert: clientCertificate.cert, key: serverCertificate.key },
      'option key: expected the key of the certificate, got something else',
    ],
    ['https://a', { insecure: true, ca: authority }, 'option ca: expected none beside insecure, got one'],
    [
      'https://a',
      { proxyUrl: 'socks5://u:p@b' },
      'option proxyUrl: expected a proxy such as "http://10.0.0.1:3128", got "socks5:"',
    ],
    [
      'https://a',
      { proxyUrl: 'http://%zz@b' },
      'option proxyUrl: expected a proxy such as "http://10.0.0.1:3128", got a login with a wrong percent sign',
    ],
  ]
  for (const [url, options, message] of cases)
    t.throws(() => toApiServer(url, options as ApiServerOptions), { instanceOf: TypeError, message })
})

import test from 'ava'
import fc from 'fast-check'

import { parseDataPlaneService } from '../../src/api/validation.ts'
import { serviceTypes } from '../../src/api/dataplane-service.ts'
import { E } from '../../src/fp.ts'
import { manifest, service } from './manifests.ts'

type Cause = readonly [field: string, reason: string, message?: string | RegExp]

const causesOf = (value: unknown) => {
  const parsed = parseDataPlaneService(value)
  return E.isLeft(parsed) ? parsed.left : []
}

const without = (field: 'metadata' | 'spec'): unknown => ({ ...manifest(), [field]: undefined })
const spec = (changes: object): unknown => ({ ...manifest(), spec: { ...manifest().spec, ...changes } })
const metadata = (changes: object): unknown => ({ ...manifest(), metadata: { ...manifest().metadata, ...changes } })
const services = (...list: ReadonlyArray<unknown>): unknown => manifest(list)
const route = (path: string): unknown => services({ type: 'route', path })
const at = (reason: string, message?: string | RegExp): Cause => ['spec.services[0].path', reason, message ?? /./]

const wrong: Readonly<Record<string, readonly [value: unknown, ...causes: ReadonlyArray<Cause>]>> = {
  nothing: [undefined, ['', 'FieldValueRequired']],
  'a null': [null, ['', 'FieldValueTypeInvalid', 'expected an object, got null']],
  'an array': [[manifest()], ['', 'FieldValueTypeInvalid', 'expected an object, got an array']],
  'a number': [7, ['', 'FieldValueTypeInvalid', 'expected an object, got a number']],
  'an object without metadata': [without('metadata'), ['metadata', 'FieldValueRequired']],
  'an object without spec': [without('spec'), ['spec', 'FieldValueRequired', 'expected an object, got nothing']],
  'an object whose only member is __proto__': [
    JSON.parse(`{"__proto__": ${JSON.stringify(manifest())}}`),
    ['apiVersion', 'FieldValueRequired'],
    ['kind', 'FieldValueRequired'],
    ['metadata', 'FieldValueRequired'],
    ['spec', 'FieldValueRequired'],
  ],
  'another apiVersion': [
    { ...manifest(), apiVersion: 'v1' },
    [
      'apiVersion',
      'FieldValueNotSupported',
      'Unsupported value: "v1": supported values: "aggregation.grafana.app/v0alpha1"',
    ],
  ],
  'another kind': [{ ...manifest(), kind: 'APIService' }, ['kind', 'FieldValueNotSupported']],
  'an empty name': [metadata({ name: '' }), ['metadata.name', 'FieldValueRequired']],
  'a name in upper case': [metadata({ name: 'P' }), ['metadata.name', 'FieldValueInvalid', /got "P"$/]],
  'a name with a path in it': [metadata({ name: '../etc' }), ['metadata.name', 'FieldValueInvalid']],
  'a long name': [metadata({ name: 'a'.repeat(254) }), ['metadata.name', 'FieldValueTooLong', /253/]],
  'a label that is no text': [metadata({ labels: { a: 1 } }), ['metadata.labels.a', 'FieldValueTypeInvalid']],
  'a time of birth that is no time': [
    metadata({ creationTimestamp: 'yesterday' }),
    ['metadata.creationTimestamp', 'FieldValueInvalid'],
  ],
  'no plugin': [spec({ pluginID: '' }), ['spec.pluginID', 'FieldValueRequired']],
  'a plugin elsewhere on the disk': [spec({ pluginID: '../../bin/sh' }), ['spec.pluginID', 'FieldValueInvalid']],
  'a plugin named by dots': [spec({ pluginID: '..' }), ['spec.pluginID', 'FieldValueInvalid']],
  'a long plugin': [spec({ pluginID: 'a'.repeat(129) }), ['spec.pluginID', 'FieldValueTooLong']],
  'a plugin type that does not exist': [
    spec({ pluginType: 'panel' }),
    ['spec.pluginType', 'FieldValueNotSupported', 'Unsupported value: "panel": supported values: "app", "datasource"'],
  ],
  'no group': [spec({ group: '' }), ['spec.group', 'FieldValueRequired']],
  'a group with a slash': [spec({ group: 'a/b' }), ['spec.group', 'FieldValueInvalid']],
  'a version with a dot': [spec({ version: 'v1.2' }), ['spec.version', 'FieldValueInvalid']],
  'a version that begins with a digit': [spec({ version: '1' }), ['spec.version', 'FieldValueInvalid']],
  'services that are no list': [
    spec({ services: { type: 'query' } }),
    ['spec.services', 'FieldValueTypeInvalid', 'expected an array, got an object'],
  ],
  'more services than anybody reads, whatever they are': [
    services(...Array.from({ length: 257 }, () => 1)),
    ['spec.services', 'FieldValueTooLong', 'expected at most 256 services, got 257'],
  ],
  'a service without a type': [services({}), ['spec.services[0].type', 'FieldValueRequired']],
  'a type that does not exist': [
    services({ type: 'query' }, { type: 'data' }),
    [
      'spec.services[1].type',
      'FieldValueNotSupported',
      /"data": supported values: "admission".*"datasource-proxy", "settings", "health", "metrics"$/,
    ],
  ],
  'a type from the prototype': [services({ type: 'constructor' }), ['spec.services[0].type', 'FieldValueNotSupported']],
  'a method in lower case': [
    services({ type: 'route', method: 'get', path: '/a' }),
    ['spec.services[0].method', 'FieldValueNotSupported', /"get": supported values: "GET", "HEAD"/],
  ],
  'a method that a type does not have': [
    services({ type: 'query', method: 'GET' }),
    ['spec.services[0].method', 'FieldValueNotSupported', /supported values: "POST"$/],
  ],
  'a method that would smuggle': [
    services({ type: 'route', method: 'GET /x HTTP/1.1\r\nHost:', path: '/a' }),
    ['spec.services[0].method', 'FieldValueNotSupported'],
  ],
  'a path for a type with a path of its own': [
    services({ type: 'query', path: '/a' }),
    at('FieldValueForbidden', 'only a service of type "route" has a path of its own, not "query"'),
  ],
  'a path for a type that only reads': [
    services({ type: 'health', path: '/a' }),
    at('FieldValueForbidden', /not "health"$/),
  ],
  'a method for a type that only reads': [
    services({ type: 'metrics', method: 'POST' }, { type: 'settings', method: 'PUT' }),
    ['spec.services[0].method', 'FieldValueNotSupported', /"POST": supported values: "GET"$/],
    ['spec.services[1].method', 'FieldValueNotSupported', /"PUT": supported values: "GET"$/],
  ],
  'a method that streams do not have': [
    services({ type: 'stream', method: 'PUT' }),
    ['spec.services[0].method', 'FieldValueNotSupported', /supported values: "GET", "POST"$/],
  ],
  'a backend that is no object': [
    spec({ backend: 'http://reports' }),
    ['spec.backend', 'FieldValueTypeInvalid', 'expected an object, got a string'],
  ],
  'a backend without anything': [
    spec({ backend: {} }),
    ['spec.backend.type', 'FieldValueRequired'],
    ['spec.backend.baseURL', 'FieldValueRequired'],
  ],
  'a backend of another type': [
    spec({ backend: { type: 'grpc', baseURL: 'https://reports' } }),
    ['spec.backend.type', 'FieldValueNotSupported', 'Unsupported value: "grpc": supported values: "http"'],
  ],
  'a certificate that is none': [
    spec({ backend: { type: 'http', baseURL: 'https://reports', caBundle: 'LS0tLS1CRUdJTg==' } }),
    ['spec.backend.caBundle', 'FieldValueInvalid', 'expected certificates in PEM, in base64'],
  ],
  'a certificate that is no base64': [
    spec({ backend: { type: 'http', baseURL: 'https://reports', caBundle: '-----BEGIN CERTIFICATE-----' } }),
    ['spec.backend.caBundle', 'FieldValueInvalid'],
  ],
  'a path without its slash': [route('a'), at('FieldValueInvalid', 'must start with "/"')],
  'an absolute URL': [route('http://evil/a'), at('FieldValueInvalid', 'must start with "/"')],
  'a parameter twice': [route('/{a}/{a}'), at('FieldValueInvalid', 'must not bind "{a}" twice')],
  'the parameter of the namespace again': [route('/{namespace}'), at('FieldValueInvalid', /twice/)],
  'two parameters in a segment': [route('/{a}{a}'), at('FieldValueInvalid', /^segment "\{a\}\{a\}" is not/)],
  'a megabyte of path': [
    route(`/${'a'.repeat(1e6)}`),
    at('FieldValueInvalid', 'must not be longer than 1024 characters'),
  ],
  'a megabyte of type': [
    services({ type: 'a'.repeat(1e6) }),
    ['spec.services[0].type', 'FieldValueNotSupported', /\.\.\."/],
  ],
}

for (const [name, [value, ...expected]] of Object.entries(wrong)) {
  test(`refuses ${name}`, (t) => {
    const causes = causesOf(value)
    t.deepEqual(
      causes.map(({ field, reason }) => [field, reason]),
      expected.map(([field, reason]) => [field, reason]),
    )
    for (const [index, [, , message = /./]] of expected.entries()) {
      const given = causes[index]?.message ?? ''
      if (typeof message === 'string') t.is(given, message)
      else t.regex(given, message)
      t.true(given.length < 300)
    }
  })
}

for (const group of [
  ...['apps', 'batch', 'autoscaling', 'policy', 'events', 'extensions', 'k8s.io', 'kubernetes.io'],
  ...['rbac.authorization.k8s.io', 'node.kubernetes.io', 'aggregation.grafana.app'],
]) {
  test(`leaves group ${group} to whom it belongs`, (t) => {
    t.like(causesOf(spec({ group })), [
      { field: 'spec.group', reason: 'FieldValueForbidden', message: `group "${group}" is reserved` },
    ])
  })
}

test('takes a group that only ends like a reserved one', (t) => {
  t.deepEqual(causesOf(spec({ group: 'notk8s.io' })), [])
  t.deepEqual(causesOf(spec({ group: 'k8s.io.example.com' })), [])
})

for (const baseURL of [
  ...[
    '',
    'reports',
    '/reports',
    '//reports',
    'reports:8080',
    'ftp://reports',
    'file:///etc/passwd',
    'unix:/run/a.sock',
  ],
  ...[
    'http://',
    'http:reports',
    'http:///reports',
    'https://a b',
    'https://a:b',
    'https://[::1',
    'javascript:alert(1)',
  ],
  // what a parser would forgive, or take for something else than what stands behind it
  ...[
    'https://user@reports',
    'https://user:password@reports',
    'https://@reports',
    'https://reports\\@evil',
    ' https://a',
  ],
  ...['https://reports?', 'https://reports?a=b', 'https://reports#', 'https://reports/#a', 'https://rep\norts'],
  `https://reports/${'a'.repeat(2048)}`,
]) {
  test(`refuses the base URL ${JSON.stringify(baseURL.slice(0, 60))}`, (t) => {
    t.deepEqual(causesOf(spec({ backend: { type: 'http', baseURL } })), [
      {
        reason: 'FieldValueInvalid',
        field: 'spec.backend.baseURL',
        message: 'expected a URL with http or https, without user, query and fragment',
      },
    ])
  })
}

test('takes a backend, and nothing of it that it does not know', (t) => {
  const caBundle = Buffer.from('-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n').toString('base64')
  for (const baseURL of [
    'https://reports.example.com:8443/base',
    'http://10.0.0.1',
    'http://[::1]:80/',
    'HTTPS://A/%20',
  ]) {
    const parsed = parseDataPlaneService(spec({ backend: { type: 'http', baseURL, caBundle, insecure: true } }))
    t.deepEqual(E.isRight(parsed) && parsed.right.spec.backend, { type: 'http', baseURL, caBundle })
  }
  const parsed = parseDataPlaneService(spec({ backend: { type: 'http', baseURL: 'http://a', caBundle: '' } }))
  t.deepEqual(E.isRight(parsed) && parsed.right.spec.backend, { type: 'http', baseURL: 'http://a' })
  t.false('backend' in (E.isRight(parsed) ? service().spec : {}))
})

const same: Readonly<Record<string, readonly [unknown, unknown]>> = {
  'one type twice': [{ type: 'query' }, { type: 'query' }],
  'both spellings of the proxy': [{ type: 'datasource-proxy' }, { type: 'datsource-proxy' }],
  'the one method of a type, named and not': [{ type: 'query' }, { type: 'query', method: 'POST' }],
  'routes whose parameters differ in name only': [
    { type: 'route', path: '/a/{x}' },
    { type: 'route', path: '/a/{y}' },
  ],
  'both spellings of a wildcard': [
    { type: 'route', path: '/a/*' },
    { type: 'route', path: '/a/{rest...}' },
  ],
  'the health of a plugin': [{ type: 'health' }, { type: 'health', method: 'GET' }],
  'an empty method and none': [
    { type: 'route', path: '/a', method: '' },
    { type: 'route', path: '/a' },
  ],
}
for (const [name, [first, second]] of Object.entries(same)) {
  test(`refuses the second of ${name}`, (t) => {
    t.deepEqual(causesOf(services({ type: 'admission' }, first, second)), [
      {
        reason: 'FieldValueDuplicate',
        field: 'spec.services[2]',
        message: 'same type, method and path as spec.services[1]',
      },
    ])
  })
}

test('takes several routes, told apart by method or path', (t) => {
  const list = [
    { type: 'route', method: 'GET', path: '/a/{x}' },
    { type: 'route', method: 'PUT', path: '/a/{x}' },
    { type: 'route', path: '/a/{x}' },
    { type: 'route', path: '/a/{x}/b' },
    { type: 'route', path: '/a/b' },
    { type: 'route' },
  ]
  t.deepEqual(causesOf(services(...list)), [])
})

test('takes every type, and the old spelling of the proxy as the new one', (t) => {
  t.deepEqual(causesOf(services(...serviceTypes.map((type) => ({ type })))), [])
  const parsed = parseDataPlaneService(services({ type: 'datsource-proxy' }))
  t.like(parsed, { right: { spec: { services: [{ type: 'datasource-proxy' }] } } })
})

test('takes as many services as may be', (t) => {
  const list = Array.from({ length: 256 }, (_, index) => ({ type: 'route', path: `/r${String(index)}` }))
  t.deepEqual(causesOf(services(...list)), [])
})

test('takes no services at all, a null creationTimestamp and fields that it does not know', (t) => {
  const value = { ...manifest([]), metadata: { name: 'a', creationTimestamp: null, ownerReferences: [] }, status: {} }
  const parsed = parseDataPlaneService(value)
  t.like(parsed, { right: { status: {}, metadata: { ownerReferences: [] } } })
})

test('names all wrong fields at once', (t) => {
  const value = {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name: 'A', creationTimestamp: 'never' },
    spec: {
      pluginID: '',
      pluginType: '',
      group: 'apps',
      version: 'V1',
      services: [{ type: '?' }, { type: 'query', method: 'PUT', path: '/a' }, { type: 'route', path: '//' }],
    },
  }
  t.deepEqual(
    causesOf(value).map(({ field }) => field),
    [
      ...['apiVersion', 'kind', 'metadata.name', 'metadata.creationTimestamp'],
      ...['spec.pluginID', 'spec.pluginType', 'spec.group', 'spec.version'],
      ...['spec.services[0].type', 'spec.services[1].method', 'spec.services[1].path', 'spec.services[2].path'],
    ],
  )
})

test('names all fields of a wrong type at once, and never the value', (t) => {
  const secret = ['hunter2']
  const causes = causesOf({
    ...manifest([secret, { type: secret, method: secret, path: secret }]),
    kind: secret,
    metadata: { name: secret, labels: { a: secret } },
  })
  t.deepEqual(
    causes.map(({ field }) => field),
    [
      ...['kind', 'metadata.name', 'metadata.labels.a'],
      ...['spec.services[0]', 'spec.services[1].type', 'spec.services[1].method', 'spec.services[1].path'],
    ],
  )
  t.notRegex(JSON.stringify(causes), /hunter2/)
})

for (const [what, bad] of Object.entries({ rule: { type: '?'.repeat(1e4) }, type: { type: 1 } })) {
  test(`says no more than somebody would read about 200 services that break a ${what}`, (t) => {
    const causes = causesOf(services(...Array.from({ length: 200 }, () => bad)))
    t.is(causes.length, 33)
    t.like(causes.at(-1), { field: '', message: 'and 168 more wrong fields' })
    t.true(JSON.stringify(causes).length < 20_000)
  })
}

test('cuts a key that would fill the report', (t) => {
  const [cause] = causesOf(metadata({ labels: { ['k'.repeat(1e6)]: 1 } }))
  t.regex(cause?.field ?? '', /^metadata\.labels\.k{77}\.\.\.$/)
})

test('never throws, whatever the value', (t) => {
  const key = fc.constantFrom('type', 'path', 'method', '__proto__', 'constructor')
  const entry = fc.oneof(fc.jsonValue(), fc.dictionary(key, fc.oneof(fc.string(), fc.jsonValue())))
  const anything = fc.oneof(
    fc.jsonValue(),
    fc.record(
      { metadata: fc.jsonValue(), spec: fc.jsonValue(), apiVersion: fc.jsonValue(), kind: fc.jsonValue() },
      { requiredKeys: [] },
    ),
    fc.array(entry).map((list) => services(...list)),
    fc.string().map(route),
  )
  fc.assert(
    fc.property(anything, (value) => {
      const parsed = parseDataPlaneService(value)
      return E.isRight(parsed) || (parsed.left.length > 0 && parsed.left.length <= 33)
    }),
    { numRuns: 1000 },
  )
  t.pass()
})

import test from 'ava'
import fc from 'fast-check'

import type { ClaimedApis } from '../../src/discovery.ts'
import { documentsOf } from './_documents.ts'

const documents = documentsOf({ registry: 'read-only' })

const ours = [
  '/api',
  '/apis',
  '/apis/p.example.com',
  '/apis/p.example.com/v1',
  '/apis/p.example.com/v2',
  '/apis/aggregation.grafana.app',
  '/apis/aggregation.grafana.app/v0alpha1',
  '/openapi/v2',
  '/openapi/v3',
  '/openapi/v3/apis/p.example.com/v1',
  '/openapi/v3/apis/aggregation.grafana.app/v0alpha1',
]

test('finds each document, with its query', (t) => {
  for (const path of [...ours, '/apis/']) {
    for (const query of ['', '?', '?timeout=32s', '?a=/b?c']) {
      const found = documents.find('GET', path + query)
      t.is(found?.path, path === '/apis/' ? '/apis' : path, path + query)
      t.is(found?.query, query.slice(1))
      t.true(found?.route.isShared)
    }
  }
  t.is(documents.find('GET', '/apis?a#b')?.query, 'a')
  t.is(documents.find('HEAD', '/apis')?.path, '/apis')
})

const others = [
  '/',
  '*',
  '',
  '/ap',
  '/api/',
  '/api/v1',
  '/apix',
  '/apisx',
  '/apis#x',
  '//apis',
  '/apis//',
  '/APIS',
  '/%61pis',
  '/apis/apps',
  '/apis/apps/v1',
  '/apis/p.example.com/',
  '/apis/p.example.com/v3',
  '/apis/p.example.com/v1/',
  '/apis/p.example.com/v1/namespaces',
  '/apis/P.example.com/v1',
  '/apis/p.example.com/%761',
  '/apis/./p.example.com/v1',
  '/apis/p.example.com;x/v1',
  '/openapi',
  '/openapi/v2/',
  '/openapi/v3/',
  '/openapi/v3/apis',
  '/openapi/v3/apis/p.example.com',
  '/openapi/v3/apis/apps/v1',
  '/swagger.json',
  'http://host/apis',
]

test('leaves all other paths, all other spellings and all other methods to the next handler', (t) => {
  for (const path of others) t.is(documents.find('GET', path), undefined, path)
  for (const method of ['POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS', 'get', '']) {
    for (const path of ours) t.is(documents.find(method, path), undefined, `${method} ${path}`)
  }
})

test('finds nothing where nothing is claimed, and no OpenAPI v2 without a registry', (t) => {
  const empty = documentsOf({ apis: () => [] })
  for (const path of ours) t.is(empty.find('GET', path), undefined, path)
  t.is(documentsOf().find('GET', '/openapi/v2'), undefined)
})

test('follows what is claimed', (t) => {
  let current: ClaimedApis = []
  const following = documentsOf({ apis: () => current })
  t.is(following.find('GET', '/apis/q.example.com'), undefined)
  current = [{ group: 'q.example.com', version: 'v1', resources: [], routes: [] }]
  t.is(following.find('GET', '/apis/q.example.com')?.path, '/apis/q.example.com')
})

test('finds no path but its own, whatever the text', (t) => {
  const part = fc.constantFrom(
    'apis',
    'openapi',
    'v1',
    'v2',
    'v3',
    'p.example.com',
    '',
    '.',
    '..',
    '%2f',
    'x',
    '?',
    '#',
    '%00',
  )
  const texts = fc.oneof(
    fc.string({ unit: 'binary' }),
    fc.array(part, { maxLength: 7 }).map((parts) => `/${parts.join('/')}`),
    fc.tuple(fc.constantFrom(...ours), fc.string()).map((parts) => parts.join('')),
  )
  fc.assert(
    fc.property(texts, (target) => {
      const found = documents.find('GET', target)
      const path = target.split('?', 1)[0] ?? ''
      const isOurs = ours.includes(path) || path === '/apis/'
      t.is(found !== undefined, isOurs, target)
      if (found !== undefined) t.true(ours.includes(found.path))
    }),
  )
})

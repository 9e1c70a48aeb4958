// The words of the table: what a client may ask of the objects over REST.

/** Shape of the path: `/a/status`, below the collection; `//apis/x`, from the root. */
export interface Call {
  readonly method: string
  readonly path: string
  /** `<rv 1>`, `<uid 1>` and `<continue 1>`, here and in the body: what the first answer of the scene told. */
  readonly query: string
  readonly headers: Readonly<Record<string, string>>
  readonly body: string | undefined
}

/** It begins without objects. */
export interface Scene {
  readonly title: string
  readonly calls: ReadonlyArray<Call>
}

interface More {
  readonly query?: string
  readonly headers?: Readonly<Record<string, string>>
  readonly type?: string
}

export type Fields = Readonly<Record<string, unknown>>

export const call = (
  method: string,
  path: string,
  body?: unknown,
  { query = '', headers = {}, type }: More = {},
): Call => ({
  method,
  path,
  query,
  headers: {
    'user-agent': 'table/1',
    ...(type === undefined && body === undefined ? {} : { 'content-type': type ?? 'application/json' }),
    ...headers,
  },
  body: body === undefined || typeof body === 'string' ? body : JSON.stringify(body),
})

export const spec = {
  pluginID: 'testdata',
  pluginType: 'datasource',
  group: 'testdata.example.com',
  version: 'v1',
  services: [{ type: 'query' }],
}
export const header = { apiVersion: 'aggregation.grafana.app/v0alpha1', kind: 'DataPlaneService' }
export const object = (name: string | undefined, rest: Fields = {}, metadata: Fields = {}): Fields => ({
  ...header,
  metadata: { name, ...metadata },
  spec,
  ...rest,
})
export const withSpec = (name: string, changed: Fields, metadata: Fields = {}): Fields =>
  object(name, { spec: { ...spec, ...changed } }, metadata)
export const withMetadata = (name: string, metadata: Fields): Fields => object(name, {}, metadata)

export const get = (path: string, query = '', headers: Call['headers'] = {}): Call =>
  call('GET', path, undefined, { query, headers })
export const post = (body: unknown, more?: More): Call => call('POST', '', body, more)
export const put = (path: string, body: unknown, more?: More): Call => call('PUT', path, body, more)
const patchWith =
  (type: string) =>
  (path: string, body: unknown, query = ''): Call =>
    call('PATCH', path, body, { query, type: `application/${type}` })
export const merge = patchWith('merge-patch+json')
export const jsonPatch = patchWith('json-patch+json')
export const strategic = patchWith('strategic-merge-patch+json')
export const apply = patchWith('apply-patch+yaml')
export const del = (path: string, body?: unknown, query = ''): Call => call('DELETE', path, body, { query })
export const deleteOptions = (options: Fields): Fields => ({ kind: 'DeleteOptions', apiVersion: 'v1', ...options })

/** One that ends by itself soon. */
export const watch = (query: string, path = '', headers: Call['headers'] = {}): Call =>
  get(path, `watch=true&timeoutSeconds=1&${query}`, headers)

export const a = post(object('a'))
export const b = post(withSpec('b', { version: 'v2' }, { labels: { team: 'blue', size: '2' } }))
export const c = post(withSpec('c', { version: 'v3' }, { labels: { team: 'red', size: '30' } }))

export const accept = (text: string): Call['headers'] => ({ accept: text })
export const table = accept('application/json;as=Table;v=v1;g=meta.k8s.io,application/json')
export const partial = accept('application/json;as=PartialObjectMetadata;v=v1;g=meta.k8s.io,application/json')
export const partialList = accept('application/json;as=PartialObjectMetadataList;v=v1;g=meta.k8s.io,application/json')

export const scene = (title: string, ...calls: ReadonlyArray<Call>): Scene => ({ title, calls })

export const condition = {
  type: 'Checked',
  status: 'True',
  lastTransitionTime: '2026-01-02T03:04:05Z',
  reason: 'Passed',
  message: 'all is well',
}
export const status = { conditions: [condition] }

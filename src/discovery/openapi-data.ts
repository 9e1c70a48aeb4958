import { metaDefinitions, metaNames, apiVersionField, kindField } from './openapi-meta.ts'
import type { Definitions, OpenApiSchema } from './openapi-model.ts'

const own = (name: string): string => `app.grafana.dataplane.${name}`

/** Names of the definitions of what plugins are asked, and answer. */
export const dataNames = {
  queryRequest: own('QueryDataRequest'),
  query: own('DataQuery'),
  queryResponse: own('QueryDataResponse'),
  response: own('DataResponse'),
  chunk: own('QueryDataChunk'),
  frame: own('DataFrame'),
  converted: own('ConvertedQueries'),
  health: own('HealthCheckResult'),
  settings: own('PluginSettings'),
  admission: 'io.k8s.api.admission.v1.AdmissionReview',
  conversion: 'io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1.ConversionReview',
} as const

const text = (description: string): OpenApiSchema => ({ type: 'string', description })
const flag = (description: string): OpenApiSchema => ({ type: 'boolean', description })
const integer = (description: string): OpenApiSchema => ({ type: 'integer', format: 'int64', description })
const anyObject = (description: string): OpenApiSchema => ({ type: 'object', description })
const listOf = (items: OpenApiSchema, description: string): OpenApiSchema => ({ type: 'array', description, items })
const object = (
  description: string,
  properties: Readonly<Record<string, OpenApiSchema>>,
  required: ReadonlyArray<string> = [],
): OpenApiSchema => ({
  type: 'object',
  description,
  ...(required.length === 0 ? {} : { required }),
  properties,
})

const from = text('Begin: milliseconds since the epoch, or date math such as now-1h.')
const to = text('End, likewise.')
const status = integer('An HTTP status.')
const error = text('What went wrong.')
const errorSource: OpenApiSchema = {
  type: 'string',
  description: 'Who it is laid at: the plugin itself, or what stands behind it.',
  enum: ['plugin', 'downstream'],
}

const query = object('One query. What else is in it belongs to the plugin.', {
  refId: text('Names it among the queries of a request.'),
  datasource: object('What it is asked of. The first query has to say so, the others may say nothing else.', {
    type: text('Id of the plugin.'),
    uid: text('Uid of the datasource: the one in the path.'),
    apiVersion: text('Version of the API of the plugin.'),
  }),
  queryType: text('Which kind of query, for plugins that have several.'),
  maxDataPoints: integer('How many points it may answer with. Default: 100.'),
  intervalMs: { type: 'number', description: 'Milliseconds between points. Default: 1000.' },
  timeRange: object('A time range of its own.', { from, to }),
  hide: flag('Whether what asks shows it.'),
})

const chunk = object(
  'A part of an answer: a frame, or a part of one, or an error.',
  {
    refId: text('Of which query.'),
    frameId: text('Parts of one frame have one id.'),
    frame: { ref: dataNames.frame },
    error,
    errorSource,
    status,
  },
  ['refId', 'status'],
)

const frame = object('A table in columns.', {
  schema: anyObject('Its name, and its fields with their types.'),
  data: object('Its values.', {
    values: listOf({ type: 'array', items: {} }, 'The values of each field.'),
  }),
})

const settings = object('What a frontend needs to know of a plugin.', {
  id: text('Id of the plugin.'),
  name: text('Name of the plugin.'),
  type: text('Type of the plugin.'),
  enabled: flag('Whether it may be used.'),
  info: anyObject('As in its plugin.json.'),
  includes: listOf(anyObject('A page or dashboard.'), 'As in its plugin.json.'),
  dependencies: anyObject('As in its plugin.json.'),
  extensions: anyObject('As in its plugin.json.'),
  jsonData: anyObject('What it is configured with.'),
  secureJsonFields: {
    type: 'object',
    description: 'Which secrets there are.',
    additionalProperties: { type: 'boolean' },
  },
})

const groupVersionKind = object('Group, version and kind.', {
  group: text('Group.'),
  version: text('Version.'),
  kind: text('Kind.'),
})

const admissionRequest = object(
  'An object that is about to be written.',
  {
    uid: text('Names the review; its answer says it again.'),
    kind: groupVersionKind,
    operation: { type: 'string', description: 'What is about to happen.', enum: ['CREATE', 'UPDATE', 'DELETE'] },
    namespace: text('Namespace of the object.'),
    object: anyObject('The object as it shall be.'),
    oldObject: anyObject('The object as it is.'),
  },
  ['uid', 'kind', 'operation'],
)

const admissionResponse = object(
  'What is said to it.',
  {
    uid: text('That of the request.'),
    allowed: flag('Whether it may be written.'),
    status: { ref: metaNames.status, description: 'Why not.' },
    patch: { type: 'string', format: 'byte', description: 'What to change in it, as a JSON Patch in base64.' },
    patchType: text('JSONPatch.'),
    warnings: listOf({ type: 'string' }, 'For whoever writes it.'),
  },
  ['uid', 'allowed'],
)

const conversionRequest = object(
  'Objects in one version.',
  {
    uid: text('Names the review; its answer says it again.'),
    desiredAPIVersion: text('The version that is wanted. Shape: example.com/v2.'),
    objects: listOf(anyObject('An object.'), 'The objects.'),
  },
  ['uid', 'desiredAPIVersion', 'objects'],
)

const conversionResponse = object(
  'The same objects in another.',
  {
    uid: text('That of the request.'),
    convertedObjects: listOf(anyObject('An object.'), 'The objects in the same order.'),
    result: { ref: metaNames.status, description: 'Whether they could be converted, or why not.' },
  },
  ['uid', 'convertedObjects', 'result'],
)

const reviewOf = (description: string, request: OpenApiSchema, response: OpenApiSchema): OpenApiSchema =>
  object(description, { apiVersion: apiVersionField, kind: kindField, request, response }, ['apiVersion', 'kind'])

/** What plugins are asked, and answer; and Status, for when they do not. */
export const dataDefinitions: Definitions = {
  ...metaDefinitions,
  [dataNames.queryRequest]: object(
    'Queries of one datasource.',
    { from, to, queries: { ...listOf({ ref: dataNames.query }, 'The queries.'), maxItems: 1000 } },
    ['queries'],
  ),
  [dataNames.query]: query,
  [dataNames.queryResponse]: object('Answers of queries.', {
    results: {
      type: 'object',
      description: 'By refId.',
      additionalProperties: { ref: dataNames.response },
    },
  }),
  [dataNames.response]: object('The answer of one query.', {
    status,
    frames: listOf({ ref: dataNames.frame }, 'The data.'),
    error,
    errorSource,
  }),
  [dataNames.chunk]: chunk,
  [dataNames.frame]: frame,
  [dataNames.converted]: object('Queries of this version.', {
    apiVersion: apiVersionField,
    kind: kindField,
    queries: listOf(anyObject('A query, as the plugin tells it.'), 'The queries.'),
  }),
  [dataNames.health]: object('How an instance is.', {
    apiVersion: apiVersionField,
    kind: kindField,
    status: { type: 'string', description: 'How it is.', enum: ['UNKNOWN', 'OK', 'ERROR'] },
    code: integer('The same as a number: 0, 1, 2.'),
    message: text('A sentence for people.'),
    details: anyObject('What the plugin has to say besides.'),
  }),
  [dataNames.settings]: settings,
  [dataNames.admission]: reviewOf('Asks whether an object may be written.', admissionRequest, admissionResponse),
  [dataNames.conversion]: reviewOf('Asks for objects in another version.', conversionRequest, conversionResponse),
}

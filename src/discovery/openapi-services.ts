import type { ClaimedRoute } from '../discovery.ts'
import { dataNames } from './openapi-data.ts'
import { metaNames } from './openapi-meta.ts'
import {
  contentOf,
  type Answer,
  type Content,
  type Method,
  type OpenApiSchema,
  type Operation,
} from './openapi-model.ts'

/** What of an operation its service knows. */
export type Told = Pick<Operation, 'description' | 'parameters' | 'body' | 'answers'>

const json = (schema: OpenApiSchema): Content => ({ 'application/json': schema })
const jsonOf = (ref: string): Content => json({ ref })
const answer = (description: string, content: Content): Answer => ({ description, content })
const required = (content: Content): Required<Told>['body'] => ({ isRequired: true, content })

const failed = answer('What went wrong.', jsonOf(metaNames.status))
const lineTypes = ['application/jsonl', 'application/x-ndjson', 'text/jsonl']

const query: Told = {
  description: 'Runs queries.',
  body: required(jsonOf(dataNames.queryRequest)),
  answers: {
    200: answer('The answers at once, or part by part as they come: one an event, or one a line.', {
      ...jsonOf(dataNames.queryResponse),
      ...contentOf({ ref: dataNames.chunk }, ['text/event-stream', ...lineTypes]),
    }),
    default: answer(
      'What went wrong; where a query failed, the answers of all.',
      json({ oneOf: [{ ref: dataNames.queryResponse }, { ref: metaNames.status }] }),
    ),
  },
}

const reviewed = (description: string, ref: string): Told => ({
  description,
  body: required(jsonOf(ref)),
  answers: { 200: answer('The review with its response.', jsonOf(ref)), default: failed },
})

const mutate = reviewed('Changes an object before it is written.', dataNames.admission)
const validate = reviewed('Checks an object before it is written.', dataNames.admission)
const convert = reviewed('Converts objects to another version.', dataNames.conversion)

const queryConvert: Told = {
  description: 'Converts queries of older versions.',
  body: required(jsonOf(dataNames.queryRequest)),
  answers: { 200: answer('The queries in this version.', jsonOf(dataNames.converted)), default: failed },
}

const health: Told = {
  description: 'Tells how an instance is.',
  answers: {
    200: answer('It is well.', jsonOf(dataNames.health)),
    400: answer(
      'It is not; or what is wrong with the request.',
      json({ oneOf: [{ ref: dataNames.health }, { ref: metaNames.status }] }),
    ),
    default: failed,
  },
}

const metrics: Told = {
  description: 'Tells what the plugin counts.',
  answers: { 200: answer('In the text format of Prometheus.', { 'text/plain': { type: 'string' } }), default: failed },
}

const settings: Told = {
  description: 'Tells what the plugin is, and how it is configured, without secrets.',
  answers: { 200: answer('The settings.', jsonOf(dataNames.settings)), default: failed },
}

const subscribe: Told = {
  description: 'Subscribes to a stream.',
  parameters: [{ in: 'query', name: 'data', type: 'string', description: 'What the plugin is told, as JSON.' }],
  answers: {
    101: answer('For a WebSocket: a message each.', {}),
    200: answer('What comes, one an event or one a line.', contentOf({}, ['text/event-stream', ...lineTypes])),
    default: failed,
  },
}

const publish: Told = {
  description: 'Publishes to a stream.',
  body: required(json({})),
  answers: { 200: answer('It is published.', json({ type: 'object' })), default: failed },
}

const anything: Content = { '*/*': {} }
const withBody: ReadonlySet<Method> = new Set<Method>(['put', 'post', 'patch'])

const opaque = (description: string): ((method: Method) => Told) => {
  const bare: Told = { description, answers: { default: answer('Whatever it answers; or what went wrong.', anything) } }
  const full: Told = { ...bare, body: { isRequired: false, content: anything } }
  return (method) => (withBody.has(method) ? full : bare)
}

const resource = opaque('Asks the plugin, in its own words.')
const proxied = opaque('Asks what stands behind the plugin, with its credentials.')

const lastSegment = (path: string): string => path.slice(path.lastIndexOf('/') + 1)

/** What a service does at a route. */
export const toldOf = ({ type, path }: ClaimedRoute, method: Method): Told => {
  switch (type) {
    case 'query':
      return query
    case 'admission':
      return lastSegment(path) === 'mutate' ? mutate : validate
    case 'conversion':
      return lastSegment(path) === 'conversion' ? convert : queryConvert
    case 'health':
      return health
    case 'metrics':
      return metrics
    case 'settings':
      return settings
    case 'stream':
      return method === 'get' ? subscribe : publish
    case 'datasource-proxy':
      return proxied(method)
    default:
      return resource(method)
  }
}

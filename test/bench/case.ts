/** One line of the result: `of` divided by `to`. */
export interface Case {
  readonly name: string
  readonly ratio: number
  readonly of: string
  readonly to: string
}

/** How Express is put on a server: Node's own way, and this library's `createServer(app)`. */
export const hosts = ['http.createServer(app)', 'createServer(app)'] as const
export type Host = (typeof hosts)[number]

/** What a server runs, in the words that the result has for it. */
export const titles = {
  'no aggregator': 'an Express app without the aggregator',
  aggregator: 'the same app behind an aggregator with 100 services',
  'own handler': 'an Express app whose handler parses the body and sends ready bytes',
  '1 service': 'a claimed query to an in-process plugin, 1 service',
  '100 services': 'a claimed query to an in-process plugin, 100 services in turn',
  '10000 services': 'a claimed query to an in-process plugin, 10000 services in turn',
  'bare gRPC call': 'an Express app whose handler makes that call with grpc-js alone and sends ready bytes',
  query: 'a query with a small frame to a plugin process',
  'bare proxy, small': 'an Express app with http-proxy-middleware alone and the same agent, a small answer',
  'proxy, small': 'datasource-proxy, a small answer',
  'datasource, small': 'the datasource itself, a small answer',
  'bare proxy, 1 MB': 'an Express app with http-proxy-middleware alone and the same agent, an answer of 1 MB',
  'proxy, 1 MB': 'datasource-proxy, an answer of 1 MB',
  'bare resource, 1 MB': 'an Express app that relays the stream of grpc-js alone, 1 MB in 16 messages',
  'resource, 1 MB': 'a resource of a plugin process, 1 MB in 16 messages',
  'bare stream':
    'an Express app that writes each packet of one RunStream of grpc-js to all readers, a turn of the loop at once',
  stream: 'one RunStream of a plugin process, read as server-sent events',
  'large query': 'a query of 100,000 rows to a plugin process',
} as const
export type App = keyof typeof titles

/** Two apps under the same load, measured on each kind of host. */
export interface Comparison {
  readonly name: string
  readonly of: App
  readonly to: App
  readonly connections: number
  /** Default: by processor time of the server; by the clock where the two are different processes. */
  readonly by?: 'clock'
}

export const comparisons: ReadonlyArray<Comparison> = [
  { name: 'unclaimed', of: 'aggregator', to: 'no aggregator', connections: 50 },
  { name: 'claimed, 1 service', of: '1 service', to: 'own handler', connections: 50 },
  { name: 'claimed, 100 services', of: '100 services', to: '1 service', connections: 50 },
  { name: 'claimed, 10000 services', of: '10000 services', to: '1 service', connections: 50 },
  { name: 'small query', of: 'query', to: 'bare gRPC call', connections: 50 },
  { name: 'small query, one at a time', of: 'query', to: 'bare gRPC call', connections: 1 },
  { name: 'proxy, small', of: 'proxy, small', to: 'bare proxy, small', connections: 50 },
  { name: 'proxy, small, vs direct', of: 'proxy, small', to: 'datasource, small', connections: 50, by: 'clock' },
  { name: 'proxy, 1 MB', of: 'proxy, 1 MB', to: 'bare proxy, 1 MB', connections: 10 },
  { name: 'resource, 1 MB', of: 'resource, 1 MB', to: 'bare resource, 1 MB', connections: 10 },
]

/** How many services an app has, and so how many paths its load goes around. */
export const serviceCount = (app: App): number => {
  switch (app) {
    case '10000 services':
      return 10_000
    case '100 services':
    case 'aggregator':
      return 100
    default:
      return 1
  }
}

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

/** What a server process runs. The first of each kind is the one without this library. */
export type App =
  | 'no aggregator'
  | 'aggregator'
  | 'own handler'
  | '1 service'
  | '100 services'
  | '10000 services'
  | 'bare gRPC call'
  | 'query'

/** An app under a load. */
export interface Target {
  readonly app: App
  readonly connections: number
}

/** Two targets to compare, on each kind of host. */
export interface Comparison {
  readonly name: string
  readonly of: Target
  readonly to: Target
}

const on50 = (app: App): Target => ({ app, connections: 50 })
const on1 = (app: App): Target => ({ app, connections: 1 })

export const comparisons: ReadonlyArray<Comparison> = [
  { name: 'unclaimed', of: on50('aggregator'), to: on50('no aggregator') },
  { name: 'claimed, 1 service', of: on50('1 service'), to: on50('own handler') },
  { name: 'claimed, 100 services', of: on50('100 services'), to: on50('1 service') },
  { name: 'claimed, 10000 services', of: on50('10000 services'), to: on50('1 service') },
  { name: 'small query', of: on50('query'), to: on50('bare gRPC call') },
  { name: 'small query, one at a time', of: on1('query'), to: on1('bare gRPC call') },
]

export const titles: Readonly<Record<App, string>> = {
  'no aggregator': 'the same Express app without the aggregator',
  aggregator: 'an Express app behind the aggregator, which has 100 services',
  'own handler': 'the same Express app, whose handler parses the body and sends those bytes',
  '1 service': 'a claimed query to an in-process plugin, 1 service',
  '100 services': 'the same with 100 services, asked in turn',
  '10000 services': 'the same with 10000 services, asked in turn',
  'bare gRPC call': 'the same Express app, whose handler parses the body, makes that call with grpc-js alone and sends ready bytes',
  query: 'a query with a small frame to a plugin process',
}

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

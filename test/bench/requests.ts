import { serviceCount, type App } from './case.ts'

/** Group of the n-th service. */
export const groupOf = (index: number): string => `g${String(index)}.bench.example.com`

const body = JSON.stringify({
  from: '1700000000000',
  to: '1700003600000',
  queries: [
    {
      refId: 'A',
      datasource: { type: 'bench', uid: 'b1' },
      intervalMs: 60_000,
      maxDataPoints: 1000,
      expr: 'sum by (job) (rate(http_requests_total{namespace="default"}[5m]))',
    },
  ],
})

const get = (path: string): Buffer =>
  Buffer.from(`GET ${path} HTTP/1.1\r\nhost: bench\r\naccept: application/json\r\n\r\n`)

const post = (path: string): Buffer =>
  Buffer.from(
    `POST ${path} HTTP/1.1\r\nhost: bench\r\naccept: application/json\r\ncontent-type: application/json\r\n` +
      `content-length: ${String(Buffer.byteLength(body))}\r\n\r\n${body}`,
  )

/** Of the n-th service. */
const instanceOf = (index: number): string => `/apis/${groupOf(index)}/v1/namespaces/default/datasources/b1`

/** The requests that a load sends in turn, byte by byte. */
export const requestsOf = (app: App): ReadonlyArray<Buffer> => {
  switch (app) {
    case 'aggregator':
    case 'no aggregator':
      return [get('/apis/apps/v1/namespaces/default/deployments/web')]
    case 'bare proxy, small':
    case 'proxy, small':
      return [get(`${instanceOf(0)}/proxy/small?query=up`)]
    case 'datasource, small':
      return [get('/small?query=up')]
    case 'bare proxy, 1 MB':
    case 'proxy, 1 MB':
      return [get(`${instanceOf(0)}/proxy/large?query=up`)]
    case 'bare resource, 1 MB':
    case 'resource, 1 MB':
      return [get(`${instanceOf(0)}/resources/large`)]
    default:
      return Array.from({ length: serviceCount(app) }, (_, index) => post(`${instanceOf(index)}/query`))
  }
}

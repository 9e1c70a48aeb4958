import { createDocuments, type Documents, type DocumentsOptions } from '../../src/discovery/index.ts'
import { E } from '../../src/fp.ts'
import type { HeaderMap, HttpAnswer, NextAnswer } from '../../src/http.ts'
import { claimedApis } from '../../src/routing/claimed.ts'
import { service } from '../api/manifests.ts'
import { tableOf } from '../routing/tables.ts'
import { envOf, requestOf } from '../telemetry/requests.ts'

export const v2 = 'application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList'
export const v2beta1 = 'application/json;g=apidiscovery.k8s.io;v=v2beta1;as=APIGroupDiscoveryList'
/** As kubectl 1.34 asks. */
export const kubectl = `${v2},${v2beta1},application/json`

/** `p.example.com/v1` with a query, and `p.example.com/v2` with a health check. */
export const claimed = claimedApis(
  tableOf(service(), service([{ type: 'health' }], { name: 'v2.p.example.com', version: 'v2' })),
)

export const documentsOf = (given: Partial<DocumentsOptions> = {}): Documents =>
  createDocuments({ apis: () => claimed, registry: 'none', ...given })

export const nextAnswer = (value: unknown, status = 200, headers: HeaderMap = {}): NextAnswer => ({
  status,
  headers,
  body: value instanceof Uint8Array ? value : Buffer.from(typeof value === 'string' ? value : JSON.stringify(value)),
})

export interface Asked {
  readonly headers?: HeaderMap
  /** What the next handler answers; left out: nobody comes after us. */
  readonly next?: NextAnswer | 'nothing'
}

export interface Told {
  readonly answer: HttpAnswer
  readonly body: Buffer
  /** Of a JSON body. */
  readonly value: unknown
  /** What the next handler was asked. */
  readonly asked: ReadonlyArray<HeaderMap>
}

/** Asks for a document as the door would; what is passed on to the next handler is an error here. */
export const ask = async (documents: Documents, target: string, given: Asked = {}): Promise<Told> => {
  const found = documents.find('GET', target)
  if (found === undefined) throw new Error(`no document at ${target}`)
  const { headers = {}, next } = given
  const asked: HeaderMap[] = []
  const askNext = (sent: HeaderMap): Promise<NextAnswer | undefined> => {
    asked.push(sent)
    return Promise.resolve(next === 'nothing' ? undefined : next)
  }
  const { path, query, route } = found
  const request = requestOf({ method: 'GET', path, query, headers, ...(next === undefined ? {} : { askNext }) })
  const outcome = await route.handle(request, envOf())()
  if (E.isLeft(outcome)) throw new Error(outcome.left._tag)
  const answer = outcome.right
  const body = answer._tag === 'Bytes' ? Buffer.concat([...answer.chunks]) : Buffer.alloc(0)
  const isJson = String(answer.headers['content-type']).startsWith('application/json')
  return { answer, body, value: isJson ? JSON.parse(body.toString()) : undefined, asked }
}

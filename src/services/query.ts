import type { DataPlaneService, Service } from '../api/dataplane-service.ts'
import type { AggregatorError } from '../errors.ts'
import { E, pipe, TE } from '../fp.ts'
import { bytes, type HeaderMap, type HttpRequest } from '../http.ts'
import {
  asJson,
  toHandle,
  type EncodeQueryData,
  type FrameEncoders,
  type Handle,
  type ServiceDefinition,
  type ServiceRoute,
} from '../service.ts'
import { negotiate } from './accept.ts'
import { lineFormats } from './line-formats.ts'
import { instancePaths } from './paths.ts'
import { pluginQueryOf } from './query-call.ts'
import { chunked } from './query-chunked.ts'
import { endingOf } from './query-ending.ts'
import { decodeQuery } from './query-request.ts'

const headers: HeaderMap = { 'content-type': 'application/json' }

/** The whole answer at once. */
const whole = (encodeQueryData: EncodeQueryData): Handle =>
  toHandle({
    read: asJson,
    decode: decodeQuery,
    call: (call, env) =>
      pipe(
        pluginQueryOf(call, env),
        TE.flatMap((request) => env.plugin.client.queryData(request, env)),
      ),
    encode: (answer) =>
      pipe(
        encodeQueryData(answer),
        E.mapLeft((fault): AggregatorError => ({
          _tag: 'BadPlugin',
          message: `the plugin's answer cannot be read: ${fault}`,
        })),
        E.map((chunks) => {
          const { code, errorSource } = endingOf(answer)
          return bytes(code, headers, chunks, errorSource)
        }),
      ),
  })

/** What an answer may be, the usual one first. */
const offers = [
  'application/json',
  'text/event-stream',
  'application/jsonl',
  'application/x-ndjson',
  'text/jsonl',
] as const

type Offer = (typeof offers)[number]

const offerFor = ({ headers: { accept } }: HttpRequest): E.Either<AggregatorError, Offer> => negotiate(accept, offers)

const routesOf =
  (route: Pick<ServiceRoute, 'handle' | 'isLongRunning'>) =>
  (_entry: Service, { spec }: DataPlaneService): ReadonlyArray<ServiceRoute> =>
    instancePaths(spec.pluginType, '/query').map((path) => ({ method: 'POST', path, ...route }))

/**
 * Queries: `POST …/{connections,datasources}/{uid}/query` becomes QueryData, its frames become Grafana's JSON; or QueryChunkedData,
 * for clients that rather take events or lines of JSON, each with its part of a frame as soon as it is there.
 */
export const query = ({ encodeQueryData, encodeFrame }: FrameEncoders): ServiceDefinition => {
  const handles: Readonly<Record<Offer, Handle>> = {
    'application/json': whole(encodeQueryData),
    'text/event-stream': chunked(lineFormats['text/event-stream'], encodeFrame),
    'application/jsonl': chunked(lineFormats['application/jsonl'], encodeFrame),
    'application/x-ndjson': chunked(lineFormats['application/x-ndjson'], encodeFrame),
    'text/jsonl': chunked(lineFormats['text/jsonl'], encodeFrame),
  }
  return {
    type: 'query',
    routes: routesOf({
      handle: (request, env) =>
        pipe(
          TE.fromEither(offerFor(request)),
          TE.flatMap((offer) => handles[offer](request, env)),
        ),
      isLongRunning: (request) => E.exists<Offer>((offer) => offer !== 'application/json')(offerFor(request)),
    }),
  }
}

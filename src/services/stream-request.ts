import { badRequest, type AggregatorError } from '../errors.ts'
import { E, pipe } from '../fp.ts'
import type { HeaderMap, HttpRequest, JsonBody, User } from '../http.ts'
import type { DataPlaneService } from '../api/dataplane-service.ts'
import { spellingFor, type Spelling } from './stream-spelling.ts'

/** What subscribing and publishing have in common. */
export interface StreamCall {
  readonly namespace: string
  /** `undefined` for apps. */
  readonly uid: string | undefined
  readonly path: string
  readonly user: User | undefined
  readonly headers: HeaderMap
  /** JSON given by the client; may be empty. */
  readonly data: Uint8Array
}

export interface Subscription extends StreamCall {
  readonly spelling: Spelling
}

/** Of a channel with all its parts. Source: live/channel.go of the plugin SDK, whose pattern takes a few characters more by mistake. */
const maxChannelLength = 160
const channelPath = /^[A-Za-z0-9_\-./=]+$/

/** What stands in a URL next to its path: far more than plugins ask for, and little enough for a key. */
const maxDataBytes = 8192

const pathOf = ({ tail, params }: HttpRequest, { spec }: DataPlaneService): E.Either<AggregatorError, string> => {
  const channel = spec.pluginType === 'app' ? `plugin/${spec.pluginID}/${tail}` : `ds/${params['uid'] ?? ''}/${tail}`
  if (!channelPath.test(tail)) {
    return E.left(badRequest('expected a stream path of letters, digits and "_-./=", unencoded'))
  }
  return channel.length > maxChannelLength
    ? E.left(
        badRequest(
          `expected a channel of at most ${String(maxChannelLength)} characters, got ${String(channel.length)}`,
        ),
      )
    : E.right(tail)
}

const commonOf = (
  request: HttpRequest,
  service: DataPlaneService,
): E.Either<AggregatorError, Omit<StreamCall, 'data'>> =>
  pipe(
    pathOf(request, service),
    E.map((path) => {
      const { namespace = '', uid } = request.params
      return { namespace, uid, path, user: request.user, headers: request.headers }
    }),
  )

/** A GET has no body: what Grafana's front end sends along with a subscription is the query parameter `data`, a JSON text. */
const dataOf = (query: string): E.Either<AggregatorError, Uint8Array> => {
  const [text, ...others] = new URLSearchParams(query).getAll('data')
  if (text === undefined) return E.right(new Uint8Array())
  if (others.length > 0) return E.left(badRequest('expected query parameter "data" at most once'))
  const bytes = Buffer.from(text)
  if (bytes.length > maxDataBytes) {
    return E.left(
      badRequest(
        `expected query parameter "data" of at most ${String(maxDataBytes)} bytes, got ${String(bytes.length)}`,
      ),
    )
  }
  return E.tryCatch(
    () => {
      JSON.parse(text)
      return bytes
    },
    () => badRequest('query parameter "data" is not valid JSON'),
  )
}

export const decodeSubscription = (
  request: HttpRequest,
  _body: undefined,
  service: DataPlaneService,
): E.Either<AggregatorError, Subscription> =>
  pipe(
    E.Do,
    E.bind('common', () => commonOf(request, service)),
    E.bind('data', () => dataOf(request.query)),
    E.bind('spelling', () => spellingFor(request)),
    E.map(({ common, data, spelling }) => ({ ...common, data, spelling })),
  )

/** The body is sent on as it came: numbers keep their digits. */
export const decodePublication = (
  request: HttpRequest,
  { text }: JsonBody,
  service: DataPlaneService,
): E.Either<AggregatorError, StreamCall> =>
  pipe(
    commonOf(request, service),
    E.map((common) => ({ ...common, data: Buffer.from(text) })),
  )

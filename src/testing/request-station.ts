import { badRequest, type AggregatorError } from '../errors.ts'
import { E, TE } from '../fp.ts'
import type { Arrival, ByteStream, User, UserTokens } from '../http.ts'
import { list, mapOf, maybe, object, oneOf, optional, text, type Read } from './station.ts'

/** Station 1. `body` is a JSON value, `bodyText` the very text; `receivedAt` stops the clock that `now` refers to. */
export interface RequestStation {
  readonly method: string
  readonly url: string
  readonly headers: Readonly<Record<string, string>>
  readonly body?: unknown
  readonly bodyText?: string
  readonly user?: User
  readonly receivedAt: string
  /** The client asks to go on as a WebSocket. */
  readonly upgrade?: 'websocket'
}

const user: Read<User> = object<User>({
  name: text,
  groups: maybe(list(text)),
  uid: maybe(text),
  extra: maybe(mapOf(list(text))),
  displayName: maybe(text),
  email: maybe(text),
  role: maybe(text),
  tokens: maybe(object<UserTokens>({ access: maybe(text), id: maybe(text), grafanaId: maybe(text) })),
})

const station: Read<RequestStation> = object<RequestStation>({
  method: text,
  url: text,
  headers: optional(mapOf(text), {}),
  body: (value) => value,
  bodyText: maybe(text),
  user: maybe(user),
  receivedAt: optional(text, '2026-01-01T00:00:00Z'),
  upgrade: maybe(oneOf('websocket')),
})

/** Throws a TypeError that names what is wrong. */
export const readRequest = (value: unknown): RequestStation => station(value, '1-request.json')

const streamed = async function* (body: Uint8Array): AsyncGenerator<E.Either<AggregatorError, Uint8Array>> {
  yield await Promise.resolve(E.right(body))
}

/** The request as a door would hand it over. `over` is when its answer is out. */
export const arrivalOf = (
  { method, headers, body, bodyText, user, receivedAt, upgrade }: RequestStation,
  over: Arrival['over'],
): Arrival => {
  const written = bodyText ?? (body === undefined ? '' : JSON.stringify(body))
  const bytes = Buffer.from(written)
  return {
    method,
    headers: Object.fromEntries(Object.entries(headers).map(([name, value]) => [name.toLowerCase(), value])),
    user,
    receivedAtMs: Date.parse(receivedAt),
    over,
    ...(upgrade === undefined ? {} : { upgrade }),
    readBytes: TE.right(bytes),
    streamBody: (): ByteStream | undefined => (bytes.length === 0 ? undefined : streamed(bytes)),
    readJson: TE.fromEither(
      E.tryCatch(
        () => ({ value: JSON.parse(written) as unknown, text: written }),
        () => badRequest('the body is not valid JSON'),
      ),
    ),
  }
}

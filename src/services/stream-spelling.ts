import type { AggregatorError } from '../errors.ts'
import { E, pipe } from '../fp.ts'
import type { HeaderMap, HttpRequest, StreamAnswer } from '../http.ts'
import type { SharedPacket } from '../shared-streams.ts'
import { negotiate } from './accept.ts'
import { farewellOf, lineFormats } from './line-formats.ts'

/** How a stream is written for its reader. */
export interface Spelling extends Required<Pick<StreamAnswer, 'farewell'>>, Pick<StreamAnswer, 'heartbeat'> {
  readonly headers: HeaderMap
  readonly packet: (packet: SharedPacket) => Uint8Array
  /** Written when the plugin has ended the stream. */
  readonly end?: Uint8Array
}

/**
 * An EventSource connects anew whenever its connection ends: event `end` tells it that the plugin is done, and that it should close
 * itself. JSON lines just end. Either tells of a failure with a Status: as data of event `error`, as the last line.
 */
const spellings = {
  'text/event-stream': {
    packet: ({ event }: SharedPacket) => event(),
    end: Buffer.from('event: end\ndata: {}\n\n'),
  },
  'application/jsonl': { packet: ({ line }: SharedPacket) => line() },
  'application/x-ndjson': { packet: ({ line }: SharedPacket) => line() },
  'text/jsonl': { packet: ({ line }: SharedPacket) => line() },
} as const

/** A message each; the code of the close frame tells how it ended. */
const messages: Spelling = {
  headers: {},
  packet: ({ data }) => data,
  farewell: () => new Uint8Array(),
}

const spellingOf = (contentType: keyof typeof spellings): Spelling => {
  const format = lineFormats[contentType]
  const { headers, heartbeat } = format
  return {
    ...spellings[contentType],
    headers,
    farewell: (error: AggregatorError) => farewellOf(format, error, false),
    ...(heartbeat === undefined ? {} : { heartbeat }),
  }
}

/** By the Accept header; events for whoever takes anything. Fails with NotAcceptable. */
export const spellingFor = ({ upgrade, headers }: HttpRequest): E.Either<AggregatorError, Spelling> =>
  upgrade === 'websocket'
    ? E.right(messages)
    : pipe(
        negotiate(headers['accept'], ['text/event-stream', 'application/jsonl', 'application/x-ndjson', 'text/jsonl']),
        E.map(spellingOf),
      )

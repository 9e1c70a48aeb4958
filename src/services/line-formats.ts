import { toStatus, type AggregatorError } from '../errors.ts'
import type { HeaderMap } from '../http.ts'

/** One way to write JSON values one after the other as they come. */
export interface LineFormat {
  readonly headers: HeaderMap
  /** What stands around each value, which itself is on one line. */
  readonly before: string
  readonly after: string
  /** How the stream goes on where a value broke off, so that what follows is read for what it is. */
  readonly breakOff: string
  readonly beforeError: string
  readonly heartbeat?: Uint8Array
}

/**
 * Whatever is between us and the client shall hand each line on at once: `no-transform` keeps compressing middlewares from waiting
 * for more, the other keeps nginx from it.
 */
const headersOf = (contentType: string): HeaderMap => ({
  'content-type': contentType,
  'cache-control': 'no-cache, private, no-transform',
  'x-accel-buffering': 'no',
})

/** Source: HTML, server-sent events. An event that nobody knows is skipped; the type of one comes last as well as first. */
const events: LineFormat = {
  headers: headersOf('text/event-stream'),
  before: 'data: ',
  after: '\n\n',
  breakOff: '\nevent: incomplete\n\n',
  beforeError: 'event: error\n',
  heartbeat: Buffer.from(':\n\n'),
}

/** Source: jsonlines.org. It has no comments, and an empty line is no value: there is nothing to send as a heartbeat. */
const jsonLines = (contentType: string): LineFormat => ({
  headers: headersOf(contentType),
  before: '',
  after: '\n',
  breakOff: '\n',
  beforeError: '',
})

/** By media type. A text without charset is Latin-1 to some clients, an event stream is UTF-8 to all. */
export const lineFormats = {
  'text/event-stream': events,
  'application/jsonl': jsonLines('application/jsonl'),
  'application/x-ndjson': jsonLines('application/x-ndjson'),
  'text/jsonl': jsonLines('text/jsonl; charset=utf-8'),
} as const

const lineFeed = 0x0a

/** Whether a line is unfinished after this piece of it: line feeds are at ends of lines only. */
export const isWithinLine = (piece: Uint8Array): boolean => piece.at(-1) !== lineFeed

/** What a failure reads like within the stream: never like a chunk. */
export const farewellOf = (format: LineFormat, error: AggregatorError, isCutOff: boolean): Buffer =>
  Buffer.from(
    `${isCutOff ? format.breakOff : ''}${format.beforeError}${format.before}${JSON.stringify(toStatus(error))}${format.after}`,
  )

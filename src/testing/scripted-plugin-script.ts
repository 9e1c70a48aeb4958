import type {
  CallResourceResponse,
  CheckHealthResponse,
  CollectMetricsResponse,
  ConversionResponse,
  DataResponse,
  MutationResponse,
  QueryDataChunk,
  StreamPacket,
  StreamResponse,
  ValidationResponse,
} from '../plugin.ts'

/** One for every start of the process, or a list: one for each start in order, the last of which stays. */
export type EachStart<A> = A | ReadonlyArray<A>

/** Ends the process. `stderr` is its last word. Shape: `{ exit: 2, stderr: 'panic: no more rows\n' }`. */
export interface ScriptedExit {
  readonly exit: number
  readonly stderr?: string
}

/**
 * How a process begins. `serve`: as it should. `silent`: it runs, and neither says nor serves anything. `not-serving`: it serves
 * but says that it does not. `noise`: text on stdout before its line. `line`: what it says in place of its line, where `{socket}` is
 * the path of its socket; the line of a good one is `1|2|unix|{socket}|grpc|`. `lateMs`: it takes its time. Or it ends before its line.
 */
export type ScriptedStart =
  | 'serve'
  | 'silent'
  | 'not-serving'
  | { readonly noise: string }
  | { readonly line: string }
  | { readonly lateMs: number }
  | ScriptedExit

/** What a process writes once it has said its line. Shape: `{ to: 'stderr', text: 'x\n', times: 10_000 }`. */
export interface ScriptedOutput {
  /** `stdio`: what go-plugin carries by gRPC, as that which a Go plugin prints. */
  readonly to: 'stdout' | 'stderr' | 'stdio'
  /** As it is: a line ends with a line feed, a flood may have none. */
  readonly text: string
  /** Default: once. */
  readonly times?: number | 'for-ever'
}

/** Names of gRPC's codes; each one's place in the list is its number. */
export const grpcCodes = [
  'OK',
  'CANCELLED',
  'UNKNOWN',
  'INVALID_ARGUMENT',
  'DEADLINE_EXCEEDED',
  'NOT_FOUND',
  'ALREADY_EXISTS',
  'PERMISSION_DENIED',
  'RESOURCE_EXHAUSTED',
  'FAILED_PRECONDITION',
  'ABORTED',
  'OUT_OF_RANGE',
  'UNIMPLEMENTED',
  'INTERNAL',
  'UNAVAILABLE',
  'DATA_LOSS',
  'UNAUTHENTICATED',
] as const

export interface ScriptedFailure {
  readonly fail: (typeof grpcCodes)[number]
  readonly details?: string
  /** Attached as the plugin SDK does. */
  readonly errorSource?: 'plugin' | 'downstream'
}

/**
 * What a call may come to instead of an answer. `hang`: never anything. `stop`: the whole process stands still (SIGSTOP), alive and
 * deaf. `garbage`: bytes that are no message. `unlink`: the socket is removed and every connection cut, but the process lives.
 * `oversize`: a message of so many bytes. Or gRPC's status, or the end of the process.
 */
export type ScriptedFault =
  'hang' | 'stop' | 'garbage' | 'unlink' | { readonly oversize: number } | ScriptedFailure | ScriptedExit

/** Messages of a stream, and what follows: its end by default, the same messages for ever, or a fault. */
export interface ScriptedAnswers<Message> {
  readonly answers: ReadonlyArray<Message>
  readonly then?: 'repeat' | ScriptedFault
}

/** How a call goes. `answer`: as it should, with a message that says nothing bad; or with one of your own. */
export type ScriptedCall<Message> = 'answer' | { readonly answer: Message } | ScriptedAnswers<Message> | ScriptedFault

/** What each call answers: the messages of `PluginClient`; whatever one leaves out is empty. */
export interface ScriptedMessages {
  readonly queryData: { readonly responses: Readonly<Record<string, Partial<DataResponse>>> }
  readonly queryChunkedData: Partial<QueryDataChunk>
  readonly callResource: Partial<CallResourceResponse>
  readonly checkHealth: Partial<CheckHealthResponse>
  readonly collectMetrics: Partial<CollectMetricsResponse>
  readonly subscribeStream: Partial<StreamResponse>
  readonly runStream: Partial<StreamPacket>
  readonly publishStream: Partial<StreamResponse>
  readonly validateAdmission: Partial<ValidationResponse>
  readonly mutateAdmission: Partial<MutationResponse>
  readonly convertObjects: Partial<ConversionResponse>
}

/**
 * What becomes of go-plugin's Shutdown. `cut`: every connection is cut and the process ends, as in Go. `reply`: it answers first.
 * `hang`: it never answers and lives on; SIGTERM does not end it either. `lateMs`: connections are cut, the process ends so much later.
 */
export type ScriptedShutdown = 'cut' | 'reply' | 'hang' | { readonly lateMs: number }

/**
 * What becomes of a host's wish for TLS (`autoMTLS`). `right`: it is fulfilled. `wrong-certificate`: the certificate in the line is not
 * the one that is served. `plain`: the wish is ignored.
 */
export type ScriptedTls = 'right' | 'wrong-certificate' | 'plain'

/**
 * How a plugin behaves from its start to its end, as data; whatever is left out goes well. Shapes:
 * `{ id: 'flaky', start: [{ exit: 2 }, 'serve'] }`,
 * `{ id: 'rude', on: { queryData: 'hang', callResource: { answers: [{ body }, { body }], then: { exit: 7 } } } }`,
 * `{ id: 'loud', logs: [{ to: 'stderr', text: 'x', times: 'for-ever' }], shutdown: 'hang' }`.
 */
export interface PluginScript {
  /** Of plugin.json, and name of the plugin's folder. */
  readonly id: string
  /** Default: `datasource`. */
  readonly type?: 'app' | 'datasource'
  /** Default: `1.0.0`. */
  readonly version?: string
  readonly start?: EachStart<ScriptedStart>
  /** Written at each start; what goes to the same place, in order. */
  readonly logs?: ReadonlyArray<ScriptedOutput>
  /** Starts with a process beside it that holds its stdout and stderr, until the plugin's folder is removed. */
  readonly grandchild?: boolean
  readonly on?: { readonly [Call in keyof ScriptedMessages]?: EachStart<ScriptedCall<ScriptedMessages[Call]>> }
  readonly shutdown?: EachStart<ScriptedShutdown>
  readonly tls?: EachStart<ScriptedTls>
}

/** A script as its process reads it, in `script.json`. It knows bytes alone, so it starts fast: no protobuf, no gRPC library. */
export interface EncodedScript {
  readonly start: ReadonlyArray<ScriptedStart>
  readonly logs: ReadonlyArray<ScriptedOutput>
  /** By path of the rpc; messages are protobuf in base64. */
  readonly on: Readonly<Record<string, ReadonlyArray<ScriptedAnswers<string> | ScriptedFault>>>
  readonly shutdown: ReadonlyArray<ScriptedShutdown>
  readonly tls: ReadonlyArray<ScriptedTls>
  /** `grpc-status-details-bin` by error source. */
  readonly statusDetails: Readonly<Record<'plugin' | 'downstream', string>>
}

import type { PluginJson } from '../api/plugin-json.ts'
import type { AggregatorError, Result } from '../errors.ts'
import { E } from '../fp.ts'
import type { MessageStream, PluginClient, PluginHost } from '../plugin.ts'

/** What reached a plugin. */
export interface RecordedCall {
  readonly plugin: string
  readonly call: keyof PluginClient
  readonly request: unknown
}

type Answered<Call extends keyof PluginClient> =
  ReturnType<PluginClient[Call]> extends Result<infer A>
    ? A
    : ReturnType<PluginClient[Call]> extends MessageStream<infer A>
      ? ReadonlyArray<A>
      : never

type ScriptedCalls = { readonly [Call in keyof PluginClient]?: Answered<Call> }

/**
 * What a plugin shall answer, by call: a message, or a list of messages where the answer is streamed. `error` is what every other
 * call fails with, and a stream after its messages.
 */
export interface ScriptedAnswer extends ScriptedCalls {
  readonly error?: AggregatorError
}

export interface RecordingOptions {
  /** What the host knows of every plugin. Default: nothing. */
  readonly pluginJson?: PluginJson | undefined
  /** Told of each call when it begins. */
  readonly onCall?: (call: RecordedCall) => void
}

/** A host of plugins of every id: each call is recorded, then answered from the script; a call without an answer is NotImplemented. */
export const recordingPlugins = (
  answer: ScriptedAnswer,
  { pluginJson, onCall }: RecordingOptions = {},
): { readonly host: PluginHost; readonly calls: ReadonlyArray<RecordedCall> } => {
  const calls: RecordedCall[] = []
  const record = (call: RecordedCall): void => {
    calls.push(call)
    onCall?.(call)
  }
  const failureOf = (call: keyof PluginClient): AggregatorError =>
    answer.error ?? { _tag: 'NotImplemented', message: `the fixture has no answer to ${call}` }

  const clientOf = (plugin: string): PluginClient => {
    const one =
      <A>(call: keyof PluginClient, scripted: A | undefined) =>
      (request: unknown): Result<A> =>
      () => {
        record({ plugin, call, request })
        return Promise.resolve(scripted === undefined ? E.left(failureOf(call)) : E.right(scripted))
      }
    const many =
      <A>(call: keyof PluginClient, scripted: ReadonlyArray<A> | undefined) =>
      (request: unknown): MessageStream<A> =>
        (async function* () {
          record({ plugin, call, request })
          for (const message of scripted ?? []) yield await Promise.resolve(E.right(message))
          if (scripted === undefined || answer.error !== undefined) yield E.left(failureOf(call))
        })()
    return {
      queryData: one('queryData', answer.queryData),
      queryChunkedData: many('queryChunkedData', answer.queryChunkedData),
      callResource: many('callResource', answer.callResource),
      checkHealth: one('checkHealth', answer.checkHealth),
      collectMetrics: one('collectMetrics', answer.collectMetrics),
      subscribeStream: one('subscribeStream', answer.subscribeStream),
      runStream: many('runStream', answer.runStream),
      publishStream: one('publishStream', answer.publishStream),
      validateAdmission: one('validateAdmission', answer.validateAdmission),
      mutateAdmission: one('mutateAdmission', answer.mutateAdmission),
      convertObjects: one('convertObjects', answer.convertObjects),
    }
  }
  const known = pluginJson === undefined ? {} : { pluginJson }
  return {
    host: {
      plugin: (id) => ({ id, version: '1.0.0', ...known, client: clientOf(id) }),
      close: () => Promise.resolve(),
    },
    calls,
  }
}

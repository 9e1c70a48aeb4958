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

/**
 * What a plugin shall answer, by call: a message, or a list of messages where the answer is streamed. `error` is what every call
 * fails with; a stream that has messages fails after them.
 */
export type ScriptedAnswer = { readonly [Call in keyof PluginClient]?: Answered<Call> } & {
  readonly error?: AggregatorError
}

/** A host of plugins of every id: each call is recorded, then answered from the script; a call without an answer is NotImplemented. */
export const recordingPlugins = (
  answer: ScriptedAnswer,
): { readonly host: PluginHost; readonly calls: ReadonlyArray<RecordedCall> } => {
  const calls: RecordedCall[] = []
  const failureOf = (call: keyof PluginClient): AggregatorError =>
    answer.error ?? { _tag: 'NotImplemented', message: `the fixture has no answer to ${call}` }

  const clientOf = (plugin: string): PluginClient => {
    const one =
      <A>(call: keyof PluginClient, scripted: A | undefined) =>
      (request: unknown): Result<A> =>
      () => {
        calls.push({ plugin, call, request })
        return Promise.resolve(
          scripted === undefined || answer.error !== undefined ? E.left(failureOf(call)) : E.right(scripted),
        )
      }
    const many =
      <A>(call: keyof PluginClient, scripted: ReadonlyArray<A> | undefined) =>
      (request: unknown): MessageStream<A> =>
        (async function* () {
          calls.push({ plugin, call, request })
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
  return {
    host: { plugin: (id) => ({ id, version: '1.0.0', client: clientOf(id) }), close: () => Promise.resolve() },
    calls,
  }
}

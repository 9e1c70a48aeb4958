import type { AggregatorError, Result } from '../errors.ts'
import { TE } from '../fp.ts'
import type { MutationResponse, PluginClient, PluginHost, QueryDataResponse, ValidationResponse } from '../plugin.ts'

/** What reached a plugin. */
export interface RecordedCall {
  readonly plugin: string
  readonly call: keyof PluginClient
  readonly request: unknown
}

/** What a plugin shall answer: a message of the call, or an error. */
export type ScriptedAnswer =
  | { readonly queryData: QueryDataResponse }
  | { readonly validateAdmission: ValidationResponse }
  | { readonly mutateAdmission: MutationResponse }
  | { readonly error: AggregatorError }

/** A host of plugins of every id: each call is recorded, then answered from the script; a call without an answer is NotImplemented. */
export const recordingPlugins = (
  answer: ScriptedAnswer,
): { readonly host: PluginHost; readonly calls: ReadonlyArray<RecordedCall> } => {
  const calls: RecordedCall[] = []
  const reply = <A>(plugin: string, call: keyof PluginClient, request: unknown, scripted: A | undefined): Result<A> => {
    calls.push({ plugin, call, request })
    if ('error' in answer) return TE.left(answer.error)
    return scripted === undefined
      ? TE.left({ _tag: 'NotImplemented', message: `the fixture has no answer to ${call}` })
      : TE.right(scripted)
  }
  const queryData = 'queryData' in answer ? answer.queryData : undefined
  const validation = 'validateAdmission' in answer ? answer.validateAdmission : undefined
  const mutation = 'mutateAdmission' in answer ? answer.mutateAdmission : undefined
  const clientOf = (id: string): PluginClient => ({
    queryData: (request) => reply(id, 'queryData', request, queryData),
    validateAdmission: (request) => reply(id, 'validateAdmission', request, validation),
    mutateAdmission: (request) => reply(id, 'mutateAdmission', request, mutation),
  })
  return {
    host: { plugin: (id) => ({ id, version: '1.0.0', client: clientOf(id) }), close: () => Promise.resolve() },
    calls,
  }
}

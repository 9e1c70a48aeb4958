import { readFile } from 'node:fs/promises'
import { join } from 'node:path'

import type { AggregatorError } from '../errors.ts'
import type { DataResponse, StatusResult } from '../plugin.ts'
import type { ScriptedAnswer } from './recording-plugin.ts'

/**
 * Station 3 as it is written: a frame is a JSON data frame, or the name of an Arrow file beside it.
 * Shapes: `{ "queryData": { "A": { "frames": [{…}] } } }`, `{ "mutateAdmission": { "allowed": true, "object": {…} } }`,
 * `{ "validateAdmission": { "allowed": false } }`, `{ "error": { "_tag": "PluginUnavailable", … } }`.
 */
interface AnswerStation {
  readonly queryData?: Readonly<Record<string, ResponseStation>>
  readonly validateAdmission?: AdmissionStation
  readonly mutateAdmission?: AdmissionStation & { readonly object?: unknown }
  readonly error?: AggregatorError
}

interface ResponseStation {
  readonly frames?: ReadonlyArray<unknown>
  readonly error?: string
  readonly errorSource?: string
  readonly status?: number
}

interface AdmissionStation {
  readonly allowed: boolean
  readonly result?: Partial<StatusResult>
  readonly warnings?: ReadonlyArray<string>
}

const toResponse = async (station: ResponseStation, folder: string): Promise<DataResponse> => {
  const { frames = [], error = '', errorSource = '', status = 0 } = station
  const isArrow = frames.some((frame) => typeof frame === 'string')
  const read = (frame: unknown): Promise<Uint8Array> =>
    typeof frame === 'string' ? readFile(join(folder, frame)) : Promise.resolve(Buffer.from(JSON.stringify(frame)))
  return {
    format: isArrow ? 'arrow' : 'json',
    frames: await Promise.all(frames.map(read)),
    error,
    errorSource,
    status,
  }
}

const toAdmission = ({ allowed, result, warnings = [] }: AdmissionStation) => ({
  allowed,
  warnings,
  result: result && { status: '', message: '', reason: '', code: 0, ...result },
})

/** Reads station 3. Throws when it is none of the known shapes. */
export const readAnswer = async (value: unknown, folder: string): Promise<ScriptedAnswer> => {
  const station = value as AnswerStation
  if (station.error !== undefined) return { error: station.error }
  if (station.validateAdmission !== undefined) return { validateAdmission: toAdmission(station.validateAdmission) }
  if (station.mutateAdmission !== undefined) {
    const { object } = station.mutateAdmission
    const objectBytes = object === undefined ? new Uint8Array() : Buffer.from(JSON.stringify(object))
    return { mutateAdmission: { ...toAdmission(station.mutateAdmission), objectBytes } }
  }
  if (station.queryData === undefined)
    throw new TypeError('3-answer.json holds none of queryData, validateAdmission, mutateAdmission, error')
  const responses = Object.entries(station.queryData).map(
    async ([refId, response]) => [refId, await toResponse(response, folder)] as const,
  )
  return { queryData: { responses: new Map(await Promise.all(responses)) } }
}

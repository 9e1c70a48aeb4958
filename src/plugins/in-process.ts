import type { AggregatorError, Result } from '../errors.ts'
import { E } from '../fp.ts'
import type {
  AdmissionRequest,
  CallOptions,
  DataResponse,
  InstalledPlugin,
  MutationResponse,
  PluginClient,
  PluginHost,
  QueryDataRequest,
  QueryDataResponse,
  ValidationResponse,
} from '../plugin.ts'
import { withDefaults } from './defaults.ts'
import { isAggregatorError } from './thrown.ts'

type Answer<A> = A | Promise<A>
type Allowed = Pick<ValidationResponse, 'allowed'>

/** By refId; what a response leaves out is empty. A Map where a refId may be any text. */
export interface QueryDataAnswer {
  readonly responses: Readonly<Record<string, Partial<DataResponse>>> | ReadonlyMap<string, Partial<DataResponse>>
}

/**
 * A plugin as plain functions; one that is left out is not implemented. A function may fail by throwing an AggregatorError,
 * all its fields in order; anything else thrown is PluginFailed, told to the client without its message.
 */
export interface InProcessPlugin {
  readonly version?: string
  readonly queryData?: (request: QueryDataRequest, options: CallOptions) => Answer<QueryDataAnswer>
  readonly validateAdmission?: (
    request: AdmissionRequest,
    options: CallOptions,
  ) => Answer<Allowed & Partial<ValidationResponse>>
  readonly mutateAdmission?: (
    request: AdmissionRequest,
    options: CallOptions,
  ) => Answer<Allowed & Partial<MutationResponse>>
}

const isMap = (responses: QueryDataAnswer['responses']): responses is ReadonlyMap<string, Partial<DataResponse>> =>
  responses instanceof Map

const emptyResponse: DataResponse = { format: 'arrow', frames: [], error: '', errorSource: '', status: 0 }

const toQueryData = ({ responses }: QueryDataAnswer): QueryDataResponse => {
  const entries = isMap(responses) ? responses : Object.entries(responses)
  return { responses: new Map([...entries].map(([refId, response]) => [refId, withDefaults(response, emptyResponse)])) }
}

const emptyValidation: ValidationResponse = { allowed: false, result: undefined, warnings: [] }
const emptyMutation: MutationResponse = { ...emptyValidation, objectBytes: new Uint8Array(0) }

const toValidation = (answer: Partial<ValidationResponse>): ValidationResponse => withDefaults(answer, emptyValidation)

const toMutation = (answer: Partial<MutationResponse>): MutationResponse => withDefaults(answer, emptyMutation)

type Ending = (error: AggregatorError) => void

/** Runs a function as if it were a process: deadline, cancellation and close end its call whether it listens or not. */
const createCaller =
  (pluginId: string, running: Set<Ending>, isClosed: () => boolean) =>
  <Request, Given, Response>(
    name: string,
    given: ((request: Request, options: CallOptions) => Answer<Given>) | undefined,
    complete: (answer: Given) => Response,
  ) =>
  (request: Request, { signal, timeoutMs }: CallOptions): Result<Response> =>
  async () => {
    const plugin = `plugin "${pluginId}"`
    const closed: AggregatorError = { _tag: 'PluginUnavailable', message: `${plugin} is stopped`, retryAfterSeconds: 1 }
    if (isClosed()) return E.left(closed)
    if (signal.aborted) return E.left({ _tag: 'Cancelled' })
    if (given === undefined) return E.left({ _tag: 'NotImplemented', message: `${plugin} does not implement ${name}` })

    const controller = new AbortController()
    const beganAtMs = performance.now()
    const timedOut: AggregatorError = { _tag: 'PluginTimeout', message: `${plugin} did not answer ${name} in time` }
    let stopWaiting = (): void => undefined
    const ended = new Promise<E.Either<AggregatorError, never>>((resolve) => {
      const end: Ending = (error) => {
        resolve(E.left(error))
        controller.abort()
      }
      // a deadline aborts the signal too
      const abort = (): void => {
        end(performance.now() - beganAtMs >= timeoutMs - 1 ? timedOut : { _tag: 'Cancelled' })
      }
      const timer = setTimeout(end, timeoutMs, timedOut)
      signal.addEventListener('abort', abort)
      running.add(end)
      stopWaiting = () => {
        clearTimeout(timer)
        signal.removeEventListener('abort', abort)
        running.delete(end)
      }
    })
    const answer = async (): Promise<E.Either<AggregatorError, Response>> => {
      try {
        return E.right(complete(await given(request, { signal: controller.signal, timeoutMs })))
      } catch (cause) {
        // nobody but the client can leave
        if (isAggregatorError(cause) && (cause._tag !== 'Cancelled' || signal.aborted)) return E.left(cause)
        return E.left({ _tag: 'PluginFailed', message: `${plugin} failed in ${name}`, source: 'plugin', cause })
      }
    }
    try {
      return await Promise.race([answer(), ended])
    } finally {
      stopWaiting()
    }
  }

/** Plugins that are functions of this process, by plugin id: `inProcess({ testds: { queryData: () => ({ responses: {} }) } })`. */
export const inProcess = (plugins: Readonly<Record<string, InProcessPlugin>>): PluginHost => {
  const running = new Set<Ending>()
  let isClosed = false

  const install = (id: string, plugin: InProcessPlugin): InstalledPlugin => {
    const caller = createCaller(id, running, () => isClosed)
    const client: PluginClient = {
      queryData: caller('queryData', plugin.queryData, toQueryData),
      validateAdmission: caller('validateAdmission', plugin.validateAdmission, toValidation),
      mutateAdmission: caller('mutateAdmission', plugin.mutateAdmission, toMutation),
    }
    return { id, version: plugin.version ?? '', client }
  }
  const installed = new Map(Object.entries(plugins).map(([id, plugin]) => [id, install(id, plugin)]))

  return {
    plugin: (pluginId) => installed.get(pluginId),
    close: () => {
      isClosed = true
      for (const end of [...running])
        end({ _tag: 'PluginUnavailable', message: 'the plugin is stopped', retryAfterSeconds: 1 })
      return Promise.resolve()
    },
  }
}

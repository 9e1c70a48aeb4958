import type { Result } from '../errors.ts'
import { pipe, TE } from '../fp.ts'
import { pluginContextOf } from '../plugin-context.ts'
import type { QueryDataRequest } from '../plugin.ts'
import type { PluginEnv } from '../service.ts'
import { pluginHeaders } from './plugin-headers.ts'
import type { QueryCall } from './query-request.ts'

/** All that a plugin is told of a query, in one answer or in chunks. Fails with NotFound, PluginUnavailable. */
export const pluginQueryOf = (call: QueryCall, env: PluginEnv): Result<QueryDataRequest> =>
  pipe(
    pluginContextOf(call, env),
    TE.map((pluginContext) => ({
      pluginContext,
      headers: pluginHeaders('query', call.headers, call.user, pluginContext),
      queries: call.queries,
    })),
  )

import type { PluginType } from '../api/dataplane-service.ts'

/**
 * Where an instance's paths are. A datasource has two spellings, `connections` being the older one; an app is the only instance of
 * its namespace. Shape of `rest`: `/query`, `/resources/*`.
 */
export const instancePaths = (pluginType: PluginType, rest: string): ReadonlyArray<string> =>
  pluginType === 'app'
    ? [`/namespaces/{namespace}${rest}`]
    : ['connections', 'datasources'].map((resource) => `/namespaces/{namespace}/${resource}/{uid}${rest}`)

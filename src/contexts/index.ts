export { cachedContexts, type CachedContextsOptions } from './cached.ts'
export { httpContexts } from './http.ts'
export type { HttpContextsOptions } from './http-options.ts'
export { kubernetesContexts, type KubernetesContextsOptions } from './kubernetes.ts'
export { provisionedContexts, type ProvisionedContextsOptions } from './provisioned.ts'
export {
  staticContexts,
  type StaticApp,
  type StaticContextsOptions,
  type StaticContextsTable,
  type StaticDatasource,
} from './static.ts'

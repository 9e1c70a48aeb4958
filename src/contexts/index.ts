export { cachedContexts, type CachedContextsOptions } from './cached.ts'
export { provisionedContexts, type ProvisionedContextsOptions } from './provisioned.ts'
export {
  staticContexts,
  type StaticApp,
  type StaticContextsOptions,
  type StaticContextsTable,
  type StaticDatasource,
} from './static.ts'

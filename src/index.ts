export { dataPlaneAggregator, type DataPlaneAggregator } from './aggregator.ts'
export type { AggregatorOptions, HeaderOptions, LimitOptions, StreamOptions } from './options.ts'
export type { ProxyOptions } from './proxy/index.ts'
export { createServer, type ExpressApp } from './express/server.ts'
export { frontProxyUser, type FrontProxyOptions } from './express/front-proxy.ts'
export type { ProbeHandler } from './express/probes.ts'
export type { UpgradeOptions } from './express/upgrade.ts'
export type { Authenticate } from './express/user.ts'

export { apiServer, inCluster, kubeconfig, type ApiServerOptions, type KubeconfigOptions } from './kubernetes/index.ts'
export type {
  Collection,
  ConnectOptions,
  Election,
  ElectionOptions,
  Follower,
  Following,
  KubernetesApi,
  KubernetesCall,
  KubernetesConnection,
  KubernetesFailure,
  KubernetesObject,
  KubernetesResult,
  ObjectChange,
} from './kubernetes.ts'

export {
  fileSource,
  kubernetesSource,
  memorySource,
  type FileSourceOptions,
  type KubernetesSourceOptions,
  type LeaseOptions,
  type MemorySource,
  type MemorySourceOptions,
} from './sources/index.ts'
export type {
  DataPlaneServiceSource,
  RejectedObject,
  Snapshot,
  SourceError,
  SourceObserver,
  Staleness,
  Unsubscribe,
  WritableSource,
} from './source.ts'
export type { ObjectStore, StoreEvent } from './object-store.ts'
export type { Condition, DataPlaneServiceStatus, ObjectMeta, StoredObject } from './api/object.ts'

export {
  attachedPlugins,
  inProcess,
  pluginDirectory,
  pluginHosts,
  type Backoff,
  type InProcessPlugin,
  type LivingPluginHost,
  type PluginAddress,
  type PluginAtAddress,
  type PluginDirectoryOptions,
  type PluginHosts,
  type PluginOptions,
  type PluginTls,
  type Probe,
  type QueryDataAnswer,
  type ReattachConfig,
  type ReattachedPlugin,
} from './plugins/index.ts'
export type { PluginChange, PluginExit, PluginState, PluginStatus, PluginWatcher } from './plugin-status.ts'
export type {
  AdmissionOperation,
  AdmissionRequest,
  AppInstanceSettings,
  CallOptions,
  CallResourceRequest,
  CallResourceResponse,
  CheckHealthRequest,
  CheckHealthResponse,
  CollectMetricsRequest,
  CollectMetricsResponse,
  ConversionRequest,
  ConversionResponse,
  DataFrameFormat,
  DataQuery,
  DataResponse,
  DataSourceInstanceSettings,
  GroupVersionKind,
  HeaderLists,
  InstalledPlugin,
  InstanceSettings,
  MessageStream,
  MutationResponse,
  PluginClient,
  PluginContext,
  PluginContextProvider,
  PluginContextRequest,
  PluginHost,
  PluginUser,
  QueryDataChunk,
  QueryDataRequest,
  QueryDataResponse,
  RawObject,
  StatusResult,
  StreamPacket,
  StreamRequest,
  StreamResponse,
  TimeRange,
  ValidationResponse,
} from './plugin.ts'

export {
  cachedContexts,
  httpContexts,
  kubernetesContexts,
  provisionedContexts,
  staticContexts,
  type CachedContextsOptions,
  type HttpContextsOptions,
  type KubernetesContextsOptions,
  type ProvisionedContextsOptions,
  type StaticApp,
  type StaticContextsOptions,
  type StaticContextsTable,
  type StaticDatasource,
} from './contexts/index.ts'

export type { PluginJson, PluginRoute } from './api/plugin-json.ts'
export type { Backend, DataPlaneService, PluginType, Service, ServiceType } from './api/dataplane-service.ts'
export { parseDataPlaneService } from './api/validation.ts'
export type { Status, StatusCause, StatusDetails, StatusReason } from './api/status.ts'
export type { Authorize, Decision, RequestAttributes, RouteAccess } from './authorization.ts'
export type { AggregatorError, ErrorSource, Result } from './errors.ts'
export type { User, UserTokens } from './http.ts'
export type { Clock } from './clock.ts'
export { silentLogger, type LogFields, type Logger } from './logger.ts'
export type { Explanation } from './routing/explain.ts'
export type { Registry, Verdict } from './verdict.ts'

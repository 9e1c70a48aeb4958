import { ownService } from './api/dataplane-service.ts'
import { closeAll } from './close-all.ts'
import { createConditions, type Conditions } from './conditions/index.ts'
import { createDocuments, type FoundDocument } from './discovery/index.ts'
import { dispatch, requestHeaders } from './dispatch.ts'
import { door, type Door } from './express/handler.ts'
import { createProbes, type ProbeHandler } from './express/probes.ts'
import { encodeFrame, encodeQueryData } from './frames/index.ts'
import { E, TE } from './fp.ts'
import { applyLayers, layerNames, layers, responseHeaders } from './layers/index.ts'
import { toSettings, type AggregatorOptions, type Settings } from './options.ts'
import type { PluginStatus } from './plugin-status.ts'
import { createForwarder } from './proxy/index.ts'
import { registryRoutes } from './registry/index.ts'
import { liveTable } from './routing/live-table.ts'
import { claimedApis } from './routing/claimed.ts'
import { explain, type Explanation } from './routing/explain.ts'
import { match, type Match } from './routing/match.ts'
import { claimsOf, ownTable } from './routing/table.ts'
import { serviceDefinitions } from './services/index.ts'
import { isWritable, type DataPlaneServiceSource, type Staleness } from './source.ts'
import { createSharedStreams } from './streams/index.ts'
import { logRequests, pluginMetrics, requestMetrics, requestSpans, sourceMetrics } from './telemetry/index.ts'
import { observeAll } from './telemetry.ts'
import type { Registry } from './verdict.ts'

/** The Router: mount it first with `app.use()`. */
export interface DataPlaneAggregator extends AsyncDisposable {
  (...args: Parameters<Door['handler']>): void
  /** Resolves when the first snapshot of the source is compiled; a directory that cannot be read counts as empty, and is logged. */
  readonly ready: Promise<void>
  /** Every object that the source found: routed, routed in part (conflicts), or rejected, and why. */
  readonly registry: () => Registry
  /**
   * What each plugin is doing, and how the last process of each went: exit code or signal, the last of stderr, how often it was
   * started, the last error. For operators, not for clients. Empty where plugins have no life of their own.
   */
  readonly plugins: () => ReadonlyArray<PluginStatus>
  /**
   * Says which object, service type, plugin and layers a request would meet, or why none, without sending it anywhere. Shape:
   * `explain('POST', '/apis/p.grafana.app/v1/namespaces/default/datasources/p1/query')`. For people: what it says of a miss may change.
   */
  readonly explain: (method: string, url: string) => Explanation
  /**
   * Handlers for probes, mounted by nobody but the host: `app.use('/livez', aggregator.livez)`. In the form of the Kubernetes apiserver:
   * `ok` or 500, a line for each check with `?verbose`. Alive: it answers. Ready: the first snapshot is compiled, the source is not
   * stale (check `registry-fresh`, of sources that can be), and nobody closes it. A broken file, a rejected object, or a plugin that is down is told there, and fails nothing: the last good state serves.
   */
  readonly livez: ProbeHandler
  readonly readyz: ProbeHandler
  /**
   * Lets clients open WebSockets on the stream paths of a server: `aggregator.upgrade(server, { authenticate })`. Call it
   * once the server is made, before or after it listens; the paths are those of the DataPlaneServices, whatever path the
   * Router is mounted under. Each passes the same table, layers and limits as a request does. Other listeners for upgrades
   * get what nobody claims; where there are none, it is answered as though it asked for no upgrade. Gives back what ends it;
   * `close()` ends it, too. Throws a TypeError when nobody says who asks, in these options or in those of the aggregator: no
   * middleware sees an upgrade.
   */
  readonly upgrade: Door['upgrade']
  /**
   * Drains, then stops plugins and watches; leaves no process, socket, timer or listener behind. Call it before or after the
   * server's own. Rejects with an AggregateError when source, plugins or contexts fail to close, or take over a minute: the
   * others are closed all the same.
   */
  readonly close: () => Promise<void>
}

/** Far more than our own parts take; one of the host's own may hang. */
const closeTimeoutMs = 60_000

const unknownAge: Staleness = { ageMs: undefined, isStale: true }

const noConditions: Conditions = { changed: () => undefined, close: () => Promise.resolve() }

const conditionsOf = ({ source, plugins, logger }: Settings, registry: () => Registry): Conditions =>
  source.updateStatus === undefined
    ? noConditions
    : createConditions({
        registry,
        updateStatus: (...args) => source.updateStatus?.(...args) ?? TE.right(undefined),
        plugins,
        logger,
      })

/** A source of the host's own may throw, and then nobody knows how old its objects are. */
const stalenessOf = (source: DataPlaneServiceSource): (() => Staleness) | undefined => {
  if (source.staleness === undefined) return undefined
  const ask = (): Staleness => source.staleness?.() ?? unknownAge
  return () => E.getOrElse(() => unknownAge)(E.tryCatch(ask, E.toError))
}

/** A document in the words of the table: claimed by ourselves. */
const toMatch = ({ route, path, query }: FoundDocument): Match => ({
  _tag: 'Claimed',
  claim: { service: ownService, type: 'discovery', route, names: new Map() },
  path,
  query,
  params: {},
  tail: '',
})

const assemble = (settings: Settings): DataPlaneAggregator => {
  const { plugins, contexts, logger, metrics, tracer, userAgent, deadlines, headers } = settings
  const observers = [
    requestSpans(tracer),
    logRequests(logger),
    ...(metrics === undefined ? [] : [requestMetrics(metrics)]),
  ]
  const observe = observeAll(observers, logger)
  const crossing = {
    request: [...requestHeaders, ...headers.request],
    response: [...responseHeaders, ...headers.response],
  }
  const handle = applyLayers(layers({ ...settings, observe, headers: crossing }))
  const { source } = settings
  const own =
    settings.registry === 'none' || !isWritable(source)
      ? []
      : registryRoutes({ objects: source.objects, isReadOnly: settings.registry === 'read-only', logger })
  const conditions = conditionsOf(settings, () => table.registry())
  const table = liveTable(source, {
    definitions: serviceDefinitions({ encodeQueryData, encodeFrame }),
    own: ownTable('registry', own),
    onChange: conditions.changed,
    logger,
  })
  const documents = settings.discovery
    ? createDocuments({ apis: () => claimedApis(table.current()), registry: settings.registry, logger })
    : undefined
  const findDocument = (method: string, url: string): Match | undefined => {
    const document = documents?.find(method, url)
    return document && toMatch(document)
  }
  const forwarder = createForwarder(settings.proxy)
  const streams = createSharedStreams({ logger, ...settings.streams })
  const { handler, upgrade, drain } = door({
    match: (method, url) => match(table.current(), method, url) ?? findDocument(method, url),
    isShared: ({ claim }) => claim.route.isShared === true,
    serve: dispatch({
      handle,
      plugins,
      contexts,
      userAgent,
      streams,
      forward: forwarder.forward,
      forwardedHeaders: headers.request,
      requestTimeoutMs: deadlines.requestTimeoutMs,
    }),
    bodyLimitBytes: settings.bodyBytes,
    stallMs: settings.stallMs,
    authenticate: settings.authenticate,
  })

  const staleness = stalenessOf(source)
  const endMetrics =
    metrics === undefined
      ? []
      : [pluginMetrics(metrics, plugins), ...(staleness === undefined ? [] : [sourceMetrics(metrics, staleness)])]
  const shutDown = async (): Promise<void> => {
    await drain(settings.drainMs)
    try {
      await closeAll(
        {
          conditions: conditions.close,
          source: table.close,
          streams: streams.close,
          connections: forwarder.close,
          plugins: () => plugins.close(),
          contexts: () => contexts.close?.(),
        },
        closeTimeoutMs,
      )
    } finally {
      for (const end of endMetrics) end()
    }
  }
  let closed: Promise<void> | undefined
  const close = (): Promise<void> => (closed ??= shutDown())
  return Object.assign((...args: Parameters<Door['handler']>) => handler(...args), {
    ready: table.ready,
    registry: table.registry,
    plugins: () => plugins.statuses?.() ?? [],
    explain: (method: string, url: string) =>
      explain(
        {
          table: table.current(),
          claims: claimsOf(table.current()),
          registry: table.registry(),
          layers: layerNames,
          otherwise: findDocument,
        },
        method,
        url,
      ),
    ...createProbes({
      ready: table.ready,
      isClosing: () => closed !== undefined,
      registry: table.registry,
      plugins: () => plugins.statuses?.() ?? [],
      staleness,
    }),
    upgrade,
    close,
    [Symbol.asyncDispose]: close,
  })
}

/**
 * One Router that takes every data plane path which a DataPlaneService claims to its plugin, and calls `next()` for the rest.
 * Throws a TypeError when an option is wrong, and what `source` or `metrics` throw; plugins and contexts are then closed.
 */
export const dataPlaneAggregator = (options: AggregatorOptions): DataPlaneAggregator => {
  const settings = toSettings(options)
  const { plugins, contexts, logger } = settings
  try {
    return assemble(settings)
  } catch (cause) {
    // Their processes and watches are running already, and nobody will get a `close`.
    closeAll({ plugins: () => plugins.close(), contexts: () => contexts.close?.() }, closeTimeoutMs).catch(
      (error: unknown) => {
        logger.error('plugins or contexts cannot be closed', { error })
      },
    )
    throw cause
  }
}

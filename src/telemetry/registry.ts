import { Counter, Gauge, type OpenMetricsContentType, type Registry } from 'prom-client'

/** The host's own registry of prom-client, of either text format. */
export type MetricsRegistry = Registry | Registry<OpenMetricsContentType>

/** The registry decides who is first: a second aggregator adds to the first one's metrics instead of failing. */
export const counterIn = <Label extends string>(
  registry: MetricsRegistry,
  name: string,
  help: string,
  labelNames: ReadonlyArray<Label>,
): Counter<Label> => {
  const known = registry.getSingleMetric<Label>(name)
  return known instanceof Counter ? known : new Counter({ name, help, labelNames, registers: [registry] })
}

/** The same for what goes up and down. */
export const gaugeIn = <Label extends string>(
  registry: MetricsRegistry,
  name: string,
  help: string,
  labelNames: ReadonlyArray<Label>,
): Gauge<Label> => {
  const known = registry.getSingleMetric<Label>(name)
  return known instanceof Gauge ? known : new Gauge({ name, help, labelNames, registers: [registry] })
}

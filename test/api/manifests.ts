import type { DataPlaneService } from '../../src/api/dataplane-service.ts'
import { parseDataPlaneService } from '../../src/api/validation.ts'
import { E } from '../../src/fp.ts'

export interface Made {
  readonly name?: string
  readonly created?: string
  readonly pluginID?: string
  readonly pluginType?: string
  readonly group?: string
  readonly version?: string
}

/** An object as somebody would write it: a valid one, but for what a test changes in it. */
export const manifest = (services: unknown = [{ type: 'query' }], made: Made = {}) => {
  const { name = 'v1.p.example.com', created, ...spec } = made
  return {
    apiVersion: 'aggregation.grafana.app/v0alpha1',
    kind: 'DataPlaneService',
    metadata: { name, ...(created === undefined ? {} : { creationTimestamp: created }) },
    spec: { pluginID: 'p', pluginType: 'datasource', group: 'p.example.com', version: 'v1', services, ...spec },
  }
}

export const service = (services?: unknown, made?: Made): DataPlaneService => {
  const parsed = parseDataPlaneService(manifest(services, made))
  if (E.isLeft(parsed)) throw new Error(JSON.stringify(parsed.left))
  return parsed.right
}

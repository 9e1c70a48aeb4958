import { admissionService } from './admission.js'
import { dataService } from './data.js'
import { diagnosticsService } from './diagnostics.js'
import { createLogger } from './log.js'
import { serve } from './serve.js'

const log = createLogger('testdata')

/** @type {Map<string, number>} */
const queries = new Map()

serve({
  cookie: { key: 'grafana_plugin_type', value: 'datasource' },
  protocolVersion: 2,
  receiveLimitBytes: 16 * 1024 * 1024,
  services: {
    'pluginv2.Data': dataService(log, (scenario) => queries.set(scenario, (queries.get(scenario) ?? 0) + 1)),
    'pluginv2.Diagnostics': diagnosticsService(queries),
    'pluginv2.AdmissionControl': admissionService,
  },
  log,
})

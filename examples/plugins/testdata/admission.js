import { parseObject } from './json.js'
import { unary } from './protocol.js'

/** @type {(code: number, reason: string, message: string) => object} */
const denied = (code, reason, message) => ({
  allowed: false,
  result: { status: 'Failure', code, reason, message },
})

/**
 * Applies a rule to the object under review; a DELETE carries none and is allowed as it is.
 *
 * @param {(object: Record<string, any>) => object} rule
 */
const reviewed = (rule) =>
  unary(({ operation, object_bytes }) => {
    if (operation === 'DELETE') return { allowed: true }
    const object = parseObject(object_bytes)
    return object === undefined ? denied(400, 'BadRequest', 'expected a JSON object') : rule(object)
  })

/** `pluginv2.AdmissionControl` for objects like a dashboard: `{ metadata, spec: { title, deprecated? } }`. */
export const admissionService = {
  ValidateAdmission: reviewed(({ spec }) => ({
    ...(spec?.title ? { allowed: true } : denied(422, 'Invalid', 'spec.title must not be empty')),
    warnings: spec?.deprecated ? ['spec.deprecated is set: this object will stop working'] : [],
  })),
  MutateAdmission: reviewed((object) => {
    const annotations = { ...object.metadata?.annotations, 'testdata/mutated': 'true' }
    const mutated = { ...object, metadata: { ...object.metadata, annotations } }
    return { allowed: true, object_bytes: Buffer.from(JSON.stringify(mutated)) }
  }),
}

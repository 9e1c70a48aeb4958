import type { ExecutionContext } from 'ava'

type Json = Readonly<Record<string, unknown>>

export const isJson = (value: unknown): value is Json =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

export const at = (value: unknown, ...keys: ReadonlyArray<string>): unknown =>
  keys.reduce((inner, key) => (isJson(inner) ? inner[key] : undefined), value)

const methods = new Set(['get', 'put', 'post', 'delete', 'options', 'head', 'patch'])

export interface Found {
  readonly path: string
  readonly method: string
  readonly operation: Json
}

export const operationsOf = ({ paths }: { readonly paths: Json }): ReadonlyArray<Found> =>
  Object.entries(paths).flatMap(([path, item]) =>
    fieldsOf(item).flatMap(([method, operation]) =>
      methods.has(method) && isJson(operation) ? [{ path, method, operation }] : [],
    ),
  )

export const listOf = (value: unknown): ReadonlyArray<unknown> => (Array.isArray(value) ? value : [])

export const fieldsOf = (value: unknown): ReadonlyArray<[string, unknown]> => Object.entries(isJson(value) ? value : {})

/** Every `$ref` in it. */
export const refsIn = (value: unknown): ReadonlyArray<string> => {
  if (Array.isArray(value)) return value.flatMap(refsIn)
  if (!isJson(value)) return []
  const { $ref } = value
  return [...(typeof $ref === 'string' ? [$ref] : []), ...Object.values(value).flatMap(refsIn)]
}

/** What any reader of OpenAPI takes for granted. */
export const expectSound = (
  t: ExecutionContext,
  document: { readonly paths: Json },
  prefix: string,
  schemas: Json,
): void => {
  const refs = new Set(refsIn(document))
  for (const ref of refs) t.true(ref.startsWith(prefix) && ref.slice(prefix.length) in schemas, ref)
  const used = new Set([...refs].map((ref) => ref.slice(prefix.length)))
  const roots = Object.keys(schemas).filter((name) => !used.has(name))
  t.deepEqual(roots, [], 'definitions that nothing names')
  const operations = operationsOf(document)
  const ids = operations.map(({ operation }) => operation['operationId'])
  t.is(new Set(ids).size, ids.length, 'ids of operations')
  for (const { path, method, operation } of operations) {
    const parameters = [...listOf(at(document.paths, path, 'parameters')), ...listOf(operation['parameters'])]
    const inPath = parameters.filter((parameter) => at(parameter, 'in') === 'path')
    t.deepEqual(
      inPath.map((parameter) => at(parameter, 'name')),
      [...path.matchAll(/\{([^}]*)\}/g)].map(([, name]) => name),
      `${method} ${path}`,
    )
    t.true(inPath.every((parameter) => at(parameter, 'required') === true))
    const named = parameters.map((parameter) => `${String(at(parameter, 'in'))} ${String(at(parameter, 'name'))}`)
    t.is(new Set(named).size, named.length, `parameters of ${method} ${path}`)
    t.true(fieldsOf(operation['responses']).length > 0)
  }
  const shapes = Object.keys(document.paths).map((path) => path.replace(/\{[^}]*\}/g, '{}'))
  t.is(new Set(shapes).size, shapes.length, 'templates that differ in names only')
}

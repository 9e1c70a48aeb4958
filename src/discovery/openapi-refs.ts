import type { Definitions, OpenApiSchema, Operation } from './openapi-model.ts'

/** What of an operation has schemas. */
type Typed = Pick<Operation, 'body' | 'answers'>

const schemasIn = ({ properties, items, additionalProperties, oneOf }: OpenApiSchema): ReadonlyArray<OpenApiSchema> => [
  ...Object.values(properties ?? {}),
  ...(items === undefined ? [] : [items]),
  ...(additionalProperties === undefined ? [] : [additionalProperties]),
  ...(oneOf ?? []),
]

const refsIn = (schema: OpenApiSchema): ReadonlyArray<string> => [
  ...(schema.ref === undefined ? [] : [schema.ref]),
  ...schemasIn(schema).flatMap(refsIn),
]

const refsOf = ({ body, answers }: Typed): ReadonlyArray<string> =>
  [...(body === undefined ? [] : [body]), ...Object.values(answers)].flatMap(({ content }) =>
    Object.values(content).flatMap(refsIn),
  )

/** The definitions that operations name, and those that these name, by name. */
export const definitionsFor = (operations: Iterable<Typed>, definitions: Definitions): Definitions => {
  const needed = new Map<string, OpenApiSchema>()
  const open = [...operations].flatMap(refsOf)
  for (let name = open.pop(); name !== undefined; name = open.pop()) {
    const definition = definitions[name]
    if (definition === undefined || needed.has(name)) continue
    needed.set(name, definition)
    open.push(...refsIn(definition))
  }
  return Object.fromEntries([...needed].toSorted(([a], [b]) => (a < b ? -1 : 1)))
}

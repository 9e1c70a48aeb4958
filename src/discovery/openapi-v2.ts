import {
  mapOperations,
  mapValues,
  type Body,
  type OpenApiSchema,
  type Operation,
  type Parameter,
} from './openapi-model.ts'
import { registryApi } from './openapi-registry.ts'

/** A whole document, plain data for JSON. Source: Swagger 2.0, as a Kubernetes apiserver gives it. */
export interface OpenApiV2 {
  readonly swagger: '2.0'
  readonly info: { readonly title: string; readonly version: string }
  readonly paths: Readonly<Record<string, unknown>>
  readonly definitions: Readonly<Record<string, unknown>>
}

type Json = Readonly<Record<string, unknown>>

const schemaOf = ({ ref, properties, items, additionalProperties, oneOf: _, ...rest }: OpenApiSchema): Json => ({
  ...rest,
  ...(ref === undefined ? {} : { $ref: `#/definitions/${ref}` }),
  ...(properties === undefined ? {} : { properties: mapValues(properties, schemaOf) }),
  ...(items === undefined ? {} : { items: schemaOf(items) }),
  ...(additionalProperties === undefined ? {} : { additionalProperties: schemaOf(additionalProperties) }),
})

const parameterOf = (parameter: Parameter): Json => ({
  ...parameter,
  ...(parameter.in === 'path' ? { required: true } : {}),
})

/** All media types have one schema. */
const bodyOf = ({ content, isRequired }: Body): Json => ({
  in: 'body',
  name: 'body',
  ...(isRequired ? { required: true } : {}),
  schema: schemaOf(Object.values(content)[0] ?? {}),
})

const operationOf = ({ id, tag, description, parameters = [], body, answers, action, kind }: Operation): Json => ({
  tags: [tag],
  description,
  operationId: id,
  ...(body === undefined ? {} : { consumes: Object.keys(body.content) }),
  produces: [...new Set(Object.values(answers).flatMap(({ content }) => Object.keys(content)))],
  parameters: [...(body === undefined ? [] : [bodyOf(body)]), ...parameters.map(parameterOf)],
  responses: mapValues(answers, (answer) => ({
    description: answer.description,
    schema: schemaOf(Object.values(answer.content)[0] ?? {}),
  })),
  ...(action === undefined ? {} : { 'x-kubernetes-action': action }),
  ...(kind === undefined ? {} : { 'x-kubernetes-group-version-kind': kind }),
})

/**
 * Our own group and version alone: tools look kinds up in this document, what is claimed has none, and its whole text is read by every
 * command of an older kubectl. Pure.
 */
export const registryOpenApiV2 = (isWritable: boolean): OpenApiV2 => {
  const { title, version, paths, definitions } = registryApi(isWritable)
  return {
    swagger: '2.0',
    info: { title, version },
    paths: Object.fromEntries(
      paths.map(([path, item]) => [
        path,
        {
          ...mapOperations(item, operationOf),
          parameters: item.parameters.map(parameterOf),
        },
      ]),
    ),
    definitions: mapValues(definitions, schemaOf),
  }
}

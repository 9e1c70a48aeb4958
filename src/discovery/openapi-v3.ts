import type { ClaimedGroupVersion } from '../discovery.ts'
import {
  mapOperations,
  mapValues,
  type Api,
  type Content,
  type OpenApiSchema,
  type Operation,
  type Parameter,
} from './openapi-model.ts'
import { registryApi } from './openapi-registry.ts'
import { claimedApi } from './openapi-routes.ts'

/** A whole document, plain data for JSON. Source: OpenAPI 3.0.0, as a Kubernetes apiserver gives it for a group and version. */
export interface OpenApiV3 {
  readonly openapi: '3.0.0'
  readonly info: { readonly title: string; readonly version: string }
  readonly paths: Readonly<Record<string, unknown>>
  readonly components: { readonly schemas: Readonly<Record<string, unknown>> }
}

type Json = Readonly<Record<string, unknown>>

/** In this version nothing may stand beside a reference. */
const schemaOf = ({ ref, properties, items, additionalProperties, oneOf, ...rest }: OpenApiSchema): Json => {
  if (ref !== undefined) {
    const reference = { $ref: `#/components/schemas/${ref}` }
    return Object.keys(rest).length === 0 ? reference : { ...rest, allOf: [reference] }
  }
  return {
    ...rest,
    ...(properties === undefined ? {} : { properties: mapValues(properties, schemaOf) }),
    ...(items === undefined ? {} : { items: schemaOf(items) }),
    ...(additionalProperties === undefined ? {} : { additionalProperties: schemaOf(additionalProperties) }),
    ...(oneOf === undefined ? {} : { oneOf: oneOf.map(schemaOf) }),
  }
}

const contentOf = (content: Content): Json => mapValues(content, (schema) => ({ schema: schemaOf(schema) }))

const parameterOf = ({ type, ...parameter }: Parameter): Json => ({
  ...parameter,
  ...(parameter.in === 'path' ? { required: true } : {}),
  schema: { type },
})

const operationOf = ({ id, tag, description, parameters, body, answers, action, kind }: Operation): Json => ({
  tags: [tag],
  description,
  operationId: id,
  ...(parameters === undefined ? {} : { parameters: parameters.map(parameterOf) }),
  ...(body === undefined
    ? {}
    : { requestBody: { ...(body.isRequired ? { required: true } : {}), content: contentOf(body.content) } }),
  responses: mapValues(answers, (answer) => ({
    description: answer.description,
    ...(Object.keys(answer.content).length === 0 ? {} : { content: contentOf(answer.content) }),
  })),
  ...(action === undefined ? {} : { 'x-kubernetes-action': action }),
  ...(kind === undefined ? {} : { 'x-kubernetes-group-version-kind': kind }),
})

const documentOf = ({ title, version, paths, definitions }: Api): OpenApiV3 => ({
  openapi: '3.0.0',
  info: { title, version },
  paths: Object.fromEntries(
    paths.map(([path, item]) => [
      path,
      {
        ...mapOperations(item, operationOf),
        ...(item.parameters.length === 0 ? {} : { parameters: item.parameters.map(parameterOf) }),
      },
    ]),
  ),
  components: { schemas: mapValues(definitions, schemaOf) },
})

/** Our own group and version. Pure: equal for equal arguments, whoever asks. */
export const registryOpenApiV3 = (isWritable: boolean): OpenApiV3 => documentOf(registryApi(isWritable))

/** A claimed group and version. Takes time by the number of its routes. Pure. */
export const claimedOpenApiV3 = (claimed: ClaimedGroupVersion): OpenApiV3 => documentOf(claimedApi(claimed))

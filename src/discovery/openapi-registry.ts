import { apiVersion, group, kind, listKind, resource, version } from '../api/dataplane-service.ts'
import { dataPlaneServiceSchema } from '../api/schema.ts'
import { apiVersionField, kindField, metaDefinitions, metaNames } from './openapi-meta.ts'
import {
  contentOf,
  methods,
  toPascal,
  type Answer,
  type Api,
  type Body,
  type Definitions,
  type Method,
  type Operation,
  type Parameter,
  type PathItem,
} from './openapi-model.ts'
import { deleting, deletingAll, force, listing, name, pretty, resourceVersion, writing } from './openapi-parameters.ts'
import { definitionsFor } from './openapi-refs.ts'

const definitionName = (of: string): string => `${group.split('.').toReversed().join('.')}.${version}.${of}`
const objectName = definitionName(kind)
const listName = definitionName(listKind)

const definitions: Definitions = {
  [objectName]: {
    ...dataPlaneServiceSchema,
    properties: {
      ...dataPlaneServiceSchema.properties,
      metadata: { ref: metaNames.objectMeta, description: 'Name, labels, annotations and what the server keeps.' },
    },
    'x-kubernetes-group-version-kind': [{ group, version, kind }],
  },
  [listName]: {
    type: 'object',
    description: 'Several of them.',
    required: ['items'],
    properties: {
      apiVersion: apiVersionField,
      items: { type: 'array', description: 'By name.', items: { ref: objectName } },
      kind: kindField,
      metadata: { ref: metaNames.listMeta, description: 'What the list tells of itself.' },
    },
    'x-kubernetes-group-version-kind': [{ group, version, kind: listKind }],
  },
  ...metaDefinitions,
}

const types = ['application/json', 'application/yaml']

/**
 * Strategic merge patches are taken too, but not told of: kubectl apply would send them in place of merge patches, by merge keys that it
 * reads here. None of our lists has one (a key of one field), so that nothing were gained; and with the CustomResourceDefinition, whose
 * server refuses them, the same manifests shall go the same way.
 */
const patchTypes = ['application/apply-patch+yaml', 'application/json-patch+json', 'application/merge-patch+json']

const ofType = (ref: string, description: string): Answer => ({ description, content: contentOf({ ref }, types) })
const object = (description: string): Answer => ofType(objectName, description)
const failure = ofType(metaNames.status, 'What went wrong.')

const bodyOf = (ref: string, of: ReadonlyArray<string> = types, isRequired = true): Body => ({
  isRequired,
  content: contentOf({ ref }, of),
})
const objectBody = bodyOf(objectName)
const deleteBody = bodyOf(metaNames.deleteOptions, types, false)

interface Told extends Pick<Operation, 'description' | 'answers'> {
  /** What the id begins with, and what it ends with. */
  readonly verb: string
  readonly of?: string
  readonly action: string
  readonly parameters: ReadonlyArray<Parameter>
  readonly body?: Body
}

const prefix = `${toPascal(group)}${toPascal(version)}`
const tag = `${prefix.charAt(0).toLowerCase()}${toPascal(group).slice(1)}_${version}`

/** Ids as Kubernetes makes them: `listAggregationGrafanaAppV0alpha1DataPlaneService`. */
const toOperation = ({ verb, of = kind, answers, ...told }: Told): Operation => ({
  ...told,
  id: `${verb}${prefix}${of}`,
  tag,
  answers: { ...answers, default: failure },
  kind: { group, version, kind },
})

type Telling = Readonly<Partial<Record<Method, Told>>>

const all: Telling = {
  get: {
    verb: 'list',
    action: 'list',
    description: 'Lists the objects, or watches them.',
    parameters: listing,
    answers: { 200: ofType(listName, 'The objects.') },
  },
  post: {
    verb: 'create',
    action: 'post',
    description: 'Creates an object.',
    parameters: writing,
    body: objectBody,
    answers: { 201: object('The new object.') },
  },
  delete: {
    verb: 'delete',
    of: `Collection${kind}`,
    action: 'deletecollection',
    description: 'Deletes the objects that are selected.',
    parameters: deletingAll,
    body: deleteBody,
    answers: { 200: ofType(listName, 'What was deleted.') },
  },
}

const reading = (of: string, description: string): Told => ({
  verb: 'read',
  of,
  action: 'get',
  description,
  parameters: [resourceVersion],
  answers: { 200: object('The object.') },
})

const replacing = (of: string, description: string): Told => ({
  verb: 'replace',
  of,
  action: 'put',
  description,
  parameters: writing,
  body: objectBody,
  answers: { 200: object('The object as it is now.') },
})

const patching = (of: string, description: string, answers: Operation['answers']): Told => ({
  verb: 'patch',
  of,
  action: 'patch',
  description,
  parameters: [...writing, force],
  body: bodyOf(metaNames.patch, patchTypes),
  answers: { 200: object('The object as it is now.'), ...answers },
})

const one: Telling = {
  get: reading(kind, 'Reads an object.'),
  put: replacing(kind, 'Replaces an object.'),
  delete: {
    verb: 'delete',
    action: 'delete',
    description: 'Deletes an object.',
    parameters: deleting,
    body: deleteBody,
    answers: {
      200: ofType(metaNames.status, 'It is gone; the object itself, where finalizers are left.'),
      202: ofType(metaNames.status, 'It will be gone.'),
    },
  },
  patch: patching(kind, 'Changes an object; an apply also creates it.', { 201: object('The new object.') }),
}

const ofStatus: Telling = {
  get: reading(`${kind}Status`, 'Reads an object, for its status.'),
  put: replacing(`${kind}Status`, 'Replaces the status of an object.'),
  patch: patching(`${kind}Status`, 'Changes the status of an object.', {}),
}

const itemOf = (telling: Telling, parameters: ReadonlyArray<Parameter>, isWritable: boolean): PathItem => ({
  parameters: [...parameters, pretty],
  operations: Object.fromEntries(
    methods.flatMap((method) => {
      const told = telling[method]
      return told === undefined || (method !== 'get' && !isWritable) ? [] : [[method, toOperation(told)]]
    }),
  ),
})

/** Our own group and version. `isWritable`: with what changes something. */
export const registryApi = (isWritable: boolean): Api => {
  const base = `/apis/${apiVersion}/${resource}`
  const paths: Api['paths'] = [
    [base, itemOf(all, [], isWritable)],
    [`${base}/{name}`, itemOf(one, [name], isWritable)],
    [`${base}/{name}/status`, itemOf(ofStatus, [name], isWritable)],
  ]
  const operations = paths.flatMap(([, item]) => Object.values(item.operations))
  return { title: apiVersion, version, paths, definitions: definitionsFor(operations, definitions) }
}

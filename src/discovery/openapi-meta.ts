import type { Definitions, OpenApiSchema } from './openapi-model.ts'

const meta = (name: string): string => `io.k8s.apimachinery.pkg.apis.meta.v1.${name}`

/** Names of the definitions that all of Kubernetes shares. */
export const metaNames = {
  objectMeta: meta('ObjectMeta'),
  listMeta: meta('ListMeta'),
  managedFieldsEntry: meta('ManagedFieldsEntry'),
  fieldsV1: meta('FieldsV1'),
  ownerReference: meta('OwnerReference'),
  time: meta('Time'),
  status: meta('Status'),
  statusDetails: meta('StatusDetails'),
  statusCause: meta('StatusCause'),
  deleteOptions: meta('DeleteOptions'),
  preconditions: meta('Preconditions'),
  patch: meta('Patch'),
} as const

const text = (description: string): OpenApiSchema => ({ type: 'string', description })
const flag = (description: string): OpenApiSchema => ({ type: 'boolean', description })
const integer = (description: string, format = 'int64'): OpenApiSchema => ({ type: 'integer', format, description })
const ref = (name: string, description: string): OpenApiSchema => ({ ref: name, description })
const texts = (description: string): OpenApiSchema => ({
  type: 'object',
  description,
  additionalProperties: { type: 'string' },
})

export const apiVersionField = text('Group and version of this schema.')
export const kindField = text('What kind of object this is, in CamelCase.')

const objectMeta: OpenApiSchema = {
  type: 'object',
  description: 'What every stored object has: who it is, and what the server keeps of it.',
  properties: {
    annotations: texts('Notes of tools, which nothing selects by.'),
    creationTimestamp: ref(metaNames.time, 'When it was created. Set by the server.'),
    deletionGracePeriodSeconds: integer('How long its deletion may take. Set by the server.'),
    deletionTimestamp: ref(metaNames.time, 'When its deletion was asked for. Set by the server.'),
    finalizers: {
      type: 'array',
      description: 'Who has to be done with it before it is gone. Only removed from, once it is being deleted.',
      items: { type: 'string' },
      'x-kubernetes-list-type': 'set',
      'x-kubernetes-patch-strategy': 'merge',
    },
    generateName: text('Begin of a name that the server completes, where no name is given.'),
    generation: integer('Grows with each change of what is wanted. Set by the server.'),
    labels: texts('What it can be selected by.'),
    managedFields: {
      type: 'array',
      description: 'Who set which fields. Kept by the server.',
      items: { ref: metaNames.managedFieldsEntry },
      'x-kubernetes-list-type': 'atomic',
    },
    name: text('Unique among all objects of its kind, and of its namespace. Cannot be changed.'),
    namespace: text('Where the name is unique. Empty for objects of the whole cluster. Cannot be changed.'),
    ownerReferences: {
      type: 'array',
      description: 'Objects that it belongs to, and goes with.',
      items: { ref: metaNames.ownerReference },
      'x-kubernetes-list-map-keys': ['uid'],
      'x-kubernetes-list-type': 'map',
      'x-kubernetes-patch-merge-key': 'uid',
      'x-kubernetes-patch-strategy': 'merge',
    },
    resourceVersion: text(
      'Which state of the object this is, for watches, and for changes that shall fail when somebody else was faster. Set by the server.',
    ),
    selfLink: text('No longer set.'),
    uid: text('Unlike that of any other object, also of an earlier one of the same name. Set by the server.'),
  },
}

const managedFieldsEntry: OpenApiSchema = {
  type: 'object',
  description: 'Fields that one manager set.',
  properties: {
    apiVersion: text('Group and version that the fields are told in.'),
    fieldsType: text('How the fields are told: FieldsV1.'),
    fieldsV1: ref(metaNames.fieldsV1, 'The fields.'),
    manager: text('Name of the tool.'),
    operation: text('Apply or Update.'),
    subresource: text('The subresource that they were set by: status. Empty: the object itself.'),
    time: ref(metaNames.time, 'When they changed last.'),
  },
}

const ownerReference: OpenApiSchema = {
  type: 'object',
  description: 'An object that this one belongs to.',
  required: ['apiVersion', 'kind', 'name', 'uid'],
  properties: {
    apiVersion: text('Group and version of the owner.'),
    blockOwnerDeletion: flag('Whether the owner waits for this object when it is deleted in the foreground.'),
    controller: flag('Whether the owner takes care of this object.'),
    kind: text('Kind of the owner.'),
    name: text('Name of the owner.'),
    uid: text('Uid of the owner.'),
  },
  'x-kubernetes-map-type': 'atomic',
}

const listMeta: OpenApiSchema = {
  type: 'object',
  description: 'What a list tells of itself.',
  properties: {
    continue: text('Gets the next part of the list, as query parameter of the same name. Empty: this is the last one.'),
    remainingItemCount: integer('How many items come after this part, if that is known.'),
    resourceVersion: text('Which state the list shows: watches begin with it.'),
    selfLink: text('No longer set.'),
  },
}

const status: OpenApiSchema = {
  type: 'object',
  description: 'What became of a request.',
  properties: {
    apiVersion: apiVersionField,
    code: integer('The HTTP status.', 'int32'),
    details: ref(metaNames.statusDetails, 'What it is about.'),
    kind: kindField,
    message: text('A sentence for people.'),
    metadata: ref(metaNames.listMeta, 'With an expired list: how to go on.'),
    reason: text('One word for machines. Empty: none is known.'),
    status: text('Success or Failure.'),
  },
}

const statusDetails: OpenApiSchema = {
  type: 'object',
  description: 'What a request was about.',
  properties: {
    causes: { type: 'array', description: 'What was wrong, one by one.', items: { ref: metaNames.statusCause } },
    group: text('Group of the object.'),
    kind: text('Kind or resource of the object.'),
    name: text('Name of the object.'),
    retryAfterSeconds: integer('When to try again.', 'int32'),
    uid: text('Uid of the object.'),
  },
}

const statusCause: OpenApiSchema = {
  type: 'object',
  description: 'One thing that was wrong.',
  properties: {
    field: text('Where. Shape: spec.services[0].path.'),
    message: text('A sentence for people.'),
    reason: text('One word for machines.'),
  },
}

const deleteOptions: OpenApiSchema = {
  type: 'object',
  description: 'How to delete.',
  properties: {
    apiVersion: apiVersionField,
    dryRun: { type: 'array', description: 'All: check only, change nothing.', items: { type: 'string' } },
    gracePeriodSeconds: integer('How long it may take. 0: at once.'),
    kind: kindField,
    orphanDependents: flag('The older spelling of propagationPolicy.'),
    preconditions: ref(metaNames.preconditions, 'What has to be true of the object: else 409.'),
    propagationPolicy: text('What happens to objects that belong to it: Orphan, Background or Foreground.'),
  },
}

const preconditions: OpenApiSchema = {
  type: 'object',
  description: 'What has to be true of an object before it is deleted.',
  properties: { resourceVersion: text('Its resource version.'), uid: text('Its uid.') },
}

/**
 * Definitions that all of Kubernetes shares, as our registry understands them. Whole, also where an object of the whole cluster needs less:
 * merged with another server's they may stand for that one's objects too. Source: meta/v1 of apimachinery.
 */
export const metaDefinitions: Definitions = {
  [metaNames.objectMeta]: objectMeta,
  [metaNames.listMeta]: listMeta,
  [metaNames.managedFieldsEntry]: managedFieldsEntry,
  [metaNames.fieldsV1]: { type: 'object', description: 'A tree of fields: f:name, k:{keys of an item}, v:value.' },
  [metaNames.ownerReference]: ownerReference,
  [metaNames.time]: { type: 'string', format: 'date-time', description: 'A time of RFC 3339, in whole seconds.' },
  [metaNames.status]: status,
  [metaNames.statusDetails]: statusDetails,
  [metaNames.statusCause]: statusCause,
  [metaNames.deleteOptions]: deleteOptions,
  [metaNames.preconditions]: preconditions,
  [metaNames.patch]: { type: 'object', description: 'A change, as its content type tells it.' },
}

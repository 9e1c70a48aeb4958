import type { Parameter } from './openapi-model.ts'

const text = (name: string, description: string): Parameter => ({ in: 'query', name, type: 'string', description })
const flag = (name: string, description: string): Parameter => ({ in: 'query', name, type: 'boolean', description })
const integer = (name: string, description: string): Parameter => ({ in: 'query', name, type: 'integer', description })

/** Of everything. */
export const pretty = text('pretty', 'true: with line breaks and indents.')

/** Of one object. */
export const name: Parameter = {
  in: 'path',
  name: 'name',
  type: 'string',
  description: 'Name of the object.',
}

export const resourceVersion = text('resourceVersion', 'Not older than this. Empty: the newest. 0: any.')

const selection: ReadonlyArray<Parameter> = [
  text('fieldSelector', 'Which objects, by fields. Shape: metadata.name=a.'),
  text('labelSelector', 'Which objects, by labels. Shape: a=b,c in (d,e),!f.'),
]

const paging: ReadonlyArray<Parameter> = [
  text('continue', 'Which part of the list: what the part before gave as metadata.continue.'),
  integer('limit', 'How many objects at most.'),
]

/** Of a list, or of its changes. */
export const listing: ReadonlyArray<Parameter> = [
  ...selection,
  ...paging,
  resourceVersion,
  text('resourceVersionMatch', 'How to take resourceVersion: Exact or NotOlderThan.'),
  integer('timeoutSeconds', 'How long it may take; how long to watch.'),
  flag('watch', 'Changes as they come, one a line, in place of a list.'),
  flag('allowWatchBookmarks', 'Of a watch: whether lines may tell how far it is.'),
  flag('sendInitialEvents', 'Of a watch: what is there already comes first, and a line that ends it.'),
]

const dryRun = text('dryRun', 'All: check only, change nothing.')

/** Of all that changes an object. */
export const writing: ReadonlyArray<Parameter> = [
  dryRun,
  text('fieldManager', 'Who sets the fields. Default: the begin of the User-Agent.'),
  text('fieldValidation', 'What to do about fields that nobody knows: Ignore, Warn or Strict.'),
]

export const force = flag('force', 'Of an apply: takes fields over from whoever else set them.')

/** Of all that deletes. */
export const deleting: ReadonlyArray<Parameter> = [
  dryRun,
  integer('gracePeriodSeconds', 'How long it may take. 0: at once.'),
  flag('orphanDependents', 'The older spelling of propagationPolicy.'),
  text('propagationPolicy', 'What happens to objects that belong to it: Orphan, Background or Foreground.'),
]

export const deletingAll: ReadonlyArray<Parameter> = [...selection, ...paging, ...deleting]

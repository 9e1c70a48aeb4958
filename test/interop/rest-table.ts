// What a client may ask of the objects over REST, scene by scene. It is sent to Kubernetes' own apiserver and to ours; see rest.test.ts.
import { applies, statuses } from './rest-table-apply.ts'
import { creates, fieldValidations } from './rest-table-create.ts'
import { deletes } from './rest-table-delete.ts'
import { reads, representations } from './rest-table-read.ts'
import { updates } from './rest-table-update.ts'
import { sizes, watches } from './rest-table-watch.ts'
import type { Scene } from './rest-table-words.ts'

export const table: Readonly<Record<string, ReadonlyArray<Scene>>> = {
  creates,
  'field validation': fieldValidations,
  updates,
  applies,
  statuses,
  deletes,
  reads,
  representations,
  watches,
  sizes,
}

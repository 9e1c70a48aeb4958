export { serverSideApply } from './apply.ts'
export { ownUpdate } from './own-update.ts'
export type { FieldManager } from './owners.ts'

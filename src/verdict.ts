import type { DataPlaneService } from './api/dataplane-service.ts'
import type { StatusCause } from './api/status.ts'
import type { RejectedObject, SourceError } from './source.ts'

/** What became of one object: a cause for each claim that it lost. */
export interface Verdict {
  readonly service: DataPlaneService
  readonly conflicts: ReadonlyArray<StatusCause>
  /** How many it made, the lost ones included: each a method and a path. */
  readonly claimCount: number
}

/** What became of every object that the source found. */
export interface Registry {
  readonly verdicts: ReadonlyArray<Verdict>
  readonly rejected: ReadonlyArray<RejectedObject>
  /** The last thing that went wrong between the source and its objects, until it is whole again. */
  readonly sourceError?: SourceError | undefined
}

import type { ClaimedApis } from '../discovery.ts'
import type { RouteTable } from './table.ts'

/** All that a table claims, for discovery. Pure. */
export const claimedApis = (_table: RouteTable): ClaimedApis => []

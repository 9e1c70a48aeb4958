import type { ClaimedApis } from '../discovery.ts'
import { ofClaimed, ofRegistry, type OurVersion } from './ours.ts'

/** All that we serve, to be looked up. */
export interface Known {
  /** By group; the versions of each in order of preference. */
  readonly groups: ReadonlyMap<string, ReadonlyArray<OurVersion>>
  /** Key: `{group}/{version}`. */
  readonly versions: ReadonlyMap<string, OurVersion>
}

const toKnown = (all: ReadonlyArray<OurVersion>): Known => {
  const groups = new Map<string, OurVersion[]>()
  for (const one of all) {
    const others = groups.get(one.group)
    if (others === undefined) groups.set(one.group, [one])
    else others.push(one)
  }
  return { groups, versions: new Map(all.map((one) => [`${one.group}/${one.version}`, one])) }
}

/** Gives all that is served at present: the same object until a claim changes. */
export const createKnown = (apis: () => ClaimedApis, registry: 'none' | 'read-only' | 'writable'): (() => Known) => {
  const own = registry === 'none' ? [] : [ofRegistry(registry === 'writable')]
  const claimed = new WeakMap<ClaimedApis[number], OurVersion>()
  const claimedOnce = (api: ClaimedApis[number]): OurVersion => {
    const known = claimed.get(api) ?? ofClaimed(api)
    claimed.set(api, known)
    return known
  }
  let last: { readonly apis: ClaimedApis; readonly known: Known } | undefined
  return () => {
    const now = apis()
    if (last?.apis !== now) last = { apis: now, known: toKnown([...own, ...now.map(claimedOnce)]) }
    return last.known
  }
}

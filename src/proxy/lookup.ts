import { lookup as systemLookup, type LookupAddress } from 'node:dns'
import type { LookupFunction } from 'node:net'

import { BlockedAddress } from './failure.ts'
import type { Guard } from './networks.ts'

/** Gives all addresses of a name. */
export type Lookup = (hostname: string, options: Parameters<LookupFunction>[1], told: Told) => void
type Told = (error: NodeJS.ErrnoException | null, found: ReadonlyArray<LookupAddress>) => void

/**
 * One look-up for all who want the same name at the same time. The system makes two at once, whoever asks: a name whose servers do not
 * answer would take both of them from all other datasources, for as long as requests for it come. Nothing is remembered.
 */
export const sharedLookup = (lookup: typeof systemLookup = systemLookup): Lookup => {
  const waiting = new Map<string, Told[]>()
  return (hostname, options, told) => {
    const key = JSON.stringify([hostname, options.family, options.hints])
    const others = waiting.get(key)
    if (others !== undefined) {
      others.push(told)
      return
    }
    const all = [told]
    waiting.set(key, all)
    lookup(hostname, { ...options, all: true }, (error, found) => {
      if (waiting.get(key) === all) waiting.delete(key)
      for (const tell of all.splice(0)) tell(error, found)
    })
  }
}

/** Only addresses that passed are connected to: there is no second look-up in which a name could mean something else. */
export const guardedLookup =
  (lookup: Lookup, guard: Guard): LookupFunction =>
  (hostname, options, callback) => {
    lookup(hostname, options, (error, found) => {
      if (error !== null) {
        callback(error, [])
        return
      }
      const addresses = found.filter(({ address }) => guard(address))
      const [first] = addresses
      if (first === undefined) callback(new BlockedAddress(), [])
      else if (options.all === true) callback(null, addresses)
      else callback(null, first.address, first.family)
    })
  }

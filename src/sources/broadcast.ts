import type { Snapshot, SourceError, SourceObserver } from '../source.ts'

/** Tells several subscribers of one state, each at its own pace. */
export interface Broadcast {
  /** Gives back what ends it. */
  readonly add: (observer: SourceObserver) => () => void
  /** The state may have changed: whoever has not seen it yet gets it soon, and changes made in one go are one snapshot. */
  readonly notify: () => void
  readonly error: (error: SourceError) => void
}

export interface BroadcastOptions {
  /** The same (`===`) until it changes; `undefined`: there is none yet. */
  readonly snapshot: () => Snapshot | undefined
  /** What whoever comes late has missed, and what still holds. */
  readonly errors: () => ReadonlyArray<SourceError>
  /** What errors of the subscribers themselves are laid at. */
  readonly origin: string
}

interface Member {
  readonly observer: SourceObserver
  /** Came when there was a snapshot already. */
  readonly isLate: boolean
  seen: Snapshot | undefined
}

/** Nothing that a subscriber throws reaches the others, or the source. */
const guarded = (call: () => void, otherwise: (cause: unknown) => void = () => undefined): void => {
  try {
    call()
  } catch (cause) {
    otherwise(cause)
  }
}

export const createBroadcast = ({ snapshot, errors, origin }: BroadcastOptions): Broadcast => {
  const members = new Set<Member>()
  let isDue = false

  const report = (member: Member, error: SourceError): void => {
    if (members.has(member)) guarded(() => member.observer.error(error))
  }

  const deliver = (member: Member): void => {
    const present = snapshot()
    if (present === undefined || member.seen === present) return
    if (member.isLate && member.seen === undefined) for (const error of errors()) report(member, error)
    if (!members.has(member)) return
    member.seen = present
    guarded(
      () => member.observer.next(present),
      (cause) =>
        report(member, { message: 'expected a subscriber that takes every snapshot, got an error', origin, cause }),
    )
  }

  const notify = (): void => {
    if (isDue) return
    isDue = true
    queueMicrotask(() => {
      isDue = false
      for (const member of members) deliver(member)
    })
  }

  return {
    notify,
    error: (error) => {
      for (const member of members) report(member, error)
    },
    add: (observer) => {
      const member: Member = { observer, isLate: snapshot() !== undefined, seen: undefined }
      members.add(member)
      notify()
      return () => {
        members.delete(member)
      }
    },
  }
}

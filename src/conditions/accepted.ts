import type { DataPlaneService } from '../api/dataplane-service.ts'
import { describeCauses } from '../decode.ts'
import type { RejectedObject } from '../source.ts'
import type { Registry, Verdict } from '../verdict.ts'
import { cutMessage, type AcceptedReason, type AvailableReason, type Finding } from './finding.ts'

/** What the registry alone says of one object. */
export interface Judged {
  readonly accepted: Finding<AcceptedReason>
  /** What serves; left out when nothing does. */
  readonly service?: DataPlaneService
  /** The generation that `accepted` is about; of a rejected one nobody knows it. */
  readonly generation?: number | undefined
  /** As it was rejected: another one of this name may be rejected for the same reason, and knows nothing of it. */
  readonly rejected?: RejectedObject
  /** The plugin decides whether it is available. */
  readonly pluginId?: string
  /** Where no plugin has a say in it. */
  readonly available?: Finding<AvailableReason>
}

const allStand: Finding<AcceptedReason> = { status: 'True', reason: 'Accepted', message: 'all claims stand' }

const notChecked: Finding<AvailableReason> = {
  status: 'True',
  reason: 'NotChecked',
  message: 'requests go to its HTTP backend, whose health is not checked',
}
const noClaim: Finding<AvailableReason> = {
  status: 'False',
  reason: 'NotAccepted',
  message: 'no claim of this object stands',
}
const noneValid: Finding<AvailableReason> = {
  status: 'False',
  reason: 'InvalidSpec',
  message: 'the object is invalid, and there is no valid state of it to serve',
}

/** A second object of a name is no fault of the first, which serves. */
const isSecond = ({ causes }: RejectedObject): boolean =>
  causes.length > 0 &&
  causes.every(({ reason, field }) => reason === 'FieldValueDuplicate' && field === 'metadata.name')

const besides = ({ origin }: RejectedObject): Finding<AcceptedReason> => ({
  ...allStand,
  message: cutMessage(`${allStand.message}; a second object of this name is left out: ${origin}`),
})

const acceptedOf = ({ conflicts, claimCount }: Verdict): Finding<AcceptedReason> => {
  if (conflicts.length === 0) return allStand
  const rest = conflicts.length < claimCount ? 'the others stand' : 'none stands'
  const lost = `${String(conflicts.length)} of ${String(claimCount)} claims are lost, ${rest}`
  const why = conflicts.map(({ message }) => message).join('; ')
  return { status: 'False', reason: 'Conflict', message: cutMessage(`${lost}: ${why}`) }
}

const judgeServed = (verdict: Verdict): Judged => {
  const { service, conflicts, claimCount } = verdict
  const { backend, pluginID } = service.spec
  const judged = { accepted: acceptedOf(verdict), service, generation: service.metadata.generation }
  if (conflicts.length > 0 && conflicts.length >= claimCount) return { ...judged, available: noClaim }
  return backend === undefined ? { ...judged, pluginId: pluginID } : { ...judged, available: notChecked }
}

const judgeInvalid = (rejected: RejectedObject, served: Judged | undefined): Judged => {
  const { name, origin, causes } = rejected
  const place = origin === name ? '' : `${origin}: `
  const left = served === undefined ? 'it is not served' : 'a valid state of it serves on'
  const message = cutMessage(`${left}: ${place}${describeCauses(causes)}`)
  const accepted: Finding<AcceptedReason> = { status: 'False', reason: 'InvalidSpec', message }
  return served === undefined
    ? { accepted, rejected, available: noneValid }
    : { ...served, accepted, rejected, generation: undefined }
}

/** What was made of verdicts before: most of them are the same ones again. */
export type KnownVerdicts = WeakMap<Verdict, Judged>

/** What the registry says of every object that has a name, by name. The same verdict is the same (`===`) judgement again. */
export const judge = (
  { verdicts, rejected }: Registry,
  known: KnownVerdicts = new WeakMap(),
): ReadonlyMap<string, Judged> => {
  const judgeOnce = (verdict: Verdict): Judged => {
    const last = known.get(verdict)
    if (last !== undefined) return last
    const judged = judgeServed(verdict)
    known.set(verdict, judged)
    return judged
  }
  const judged = new Map<string, Judged>()
  for (const verdict of verdicts) judged.set(verdict.service.metadata.name, judgeOnce(verdict))
  const named = rejected.flatMap((object) => (object.name === undefined ? [] : [{ name: object.name, object }]))
  for (const { name, object } of named.filter((one) => !isSecond(one.object))) {
    const served = judged.get(name)
    // the first of several has its say
    if (served?.accepted.reason === 'InvalidSpec') continue
    judged.set(name, judgeInvalid(object, served))
  }
  for (const { name, object } of named.filter((one) => isSecond(one.object))) {
    const first = judged.get(name)
    if (first?.accepted === allStand) judged.set(name, { ...first, accepted: besides(object) })
  }
  return judged
}

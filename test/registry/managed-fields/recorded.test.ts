import { readFileSync } from 'node:fs'

import test from 'ava'

import type { StoredObject } from '../../../src/api/object.ts'
import { toStatus } from '../../../src/errors.ts'
import { E } from '../../../src/fp.ts'
import { ownUpdate, serverSideApply } from '../../../src/registry/managed-fields/index.ts'
import { by, ownersIn } from './_objects.ts'

interface Step {
  readonly op: 'apply' | 'update'
  readonly manager: string
  readonly subresource?: 'status'
  readonly force?: boolean
  readonly object: StoredObject
  readonly error?: string
  /** The object without what is empty, and who owns what. */
  readonly becomes?: Readonly<Record<string, unknown>>
}

/** What the field manager of Kubernetes 1.37 made of random objects, step by step, each on the outcome of the one before. */
const recorded: unknown = JSON.parse(readFileSync(new URL('recorded.json', import.meta.url), 'utf8'))

const isRecord = (value: unknown): value is ReadonlyArray<ReadonlyArray<Step>> => Array.isArray(value)

const isEmptyPart = (value: unknown): boolean =>
  value === null || (typeof value === 'object' && Object.keys(value).length === 0)

const withoutEmpty = (value: unknown): unknown => {
  if (Array.isArray(value)) return value.map(withoutEmpty)
  if (typeof value !== 'object' || value === null) return value
  const entries = Object.entries(value).map(([key, inner]) => [key, withoutEmpty(inner)] as const)
  return Object.fromEntries(entries.filter(([, inner]) => !isEmptyPart(inner)))
}

const tidy = (object: StoredObject): unknown => {
  const { managedFields: _, ...metadata } = object.metadata
  const rest = withoutEmpty({ ...object, metadata })
  return { ...(rest instanceof Object ? rest : {}), owners: ownersIn(object) }
}

/** What a store does with the other part of the object. */
const settle = (live: StoredObject | undefined, next: StoredObject, isStatus: boolean): StoredObject => {
  const { status: _, spec: __, ...rest } = next
  const { managedFields } = next.metadata
  const metadata = isStatus && live !== undefined ? { ...live.metadata } : next.metadata
  const [spec, status] = isStatus ? [live?.spec, next.status] : [next.spec, live?.status]
  return {
    ...rest,
    ...(spec === undefined ? {} : { spec }),
    ...(status === undefined ? {} : { status }),
    metadata: { ...metadata, uid: 'uid', ...(managedFields === undefined ? {} : { managedFields }) },
  }
}

const take = (live: StoredObject | undefined, step: Step, timeMs: number): E.Either<string, StoredObject> => {
  const manager = by(step.manager, { timeMs, ...(step.subresource === undefined ? {} : { subresource: 'status' }) })
  if (step.op === 'apply') {
    return E.mapLeft((error: Parameters<typeof toStatus>[0]) => toStatus(error).message)(
      serverSideApply(live, step.object, manager, step.force === true),
    )
  }
  const { managedFields } = live?.metadata ?? {}
  const isGiven: unknown = Reflect.get(step.object.metadata, 'managedFields')
  const metadata = isGiven === 'as they are' && managedFields !== undefined ? { managedFields } : {}
  return E.right(ownUpdate(live, { ...step.object, metadata: { ...step.object.metadata, ...metadata } }, manager))
}

const scenarios = isRecord(recorded) ? recorded : []

for (const [index, steps] of scenarios.entries()) {
  test(`does what a Kubernetes apiserver does, scenario ${String(index)}`, (t) => {
    let live: StoredObject | undefined
    for (const [at, step] of steps.entries()) {
      const taken = take(live, step, Date.parse('2026-01-01T00:00:00Z') + at * 1000)
      if (E.isLeft(taken)) {
        t.is(taken.left, step.error ?? 'no error', `step ${String(at)}`)
        continue
      }
      t.deepEqual(tidy(taken.right), step.becomes, `step ${String(at)}`)
      live = settle(live, taken.right, step.subresource === 'status')
    }
  })
}

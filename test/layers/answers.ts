import type { AggregatorError } from '../../src/errors.ts'
import { E, TE } from '../../src/fp.ts'
import { json, type HttpAnswer } from '../../src/http.ts'
import type { CallEnv, Handle } from '../../src/service.ts'

export const answer = json(200, { ok: true })
export const ok: Handle = () => TE.right(answer)

export type Outcome = E.Either<AggregatorError, HttpAnswer>

export const tagOf = (outcome: Outcome): string =>
  E.isLeft(outcome) ? outcome.left._tag : String(outcome.right.status)

export const messageOf = (outcome: Outcome): string =>
  E.isLeft(outcome) && 'message' in outcome.left ? outcome.left.message : ''

/** A service that answers when it is told to, and ignores its signal until then. */
export const slow = () => {
  const waiting: ((outcome: Outcome) => void)[] = []
  const envs: CallEnv[] = []
  const handle: Handle = (_request, env) => () => {
    envs.push(env)
    return new Promise((resolve) => {
      waiting.push(resolve)
    })
  }
  const finish = (outcome: Outcome = E.right(answer)): void => {
    for (const resolve of waiting.splice(0)) resolve(outcome)
  }
  return { handle, finish, envs }
}

const boom = new Error('boom')

/** All ways in which a service can fail to be a Result. */
export const broken: Readonly<Record<string, Handle>> = {
  'throws when it is called': () => {
    throw boom
  },
  'throws when it is run': () => () => {
    throw boom
  },
  rejects: () => () => Promise.reject(boom),
  'rejects late': () => async () => {
    await new Promise((resolve) => setImmediate(resolve))
    throw boom
  },
}

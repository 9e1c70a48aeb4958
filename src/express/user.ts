import type { IncomingMessage } from 'node:http'

import { unexpected, type Result } from '../errors.ts'
import { TE } from '../fp.ts'
import type { User, UserTokens } from '../http.ts'

/** Says who asks; `undefined`: nobody, which is 401. What it throws is 500, and logged. */
export type Authenticate = (request: IncomingMessage) => User | undefined | Promise<User | undefined>

const isRecord = (value: unknown): value is Record<string, unknown> => typeof value === 'object' && value !== null

const text = (value: unknown): string | undefined => (typeof value === 'string' && value !== '' ? value : undefined)

const texts = (value: unknown): ReadonlyArray<string> | undefined =>
  Array.isArray(value) ? value.filter((item) => typeof item === 'string') : undefined

const extraOf = (value: unknown): User['extra'] | undefined =>
  isRecord(value)
    ? Object.fromEntries(Object.entries(value).map(([key, given]) => [key, texts(given) ?? []]))
    : undefined

const tokensOf = (value: unknown): UserTokens | undefined => {
  if (!isRecord(value)) return undefined
  const given = { access: text(value['access']), id: text(value['id']), grafanaId: text(value['grafanaId']) }
  return Object.fromEntries(Object.entries(given).filter(([, token]) => token !== undefined))
}

const userIn = (user: unknown): User | undefined => {
  if (!isRecord(user)) return undefined
  const name = text(user['name']) ?? text(user['login']) ?? text(user['username'])
  if (name === undefined) return undefined
  const given = {
    groups: texts(user['groups']),
    uid: text(user['uid']),
    extra: extraOf(user['extra']),
    displayName: text(user['displayName']),
    email: text(user['email']),
    role: text(user['role']),
    tokens: tokensOf(user['tokens']),
  }
  return { name, ...Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined)) }
}

/** `req.user`, as authentication middlewares leave it: whoever stands there with a name of some spelling. */
export const userOf = (request: object): User | undefined => {
  return userIn('user' in request ? request.user : undefined)
}

/** The answer of the hook, a user of any spelling, once it is asked. */
export const askFor = (hook: Authenticate, request: IncomingMessage): Result<User | undefined> =>
  TE.tryCatch(async () => userIn(await hook(request)), unexpected)

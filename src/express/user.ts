import type { User, UserTokens } from '../http.ts'

const isRecord = (value: unknown): value is Record<string, unknown> => typeof value === 'object' && value !== null

const text = (value: unknown): string | undefined => (typeof value === 'string' && value !== '' ? value : undefined)

const texts = (value: unknown): ReadonlyArray<string> | undefined =>
  Array.isArray(value) ? value.filter((item) => typeof item === 'string') : undefined

const tokensOf = (value: unknown): UserTokens | undefined => {
  if (!isRecord(value)) return undefined
  const given = { access: text(value['access']), id: text(value['id']), grafanaId: text(value['grafanaId']) }
  return Object.fromEntries(Object.entries(given).filter(([, token]) => token !== undefined))
}

/** `req.user`, as authentication middlewares leave it: whoever stands there with a name of some spelling. */
export const userOf = (request: object): User | undefined => {
  const user: unknown = 'user' in request ? request.user : undefined
  if (!isRecord(user)) return undefined
  const name = text(user['name']) ?? text(user['login']) ?? text(user['username'])
  if (name === undefined) return undefined
  const given = {
    groups: texts(user['groups']),
    uid: text(user['uid']),
    displayName: text(user['displayName']),
    email: text(user['email']),
    role: text(user['role']),
    tokens: tokensOf(user['tokens']),
  }
  return { name, ...Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined)) }
}

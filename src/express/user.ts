import type { User } from '../http.ts'

const isRecord = (value: unknown): value is Record<string, unknown> => typeof value === 'object' && value !== null

const text = (value: unknown): string | undefined => (typeof value === 'string' && value !== '' ? value : undefined)

const texts = (value: unknown): ReadonlyArray<string> | undefined =>
  Array.isArray(value) ? value.filter((item) => typeof item === 'string') : undefined

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
  }
  return { name, ...Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined)) }
}

import { E } from '../fp.ts'

/** What logs a client in, here or at Grafana: the name that express-session gives its cookie, and Grafana's names. */
const isLogin = (name: string): boolean => name === 'connect.sid' || name.startsWith('grafana_session')

const isName = (name: string): boolean => /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/.test(name)

/** Printable ASCII without `"`, `;` and `\`; it may stand between quotes. */
const isValue = (value: string): boolean => /^(?:[ !#-:<-[\]-~]*|"[ !#-:<-[\]-~]*")$/.test(value)

const isKept = (name: string, allowed: ReadonlyArray<string>): boolean =>
  allowed.some((entry) => (entry.endsWith('[]') ? name.startsWith(entry.slice(0, -2)) : name === entry))

/**
 * Cookies of a request that may be passed on, as the value of one header; empty when there are none. `allowed`: exact names,
 * prefixes such as `app_[]`, and `[]` for all. Of several with one name the last, sorted by name; never a login's.
 * Source: ClearCookieHeader of Grafana's proxyutil.
 */
export const keepCookies = (header: string, allowed: ReadonlyArray<string>): string => {
  const kept = new Map<string, string>()
  for (const part of header.split(';')) {
    const [name = '', ...rest] = part.trim().split('=')
    const value = rest.join('=')
    if (isName(name) && isValue(value) && !isLogin(name) && isKept(name, allowed)) kept.set(name, value)
  }
  const names = [...kept.keys()].sort()
  return names.map((name) => `${name}=${kept.get(name) ?? ''}`).join('; ')
}

/** Members of a datasource's jsonData; what is wrong there says nothing. */
const membersOf = (jsonData: Uint8Array): ReadonlyMap<string, unknown> => {
  const parsed = E.tryCatch(
    (): unknown => JSON.parse(Buffer.from(jsonData).toString()),
    () => undefined,
  )
  const value: unknown = E.isRight(parsed) ? parsed.right : undefined
  return new Map(typeof value === 'object' && value !== null ? Object.entries(value) : [])
}

/** `keepCookies` of a datasource's jsonData. */
export const allowedCookies = (jsonData: Uint8Array): ReadonlyArray<string> => {
  const given = membersOf(jsonData).get('keepCookies')
  return Array.isArray(given) ? given.filter((entry) => typeof entry === 'string') : []
}

/** `oauthPassThru` of a datasource's jsonData. */
export const hasOauthPassThru = (jsonData: Uint8Array): boolean => membersOf(jsonData).get('oauthPassThru') === true

import type { IncomingMessage } from 'node:http'

import type { HeaderMap } from '../http.ts'

/** A header that is `undefined` is left out; all others stay. */
const replaced = (headers: IncomingMessage['headers'], given: HeaderMap): IncomingMessage['headers'] => {
  const all: IncomingMessage['headers'] = { ...headers }
  for (const [name, value] of Object.entries(given)) {
    if (value === undefined) Reflect.deleteProperty(all, name)
    else all[name] = String(value)
  }
  return all
}

const replacedLines = (lines: ReadonlyArray<string>, given: HeaderMap): string[] => {
  const kept = lines.filter((_, i) => !Object.hasOwn(given, (lines[i - (i % 2)] ?? '').toLowerCase()))
  const added = Object.entries(given).flatMap(([name, value]) => (value === undefined ? [] : [name, String(value)]))
  return [...kept, ...added]
}

const byName = (lines: ReadonlyArray<string>): IncomingMessage['headersDistinct'] => {
  const all: Record<string, string[]> = {}
  for (let i = 0; i + 1 < lines.length; i += 2) {
    const name = (lines[i] ?? '').toLowerCase()
    all[name] = [...(all[name] ?? []), lines[i + 1] ?? '']
  }
  return all
}

/**
 * Lets others read other headers on a request, and GET for HEAD: they would say nothing else. Gives back what makes the request what it
 * was.
 */
export const lend = (request: IncomingMessage, given: HeaderMap): (() => void) => {
  const { method, headers, rawHeaders } = request
  request.headers = replaced(headers, given)
  request.rawHeaders = replacedLines(rawHeaders, given)
  request.headersDistinct = byName(request.rawHeaders)
  if (method === 'HEAD') request.method = 'GET'
  return () => {
    Object.assign(request, { method, headers, rawHeaders })
    // Node makes it of the lines again when somebody asks for it
    Reflect.set(request, 'headersDistinct', undefined)
  }
}

// Plays a scene of the table against a server, and takes out of the answers what no two servers have in common.
import { Agent, request, type IncomingHttpHeaders } from 'node:http'
import { buffer } from 'node:stream/consumers'

import { parse as parseYaml } from 'yaml'

import type { Call, Scene } from './rest-table-words.ts'

export interface Answer {
  readonly status: number
  readonly headers: Readonly<Record<string, string>>
  /** Whether it is written in lines that a person can read. */
  readonly layout: string
  /** What its JSON says; of a watch, each event; else its text. */
  readonly body: unknown
}

export const collection = '/apis/aggregation.grafana.app/v0alpha1/dataplaneservices'

const agent = new Agent({ keepAlive: true, maxSockets: 4 })
export const endConnections = (): void => {
  agent.destroy()
}

interface Raw {
  readonly status: number
  readonly headers: IncomingHttpHeaders
  readonly text: string
}

/** The path goes out as it is written: no URL parser cleans it. */
export const send = (base: string, { method, path, query, headers, body }: Call): Promise<Raw> =>
  new Promise((resolve, reject) => {
    const target = path.startsWith('//') ? path.slice(1) : `${collection}${path}`
    const { hostname, port } = new URL(base)
    const length: Readonly<Record<string, string>> =
      body === undefined ? {} : { 'content-length': String(Buffer.byteLength(body)) }
    const sent = request(
      {
        hostname,
        port,
        agent,
        method,
        path: query === '' ? target : `${target}?${query}`,
        headers: { ...headers, ...length },
        timeout: 20_000,
      },
      (response) => {
        buffer(response).then((bytes) => {
          resolve({ status: response.statusCode ?? 0, headers: response.headers, text: bytes.toString() })
        }, reject)
      },
    )
    sent.on('timeout', () => sent.destroy(new Error(`no answer to ${method} ${target}`)))
    sent.on('error', reject)
    sent.end(body)
  })

const parse = (text: string): unknown => {
  try {
    return JSON.parse(text) as unknown
  } catch {
    return undefined
  }
}

export const isObject = (value: unknown): value is object => typeof value === 'object' && value !== null

const fieldOf = (value: unknown, ...path: ReadonlyArray<string>): unknown =>
  path.reduce<unknown>((inner, key) => (isObject(inner) ? Reflect.get(inner, key) : undefined), value)

/** When a bookmark comes is the server's affair, but for the one after all that was there. */
const isEvent = (value: unknown): boolean =>
  fieldOf(value, 'type') !== 'BOOKMARK' || fieldOf(value, 'object', 'metadata', 'annotations') !== undefined

/** One value; of a watch, its events; else the text. */
const bodyOf = (text: string, type: string | undefined): unknown => {
  if (type === 'application/yaml') return parseYaml(text)
  const whole = parse(text)
  if (whole !== undefined && !isObject(fieldOf(whole, 'object'))) return whole
  const lines = text.trimEnd().split('\n').map(parse)
  const isWatch = text !== '' && lines.every(isObject)
  const events = lines.filter(isEvent)
  return isWatch && events.length > 0 ? events : isWatch ? '' : text
}

const textOf = (value: unknown): string => (typeof value === 'string' ? value : '')

/** Puts what earlier answers told in the place of `<rv 1>`. */
const fill = (text: string, earlier: ReadonlyArray<unknown>): string =>
  text.replaceAll(/<(rv|uid|continue) (\d)>/g, (_whole, word: string, index: string) => {
    const key = word === 'rv' ? 'resourceVersion' : word
    return textOf(fieldOf(earlier[Number(index) - 1], 'metadata', key))
  })

const told = ['content-type', 'warning', 'allow', 'retry-after', 'cache-control', 'location', 'etag', 'vary']

const headersOf = (headers: IncomingHttpHeaders): Answer['headers'] =>
  Object.fromEntries(
    told.flatMap((name) => {
      const value = headers[name]
      return value === undefined ? [] : [[name, String(value)]]
    }),
  )

const layoutOf = (text: string): string => (/^\{\n {2}"/.test(text) ? 'indented' : 'compact')

type Walk = (key: string, value: string) => string

const walk = (value: unknown, change: Walk, key = ''): unknown => {
  if (typeof value === 'string') return change(key, value)
  if (Array.isArray(value)) return value.map((item: unknown) => walk(item, change, key))
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(Object.entries(value).map(([name, inner]) => [name, walk(inner, change, name)]))
}

const uuid = /[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}/g
const time = /\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?Z/g
const isRecent = (text: string): boolean => Math.abs(Date.now() - Date.parse(text)) < 3_600_000
/** The resourceVersions in texts: of an object within a text, and of messages. */
const versionWithin = /(resourceVersion: "|resourceVersion\\?":\\?"|in record \(|, current: |UID in object meta: )\d+/g

/** Which columns a table has is the business of each: a name, and more of them. */
const withoutColumns = (value: unknown): unknown => {
  if (Array.isArray(value)) return value.map(withoutColumns)
  if (!isObject(value)) return value
  const inner = Object.fromEntries(Object.entries(value).map(([key, item]) => [key, withoutColumns(item)]))
  const { kind, columnDefinitions: columns, rows } = inner
  if (kind !== 'Table' || !Array.isArray(rows)) return inner
  return {
    ...inner,
    columnDefinitions: Array.isArray(columns) ? (fieldOf(columns, '0') ?? []) : columns,
    rows: rows.map((row: object) => ({ ...row, cells: fieldOf(row, 'cells', '0') })),
  }
}

/** What Go reads out of its maps comes in any order. */
const sortCauses = (body: unknown): unknown => {
  const [message, details] = [fieldOf(body, 'message'), fieldOf(body, 'details')]
  const causes = fieldOf(details, 'causes')
  if (!isObject(body) || !isObject(details) || typeof message !== 'string' || !Array.isArray(causes)) return body
  const sentences = message.replace(/(is invalid: )\[(.*)\]$/s, (_whole, start: string, list: string) =>
    [start, ...list.split(', ').sort()].join(', '),
  )
  const sorted = causes
    .map((cause: unknown) => ['field', 'reason', 'message'].map((key) => textOf(fieldOf(cause, key))).join(' '))
    .sort()
  return { ...body, message: sentences, details: { ...details, causes: sorted } }
}

/** Same words for the same thing, in the order of their values: whether a resourceVersion moved on is left to see. */
const normalize = (answers: ReadonlyArray<Answer>): ReadonlyArray<Answer> => {
  const versions = new Set<string>()
  const uids = new Map<string, string>()
  walk(answers, (key, value) => {
    if (key === 'resourceVersion' && /^\d+$/.test(value)) versions.add(value)
    return value
  })
  const sorted = [...versions].sort((one, other) => Number(one) - Number(other))
  const uidOf = (id: string): string => {
    const known = uids.get(id) ?? `<uid ${String(uids.size + 1)}>`
    uids.set(id, known)
    return known
  }
  const change: Walk = (key, value) => {
    if (key === 'resourceVersion' && versions.has(value)) return `<rv ${String(sorted.indexOf(value) + 1)}>`
    if (key === 'continue' && value !== '') return '<continue>'
    if (key === 'cells' && /^\d+s$/.test(value)) return '<age>'
    return value
      .replaceAll(time, (text) => (isRecent(text) ? '<time>' : text))
      .replaceAll(uuid, uidOf)
      .replaceAll(versionWithin, '$1<rv>')
      .replaceAll(/([Hh]alf[-_])[a-z0-9]{5}/g, '$1*****')
  }
  return answers.map((answer) => ({ ...answer, body: sortCauses(withoutColumns(walk(answer.body, change))) }))
}

const plain: Omit<Call, 'method'> = { path: '', query: '', headers: {}, body: undefined }

const clear = async (base: string): Promise<void> => {
  const list = parse((await send(base, { ...plain, method: 'GET' })).text)
  const items = fieldOf(list, 'items')
  for (const item of Array.isArray(items) ? items : []) {
    const path = `/${textOf(fieldOf(item, 'metadata', 'name'))}`
    await send(base, { ...plain, method: 'DELETE', path })
    await send(base, {
      ...plain,
      method: 'PATCH',
      path,
      headers: { 'content-type': 'application/merge-patch+json' },
      body: '{"metadata":{"finalizers":null}}',
    })
  }
}

export const play = async (base: string, { calls }: Scene): Promise<ReadonlyArray<Answer>> => {
  const answers: Answer[] = []
  for (const call of calls) {
    const earlier = answers.map(({ body }) => body)
    const { status, headers, text } = await send(base, {
      ...call,
      query: fill(call.query, earlier),
      body: call.body === undefined ? undefined : fill(call.body, earlier),
    })
    answers.push({
      status,
      headers: headersOf(headers),
      layout: layoutOf(text),
      body: bodyOf(text, headers['content-type']),
    })
  }
  await clear(base)
  return normalize(answers)
}

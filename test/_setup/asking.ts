import { Agent, request as httpRequest, type IncomingMessage } from 'node:http'

import { WebSocket } from 'ws'

import type { Ask } from './every-route.ts'

/** How an answer came to its end. Shape: `whole`, `cut`, `1001 the server is shutting down`. */
export interface Told {
  /** 101 for a WebSocket; 0: the connection was cut before there was an answer. */
  readonly status: number
  /** Names and values as they came over the wire. */
  readonly rawHeaders: ReadonlyArray<string>
  readonly text: string
  readonly ending: string
}

/** A request under way. None of its promises rejects. */
export interface Asking {
  /** Resolves when something of the body or a message is there, or there is none to come. */
  readonly begun: Promise<void>
  readonly told: Promise<Told>
  readonly leave: () => void
}

const agent = new Agent({ keepAlive: true })

/** Closes connections that carry no request. */
export const closeIdle = (): void => {
  agent.destroy()
}

/** The body of an answer, as far as it came. */
const read = async (answer: IncomingMessage, onBegun: () => void): Promise<Told> => {
  const chunks: Buffer[] = []
  answer.on('data', (chunk: Buffer) => {
    chunks.push(chunk)
    onBegun()
  })
  answer.on('error', () => undefined)
  await new Promise((resolve) => answer.on('close', resolve))
  onBegun()
  const text = Buffer.concat(chunks).toString('latin1')
  const { statusCode: status = 0, rawHeaders } = answer
  return { status, rawHeaders, text, ending: answer.complete ? 'whole' : 'cut' }
}

const nothing: Told = { status: 0, rawHeaders: [], text: '', ending: 'cut' }

const askPlainly = (
  base: string,
  path: string,
  { method, body = '' }: Pick<Ask, 'method' | 'body'>,
  headers: ReadonlyArray<string>,
): Asking => {
  let onBegun = (): void => undefined
  const begun = new Promise<void>((resolve) => (onBegun = resolve))
  const length = method === 'GET' || method === 'HEAD' ? [] : ['Content-Length', String(Buffer.byteLength(body))]
  const { hostname, port } = new URL(base)
  const request = httpRequest({ hostname, port, path, method, agent, headers: [...headers, ...length] })
  const told = new Promise<Told>((resolve) => {
    request.on('response', (answer) => {
      void read(answer, onBegun).then(resolve)
    })
    request.on('error', () => {
      onBegun()
      resolve(nothing)
    })
  })
  request.end(length.length === 0 ? undefined : body)
  return { begun, told, leave: () => request.destroy() }
}

const askForMessages = (url: string, headers: Readonly<Record<string, string>>): Asking => {
  const socket = new WebSocket(url.replace('http', 'ws'), { headers })
  let onBegun = (): void => undefined
  const begun = new Promise<void>((resolve) => (onBegun = resolve))
  const messages: string[] = []
  let rawHeaders: ReadonlyArray<string> = []
  const told = new Promise<Told>((resolve) => {
    socket.on('upgrade', (answer) => {
      rawHeaders = answer.rawHeaders
    })
    socket.on('unexpected-response', (_request, answer) => {
      void read(answer, onBegun).then(resolve)
    })
    socket.on('message', (data) => {
      messages.push((data as Buffer).toString())
      onBegun()
    })
    socket.on('error', () => undefined)
    socket.on('close', (code, reason) => {
      onBegun()
      const ending = code === 1000 ? 'whole' : `${String(code)} ${reason.toString()}`
      resolve(rawHeaders.length === 0 ? nothing : { status: 101, rawHeaders, text: messages.join('\n'), ending })
    })
  })
  return { begun, told, leave: () => socket.terminate() }
}

/** Pairs of names and values. */
type Lines = ReadonlyArray<readonly [name: string, value: string]>

/** As `who`, or as nobody. `target`: what stands behind the method in the first line. */
export const asking = (
  base: string,
  ask: Ask,
  { who, more = [], target = ask.path }: { who?: string; more?: Lines; target?: string } = {},
): Asking => {
  const hasHost = more.some(([name]) => name === 'Host')
  const lines: Lines = [
    ...(hasHost || ask.upgrades ? [] : [['Host', new URL(base).host] as const]),
    ['Content-Type', 'application/json'],
    ...(ask.accept === undefined ? [] : [['Accept', ask.accept] as const]),
    ...(who === undefined ? [] : [['X-Who', who] as const]),
    ...more,
  ]
  return ask.upgrades
    ? askForMessages(base + target, Object.fromEntries(lines))
    : askPlainly(base, target, ask, lines.flat())
}

/** The first value of a header of an answer. */
export const headerOf = ({ rawHeaders }: Told, wanted: string): string | undefined =>
  rawHeaders.find((_, index) => index % 2 === 1 && rawHeaders[index - 1]?.toLowerCase() === wanted)

/** Lower-case names of all headers of an answer. */
export const headerNames = ({ rawHeaders }: Told): ReadonlyArray<string> =>
  rawHeaders.filter((_, index) => index % 2 === 0).map((name) => name.toLowerCase())

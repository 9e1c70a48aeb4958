import { once } from 'node:events'
import type { IncomingHttpHeaders, IncomingMessage, OutgoingHttpHeaders } from 'node:http'
import { request } from 'node:https'
import { text } from 'node:stream/consumers'

/** How a request is made, and by whom. `fetch` knows neither certificates nor a CA of one's own. */
export interface Asked {
  readonly method?: string
  readonly headers?: OutgoingHttpHeaders
  /** Sent as it is; anything but a text as JSON. */
  readonly body?: unknown
  readonly token?: string
  /** PEM: whom to trust. */
  readonly ca: string
  /** PEM: the client's certificate and its key. */
  readonly cert?: string
  readonly key?: string
  /** Milliseconds. Default: 20 s. */
  readonly timeoutMs?: number
}

export interface Answered {
  readonly status: number
  readonly headers: IncomingHttpHeaders
  readonly text: string
}

/** The response once its headers are there, on a connection of its own. */
export const open = async (url: string, { body, token, headers, timeoutMs = 20_000, ...rest }: Asked) => {
  // as bytes: beside a text, Node writes headers in the encoding of the text
  const content = body === undefined ? undefined : Buffer.from(typeof body === 'string' ? body : JSON.stringify(body))
  const authorization = token === undefined ? {} : { authorization: `Bearer ${token}` }
  const type = content === undefined ? {} : { 'content-type': 'application/json' }
  const asked = request(url, {
    ...rest,
    agent: false,
    signal: AbortSignal.timeout(timeoutMs),
    headers: { ...authorization, ...type, ...headers },
  })
  asked.end(content)
  const [response] = (await once(asked, 'response')) as [IncomingMessage]
  return response
}

export const ask = async (url: string, asked: Asked): Promise<Answered> => {
  const response = await open(url, asked)
  return { status: response.statusCode ?? 0, headers: response.headers, text: await text(response) }
}

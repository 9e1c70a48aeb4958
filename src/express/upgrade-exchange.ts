import { ServerResponse, type IncomingMessage } from 'node:http'
import type { Socket } from 'node:net'

import { WebSocketServer, type WebSocket } from 'ws'

import type { StreamAnswer } from '../http.ts'
import { send } from './answer.ts'
import { watchClient } from './client.ts'
import type { Exchange } from './exchange.ts'
import { pump, type Delivery } from './pump.ts'
import { chooseProtocol } from './websocket-request.ts'
import { websocketSink } from './websocket-sink.ts'

/** A client may not send before it is answered; far more than one in a hurry does. */
const earlyBytes = 4096

const webSocketOptions = {
  noServer: true,
  clientTracking: false,
  perMessageDeflate: false,
  // Nothing is read; this much is taken so that its sender can be told so.
  maxPayload: 16 * 1024,
  handleProtocols: chooseProtocol,
  /** How long a client may take to answer a close, ms. */
  closeTimeout: 2000,
}

const webSockets = new WebSocketServer(webSocketOptions)

/**
 * Reads on: only then it is noticed that the client leaves. Gives back what ends it and gives what came, unless that was too
 * much.
 */
const readOn = (socket: Socket, head: Buffer): (() => Buffer | undefined) => {
  const early = [head]
  let size = head.length
  const take = (chunk: Buffer): void => {
    size += chunk.length
    if (size <= earlyBytes) early.push(chunk)
  }
  const leave = (): void => {
    socket.destroy()
  }
  socket.on('data', take).on('end', leave)
  return () => {
    socket.off('data', take).off('end', leave)
    return size <= earlyBytes ? Buffer.concat(early) : undefined
  }
}

/** What is needed to answer a request whose socket the server has let go of. */
export interface LetGo {
  /** Closes the connection behind itself: what the client sends after its request is never read as another one. */
  readonly response: ServerResponse
  readonly stopReading: () => Buffer | undefined
}

/** Does what the server would do, had it not let go. */
export const takeOver = (request: IncomingMessage, head: Buffer): LetGo => {
  const { socket } = request
  const response = new ServerResponse(request)
  // An error that nobody hears would end the process.
  socket.on('error', () => undefined)
  socket.on('drain', () => response.emit('drain'))
  response.on('finish', () => {
    socket.destroySoon()
  })
  response.shouldKeepAlive = false
  try {
    response.assignSocket(socket)
  } catch {
    // Another answer is still to go out on it, and Node has no place behind that one for an upgrade.
    socket.destroy()
  }
  return { response, stopReading: readOn(socket, head) }
}

/** `undefined`: the client has left. */
const shakeHands = (request: IncomingMessage, head: Buffer): WebSocket | undefined => {
  let made: WebSocket | undefined
  webSockets.handleUpgrade(request, request.socket, head, (webSocket) => {
    made = webSocket
  })
  return made
}

/** Each failure has words: a code and a reason. */
const withWords = (answer: StreamAnswer): StreamAnswer => ({ ...answer, farewell: () => new Uint8Array() })

/**
 * An upgrade that somebody claims: a stream goes out as messages, any other answer as the last one of its connection.
 * `undefined`: the client has left already.
 */
export const upgradeExchange = (
  request: IncomingMessage,
  head: Buffer,
  given: Pick<Exchange, 'authenticate' | 'refusal'>,
): Exchange | undefined => {
  const { socket } = request
  const { response, stopReading } = takeOver(request, head)
  const client = watchClient(request, response)
  if (client === undefined) return undefined
  // RFC 6455, 4.4: the version that would do.
  if (given.refusal !== undefined) response.setHeader('sec-websocket-version', '13')
  let isOpen = false

  const speak = async (answer: StreamAnswer, delivery: Delivery): Promise<void> => {
    const early = stopReading()
    response.detachSocket(socket)
    const webSocket = early === undefined ? undefined : shakeHands(request, early)
    if (webSocket === undefined) {
      socket.destroy()
      return
    }
    isOpen = true
    const { stallMs, shutdown } = delivery
    const sink = websocketSink(webSocket, { stallMs, shutdown, isEndless: answer.isEndless === true })
    await pump(withWords(answer), sink, delivery)
  }
  return {
    ...given,
    request,
    client,
    upgrade: 'websocket',
    send: async (answer, delivery) => {
      try {
        if (answer._tag === 'Stream' && answer.status === 200) await speak(answer, delivery)
        else await send(response, answer, delivery)
      } catch {
        socket.destroy()
      }
    },
    isBegun: () => isOpen || response.headersSent,
    cut: () => socket.destroy(),
  }
}

import { rmSync } from 'node:fs'
import {
  createSecureServer,
  createServer,
  type IncomingHttpHeaders,
  type ServerHttp2Session,
  type ServerHttp2Stream as Stream,
} from 'node:http2'
import { setImmediate } from 'node:timers/promises'

import { exitWith, writeOutput } from './scripted-plugin-output.ts'
import {
  grpcCodes,
  type EncodedScript,
  type ScriptedAnswers,
  type ScriptedFailure,
  type ScriptedFault,
  type ScriptedOutput,
  type ScriptedShutdown,
} from './scripted-plugin-script.ts'
import { end, framed, isOver, send, sendOversize, stdioData } from './scripted-plugin-wire.ts'

/** What one process serves. */
export interface ServerOptions {
  readonly socket: string
  /** Left out: plain text. */
  readonly tls?: { readonly key: string; readonly certificate: string; readonly clientCertificate: string }
  readonly isServing: boolean
  readonly shutdown: ScriptedShutdown
  /** What is to be carried by gRPC. */
  readonly stdio: ReadonlyArray<ScriptedOutput>
  /** By path of the rpc. */
  readonly calls: ReadonlyMap<string, ScriptedAnswers<string> | ScriptedFault>
  readonly statusDetails: EncodedScript['statusDetails']
}

/** Listens; resolves when it can be connected to. Rejects when it cannot listen there. */
export const serve = (options: ServerOptions): Promise<void> => {
  const { socket, tls, isServing, shutdown, stdio, calls, statusDetails } = options
  const sessions = new Set<ServerHttp2Session>()

  const cutConnections = (): void => {
    for (const session of sessions) session.destroy()
  }
  const leave = (delayMs = 0): void => {
    server.close()
    cutConnections()
    setTimeout(() => process.exit(0), delayMs)
  }
  const fail = (stream: Stream, { fail: code, details = '', errorSource }: ScriptedFailure): void => {
    end(stream, {
      'grpc-status': grpcCodes.indexOf(code),
      'grpc-message': encodeURIComponent(details),
      ...(errorSource === undefined ? {} : { 'grpc-status-details-bin': statusDetails[errorSource] }),
    })
  }

  const faults: Record<Extract<ScriptedFault, string>, (stream: Stream) => void | Promise<void>> = {
    hang: () => undefined,
    stop: () => {
      process.kill(process.pid, 'SIGSTOP')
    },
    garbage: (stream) =>
      send(stream, framed(Buffer.alloc(16, 0xff))).then(() => {
        end(stream)
      }),
    unlink: () => {
      rmSync(socket, { force: true })
      cutConnections()
    },
  }
  const misbehave = async (stream: Stream, fault: ScriptedFault): Promise<void> => {
    if (typeof fault === 'string') await faults[fault](stream)
    else if ('fail' in fault) fail(stream, fault)
    else if ('exit' in fault) exitWith(fault)
    else {
      await sendOversize(stream, fault.oversize)
      end(stream)
    }
  }
  const answer = async (stream: Stream, { answers, then }: ScriptedAnswers<string>): Promise<void> => {
    const messages = answers.map((text) => framed(Buffer.from(text, 'base64')))
    do {
      for (const message of messages) await send(stream, message)
      await setImmediate()
    } while (then === 'repeat' && !isOver(stream))
    if (then === undefined || then === 'repeat') end(stream)
    else await misbehave(stream, then)
  }

  const shutDown = async (stream: Stream): Promise<void> => {
    if (shutdown === 'hang') return
    if (shutdown !== 'reply') {
      leave(shutdown === 'cut' ? 0 : shutdown.lateMs)
      return
    }
    await send(stream, framed(Buffer.alloc(0)))
    end(stream)
    stream.once('close', () => {
      leave()
    })
  }
  const printByGrpc = async (stream: Stream): Promise<void> => {
    // opens the stream, which stays so for the life of the process
    await send(stream, Buffer.alloc(0))
    for (const output of stdio) {
      await writeOutput(
        output,
        (chunk) => send(stream, stdioData(chunk)),
        () => isOver(stream),
      )
    }
  }
  const goPlugin: ReadonlyMap<string, (stream: Stream) => Promise<void>> = new Map([
    [
      '/grpc.health.v1.Health/Check',
      async (stream: Stream) => {
        await send(stream, framed(Buffer.from([0x08, isServing ? 1 : 2])))
        end(stream)
      },
    ],
    ['/plugin.GRPCController/Shutdown', shutDown],
    ['/plugin.GRPCStdio/StreamStdio', printByGrpc],
  ])

  const handle = async (stream: Stream, path: string): Promise<void> => {
    const call = calls.get(path)
    const ofGoPlugin = goPlugin.get(path)
    if (ofGoPlugin !== undefined) await ofGoPlugin(stream)
    else if (call === undefined) fail(stream, { fail: 'UNIMPLEMENTED', details: 'unknown service or method' })
    else if (typeof call === 'object' && 'answers' in call) await answer(stream, call)
    else await misbehave(stream, call)
  }

  const server =
    tls === undefined
      ? createServer()
      : createSecureServer({ key: tls.key, cert: tls.certificate, ca: tls.clientCertificate, requestCert: true })
  server.on('session', (session) => {
    sessions.add(session)
    session.on('error', () => undefined).on('close', () => sessions.delete(session))
  })
  server.on('stream', (stream: Stream, headers: IncomingHttpHeaders) => {
    // a caller may leave at any time
    stream.on('error', () => undefined)
    stream.resume()
    void handle(stream, String(headers[':path']))
  })
  return new Promise((resolve, reject) => {
    server.once('error', reject)
    server.listen(socket, resolve)
  })
}

import { once } from 'node:events'
import {
  Agent,
  createServer,
  get,
  request as httpRequest,
  type IncomingMessage,
  type RequestListener,
  type ServerResponse,
} from 'node:http'
import { connect } from 'node:net'
import { PassThrough, Readable } from 'node:stream'
import { gzipSync } from 'node:zlib'

import test, { type ExecutionContext } from 'ava'
import express from 'express'
import express4 from 'express4'

import type { AggregatorError } from '../../src/errors.ts'
import { door, type Door } from '../../src/express/handler.ts'
import { E } from '../../src/fp.ts'
import { bytes, type Arrival, type HeaderMap, type NextAnswer } from '../../src/http.ts'
import { listen, makeAggregator } from '../_setup/aggregator.ts'

type Delegate = (request: express.Request, response: express.Response, next: (error?: unknown) => void) => unknown
type Middleware = (request: IncomingMessage, response: ServerResponse, next: () => void) => void

interface Made {
  readonly headers?: HeaderMap
  readonly timeoutMs?: number
  /** Answers without asking. */
  readonly error?: AggregatorError
  /** Done once the next handler has said its part. */
  readonly after?: () => unknown
  readonly body?: Buffer
}

/** A door that shares every path, and tells what the next handler said. */
const sharing = (
  t: ExecutionContext,
  { headers = {}, timeoutMs = 60_000, error, after, body }: Made = {},
): Door & { readonly said: ReadonlyArray<NextAnswer | undefined> } => {
  const said: Array<NextAnswer | undefined> = []
  const serve =
    (_claim: string, { askNext }: Arrival) =>
    async () => {
      if (error !== undefined) return E.left(error)
      const answer = await askNext?.(headers, timeoutMs)
      said.push(answer)
      await after?.()
      const told =
        body ??
        Buffer.from(JSON.stringify({ status: answer?.status, body: answer && Buffer.from(answer.body).toString() }))
      return E.right(bytes(200, { 'content-type': 'application/json', vary: 'Accept', 'x-ours': 'yes' }, [told]))
    }
  const made = door({
    match: (_method, url) => (url === '/own' ? undefined : url),
    isShared: () => true,
    serve,
    bodyLimitBytes: 1000,
    stallMs: 5000,
  })
  t.teardown(() => made.drain(0))
  return { ...made, said }
}

interface Got {
  readonly status: number
  readonly headers: IncomingMessage['headers']
  readonly text: string
}

const agents = new WeakMap<ExecutionContext, Agent>()

/** Over one connection that is kept, as clients of Kubernetes do. */
const agentOf = (t: ExecutionContext): Agent => {
  const agent = agents.get(t) ?? new Agent({ keepAlive: true, maxSockets: 1 })
  if (!agents.has(t)) t.teardown(() => agent.destroy())
  agents.set(t, agent)
  return agent
}

const fetchOf = async (
  t: ExecutionContext,
  url: string,
  headers: Record<string, string> = {},
  method = 'GET',
): Promise<Got> => {
  const request = httpRequest(url, { agent: agentOf(t), headers, method }).end()
  const [response] = (await once(request, 'response')) as [IncomingMessage]
  const chunks: Buffer[] = []
  for await (const chunk of response) chunks.push(chunk as Buffer)
  return { status: response.statusCode ?? 0, headers: response.headers, text: Buffer.concat(chunks).toString() }
}

const apps: Readonly<Record<string, () => express.Express>> = {
  'Express 5': () => express().set('env', 'test'),
  'Express 4': () => (express4() as unknown as express.Express).set('env', 'test'),
}

const hostOf = (app: express.Express, handler: Middleware, delegate: Delegate): RequestListener =>
  app.use(handler as express.RequestHandler).use((request, response, next) => void delegate(request, response, next))

const documents = '{"a":1}'

/** What it says, and what is heard of it. `undefined`: nothing. */
const delegates: Readonly<Record<string, readonly [delegate: Delegate, status: number | undefined, body?: string]>> = {
  'json()': [(_q, r) => r.json({ a: 1 }), 200, documents],
  'send() with a status': [(_q, r) => r.status(418).send('tea'), 418, 'tea'],
  'end(text, encoding, callback)': [(_q, r) => r.end('6869', 'hex', () => undefined), 200, 'hi'],
  'write() in pieces that are used again': [
    (_q, r) => {
      const piece = Buffer.from('ab')
      r.writeHead(203, 'odd', { 'X-Theirs': 'yes' })
      r.write(piece, () => {
        piece.fill('c')
        r.write(piece)
        r.end()
      })
    },
    203,
    'abcc',
  ],
  'writeHead() with a list': [
    (_q, r) => r.writeHead(201, ['X-Theirs', 'yes', 'set-cookie', 'a', 'set-cookie', 'b']).end(),
    201,
    '',
  ],
  'a pipe': [(_q, r) => Readable.from(['x', 'y']).pipe(r), 200, 'xy'],
  'nothing, by 204': [(_q, r) => r.status(204).end(), 204, ''],
  'nothing, by 304': [(_q, r) => r.status(304).end(), 304, ''],
  'nothing at all, for nobody is there': [(_q, _r, next) => next(), 404],
  'an error, when headers are set': [
    (_q, r, next) => {
      r.set('x-theirs', 'yes').status(200)
      next(new Error('no'))
    },
    500,
  ],
  'an error, thrown': [
    (_q, r) => {
      r.set('x-theirs', 'yes')
      throw new Error('no')
    },
    500,
  ],
  'a part, then an error': [
    (_q, r, next) => {
      r.write('{"a":')
      next(new Error('no'))
    },
    200,
  ],
  'one answer, then others': [
    (_q, r, next) => {
      r.json({ a: 1 })
      r.statusCode = 500
      r.set('x-theirs', 'late')
      r.end('more')
      next(new Error('no'))
    },
    200,
    documents,
  ],
  'interim answers': [
    (_q, r) => {
      r.writeContinue()
      r.writeProcessing()
      r.writeEarlyHints({ link: '</x>' })
      r.flushHeaders()
      r.cork()
      r.json({ a: 1 })
    },
    200,
    documents,
  ],
  'that it destroys the response': [(_q, r) => r.destroy(new Error('no')), undefined],
  'more than anybody would': [
    (_q, r) => {
      const piece = Buffer.alloc(8 * 1024 * 1024)
      for (let i = 0; i < 9 && r.write(piece); i++);
    },
    undefined,
  ],
}
for (const [host, app] of Object.entries(apps)) {
  for (const [what, [delegate, status, body]] of Object.entries(delegates)) {
    test(`hears from ${host}: ${what}`, async (t) => {
      const { handler, said } = sharing(t)
      const url = await listen(t, createServer(hostOf(app(), handler, delegate)))
      for (let i = 0; i < 2; i++) {
        const got = await fetchOf(t, `${url}/shared`)
        t.is(got.status, 200)
        t.is(got.headers['x-ours'], 'yes')
        t.is(got.headers['x-theirs'], undefined)
        t.is(got.headers['set-cookie'], undefined)
        t.is(said[i]?.status, status)
        if (body !== undefined) t.is(said[i] && Buffer.from(said[i]?.body ?? '').toString(), body)
        t.is(said.length, i + 1)
      }
    })
  }
}

test('hears the headers of an answer, in lower case', async (t) => {
  const { handler, said } = sharing(t)
  const app = hostOf(express(), handler, (_request, response) => response.set('X-Count', '3').type('text').send('x'))
  await fetchOf(t, `${await listen(t, createServer(app))}/shared`)
  t.like(said[0]?.headers, { 'x-count': '3', 'content-type': 'text/plain; charset=utf-8', 'content-length': '1' })
})

test('lends the request with other headers and as GET, and gets it back as it was', async (t) => {
  const lent: unknown[] = []
  const look = (request: IncomingMessage) => ({
    method: request.method,
    accept: request.headers.accept,
    range: request.headers.range,
    other: request.headers['x-other'],
    lines: request.rawHeaders.filter((_, i, all) => /^(accept|range|x-other)$/i.test(all[i - (i % 2)] ?? '')),
    distinct: request.headersDistinct['accept'],
  })
  const { handler } = sharing(t, { headers: { accept: 'text/a', range: undefined } })
  const spy: Middleware = (request, response, next) => {
    response.on('finish', () => lent.push(look(request)))
    handler(request, response, next)
  }
  const app = hostOf(express(), spy, (request, response) => {
    lent.push(look(request))
    request.headers['x-other'] = 'changed'
    response.json({})
  })
  const headers = { Accept: 'text/b', Range: 'bytes=0-1', 'X-Other': 'kept' }
  const { text } = await fetchOf(t, `${await listen(t, createServer(app))}/shared`, headers, 'HEAD')
  t.is(text, '')
  t.deepEqual(lent, [
    {
      method: 'GET',
      accept: 'text/a',
      range: undefined,
      other: 'kept',
      lines: ['X-Other', 'kept', 'accept', 'text/a'],
      distinct: ['text/a'],
    },
    {
      method: 'HEAD',
      accept: 'text/b',
      range: 'bytes=0-1',
      other: 'kept',
      lines: ['Accept', 'text/b', 'Range', 'bytes=0-1', 'X-Other', 'kept'],
      distinct: ['text/b'],
    },
  ])
})

test('answers with the headers that the host’s middlewares set before, and through what they wrap', async (t) => {
  const wrapped: string[] = []
  const { handler } = sharing(t)
  const before: Middleware = (_request, response, next) => {
    response.setHeader('X-Request-Id', 'r1').setHeader('Vary', 'Origin').setHeader('X-Changed', ['a'])
    response.on('finish', () => wrapped.push(`${String(response.statusCode)} ${String(response.headersSent)}`))
    const end = response.end.bind(response)
    response.end = ((chunk: Uint8Array) => {
      wrapped.push(Buffer.from(chunk).toString())
      // as those do that save a session first
      setImmediate(() => {
        response.setHeader('content-encoding', 'gzip').removeHeader('content-length')
        end(gzipSync(chunk))
      })
      return response
    }) as typeof end
    next()
  }
  // what is mounted behind us wraps, too
  const after: Middleware = (_request, response, next) => {
    const [write, end] = [response.write.bind(response), response.end.bind(response)]
    response.write = ((chunk: Buffer) => write(chunk)) as typeof write
    response.end = ((chunk: Buffer) => end(chunk)) as typeof end
    response.setHeader('x-changed', ['b']).removeHeader('x-request-id')
    next()
  }
  const app = express()
    .use(before as express.RequestHandler)
    .use(handler as express.RequestHandler)
    .use(after as express.RequestHandler)
    .use((_request, response) => void response.append('x-changed', 'c').json({ a: 1 }))
  const response = await fetch(`${await listen(t, createServer(app))}/shared`)
  t.deepEqual(await response.json(), { status: 200, body: documents })
  t.is(response.headers.get('x-request-id'), 'r1')
  t.is(response.headers.get('x-changed'), 'a')
  t.is(response.headers.get('vary'), 'Origin, Accept')
  t.is(response.headers.get('content-encoding'), 'gzip')
  t.deepEqual(wrapped, [JSON.stringify({ status: 200, body: documents }), '200 true'])
})

for (const [host, app] of Object.entries(apps)) {
  test(`waits no longer than it may for ${host}, and lets nothing through that comes later`, async (t) => {
    const held: Array<Parameters<Delegate>> = []
    const { handler, said } = sharing(t, { timeoutMs: 1 })
    const delegate: Delegate = (request, response, next) => {
      if (request.url === '/own') response.end('own')
      else held.push([request, response, next])
    }
    const url = await listen(t, createServer(hostOf(app(), handler, delegate)))
    const late: ReadonlyArray<Delegate> = [
      (_request, response) => response.set('x-theirs', 'late').status(500).json({ late: true }),
      (_request, response) => response.writeHead(500, { 'x-theirs': 'late' }).end('late'),
      (_request, response) => {
        response.writeContinue()
        response.write('late')
        response.removeHeader('x-ours')
        response.flushHeaders()
      },
      (_request, response) => Readable.from(['a', 'b']).pipe(response),
      (_request, _response, next) => next(new Error('late')),
      (_request, _response, next) => next(),
    ]
    for (const act of late) {
      const got = await fetchOf(t, `${url}/shared`)
      t.is(got.headers['x-theirs'], undefined)
      t.is(got.text, '{}')
      const [args] = held.splice(0)
      if (args === undefined) throw new Error('expected the next handler to be asked')
      t.notThrows(() => act(...args))
      const [{ socket }] = args
      const own = await fetchOf(t, `${url}/own`)
      t.is(own.text, 'own')
      t.false(socket.destroyed)
    }
    t.deepEqual(said, Array(late.length).fill(undefined))
  })
}

test('lets nothing through that comes while our own answer is still to come', async (t) => {
  let late = (): void => undefined
  const { handler } = sharing(t, { timeoutMs: 1, after: () => late() })
  const app = hostOf(express(), handler, (_request, response) => {
    late = () => void response.status(500).set('x-theirs', 'late').json({ late: true })
  })
  const got = await fetchOf(t, `${await listen(t, createServer(app))}/shared`)
  t.is(got.status, 200)
  t.is(got.headers['x-theirs'], undefined)
  t.is(got.text, '{}')
})

test('sends a long answer whole when the next handler was heard', async (t) => {
  const body = Buffer.alloc(3_000_000, 'x')
  const { handler } = sharing(t, { body })
  const app = hostOf(express(), handler, (_request, response) => response.json({}))
  const got = await fetchOf(t, `${await listen(t, createServer(app))}/shared`)
  t.is(got.text.length, body.length)
  t.is(got.headers['content-length'], String(body.length))
})

test('lets go of a next handler whose client left, whatever it does then', async (t) => {
  const { handler, said, drain } = sharing(t)
  let asked: (args: Parameters<Delegate>) => void = () => undefined
  const begun = new Promise<Parameters<Delegate>>((resolve) => (asked = resolve))
  const app = hostOf(express(), handler, (...args) => asked(args))
  const url = new URL(await listen(t, createServer(app)))
  const socket = connect(Number(url.port), url.hostname)
  socket.write('GET /shared HTTP/1.1\r\nhost: x\r\n\r\n')
  const [request, response, next] = await begun
  const gone = once(response, 'close')
  socket.destroy()
  await gone
  t.notThrows(() => {
    response.status(500).set('x', 'y').json({ late: true })
    response.write('x')
    response.destroy()
    next(new Error('late'))
  })
  await drain(0)
  t.deepEqual(said, [undefined])
  t.is(request.method, 'GET')
})

test('survives a next handler that destroys the socket', async (t) => {
  const { handler, drain } = sharing(t)
  const app = hostOf(express(), handler, (request, response) => {
    request.socket.destroy()
    response.json({})
  })
  const url = await listen(t, createServer(app))
  await t.throwsAsync(once(get(`${url}/shared`), 'response'))
  await drain(0)
})

test('answers alone where a plain server throws at next()', async (t) => {
  const { handler, said } = sharing(t)
  const server = createServer((request, response) => {
    handler(request, response, () => {
      throw new Error('no')
    })
  })
  const got = await fetchOf(t, `${await listen(t, server)}/shared`)
  t.is(got.status, 200)
  t.deepEqual(said, [undefined])
})

const refusals: ReadonlyArray<AggregatorError> = [
  { _tag: 'Forbidden', message: 'no' },
  { _tag: 'TooManyRequests', message: 'no', retryAfterSeconds: 1 },
  { _tag: 'Unexpected', cause: new Error('no') },
]
for (const error of refusals) {
  test(`hands a request on untouched where it fails with ${error._tag} before the next handler is asked`, async (t) => {
    const { handler } = sharing(t, { error })
    const counts: number[][] = []
    const count = (response: ServerResponse): number[] =>
      ['close', 'finish', 'error'].map((name) => response.listenerCount(name))
    const spy: Middleware = (request, response, next) => {
      counts.push(count(response))
      handler(request, response, next)
    }
    const app = hostOf(express(), spy, (request, response) => {
      counts.push(count(response))
      const body = new PassThrough()
      request.pipe(body).pipe(response.status(203).set('x-method', request.method))
    })
    const request = httpRequest(`${await listen(t, createServer(app))}/shared`, { method: 'POST' }).end('sent')
    const [response] = (await once(request, 'response')) as [IncomingMessage]
    const [chunk] = (await once(response, 'data')) as [Buffer]
    t.is(response.statusCode, 203)
    t.is(response.headers['x-method'], 'POST')
    t.is(response.headers['cache-control'], undefined)
    t.is(chunk.toString(), 'sent')
    t.deepEqual(counts[1], counts[0])
  })
}

test('hands shared requests on while it shuts down', async (t) => {
  const aggregator = await makeAggregator(t)
  const app = hostOf(express(), aggregator, (_request, response) => response.send('next'))
  const url = await listen(t, createServer(app))
  t.is((await fetchOf(t, `${url}/apis`)).headers['content-type'], 'application/json')
  await aggregator.close()
  t.is((await fetchOf(t, `${url}/apis`)).text, 'next')
})

test('merges discovery in the host that it is mounted in, behind what authorize allows', async (t) => {
  const aggregator = await makeAggregator(t, {
    authorize: ({ user }) => user?.name !== 'eve',
    authenticate: ({ headers }) => ({ name: String(headers['x-user']) }),
  })
  const theirs = { kind: 'APIGroupList', apiVersion: 'v1', groups: [{ name: 'apps', versions: [] }] }
  const app = hostOf(express(), aggregator, (_request, response) => response.json(theirs))
  const url = await listen(t, createServer(app))
  const groupsOf = async (user: string) =>
    (JSON.parse((await fetchOf(t, `${url}/apis`, { 'x-user': user })).text) as typeof theirs).groups.map(
      ({ name }) => name,
    )
  t.deepEqual(await groupsOf('joe'), ['apps', 'aggregation.grafana.app', 'hello.example.com'])
  t.deepEqual(await groupsOf('eve'), ['apps'])
  const head = await fetchOf(t, `${url}/apis`, { 'x-user': 'joe' }, 'HEAD')
  const whole = await fetchOf(t, `${url}/apis`, { 'x-user': 'joe' })
  t.is(head.headers['etag'], whole.headers['etag'])
  t.is(head.headers['content-length'], whole.headers['content-length'])
  const again = await fetchOf(t, `${url}/apis`, { 'x-user': 'joe', 'if-none-match': String(whole.headers['etag']) })
  t.is(again.status, 304)
  t.is(again.text, '')
})

import { IncomingMessage } from 'node:http'
import { Socket } from 'node:net'

import type { Clock } from '../../src/clock.ts'
import { E } from '../../src/fp.ts'
import type { Transport, OpenRequest, Opened } from '../../src/kubernetes/transport.ts'
import { bookmark, dps, event, failure, listOf, status } from './_scripted-apiserver.ts'

interface Change {
  readonly type: 'ADDED' | 'MODIFIED' | 'DELETED'
  readonly name: string
  readonly uid: string
  readonly resourceVersion: number
}

interface Watcher {
  readonly body: IncomingMessage
  sent: number
  /** Nothing is written any more, not even an end. */
  isStalled: boolean
  readonly cancel: () => void
}

export interface Nature {
  readonly watchList: 'does' | 'refuses' | 'ignores'
  readonly hasBookmarks: boolean
  readonly pageSize: number
  /** Bytes of one chunk. */
  readonly chunkBytes: number
}

const toLine = (what: object): Buffer => Buffer.from(`${JSON.stringify(what)}\n`)
const toEvent = ({ type, name, uid, resourceVersion }: Change) => event(type, dps(name, resourceVersion, uid))

/** An apiserver without sockets: a collection with its history, which forgets, restarts, lies silent and is restored. */
export const createModelApiserver = (clock: Clock, nature: Nature) => {
  let objects = new Map<string, Change>()
  let history: Array<Change> = []
  let version = 10
  let compacted = 0
  let uids = 0
  let isDown = false
  let saved = { objects: new Map<string, Change>(), version: 10 }
  const refusals: Array<number> = []
  const watchers = new Set<Watcher>()
  let inFlight = 0
  let mostInFlight = 0

  const write = ({ body }: Watcher, bytes: Buffer): void => {
    for (let at = 0; at < bytes.length; at += nature.chunkBytes) body.push(bytes.subarray(at, at + nature.chunkBytes))
  }
  const flush = (): void => {
    for (const watcher of watchers) {
      if (watcher.isStalled) continue
      for (const change of history) {
        if (change.resourceVersion <= watcher.sent) continue
        watcher.sent = change.resourceVersion
        write(watcher, toLine(toEvent(change)))
      }
    }
  }
  const finish = (watcher: Watcher, how: (watcher: Watcher) => void): void => {
    if (!watchers.delete(watcher)) return
    watcher.cancel()
    how(watcher)
  }
  const finishAll = (how: (watcher: Watcher) => void): void => {
    for (const watcher of [...watchers]) if (!watcher.isStalled) finish(watcher, how)
  }
  const end = ({ body }: Watcher): void => {
    body.complete = true
    body.push(null)
  }
  const reset = ({ body }: Watcher): void => void body.destroy(new Error('reset'))

  const answer = (body: IncomingMessage, code: number, value: unknown): void => {
    body.statusCode = code
    body.push(JSON.stringify(value))
    body.complete = true
    body.push(null)
  }
  const list = (body: IncomingMessage, query: URLSearchParams): void => {
    const asked = Number(query.get('resourceVersion') ?? 0)
    if (asked > version) return answer(body, 504, status(504, 'Timeout'))
    const [at, from] = (query.get('continue') ?? `${String(version)}:0`).split(':').map(Number)
    if (query.has('continue') && (at ?? 0) < version) return answer(body, 410, status(410, 'Expired'))
    const limit = query.has('limit') ? nature.pageSize : Infinity
    const all = [...objects.values()].sort((a, b) => (a.name < b.name ? -1 : 1))
    const items = all
      .slice(from, (from ?? 0) + limit)
      .map(({ name, uid, resourceVersion }) => dps(name, resourceVersion, uid))
    const next = (from ?? 0) + limit
    return answer(body, 200, listOf(version, items, next < all.length ? `${String(version)}:${String(next)}` : ''))
  }
  const watch = (body: IncomingMessage, query: URLSearchParams): void => {
    const isInitial = query.has('sendInitialEvents')
    if (isInitial && nature.watchList === 'refuses') return answer(body, 422, status(422, 'Invalid'))
    body.statusCode = 200
    const from = Number(query.get('resourceVersion') ?? 0)
    const watcher: Watcher = {
      body,
      sent: isInitial ? version : from,
      isStalled: false,
      cancel: clock.setTimeout(
        () => {
          if (watcher.isStalled) return
          flush()
          if (nature.hasBookmarks && watcher.sent <= version) write(watcher, toLine(bookmark(version)))
          finish(watcher, end)
        },
        Number(query.get('timeoutSeconds')) * 1000,
      ),
    }
    watchers.add(watcher)
    body.once('close', () => {
      finish(watcher, () => undefined)
    })
    if (isInitial) {
      for (const change of objects.values()) write(watcher, toLine(toEvent({ ...change, type: 'ADDED' })))
      if (nature.watchList === 'does') write(watcher, toLine(bookmark(version, true)))
    } else if (from < compacted) {
      write(watcher, toLine(failure(410, 'Expired')))
      finish(watcher, end)
    } else flush()
  }

  const open = (
    request: OpenRequest,
  ): E.Either<{ _tag: 'Unreachable'; message: string } | { _tag: 'Cancelled' }, Opened> => {
    if (request.signal.aborted) return E.left({ _tag: 'Cancelled' })
    if (isDown) return E.left({ _tag: 'Unreachable', message: 'down' })
    const body = new IncomingMessage(new Socket())
    inFlight += 1
    mostInFlight = Math.max(mostInFlight, inFlight)
    body.once('close', () => (inFlight -= 1))
    body.on('error', () => undefined)
    request.signal.addEventListener('abort', () => body.destroy(), { once: true })
    const query = request.query ?? new URLSearchParams()
    const refusal = refusals.shift()
    if (refusal !== undefined) answer(body, refusal, status(refusal, 'Refusal'))
    else if (query.has('watch')) watch(body, query)
    else list(body, query)
    return E.right({ status: body.statusCode ?? 0, headers: {}, body })
  }

  const put = (name: string): void => {
    const before = objects.get(name)
    const uid = before?.uid ?? `u${String(++uids)}`
    const change: Change = { type: before ? 'MODIFIED' : 'ADDED', name, uid, resourceVersion: ++version }
    objects.set(name, change)
    history.push(change)
  }
  const remove = (name: string): void => {
    const before = objects.get(name)
    if (before === undefined) return
    objects.delete(name)
    history.push({ ...before, type: 'DELETED', resourceVersion: ++version })
  }

  return {
    transport: { open: (request) => () => Promise.resolve(open(request)) } satisfies Pick<Transport, 'open'>,
    put,
    remove,
    flush,
    end: () => finishAll(end),
    reset: () => finishAll(reset),
    /** What changes next is written up to some byte of it, then the connection breaks. */
    cutWithin: (name: string, bytes: number) => {
      put(name)
      const line = toLine(toEvent(objects.get(name) ?? { type: 'ADDED', name, uid: '', resourceVersion: 0 }))
      finishAll((watcher) => {
        write(watcher, line.subarray(0, bytes % line.length))
        setImmediate(() => reset(watcher))
      })
    },
    fail: (code: number) =>
      finishAll((watcher) => {
        write(watcher, toLine(failure(code, code === 500 ? 'InternalError' : 'Failure')))
        end(watcher)
      }),
    garble: () => finishAll((watcher) => write(watcher, Buffer.from('<html>\n'))),
    noise: () => {
      for (const watcher of watchers) {
        write(watcher, toLine({ type: 'ADDED', object: { kind: 'Secret', apiVersion: 'v1', metadata: { name: 'x' } } }))
      }
    },
    bookmark: () => {
      // it says that all before it was told
      flush()
      if (!nature.hasBookmarks) return
      for (const watcher of watchers)
        if (!watcher.isStalled && watcher.sent <= version) write(watcher, toLine(bookmark(version)))
    },
    stall: () => {
      for (const watcher of watchers) watcher.isStalled = true
    },
    compact: () => {
      flush()
      compacted = version
      history = []
    },
    refuse: (code: number) => refusals.push(code),
    stop: () => {
      isDown = true
      finishAll(reset)
    },
    start: () => {
      isDown = false
    },
    save: () => {
      saved = { objects: new Map(objects), version }
    },
    restore: () => {
      finishAll(reset)
      objects = new Map(saved.objects)
      version = saved.version
      compacted = Math.min(compacted, version)
      history = []
      compacted = version
    },
    heal: () => {
      isDown = false
      refusals.length = 0
    },
    state: () =>
      new Map(
        [...objects.values()].map(({ name, uid, resourceVersion }) => [name, `${uid}@${String(resourceVersion)}`]),
      ),
    mostInFlight: () => mostInFlight,
    inFlight: () => inFlight,
  }
}

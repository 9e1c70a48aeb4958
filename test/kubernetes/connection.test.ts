import test from 'ava'

import { E } from '../../src/fp.ts'
import { toApiServer } from '../../src/kubernetes/api-server.ts'
import { apiServer } from '../../src/kubernetes/index.ts'
import { toApi } from '../../src/kubernetes/connection.ts'
import type { Follower } from '../../src/kubernetes.ts'
import { recordingLogger } from '../plugins/_setup.ts'
import { serve } from './_serve.ts'

const follower: Follower = { changed: () => undefined, failed: () => undefined, recovered: () => undefined }
const collection = { path: '/apis/g/v1/things' }
const election = { namespace: 'a', name: 'b', identity: 'c', onChange: () => undefined }

test('ends all that is open, gives the Lease back before, and does nothing any more', async (t) => {
  let lease: { spec: { holderIdentity?: string }; metadata: { resourceVersion: string } } | undefined
  const holders: unknown[] = []
  const waiting = new Set<string>()
  let arrive = (): void => undefined
  const all = new Promise<void>((resolve) => (arrive = resolve))
  const served = await serve(t, (request, response) => {
    const { method, url = '' } = request
    if (url.startsWith('/apis/coordination')) {
      let body = ''
      request.on('data', (chunk: Buffer) => (body += chunk.toString()))
      request.on('end', () => {
        if (method === 'GET') {
          if (lease === undefined) response.statusCode = 404
          response.end(JSON.stringify(lease ?? { kind: 'Status', reason: 'NotFound' }))
          return
        }
        lease = JSON.parse(body) as NonNullable<typeof lease>
        lease.metadata.resourceVersion = String(holders.length + 1)
        holders.push(lease.spec.holderIdentity)
        response.end(JSON.stringify(lease))
      })
      return
    }
    // a watch that says nothing, and a call that is not answered
    if (url.startsWith('/apis/g')) response.flushHeaders()
    waiting.add(url.split('?')[0] ?? '')
    if (waiting.size === 2) arrive()
  })
  const connection = apiServer(`http://127.0.0.1:${String(served.port)}`, { namespace: 'a' }).connect()
  t.is(connection.origin, `http://127.0.0.1:${String(served.port)}`)
  t.is(connection.namespace, 'a')
  const following = connection.follow(collection, follower)
  let lead = (): void => undefined
  const led = new Promise<void>((resolve) => (lead = resolve))
  const elected = connection.elect({ ...election, onChange: lead })
  const pending = connection.call({ method: 'GET', path: '/slow' })()
  await Promise.all([all, led])
  t.true(elected.isLeader())
  const closes = [connection.close(), connection.close(), following.close(), elected.close()]
  t.deepEqual(await connection.call({ method: 'GET', path: '/' })(), E.left({ _tag: 'Cancelled' }))
  t.deepEqual(await pending, E.left({ _tag: 'Cancelled' }))
  await Promise.all(closes)
  await served.quiet()
  t.is(holders[0], 'c')
  t.falsy(holders.at(-1))
  const late = connection.follow(collection, follower)
  t.is(late.lastHeardMs(), undefined)
  t.false(connection.elect(election).isLeader())
  await Promise.all([late.close(), connection.elect(election).close(), connection.close()])
})

test('keeps what others have open, and tells of what will not work', async (t) => {
  const served = await serve(t, (_request, response) => response.end('{}'))
  const logger = recordingLogger()
  const access = { ...toApiServer(`http://127.0.0.1:${String(served.port)}`, {}), warning: 'careful' }
  const api = toApi(access)
  const [first, second] = [api.connect({ logger }), api.connect()]
  t.deepEqual(
    logger.lines.map(({ message }) => message),
    ['careful'],
  )
  await first.close()
  t.deepEqual(await second.call({ method: 'GET', path: '/' })(), E.right({}))
  await second.close()
  await served.quiet()
})

import { ServerCredentials } from '@grpc/grpc-js'
import test from 'ava'

import { E } from '../../src/fp.ts'
import { pluginDirectory } from '../../src/plugins/directory.ts'
import { isAlive, query, recordingLogger, temporaryDirectory, within, writePlugin } from './_setup.ts'
import { listen, replies } from './grpc/_serve.ts'

test('runs a program that only tells where the plugin is, and says more than a pipe holds', async (t) => {
  const standalone = { queryData: replies(Buffer.of()) }
  const { server, target } = await listen(t, standalone, ServerCredentials.createInsecure(), '127.0.0.1:0')
  const root = temporaryDirectory(t)
  const address = target.replace('ipv4:127.0.0.1', '')
  writePlugin(root, 'testds', `echo '1|2|tcp|${address}|grpc'\nseq 20000\necho located\nexec sleep 60`)
  const logger = recordingLogger()
  const host = pluginDirectory(root, { logger, logLinesPerSecond: 30_000, stopGraceMs: 1 })
  t.teardown(() => host.close())
  const client = host.plugin('testds')?.client
  t.deepEqual(await client?.queryData(query(), within(20_000))(), E.right({ responses: new Map() }))
  await logger.find(({ message }) => message === 'located')
  const pid = host.statuses()[0]?.pid ?? 0
  t.true(isAlive(pid))
  // the plugin itself is somebody else's
  await host.close()
  t.false(isAlive(pid))
  await new Promise<void>((resolve, reject) => {
    server.tryShutdown((error) => {
      if (error === undefined) resolve()
      else reject(error)
    })
  })
})

import test from 'ava'
import express from 'express'

import { createServer } from '../../src/index.ts'

import { base, listen, makeAggregator, manifest, post, queryBody, queryPath } from '../_setup/aggregator.ts'

test('tells a plugin which of its calls go on and on, so that they take no place of the others', async (t) => {
  const told: Array<readonly [call: string, isLongRunning: boolean | undefined]> = []
  const aggregator = await makeAggregator(t, {
    manifests: [manifest([{ type: 'query' }, { type: 'route' }])],
    plugin: {
      queryData: (_request, { isLongRunning }) => {
        told.push(['queryData', isLongRunning])
        return { responses: { A: {} } }
      },
      queryChunkedData: (_request, { isLongRunning }) => {
        told.push(['queryChunkedData', isLongRunning])
        return [{ refId: 'A' }]
      },
      callResource: (_request, { isLongRunning }) => {
        told.push(['callResource', isLongRunning])
        return [{ status: 204 }]
      },
    },
  })
  const url = await listen(t, createServer(express().use(aggregator)))
  const events = { accept: 'text/event-stream' }
  const resource = `${url}${base}/namespaces/default/datasources/h1/resources/x`
  await post(`${url}${queryPath}`, queryBody)
  await post(`${url}${queryPath}`, queryBody, events)
  await fetch(resource)
  await fetch(resource, { headers: events })
  t.deepEqual(told, [
    ['queryData', false],
    ['queryChunkedData', true],
    ['callResource', false],
    ['callResource', true],
  ])
})

import test from 'ava'

import type { Probe } from '../../../src/plugins/options.ts'
import { createHealth } from '../../../src/plugins/process/health.ts'
import type { PingFailure } from '../../../src/plugins/process/peer.ts'
import { settle } from '../_setup.ts'
import { createFakePeer, silent, unreachable } from './_peer.ts'

const setUp = (options: Partial<Probe> = {}) => {
  const peer = createFakePeer(1)
  const heard: Array<string> = []
  const health = createHealth(
    peer,
    { intervalMs: 10_000, timeoutMs: 5_000, failures: 3, successes: 2, restartAfter: 6, ...options },
    {
      onHealthy: () => heard.push('healthy'),
      onUnhealthy: ({ message }) => heard.push(`unhealthy: ${message}`),
      onLost: ({ message }) => heard.push(`lost: ${message}`),
    },
  )
  const check = async (failure?: PingFailure) => {
    peer.pingFailure = failure
    health.check()
    await settle()
  }
  return { peer, heard, health, check }
}

const notServing: PingFailure = { kind: 'not-serving', message: 'it answers but says that it does not serve' }

test('takes so many failures in a row for illness, and so many answers for recovery', async (t) => {
  const { heard, check, peer } = setUp()
  for (const failure of [silent, notServing, undefined, silent, silent]) await check(failure)
  t.deepEqual(heard, [])
  await check(notServing)
  t.deepEqual(heard, ['unhealthy: it answers but says that it does not serve'])
  for (const failure of [undefined, silent, undefined]) await check(failure)
  t.is(heard.length, 1)
  await check()
  t.deepEqual(heard.slice(1), ['healthy'])
  t.is(peer.pingTimeoutMs, 5_000)
})

test('gives up after so many failures in a row, and tells so once', async (t) => {
  const { heard, check, health, peer } = setUp()
  for (let i = 0; i < 8; i++) await check(silent)
  t.deepEqual(heard, [`unhealthy: ${silent.message}`, `lost: ${silent.message}`])
  t.is(peer.count.pings, 6)
  health.succeeded()
  health.succeeded()
  t.is(heard.length, 2)
})

test('gives up without illness where both numbers are the same', async (t) => {
  const { heard, check } = setUp({ failures: 1, restartAfter: 1 })
  await check(silent)
  t.deepEqual(heard, [`lost: ${silent.message}`])
})

test('gives up at once what cannot be reached, not even once more', async (t) => {
  const { heard, check, peer } = setUp()
  await check(unreachable)
  t.deepEqual(heard, [`lost: ${unreachable.message}`])
  t.is(peer.count.pings, 2)
})

test('keeps a server that only let go of its connection', async (t) => {
  const { heard, health, peer } = setUp({ failures: 1 })
  const failures = [unreachable, undefined]
  const { ping } = peer
  peer.ping = (timeoutMs) => {
    peer.pingFailure = failures.shift()
    return ping(timeoutMs)
  }
  health.check()
  await settle()
  t.is(peer.count.pings, 2)
  t.deepEqual(heard, [])
})

test('takes an answered call for an answer to a check', async (t) => {
  const { heard, check, health } = setUp()
  await check(silent)
  await check(silent)
  health.succeeded()
  await check(silent)
  await check(silent)
  t.deepEqual(heard, [])
  await check(silent)
  t.is(heard.length, 1)
  health.succeeded()
  health.succeeded()
  t.is(heard[1], 'healthy')
})

test('asks once at a time', async (t) => {
  const { health, peer } = setUp()
  peer.holdsPings = true
  health.check()
  health.check()
  health.suspect()
  t.is(peer.count.pings, 1)
  await peer.pong()
  health.suspect()
  t.is(peer.count.pings, 2)
})

test('suspects nothing of one that is known to be ill', async (t) => {
  const { check, health, peer } = setUp({ failures: 1 })
  await check(silent)
  health.suspect()
  t.is(peer.count.pings, 1)
})

test('tells nobody of an answer that comes after the end', async (t) => {
  const { heard, health, peer } = setUp()
  peer.holdsPings = true
  health.check()
  health.end()
  await peer.pong(unreachable)
  health.check()
  t.deepEqual(heard, [])
  t.is(peer.count.pings, 1)
})

test('takes a check that throws for one without an answer', async (t) => {
  const { heard, health, peer } = setUp({ failures: 1 })
  peer.ping = () => Promise.reject(new Error('no channel'))
  health.check()
  await settle()
  t.deepEqual(heard, ['unhealthy: Error: no channel'])
})

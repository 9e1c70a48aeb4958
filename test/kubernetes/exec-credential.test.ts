import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

import test, { type ExecutionContext } from 'ava'

import { systemClock, type Clock } from '../../src/clock.ts'
import { E } from '../../src/fp.ts'
import type { ExecPlugin } from '../../src/kubernetes/exec-plugin.ts'
import { createLogin } from '../../src/kubernetes/login.ts'
import { silentLogger } from '../../src/logger.ts'
import { createManualClock, isAlive, settle, temporaryDirectory } from '../plugins/_setup.ts'

const apiVersion = 'client.authentication.k8s.io/v1'

/** A command of one line of shell. */
const sh = (script: string, more: Partial<ExecPlugin> = {}): ExecPlugin => ({
  apiVersion,
  command: '/bin/sh',
  args: ['-c', script],
  env: {},
  installHint: '',
  cluster: undefined,
  ...more,
})
const print = (status: object, version = apiVersion): string =>
  `printf %s '${JSON.stringify({ apiVersion: version, kind: 'ExecCredential', status })}'`

const loginOf = (t: ExecutionContext, plugin: ExecPlugin, clock: Clock = systemClock) => {
  const login = createLogin({ _tag: 'Exec', plugin }, clock, silentLogger)
  t.teardown(() => login.close())
  return login
}

test('tells the command what it needs to know, and runs once for all who wait', async (t) => {
  const path = join(temporaryDirectory(t), 'told')
  const script = `
    require('node:fs').appendFileSync(process.argv[1], process.env.KUBERNETES_EXEC_INFO + process.env.A + '\\n')
    const status = { token: 'x', expirationTimestamp: null }
    console.log(JSON.stringify({ apiVersion: '${apiVersion}', kind: 'ExecCredential', spec: {}, status }))
    console.error('noise')`
  const login = loginOf(t, {
    ...sh(''),
    command: process.execPath,
    args: ['-e', script, path],
    env: { A: 'a' },
    cluster: { server: 'https://a', config: { b: 1 } },
  })
  const secrets = { authorization: 'Bearer x', cert: undefined, key: undefined }
  t.deepEqual(await Promise.all([login.current(), login.current()]), [E.right(secrets), E.right(secrets)])
  t.deepEqual(await login.current(), E.right(secrets))
  const told = {
    kind: 'ExecCredential',
    apiVersion,
    spec: { cluster: { server: 'https://a', config: { b: 1 } }, interactive: false },
  }
  t.is(readFileSync(path, 'utf8'), `${JSON.stringify(told)}a\n`)
})

test('says what went wrong without what was printed', async (t) => {
  const say = async (plugin: ExecPlugin) => {
    const answer = await loginOf(t, plugin).current()
    return E.isLeft(answer) ? answer.left : 'fine'
  }
  const failed = 'the command of exec failed: '
  t.is(await say(sh('echo secret; echo secret >&2; exit 3')), `${failed}it ended with code 3`)
  t.is(await say(sh('kill -9 $$')), `${failed}it ended with SIGKILL`)
  t.is(await say(sh('echo secret')), `${failed}expected JSON on stdout, got something else`)
  t.is(await say(sh(print({}))), `${failed}status: expected a token or a certificate, got neither`)
  t.is(
    await say(sh(print({ clientCertificateData: 'x' }))),
    `${failed}status: expected a certificate and its key together`,
  )
  t.is(
    await say(sh(print({ token: 'x' }, 'client.authentication.k8s.io/v1beta1'))),
    `${failed}apiVersion: expected "${apiVersion}", got another one`,
  )
  t.is(
    await say(sh(print({ token: 'x', expirationTimestamp: 'soon' }))),
    `${failed}status.expirationTimestamp: expected a time such as "2030-01-01T00:00:00Z", got none`,
  )
  t.is(await say(sh(print({ token: 'a b' }))), 'the command of exec gave a token that no header can carry')
  t.is(await say(sh('cat /dev/zero')), `${failed}it printed more than 1048576 bytes`)
  const none = sh('', { command: 'no-such-command', installHint: 'get it\u001b[31m at example.org' })
  t.is(await say(none), `${failed}"no-such-command" is not found: get it [31m at example.org`)
  t.is(await say(sh('', { command: '/' })), `${failed}expected a command that can be run, got EACCES`)
  t.is(await say(sh('', { args: ['\0'] })), `${failed}expected a command that can be run, got ERR_INVALID_ARG_VALUE`)
})

test('asks again somewhat before it expires and when it is refused; what is still good serves while that fails', async (t) => {
  const directory = temporaryDirectory(t)
  const { clock, advance } = createManualClock()
  const say = (name: string, lifeMs: number) => {
    const status = { token: name, expirationTimestamp: new Date(clock.now() + lifeMs).toISOString() }
    writeFileSync(join(directory, 'answer'), JSON.stringify({ apiVersion, kind: 'ExecCredential', status }))
  }
  const login = loginOf(t, sh('cat "$DIR/answer"', { env: { DIR: directory } }), clock)
  const token = async () => {
    const secrets = await login.current()
    return E.isRight(secrets) ? secrets.right.authorization : secrets.left
  }
  say('1', 3_600_000)
  t.is(await token(), 'Bearer 1')
  say('2', 3_600_000)
  await advance(3_600_000 - 60_001)
  t.is(await token(), 'Bearer 1')
  await advance(1)
  writeFileSync(join(directory, 'answer'), '')
  t.is(await token(), 'Bearer 1')
  say('2', 3_600_000)
  t.is(await token(), 'Bearer 1')
  await advance(10_000)
  t.is(await token(), 'Bearer 2')
  const refused = await login.current()
  say('3', 3_600_000)
  if (E.isRight(refused)) login.forget(refused.right)
  t.is(await token(), 'Bearer 3')
  if (E.isRight(refused)) login.forget(refused.right)
  say('4', 3_600_000)
  t.is(await token(), 'Bearer 3')
  writeFileSync(join(directory, 'answer'), '')
  await advance(3_600_000)
  t.is(await token(), 'the command of exec failed: expected JSON on stdout, got something else')
})

/** Starts a command that hangs, and gives the pids of it and of what it started. */
const hang = async (t: ExecutionContext, clock: Clock) => {
  const path = join(temporaryDirectory(t), 'pids')
  const login = loginOf(
    t,
    sh(`sleep 1000 & echo "$$ $!" > "$P.new"; mv "$P.new" "$P"; wait`, { env: { P: path } }),
    clock,
  )
  const answer = login.current()
  while (!existsSync(path)) await settle()
  const pids = readFileSync(path, 'utf8').split(' ').map(Number)
  return { login, answer, pids }
}

/** Dead, though nobody may have taken note of it yet. */
const isZombie = (pid: number): boolean => {
  try {
    return readFileSync(`/proc/${String(pid)}/stat`, 'utf8').includes(') Z ')
  } catch {
    return false
  }
}

const gone = async (pids: ReadonlyArray<number>): Promise<void> => {
  while (pids.some((pid) => isAlive(pid) && !isZombie(pid))) await settle()
}

test('ends a command that does not end, and what it started', async (t) => {
  const { clock, advance } = createManualClock()
  const { answer, pids } = await hang(t, clock)
  await advance(60_000)
  t.deepEqual(await answer, E.left('the command of exec failed: it did not end within 60000 ms'))
  await gone(pids)
})

test('ends its command when it is closed, and starts none any more', async (t) => {
  const { login, answer, pids } = await hang(t, systemClock)
  await login.close()
  t.deepEqual(await answer, E.left('the command of exec failed: it was stopped'))
  t.deepEqual(await login.current(), E.left('the connection is closed'))
  await gone(pids)
})

test('waits for no grandchild that holds the pipe', async (t) => {
  const login = loginOf(t, sh(`${print({ token: 'x' })}; sleep 1000 &`))
  t.like(await login.current(), { right: { authorization: 'Bearer x' } })
})

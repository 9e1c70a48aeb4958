import type { ExecSecrets } from '../api/exec-credential.ts'
import type { Clock } from '../clock.ts'
import { E } from '../fp.ts'
import type { Logger } from '../logger.ts'
import type { Login } from './access.ts'
import { isToken } from './check.ts'
import type { ExecPlugin } from './exec-plugin.ts'
import { runExecPlugin, type ExecRun } from './exec-credential.ts'
import { createFileText } from './file-text.ts'

/** What a way to log in gives. */
export interface Secrets {
  readonly authorization: string | undefined
  /** PEM, instead of those of the kubeconfig. */
  readonly cert?: string | undefined
  readonly key?: string | undefined
}

export interface LoginSource {
  /** Left: one sentence without a secret. Never rejects. */
  readonly current: () => Promise<E.Either<string, Secrets>>
  /** They were refused: the next ones are asked for afresh. */
  readonly forget: (refused: Secrets) => void
  readonly close: () => Promise<void>
}

const nothing = (): void => undefined
const noClose = (): Promise<void> => Promise.resolve()
const bearer = (token: string): Secrets => ({ authorization: `Bearer ${token}` })

const fixed = (authorization: string | undefined): LoginSource => ({
  current: () => Promise.resolve(E.right({ authorization })),
  forget: nothing,
  close: noClose,
})

const fromFile = (path: string, fallback: string | undefined, clock: Clock, logger: Logger): LoginSource => {
  const file = createFileText(path, clock, logger, (text) =>
    isToken(text.trim()) ? undefined : 'expected a token, got a text that no header can carry',
  )
  return {
    current: async () => {
      const text = await file.read()
      if (E.isLeft(text) && fallback !== undefined) return E.right(bearer(fallback))
      return E.map((token: string) => bearer(token.trim()))(text)
    },
    forget: file.forget,
    close: noClose,
  }
}

const fromFunction = (token: () => string | Promise<string>): LoginSource => ({
  current: async () => {
    try {
      const given: unknown = await token()
      if (typeof given === 'string' && isToken(given)) return E.right(bearer(given))
      return E.left('option token: the function gave no token that a header can carry')
    } catch {
      // what it says may be the token
      return E.left('option token: the function failed')
    }
  },
  forget: nothing,
  close: noClose,
})

/** They are asked for again somewhat sooner than they expire: the clock of the server may be ahead. */
const aheadMs = (lifeMs: number): number => Math.min(60_000, lifeMs / 10)

/** Time before a command that failed is run again while what it gave before still serves. */
const retryMs = 10_000

/** One run serves all who wait; what it gave serves until it expires, or is refused. */
const fromExec = (plugin: ExecPlugin, clock: Clock): LoginSource => {
  let known: { readonly secrets: Secrets; readonly renewMs: number; readonly expiresMs: number } | undefined
  let run: { readonly started: ExecRun; readonly secrets: Promise<E.Either<string, Secrets>> } | undefined
  let isClosed = false

  const take = ({ token, cert, key, expiresMs = Infinity }: ExecSecrets): E.Either<string, Secrets> => {
    if (token !== undefined && !isToken(token))
      return E.left('the command of exec gave a token that no header can carry')
    const secrets = { authorization: token === undefined ? undefined : `Bearer ${token}`, cert, key }
    const nowMs = clock.now()
    const renewMs = expiresMs === Infinity ? Infinity : expiresMs - aheadMs(Math.max(0, expiresMs - nowMs))
    known = { secrets, renewMs, expiresMs }
    return E.right(secrets)
  }
  const start = (): Promise<E.Either<string, Secrets>> => {
    const started = runExecPlugin(plugin, clock)
    const secrets = started.secrets.then((given) => {
      run = undefined
      const taken = E.flatMap(take)(given)
      if (E.isRight(taken) || known === undefined || clock.now() >= known.expiresMs) return taken
      known = { ...known, renewMs: clock.now() + retryMs }
      return E.right(known.secrets)
    })
    run = { started, secrets }
    return secrets
  }
  return {
    current: () => {
      if (isClosed) return Promise.resolve(E.left('the connection is closed'))
      if (run !== undefined) return run.secrets
      return known !== undefined && clock.now() < known.renewMs ? Promise.resolve(E.right(known.secrets)) : start()
    },
    forget: (refused) => {
      if (known?.secrets === refused) known = undefined
    },
    close: async () => {
      isClosed = true
      run?.started.kill()
      await run?.secrets
    },
  }
}

/** Fails to compile without a case for each way to log in. */
export const createLogin = (login: Login, clock: Clock, logger: Logger): LoginSource => {
  switch (login._tag) {
    case 'None':
      return fixed(undefined)
    case 'Fixed':
      return fixed(login.authorization)
    case 'TokenFile':
      return fromFile(login.path, login.fallback, clock, logger)
    case 'TokenFunction':
      return fromFunction(login.token)
    case 'Exec':
      return fromExec(login.plugin, clock)
  }
}

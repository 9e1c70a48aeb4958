import { isDeepStrictEqual } from 'node:util'

import {
  parseDatasourceObject,
  parseSecret,
  type DatasourceObject,
  type SecretReference,
  type SecretTexts,
} from '../api/datasource-object.ts'
import { describeCauses, quote } from '../decode.ts'
import type { AggregatorError } from '../errors.ts'
import { E, pipe } from '../fp.ts'
import type { ObjectChange } from '../kubernetes.ts'
import type { Logger } from '../logger.ts'
import type { InstanceSettings, PluginContextRequest } from '../plugin.ts'
import { capReports } from '../text-files.ts'
import { settingsUnavailable } from './instance-settings.ts'
import type { NamespaceSettings } from './namespace-settings.ts'

type Answer = E.Either<AggregatorError, InstanceSettings>

/** Objects and Secrets as far as they are known, and what follows from both. */
export interface KubernetesInstances {
  readonly changeObjects: (changes: ReadonlyArray<ObjectChange>) => void
  readonly changeSecrets: (changes: ReadonlyArray<ObjectChange>) => void
  readonly find: (request: PluginContextRequest) => Answer
}

interface Instance {
  /** What it last said that was good; `undefined`: nothing ever was. */
  good: DatasourceObject | undefined
  /** What is wrong with what it says now. */
  fault: string | undefined
  /** What keeps `good` from serving. */
  obstacle: string | undefined
  answer: Answer
}

const unusable = (name: string, why: string): AggregatorError => ({
  _tag: 'PluginUnavailable',
  message: `datasources ${quote(name)} cannot be used at present: ${why}`,
  retryAfterSeconds: 5,
})

/** `secretsAre`: which Secrets there are at all, for the log. */
export const createKubernetesInstances = (
  settings: NamespaceSettings,
  secretsAre: string,
  logger: Logger,
): KubernetesInstances => {
  const instances = new Map<string, Instance>()
  const secrets = new Map<string, SecretTexts>()
  let areObjectsListed = false
  let areSecretsListed = false

  const report = (level: 'error' | 'info', messages: ReadonlyArray<string>): void => {
    for (const message of capReports(messages, (count) => `and ${count} more such lines`)) logger[level](message)
  }

  const readSecret = (namespace: string, { secret, key }: SecretReference): E.Either<string, string> => {
    const texts = secrets.get(`${namespace}/${secret}`)
    if (texts === undefined) return E.left(`Secret ${quote(secret)} is not there, or has not the label ${secretsAre}`)
    const text = texts.get(key)
    if (text === undefined) return E.left(`Secret ${quote(secret)} has no key ${quote(key)}`)
    return E.mapLeft((why: string) => `Secret ${quote(secret)}, key ${quote(key)}: ${why}`)(text)
  }

  const withSecrets = ({ namespace, entry, secure }: DatasourceObject): E.Either<string, DatasourceObject['entry']> =>
    pipe(
      secure,
      E.traverseArray((reference) =>
        pipe(
          readSecret(namespace, reference),
          E.map((text) => [reference.field, text] as const),
        ),
      ),
      E.map((texts) => ({ ...entry, secureJsonData: Object.fromEntries(texts) })),
    )

  const toSettings = ({ namespace, name, pluginType }: DatasourceObject, entry: DatasourceObject['entry']): Answer =>
    pluginType === 'app' ? settings.toApp(namespace, entry) : settings.toDatasource(namespace, name, entry)

  /** Left: why it cannot serve. */
  const answerOf = (good: DatasourceObject): E.Either<string, Answer> =>
    pipe(
      withSecrets(good),
      E.flatMap((entry) =>
        E.tryCatch(
          () => toSettings(good, entry),
          // Whatever is thrown here may quote a secret. Deep nesting exhausts the stack, in this one object.
          (cause) => `its settings cannot be read (${cause instanceof Error ? cause.name : typeof cause})`,
        ),
      ),
    )

  /** Brings the answer up to date; gives what an operator should hear of. The same settings stay the same object. */
  const settle = (key: string, instance: Instance): { readonly wrong?: string; readonly right?: string } => {
    const { good, obstacle, answer } = instance
    if (good === undefined) return {}
    if (!areSecretsListed && good.secure.length > 0) {
      instance.answer = E.left(settingsUnavailable)
      return {}
    }
    const next = answerOf(good)
    if (E.isRight(next)) {
      if (!isDeepStrictEqual(next.right, answer)) instance.answer = next.right
      instance.obstacle = undefined
      return obstacle === undefined ? {} : { right: `datasources ${quote(key)} can be used again` }
    }
    instance.answer = E.left(unusable(good.name, next.left))
    instance.obstacle = next.left
    return next.left === obstacle ? {} : { wrong: `datasources ${quote(key)} cannot be used: ${next.left}` }
  }

  const settleAll = (keys: Iterable<string>): void => {
    const wrong: string[] = []
    const right: string[] = []
    for (const key of keys) {
      const instance = instances.get(key)
      const heard = instance === undefined ? {} : settle(key, instance)
      if (heard.wrong !== undefined) wrong.push(heard.wrong)
      if (heard.right !== undefined) right.push(heard.right)
    }
    report('error', wrong)
    report('info', right)
  }

  /** A wrong object serves on as it was. Gives what is wrong, unless that was said. */
  const readObject = (key: string, value: unknown): string | undefined => {
    const parsed = pipe(parseDatasourceObject(value), E.mapLeft(describeCauses))
    const known = instances.get(key)
    if (E.isRight(parsed)) {
      const instance = known ?? { obstacle: undefined, answer: E.left(settingsUnavailable) }
      instances.set(key, { ...instance, good: parsed.right, fault: undefined })
      return undefined
    }
    const answer = E.left(unusable(key.slice(key.indexOf('/') + 1), 'it is wrong'))
    const instance = known ?? { good: undefined, obstacle: undefined, answer }
    instances.set(key, { ...instance, fault: parsed.left })
    if (known?.fault === parsed.left) return undefined
    const meanwhile = instance.good === undefined ? '' : ', what was good serves on'
    return `datasources ${quote(key)} is wrong${meanwhile}: ${parsed.left}`
  }

  const readSecretObject = (key: string, value: unknown): void => {
    const parsed = parseSecret(value)
    if (E.isRight(parsed)) secrets.set(key, parsed.right)
    else secrets.delete(key)
  }

  return {
    changeObjects: (changes) => {
      areObjectsListed = true
      const wrong: string[] = []
      for (const { key, object } of changes) {
        const problem = object === undefined ? undefined : readObject(key, object)
        if (object === undefined) instances.delete(key)
        if (problem !== undefined) wrong.push(problem)
      }
      report('error', wrong)
      settleAll(new Set(changes.map(({ key }) => key)))
    },
    changeSecrets: (changes) => {
      const isFirst = !areSecretsListed
      areSecretsListed = true
      for (const { key, object } of changes) {
        if (object === undefined) secrets.delete(key)
        else readSecretObject(key, object)
      }
      const changed = new Set(changes.map(({ key }) => key))
      const isTouched = ({ good }: Instance): boolean =>
        good?.secure.some(({ secret }) => isFirst || changed.has(`${good.namespace}/${secret}`)) === true
      settleAll([...instances].filter(([, instance]) => isTouched(instance)).map(([key]) => key))
    },
    find: (request) => {
      const { namespace, pluginId, pluginType, uid } = request
      if (!areObjectsListed) return E.left(settingsUnavailable)
      const instance = instances.get(`${namespace}/${pluginType === 'app' ? pluginId : (uid ?? '')}`)
      if (instance === undefined) return settings.missing(request)
      const { good, answer } = instance
      // Another plugin must not get what was given to this one.
      const isMeant = good === undefined || (good.pluginType === pluginType && good.entry.type === pluginId)
      return isMeant ? answer : settings.missing(request)
    },
  }
}

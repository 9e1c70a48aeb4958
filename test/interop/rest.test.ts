// Kubernetes' own apiserver and ours are asked the same, and answer the same, but for what is listed with its reason.
import test from 'ava'

import { memorySource } from '../../src/index.ts'
import { startApiserver } from './_apiserver.ts'
import { startHost } from './_kubectl.ts'
import { testWith, tools } from './_setup.ts'
import { differences } from './rest-table-differences.ts'
import { endConnections, isObject, play, type Answer } from './rest-table-play.ts'
import { table } from './rest-table.ts'

const withApiserver = testWith('apiserver')

const teardowns: Array<() => unknown> = []
let [theirs, ours] = ['', '']
test.before(async () => {
  if (tools.apiserver.have === undefined) return
  const t = { teardown: (end: () => unknown) => void teardowns.push(end) }
  // nobody writes a status here but who asks for it
  const { updateStatus: _, ...source } = memorySource()
  ;[theirs, ours] = await Promise.all([startApiserver(t), startHost(t, source).then(({ url }) => url)])
})
test.after.always(async () => {
  endConnections()
  for (const end of teardowns.reverse()) await end()
})

const brief = (value: unknown): string => (JSON.stringify(value) ?? 'nothing').slice(0, 500)

/** Paths at which two values differ, with both. */
const compare = (path: string, one: unknown, other: unknown): ReadonlyArray<readonly [path: string, text: string]> => {
  if (!isObject(one) || !isObject(other) || Array.isArray(one) !== Array.isArray(other))
    return Object.is(one, other) ? [] : [[path, `${brief(one)} / ${brief(other)}`]]
  const keys = new Set([...Object.keys(one), ...Object.keys(other)])
  return [...keys].flatMap((key) => compare(`${path}.${key}`, Reflect.get(one, key), Reflect.get(other, key)))
}

const kindOf = ({ body }: Answer): unknown => (isObject(body) ? Reflect.get(body, 'kind') : typeof body)

/** Of answers with different codes, or of different kinds, nothing else is of interest. */
const compareAnswers = (one: Answer, other: Answer): ReturnType<typeof compare> => {
  const whole = `${brief(one)} / ${brief(other)}`
  if (one.status !== other.status) return [['status', whole]]
  if (kindOf(one) !== kindOf(other)) return [['body.kind', whole]]
  return compare('', one, other).map(([path, text]) => [path.slice(1), text])
}

const patternOf = (where: string): RegExp =>
  new RegExp(`^${where.replaceAll(/[.+?^${}()|[\]\\]/g, '\\$&').replaceAll('*', '.*')}$`)
const listed = differences.flatMap(({ where }) => where.map((text) => ({ text, pattern: patternOf(text) })))
const found = new Set<string>()

for (const [title, scenes] of Object.entries(table))
  withApiserver(`answers as Kubernetes does: ${title}`, async (t) => {
    t.timeout(120_000)
    const unlisted: string[] = []
    for (const scene of scenes) {
      const [expected, got] = await Promise.all([play(theirs, scene), play(ours, scene)])
      for (const [index, { method, path, query }] of scene.calls.entries()) {
        const [one, other] = [expected[index], got[index]]
        if (one === undefined || other === undefined) throw new Error(`no answer in "${scene.title}"`)
        for (const [at, text] of compareAnswers(one, other)) {
          const where = `${scene.title} #${String(index + 1)}: ${at}`
          const known = listed.filter(({ pattern }) => pattern.test(where))
          for (const entry of known) found.add(entry.text)
          if (known.length === 0) unlisted.push(`${where}\n    ${method} ${path}?${query}\n    ${text}`)
        }
      }
    }
    t.is(unlisted.length, 0, unlisted.join('\n'))
  })

withApiserver('differs wherever it is said to', (t) => {
  t.deepEqual(
    listed.map(({ text }) => text).filter((text) => !found.has(text)),
    [],
  )
  return Promise.resolve()
})

import { E } from '../fp.ts'
import type { Collection, KubernetesConnection, KubernetesFailure, KubernetesObject } from '../kubernetes.ts'
import { type Fields, isFields, textOf, toObject } from './objects.ts'
import { isExpired } from './refusals.ts'

/** Source: defaultPageSize of client-go's pager. */
const pageSize = 500

/** More than this is a server that never ends. */
const maxPages = 2000

export interface Listed {
  readonly objects: ReadonlyArray<KubernetesObject>
  readonly resourceVersion: string
  /** Of the objects; `undefined`: the list does not tell. */
  readonly kind: string | undefined
  /** What is in it and is no object of this kind. */
  readonly foreignCount: number
}

export interface ListOptions {
  readonly call: KubernetesConnection['call']
  readonly timeoutMs: number
}

interface Page extends Listed {
  /** Empty: it is the last one. */
  readonly continueToken: string
}

const garbled = (message: string): E.Either<KubernetesFailure, never> => E.left({ _tag: 'Garbled', message })

/** Items as objects. Those of built-in kinds do not tell theirs within a list, and do so in a watch. */
const toObjects = (items: ReadonlyArray<unknown>, { apiVersion }: Fields, kind: string | undefined) => {
  const objects: Array<KubernetesObject> = []
  for (const item of items) {
    const object = toObject(item)
    if (object === undefined || (kind !== undefined && object.kind !== undefined && object.kind !== kind)) continue
    objects.push(kind === undefined || object.kind !== undefined ? object : { apiVersion, kind, ...object })
  }
  return objects
}

const toPage = (answer: unknown): E.Either<KubernetesFailure, Page> => {
  if (!isFields(answer)) return garbled('expected a list, got another JSON value')
  const metadata = isFields(answer.metadata) ? answer.metadata : {}
  const resourceVersion = textOf(metadata, 'resourceVersion') ?? ''
  // Go writes an empty list as null; what has no items at all is no list, and must not pass for an empty one
  const items: unknown = answer.items === null ? [] : answer.items
  if (resourceVersion === '') return garbled('expected a list with a resourceVersion, got none')
  if (!Array.isArray(items)) return garbled('expected a list with items, got none')
  const kind = textOf(answer, 'kind')?.match(/^(.+)List$/)?.[1]
  const objects = toObjects(items, answer, kind)
  const foreignCount = items.length - objects.length
  return E.right({ objects, resourceVersion, kind, foreignCount, continueToken: textOf(metadata, 'continue') ?? '' })
}

const askPage = async (
  { call, timeoutMs }: ListOptions,
  { path, labelSelector, fieldSelector }: Collection,
  query: Readonly<Record<string, string>>,
  signal: AbortSignal,
): Promise<E.Either<KubernetesFailure, Page>> => {
  const selectors = { ...(labelSelector && { labelSelector }), ...(fieldSelector && { fieldSelector }) }
  const answer = await call({ method: 'GET', path, query: { ...selectors, ...query }, timeoutMs, signal })()
  return E.isLeft(answer) ? answer : toPage(answer.right)
}

/** The resourceVersion that a collection is at now. */
export const currentVersion = async (
  options: ListOptions,
  collection: Collection,
  signal: AbortSignal,
): Promise<E.Either<KubernetesFailure, string>> =>
  E.map(({ resourceVersion }: Page) => resourceVersion)(await askPage(options, collection, { limit: '1' }, signal))

/**
 * Lists a collection as it is at a resourceVersion or later (`0`: as the apiserver has it at hand, empty: as it is now). In pages, unless
 * the version is a concrete one: with a limit an apiserver would take it for exactly that one. Pages that expire under way, or do not end,
 * are followed by one list without a limit. Source: pager.go of client-go.
 */
export const listCollection = async (
  options: ListOptions,
  collection: Collection,
  resourceVersion: string,
  signal: AbortSignal,
): Promise<E.Either<KubernetesFailure, Listed>> => {
  const ask = (query: Readonly<Record<string, string>>) => askPage(options, collection, query, signal)
  const version = resourceVersion === '' ? {} : { resourceVersion }
  const limit: { limit?: string } = resourceVersion === '' || resourceVersion === '0' ? { limit: String(pageSize) } : {}

  /** Everything from here on; `undefined`: what the first page has begun cannot be ended. */
  const readOn = async (first: Page): Promise<E.Either<KubernetesFailure, Listed> | undefined> => {
    const objects = [...first.objects]
    const tokens = new Set<string>()
    let { continueToken, foreignCount } = first
    while (continueToken !== '') {
      if (tokens.has(continueToken) || tokens.size === maxPages) return undefined
      tokens.add(continueToken)
      const page = await ask({ ...limit, continue: continueToken })
      if (E.isLeft(page)) return isExpired(page.left) ? undefined : page
      for (const object of page.right.objects) objects.push(object)
      continueToken = page.right.continueToken
      foreignCount += page.right.foreignCount
    }
    // of the first page: what came later comes again by the watch
    return E.right({ objects, resourceVersion: first.resourceVersion, kind: first.kind, foreignCount })
  }

  for (const query of [{ ...version, ...limit }, version]) {
    const first = await ask(query)
    if (E.isLeft(first)) return first
    const listed = await readOn(first.right)
    if (listed !== undefined) return listed
  }
  return garbled('expected a list that ends, got one page after the other')
}

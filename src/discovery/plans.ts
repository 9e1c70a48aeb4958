import { createHash } from 'node:crypto'

import type { AggregatorError } from '../errors.ts'
import { E, pipe } from '../fp.ts'
import type { HttpRequest, NextAnswer } from '../http.ts'
import { aggregatedType, chooseForm, jsonType, protobufRequestType, protobufType } from './accept.ts'
import {
  coreDiscoveryList,
  groupDiscoveryList,
  versions as aggregatedVersions,
  type AggregatedVersion,
} from './aggregated.ts'
import type { Place } from './find.ts'
import type { Known } from './known.ts'
import { group, groupList, hasGroups, isCoreVersions, resourceList } from './legacy.ts'
import { mergeOpenApiV2, mergeOpenApiV3, mergeOpenApiV3Index } from './merged-openapi.ts'
import { encodeOpenApiV2 } from './openapi-v2-protobuf.ts'
import { registryOpenApiV2 } from './openapi-v2.ts'
import { claimedOpenApiV3, registryOpenApiV3 } from './openapi-v3.ts'
import type { OurVersion } from './ours.ts'
import type { Plan, PlanFor } from './shared-document.ts'

const encode = (document: unknown): Uint8Array => Buffer.from(JSON.stringify(document))

const isIdentity = ({ headers }: NextAnswer): boolean => (headers['content-encoding'] ?? 'identity') === 'identity'

/** The JSON that the next handler answered; `undefined`: none. */
const jsonOf = (theirs: NextAnswer | undefined): unknown => {
  if (theirs?.status !== 200 || !isIdentity(theirs)) return undefined
  const { body } = theirs
  const text = Buffer.from(body.buffer, body.byteOffset, body.byteLength).toString()
  return E.getOrElse((): unknown => undefined)(E.tryCatch((): unknown => JSON.parse(text), E.toError))
}

/** A document that is JSON whatever the next handler answers. */
const jsonPlan = (merge: (theirs: unknown) => unknown, rest: Partial<Plan> = {}): Plan => ({
  accept: jsonType,
  contentType: jsonType,
  compose: (theirs) => ({ body: encode(merge(jsonOf(theirs))) }),
  ...rest,
})

const inJson = (request: HttpRequest, toPlan: () => Plan): E.Either<AggregatorError, Plan> =>
  pipe(chooseForm(request.headers.accept, ['json']), E.map(toPlan))

/** What was found may be gone by now, or is nothing of ours. */
const gone: AggregatorError = { _tag: 'NotFound', message: 'the server could not find the requested resource' }

const askAggregated = [...aggregatedVersions.map(aggregatedType), jsonType].join(',')

/** What the next handler told of its groups, at most so many bytes of it. */
const maxRemembered = 16 * 1024 * 1024

interface Told {
  readonly document: unknown
  /** It fails now: this is what it told last. */
  readonly isStale: boolean
  /** Called once something is made of it: what nothing can be made of shall not be remembered. */
  readonly keep: () => void
}

/** Its groups are not gone when it fails: clients that took them for gone would forget them. Source: the discovery manager of kube-aggregator. */
const createMemory = (): ((theirs: NextAnswer | undefined) => Told) => {
  let last: NextAnswer | undefined
  return (theirs) => {
    if (theirs === undefined || theirs.status >= 500) {
      return { document: jsonOf(last), isStale: true, keep: () => undefined }
    }
    const keep = (): void => {
      last = theirs.body.length > maxRemembered ? undefined : theirs
    }
    return { document: jsonOf(theirs), isStale: false, keep }
  }
}

const aggregatedPlan = (version: AggregatedVersion, known: Known, remember: ReturnType<typeof createMemory>): Plan => {
  const ours = [...known.groups.values()]
  return {
    accept: askAggregated,
    contentType: aggregatedType(version),
    compose: (theirs) => {
      const { document, isStale, keep } = remember(theirs)
      // without their groups, clients would take them for gone: so they get all groups in the older form, and ask on
      const isLegacy = hasGroups(document)
      const body = encode(isLegacy ? groupList(ours, document) : groupDiscoveryList(version, ours, document, isStale))
      keep()
      if (isLegacy) return { body, contentType: jsonType }
      return isStale && theirs !== undefined ? { body } : { body, cacheControl: 'public' }
    },
    memo: { of: known, name: version },
  }
}

const coreDiscoveryPlan = (version: AggregatedVersion, remember: ReturnType<typeof createMemory>): Plan => ({
  accept: askAggregated,
  contentType: aggregatedType(version),
  compose: (theirs) => {
    const { document, isStale, keep } = remember(theirs)
    const isLegacy = isCoreVersions(document)
    const body = encode(isLegacy ? document : coreDiscoveryList(version, document, isStale))
    keep()
    return isLegacy ? { body, contentType: jsonType } : { body }
  },
})

/**
 * Nothing of ours is in it, but clients of Kubernetes that find it broken look at no other document: so these get an empty one where the next
 * handler has none. Others have the next handler to themselves.
 */
const corePlan = (): PlanFor => {
  const remember = createMemory()
  return (request) =>
    pipe(
      chooseForm(request.headers.accept, aggregatedVersions),
      E.flatMap((form) => {
        const version = aggregatedVersions.find((one) => one === form)
        return version === undefined ? E.left(gone) : E.right(coreDiscoveryPlan(version, remember))
      }),
    )
}

const groupsPlan = (known: () => Known): PlanFor => {
  const [inOne, inJsonAlone] = [createMemory(), createMemory()]
  const legacyPlan = (now: Known): Plan => ({
    ...jsonPlan(() => undefined),
    compose: (theirs) => {
      const { document, keep } = inJsonAlone(theirs)
      const body = encode(groupList([...now.groups.values()], document))
      keep()
      return { body }
    },
    memo: { of: now, name: 'json' },
  })
  return (request) =>
    pipe(
      chooseForm(request.headers.accept, ['json', ...aggregatedVersions]),
      E.map((form) => {
        const now = known()
        const version = aggregatedVersions.find((one) => one === form)
        return version === undefined ? legacyPlan(now) : aggregatedPlan(version, now, inOne)
      }),
    )
}

/** Shape: `p.example.com/v1`, of a path that ends with it. */
const lastTwo = ({ path }: HttpRequest): string => path.split('/').slice(-2).join('/')

const groupPlan =
  (known: () => Known): PlanFor =>
  (request) => {
    const versions = known().groups.get(request.path.split('/').at(-1) ?? '')
    return versions === undefined ? E.left(gone) : inJson(request, () => jsonPlan((theirs) => group(versions, theirs)))
  }

const versionPlan =
  (known: () => Known): PlanFor =>
  (request) => {
    const ours = known().versions.get(lastTwo(request))
    return ours === undefined ? E.left(gone) : inJson(request, () => jsonPlan((theirs) => resourceList(ours, theirs)))
  }

/** Of JSON and of pages for people the first byte would not be that of a document's first field. */
const isProtobuf = (theirs: NextAnswer): boolean =>
  theirs.status === 200 && isIdentity(theirs) && (theirs.body.length === 0 || theirs.body[0] === 0x0a)

const openApiV2Plan = (isWritable: boolean): PlanFor => {
  const document = registryOpenApiV2(isWritable)
  const ours = encodeOpenApiV2(document)
  const inProtobuf: Plan = {
    accept: protobufRequestType,
    contentType: protobufType,
    // one after the other, two messages are one
    compose: (theirs) => ({
      body: theirs !== undefined && isProtobuf(theirs) ? Buffer.concat([ours, theirs.body]) : ours,
    }),
    memo: { of: document, name: 'protobuf' },
  }
  const asJson = jsonPlan((theirs) => mergeOpenApiV2(document, theirs), { memo: { of: document, name: 'json' } })
  return (request) =>
    pipe(
      chooseForm(request.headers.accept, ['json', 'protobuf']),
      E.map((form) => (form === 'json' ? asJson : inProtobuf)),
    )
}

const openApiOf = ({ claimed }: OurVersion, isWritable: boolean): ReturnType<typeof claimedOpenApiV3> =>
  claimed === undefined ? registryOpenApiV3(isWritable) : claimedOpenApiV3(claimed)

const hashes = new WeakMap<OurVersion, string>()

/** Of what a document is made of, not of the document: there may be thousands, and they are long. */
const hashOf = (ours: OurVersion): string => {
  const hash = hashes.get(ours) ?? createHash('sha512').update(JSON.stringify(ours)).digest('hex').toUpperCase()
  hashes.set(ours, hash)
  return hash
}

const listedOf = ({ versions }: Known): Parameters<typeof mergeOpenApiV3Index>[0] =>
  [...versions].map(([groupVersion, ours]) => ({ groupVersion, hash: hashOf(ours) }))

const openApiV3Plan =
  (known: () => Known): PlanFor =>
  (request) =>
    inJson(request, () => {
      const now = known()
      return jsonPlan((theirs) => mergeOpenApiV3Index(listedOf(now), theirs), { memo: { of: now, name: 'openApiV3' } })
    })

const openApiV3VersionPlan =
  (known: () => Known, isWritable: boolean): PlanFor =>
  (request) => {
    const ours = known().versions.get(lastTwo(request))
    if (ours === undefined) return E.left(gone)
    const isOfState = new URLSearchParams(request.query).has('hash')
    return inJson(request, () =>
      jsonPlan(
        (theirs) => mergeOpenApiV3(openApiOf(ours, isWritable), theirs),
        // of a state that is no more: without one, they give the present
        isOfState ? { redirect: ours.version } : {},
      ),
    )
  }

/** How each document is made. */
export const createPlans = (known: () => Known, isWritable: boolean): Readonly<Record<Place, PlanFor>> => ({
  core: corePlan(),
  groups: groupsPlan(known),
  group: groupPlan(known),
  version: versionPlan(known),
  openApiV2: openApiV2Plan(isWritable),
  openApiV3: openApiV3Plan(known),
  openApiV3Version: openApiV3VersionPlan(known, isWritable),
})

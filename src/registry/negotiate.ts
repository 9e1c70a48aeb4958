import { parseAccept, type AcceptClause } from '../accept-header.ts'
import { badRequest, type AggregatorError } from '../errors.ts'
import { E, pipe } from '../fp.ts'
import type { HttpRequest } from '../http.ts'
import { isWatch } from './list-options.ts'
import { representationOf, type Representation, type Syntax, type View } from './representation.ts'
import type { IncludeObject, MetaVersion } from './table.ts'

/** What is asked for; each has its transformations. */
type Asked = 'object' | 'list' | 'watch'

const askedBy = ({ method, params, query }: HttpRequest): Asked => {
  if (params.name !== undefined || !['GET', 'HEAD', 'DELETE'].includes(method)) return 'object'
  return method !== 'DELETE' && isWatch(new URLSearchParams(query)) ? 'watch' : 'list'
}

const transformations: ReadonlyMap<string, ReadonlyArray<Asked>> = new Map([
  ['Table', ['object', 'list', 'watch']],
  ['PartialObjectMetadata', ['object', 'watch']],
  ['PartialObjectMetadataList', ['list']],
])

const metaVersions: ReadonlyMap<string | undefined, MetaVersion> = new Map([
  ['v1', 'meta.k8s.io/v1'],
  ['v1beta1', 'meta.k8s.io/v1beta1'],
])

type Transformed = Exclude<View, { _tag: 'Table' }> | { readonly _tag: 'Table'; readonly apiVersion: MetaVersion }

/** The transformation that a clause asks for; `undefined`: one that is not known, or not for this. */
const transformedBy = ({ parameters }: AcceptClause, asked: Asked): Transformed | undefined => {
  if (!['as', 'g', 'v'].some((name) => parameters.has(name))) return { _tag: 'Whole' }
  const as = parameters.get('as') ?? ''
  const apiVersion = metaVersions.get(parameters.get('v'))
  if (parameters.get('g') !== 'meta.k8s.io' || apiVersion === undefined) return undefined
  if (transformations.get(as)?.includes(asked) !== true) return undefined
  return as === 'Table' ? { _tag: 'Table', apiVersion } : { _tag: 'Partial', apiVersion }
}

const syntaxes: ReadonlyMap<string, 'json' | 'yaml'> = new Map([
  ['application/json', 'json'],
  ['application/*', 'json'],
  ['*/*', 'json'],
  ['application/yaml', 'yaml'],
])

const isTrue = (text: string): boolean => ['1', 't', 'true'].includes(text.toLowerCase())

/** Without a wish, who reads it as it comes: tools that people use by hand. */
const wantsPretty = ({ query, headers }: HttpRequest, { parameters }: AcceptClause): boolean => {
  const wish = new URLSearchParams(query).get('pretty') ?? parameters.get('pretty')
  if (wish !== undefined) return isTrue(wish)
  const agent = headers['user-agent']
  return typeof agent === 'string' && /^(?:curl|Wget|Mozilla\/5\.0)/.test(agent)
}

const syntaxOf = (clause: AcceptClause, request: HttpRequest, asked: Asked): Syntax | undefined => {
  const syntax = syntaxes.get(clause.range)
  if (asked === 'watch') return syntax === 'json' ? syntax : undefined
  return syntax === 'json' && wantsPretty(request, clause) ? 'pretty' : syntax
}

const plain: AcceptClause = { range: '*/*', parameters: new Map(), weight: 1 }

const refused = (asked: Asked): AggregatorError => {
  const partial = asked === 'list' ? 'PartialObjectMetadataList' : 'PartialObjectMetadata'
  const types = ['application/json', ...(asked === 'watch' ? [] : ['application/yaml'])]
  const transformed = types.flatMap((type) => ['Table', partial].map((as) => `${type};as=${as};v=v1;g=meta.k8s.io`))
  const message = `only the following media types are accepted: ${[...types, ...transformed].join(', ')}`
  return { _tag: 'NotAcceptable', message }
}

const includeOf = (query: URLSearchParams): E.Either<AggregatorError, IncludeObject> => {
  const include = query.get('includeObject') ?? ''
  switch (include) {
    case '':
      return E.right('Metadata')
    case 'None':
    case 'Metadata':
    case 'Object':
      return E.right(include)
    default: {
      const got = JSON.stringify(include)
      return E.left(badRequest(`expected query parameter includeObject to be None, Metadata or Object, got ${got}`))
    }
  }
}

const toView = (transformed: Transformed, query: URLSearchParams): E.Either<AggregatorError, View> =>
  transformed._tag === 'Table'
    ? pipe(
        includeOf(query),
        E.map((include) => ({ ...transformed, include })),
      )
    : E.right(transformed)

/**
 * How a client wants its answer: the first clause of its Accept header that can be met, JSON when it says nothing. `now`: what ages
 * are counted to. Fails with NotAcceptable, and BadRequest for a table with a wrong `includeObject`. Source: the Kubernetes apiserver, which
 * goes through the clauses rather than through what it offers, and skips transformations that it does not know.
 */
export const negotiate = (
  request: HttpRequest,
  now: () => number = () => request.receivedAtMs,
): E.Either<AggregatorError, Representation> => {
  const asked = askedBy(request)
  const clauses = parseAccept(request.headers.accept)
  for (const clause of clauses.length === 0 ? [plain] : clauses) {
    if (clause.weight === 0 || (clause.parameters.get('stream') ?? 'watch') !== 'watch') continue
    const transformed = transformedBy(clause, asked)
    const syntax = syntaxOf(clause, request, asked)
    if (transformed === undefined || syntax === undefined) continue
    return pipe(
      toView(transformed, new URLSearchParams(request.query)),
      E.map((view) => representationOf(view, syntax, now)),
    )
  }
  return E.left(refused(asked))
}

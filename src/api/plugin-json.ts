import * as t from 'io-ts'

import { decodeWith } from '../decode.ts'
import { E, pipe } from '../fp.ts'
import type { StatusCause } from './status.ts'

/** No slash and no leading dot: an id may become part of a path, a header or a variable's name. */
const pluginId = /^[A-Za-z0-9][A-Za-z0-9._-]*$/

const NamedTemplate = t.intersection([t.type({ name: t.string }), t.partial({ content: t.string })])

/** Google's routes have no `url` here, but a `token_uri` among the parameters. */
const TokenAuth = t.partial({
  url: t.string,
  scopes: t.array(t.string),
  params: t.record(t.string, t.string, 'a map of strings'),
})

/** One route of a plugin's datasource proxy. Texts may be templates: `{{ .JsonData.url }}`, `Bearer {{ .SecureJsonData.token }}`. */
const PluginRoute = t.partial({
  path: t.string,
  /** Absent, empty or `*`: any. */
  method: t.string,
  reqRole: t.string,
  reqAction: t.string,
  url: t.string,
  urlParams: t.array(NamedTemplate),
  headers: t.array(NamedTemplate),
  body: t.unknown,
  authType: t.string,
  tokenAuth: TokenAuth,
  jwtTokenAuth: TokenAuth,
})
export type PluginRoute = t.TypeOf<typeof PluginRoute>

const PluginJson = t.intersection([
  t.type({
    id: t.string,
    type: t.keyof({ app: null, datasource: null, panel: null, renderer: null, secretsmanager: null }),
  }),
  t.partial({
    name: t.string,
    backend: t.boolean,
    executable: t.string,
    info: t.partial({ version: t.string }),
    routes: t.array(PluginRoute),
  }),
])

/** What a host needs of a plugin's `plugin.json`; what else the file holds, for the frontend, passes through. */
export type PluginJson = t.TypeOf<typeof PluginJson>

/** Decodes the value of a plugin.json. Left: one cause for each wrong field. Pure. */
export const parsePluginJson = (value: unknown): E.Either<ReadonlyArray<StatusCause>, PluginJson> =>
  pipe(
    value,
    decodeWith(PluginJson),
    E.filterOrElse(
      ({ id }) => pluginId.test(id),
      (): ReadonlyArray<StatusCause> => [
        {
          reason: 'FieldValueInvalid',
          field: 'id',
          message: 'expected letters, digits, ".", "_" and "-", the first a letter or a digit',
        },
      ],
    ),
  )

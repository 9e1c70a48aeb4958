import * as t from 'io-ts'

import { decodeWith } from '../decode.ts'
import { E, pipe } from '../fp.ts'
import type { StatusCause } from './status.ts'

/** No slash and no leading dot: an id may become part of a path, a header or a variable's name. */
const pluginId = /^[A-Za-z0-9][A-Za-z0-9._-]*$/

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
  }),
])

/** What a host needs of a plugin's `plugin.json`; the rest of the file is for the frontend. */
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

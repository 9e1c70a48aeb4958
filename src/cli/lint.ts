import type { StatusCause } from '../api/status.ts'
import type { PluginJson } from '../api/plugin-json.ts'
import { E } from '../fp.ts'
import { encodeFrame, encodeQueryData } from '../frames/index.ts'
import { compile, verdictsOf } from '../routing/table.ts'
import { serviceDefinitions } from '../services/index.ts'
import { itemsOf, readManifest, toSnapshot, type Manifest } from '../sources/manifest.ts'
import type { TextFile } from '../text-files.ts'
import type { Verdict } from '../verdict.ts'
import { parseYaml } from '../yaml.ts'
import { yamlLines, type LineOf, type YamlPath } from '../yaml-lines.ts'

/** Shape: `{ file: 'datasource.yml', line: 12, message: 'spec.services[1].path: must start with "/"' }`. */
export interface Problem {
  readonly file: string
  readonly line: number
  readonly message: string
}

/** The plugins that there are, by id; `undefined`: nobody said. */
export type InstalledPlugins = ReadonlyMap<string, PluginJson> | undefined

/** Where the objects of a file stand: document and path, in the order in which a source counts them. */
const placesOf = (text: string): ReadonlyArray<readonly [document: number, path: YamlPath]> => {
  const documents = parseYaml(text)
  if (E.isLeft(documents)) return []
  return documents.right.flatMap((document, index) => {
    const items = itemsOf(document)
    const isList = items.length !== 1 || items[0] !== document
    return items.map((_item, item) => [index, isList ? ['items', item] : []] as const)
  })
}

/** Shape: `spec.services[1].path` is `['spec', 'services', 1, 'path']`. */
const pathOf = (field: string): YamlPath =>
  field.split(/[.[\]]+/).flatMap((key) => (key === '' ? [] : [/^\d+$/.test(key) ? Number(key) : key]))

/** Lines of one file by the origins that a source gives its objects: `datasource.yml`, or `datasource.yml#2`. */
const createLocator = ({ name, text }: TextFile): ((origin: string, field: string) => number) => {
  if (E.isLeft(text)) return () => 1
  const lineOf: LineOf = yamlLines(text.right)
  const places = placesOf(text.right)
  return (origin, field) => {
    const number = Number(origin.slice(name.length + 1)) || 1
    const [document, path] = places[number - 1] ?? [0, []]
    return lineOf(document, [...path, ...pathOf(field)])
  }
}

const describe = ({ field, message }: StatusCause): string => (field === '' ? message : `${field}: ${message}`)

/** The parser tells the place of a fault at the end of its sentence. */
const lineIn = (error: string): number => Number(/ at (\d+):\d+$/.exec(error)?.[1] ?? 1)

const checkPlugin = ({ service }: Verdict, plugins: InstalledPlugins): ReadonlyArray<StatusCause> => {
  const { pluginID, pluginType, backend } = service.spec
  if (plugins === undefined || backend !== undefined) return []
  const plugin = plugins.get(pluginID)
  if (plugin === undefined) {
    return [{ reason: 'FieldValueInvalid', field: 'spec.pluginID', message: `plugin "${pluginID}" is not installed` }]
  }
  if (plugin.type === pluginType) return []
  const message = `plugin "${pluginID}" is of type "${plugin.type}"`
  return [{ reason: 'FieldValueInvalid', field: 'spec.pluginType', message }]
}

/**
 * Everything that a source, the table and a plugin host would have to say against a folder of manifests, in the order of files and
 * lines: YAML, kinds and fields, duplicate names, conflicting claims, missing plugins. Pure.
 */
export const lint = (files: ReadonlyArray<TextFile>, plugins?: InstalledPlugins): ReadonlyArray<Problem> => {
  const manifests = files.map((file): Manifest => readManifest(file))
  const { services, rejected } = toSnapshot(manifests)
  const verdicts = verdictsOf(compile(services, serviceDefinitions({ encodeQueryData, encodeFrame })))
  const originOf = new Map(
    manifests.flatMap(({ served }) => [...served.values()].map(({ service, origin }) => [service, origin] as const)),
  )
  const found = [
    ...rejected,
    ...verdicts.map((verdict) => ({
      origin: originOf.get(verdict.service) ?? '',
      causes: [...verdict.conflicts, ...checkPlugin(verdict, plugins)],
    })),
  ].filter(({ causes }) => causes.length > 0)
  return manifests.flatMap(({ file, error }) => {
    const broken = error === undefined ? [] : [{ file: file.name, line: lineIn(error), message: error }]
    const own = found.filter(({ origin }) => origin === file.name || origin.startsWith(`${file.name}#`))
    if (own.length === 0) return broken
    const lineOf = createLocator(file)
    const problems = own.flatMap(({ origin, causes }) =>
      causes.map((cause) => ({ file: file.name, line: lineOf(origin, cause.field), message: describe(cause) })),
    )
    return [...broken, ...problems].toSorted((a, b) => a.line - b.line)
  })
}

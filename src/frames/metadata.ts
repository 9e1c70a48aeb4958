import { parseJson, unescapeJson, type JsonMember, type JsonValue } from './json-value.ts'
import { formatGeneral } from './number-text.ts'
import { refuse } from './refuse.ts'
import { alwaysField, any, dictionary, encodeSorted, field, list, pointer, struct, tuple } from './slot-containers.ts'
import { boolean, double, generalDouble, int64, mismatch, text, toDouble, uint16, uint64, type Type } from './slot.ts'
import { quote, quoteHtml } from './text.ts'
import { time } from './time.ts'

/**
 * The metadata that Grafana writes is not the text in the Arrow file: it went through the structs of the plugin SDK's
 * package `data` (frame_meta.go, field_config.go, value_mapping.go). This file is those structs.
 */

/** Lower-case names only, and no default for null: `{"severity":null}` fails in Go too. */
const severity: Type = () => {
  let content = 'info'
  return {
    decode: (value) => {
      const name = value.kind === 'string' ? value.value : mismatch('a notice severity', value)
      if (!['info', 'warning', 'error'].includes(name)) refuse(`expected a notice severity, got ${quote(name)}`)
      content = name
    },
    isEmpty: () => false,
    encode: () => quoteHtml(content),
  }
}

// json-iterator pairs any surrogate with whatever \u follows it.
const PAIRWISE = /\\(?:u[dD][89a-fA-F][0-9a-fA-F]{2}\\u[0-9a-fA-F]{4}|u[0-9a-fA-F]{4}|.)/g

const bareString = ({ value, source }: JsonMember): string => {
  if (value.kind === 'null') return ''
  return value.kind === 'string' ? unescapeJson(source.trim().slice(1, -1), PAIRWISE) : mismatch('a string', value)
}

/** json-iterator, unlike encoding/json, minds a number that is too large also where it drops it. */
const checkNumbers = (value: JsonValue): void => any().decode(value)

/** Read by hand in Go, hence its own rules: keys exact, unknown ones fail, an empty one ends the object. */
const threshold: Type = () => {
  let limit = 'null'
  let color = ''
  let state = ''
  const decodeMember = (member: JsonMember): void => {
    switch (member.key) {
      case 'value':
        if (member.value.kind === 'number') limit = formatGeneral(toDouble(member.value))
        else checkNumbers(member.value)
        return
      case 'color':
        color = bareString(member)
        return
      case 'state':
        state = bareString(member)
        return
      default:
        refuse(`expected value, color or state in a threshold, got ${quote(member.key)}`)
    }
  }
  return {
    decode: (value) => {
      limit = 'null'
      if (value.kind === 'null') return
      for (const member of value.kind === 'object' ? value.members : mismatch('a threshold', value)) {
        if (member.key === '') break
        decodeMember(member)
      }
    },
    isEmpty: () => false,
    encode: () =>
      `{"value":${limit}${color && `,"color":${quoteHtml(color)}`}${state && `,"state":${quoteHtml(state)}`}}`,
  }
}

const mappingResult = struct([field('text', text), field('color', text), field('index', int64)])

const mappingOptions: ReadonlyMap<string, Type> = new Map([
  ['value', dictionary(mappingResult)],
  [
    'range',
    struct([
      field('from', pointer(generalDouble)),
      field('to', pointer(generalDouble)),
      alwaysField('result', mappingResult),
    ]),
  ],
  ['special', struct([alwaysField('match', text), alwaysField('result', mappingResult)])],
])

/** The type is compared as source text, so an escape in it makes it unknown to Go; options of null count as missing. */
const mapping: Type = () => {
  let content = ''
  return {
    decode: (value) => {
      const members = value.kind === 'object' ? value.members : mismatch('a value mapping', value)
      checkNumbers(value)
      const source = members.findLast(({ key }) => key === 'type')?.source.trim() ?? ''
      const name = source.replace(/^"+|"+$/g, '')
      const options = (mappingOptions.get(name) ?? refuse(`expected a value mapping, got one of type ${quote(name)}`))()
      const given = members.findLast(({ key }) => key === 'options')?.value
      options.decode(
        given === undefined || given.kind === 'null' ? refuse('expected options in a value mapping') : given,
      )
      content = `{"type":"${name}","options":${options.encode()}}`
    },
    isEmpty: () => false,
    encode: () => content,
  }
}

/** A list that is replaced, not merged, when its key comes twice. */
const mappings: Type = () => {
  let content = list(mapping)()
  return {
    decode: (value) => {
      content = list(mapping)()
      content.decode(value)
    },
    isEmpty: () => content.isEmpty(),
    encode: () => content.encode(),
  }
}

const transformation = struct([
  field('type', text),
  field('field', text),
  field('expression', text),
  field('mapValue', text),
])

const internalLink = struct([
  field('query', any),
  field('datasourceUid', text),
  field('datasourceName', text),
  field('panelsState', pointer(any)),
  field('transformations', pointer(list(transformation))),
  field('timeRange', pointer(struct([alwaysField('from', time), alwaysField('to', time)]))),
])

const link = struct([
  field('title', text),
  field('targetBlank', boolean),
  field('url', text),
  field('internal', pointer(internalLink)),
])

const enumConfig = struct([
  alwaysField('text', list(text)),
  field('color', list(text)),
  field('icon', list(text)),
  field('description', list(text)),
])

const configFields = [
  field('displayName', text),
  field('displayNameFromDS', text),
  field('path', text),
  field('description', text),
  field('filterable', pointer(boolean)),
  field('writeable', pointer(boolean)),
  field('unit', text),
  field('decimals', pointer(uint16)),
  field('min', pointer(generalDouble)),
  field('max', pointer(generalDouble)),
  field('interval', double),
  field('mappings', mappings),
  field('thresholds', pointer(struct([alwaysField('mode', text), alwaysField('steps', list(threshold))]))),
  field('color', dictionary(any)),
  field('links', list(link)),
  field('noValue', text),
  field('type', pointer(struct([field('enum', pointer(enumConfig))]))),
  field('custom', dictionary(any)),
]

const notice = struct([
  alwaysField('severity', severity),
  alwaysField('text', text),
  field('link', text),
  field('inspect', int64),
])

const fieldConfig = struct(configFields)

const frameMeta = struct([
  field('type', text),
  alwaysField('typeVersion', tuple(uint64, 2)),
  field('path', text),
  field('pathSeparator', text),
  field('custom', any),
  field('stats', list(struct([...configFields, alwaysField('value', double)]))),
  field('notices', list(notice)),
  field('channel', text),
  field('preferredVisualisationType', text),
  field('preferredVisualisationPluginId', text),
  field('executedQueryString', text),
  field('dataTopic', text),
  field('uniqueRowIdFields', list(int64)),
])

const roundTrip =
  (type: Type) =>
  (source: string): string => {
    const slot = type()
    slot.decode(parseJson(source))
    return slot.encode()
  }

/** The schema's `meta`, rewritten; `null` gives an empty one. */
export const encodeMeta = roundTrip(frameMeta)

/** A field's `config`, rewritten; `null` gives `{}`. */
export const encodeConfig = roundTrip(fieldConfig)

/** A field's `labels`, rewritten; empty for `null`: then the frame has no such key. The one place without HTML escapes. */
export const encodeLabels = (source: string): string => {
  const value = parseJson(source)
  if (value.kind === 'null') return ''
  const labels = new Map<string, string>()
  for (const member of value.kind === 'object' ? value.members : mismatch('an object', value))
    if (member.value.kind === 'null') labels.set(member.key, '""')
    else
      labels.set(member.key, quote(member.value.kind === 'string' ? member.value.value : mismatch('a string', value)))
  return encodeSorted(labels, quote)
}

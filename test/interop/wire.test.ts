import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

import { loadSync } from '@grpc/proto-loader'

import { protoDirectories, testWith } from './_setup.ts'

const protoOf = (name: string): string => fileURLToPath(new URL(`../../proto/${name}`, import.meta.url))

interface Field {
  readonly name: string
  readonly number: number
  readonly label: string
  readonly type: string
  readonly typeName: string
}

/** Every field, enum value and rpc of a file. Shape: `pluginv2.DataQuery.json` to `5 LABEL_OPTIONAL TYPE_BYTES`. */
const namesOf = (file: string): ReadonlyMap<string, string> => {
  const names = new Map<string, string>()
  for (const [name, definition] of Object.entries(loadSync(file, { keepCase: true }))) {
    if (!('format' in definition)) {
      for (const [rpc, { path, requestStream, responseStream }] of Object.entries(definition))
        names.set(`${name}/${rpc}`, JSON.stringify([path, requestStream, responseStream]))
      continue
    }
    const { field = [], value = [] } = definition.type as {
      readonly field?: ReadonlyArray<Field>
      readonly value?: ReadonlyArray<{ readonly name: string; readonly number: number }>
    }
    for (const one of field) {
      const type = `${one.label} ${one.type} ${one.typeName.replace(/^.*\./, '')}`
      names.set(`${name}.${one.name}`, `${String(one.number)} ${type}`)
    }
    for (const one of value) names.set(`${name}.${one.name}`, String(one.number))
  }
  return names
}

/** What ours says and theirs does not, or says otherwise. */
const differences = (ours: ReadonlyMap<string, string>, theirs: ReadonlyMap<string, string>): ReadonlyArray<unknown> =>
  [...ours]
    .filter(([name, number]) => theirs.get(name) !== number)
    .map(([name, ours]) => ({ name, ours, theirs: theirs.get(name) }))

const withGo = testWith('go')

withGo("gives every field of the plugin protocol the number that today's SDK gives it", (t) => {
  const ours = namesOf(protoOf('pluginv2.proto'))
  t.true(ours.size > 80)
  t.deepEqual(differences(ours, namesOf(join(protoDirectories().sdk, 'backend.proto'))), [])
  return Promise.resolve()
})

withGo("gives every field of go-plugin's own services the number that go-plugin gives it", (t) => {
  const { goPlugin } = protoDirectories()
  const theirs = ['grpc_controller.proto', 'grpc_stdio.proto'].flatMap((name) => [...namesOf(join(goPlugin, name))])
  t.deepEqual(differences(namesOf(protoOf('go-plugin.proto')), new Map(theirs)), [])
  return Promise.resolve()
})

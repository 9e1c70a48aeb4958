import test from 'ava'

import { parsePluginJson } from '../../src/api/plugin-json.ts'
import { E } from '../../src/fp.ts'

const minimal = { id: 'prometheus', type: 'datasource' }

test('reads the least that a plugin.json may hold', (t) => {
  t.deepEqual(parsePluginJson(minimal), E.right(minimal))
})

test('does not mind what is for others', (t) => {
  const full = {
    ...minimal,
    name: 'Prometheus',
    backend: true,
    executable: 'gpx_prometheus',
    info: { version: '1.0.0', author: { name: 'x' }, links: [] },
    includes: [{ type: 'dashboard' }],
    routes: [],
  }
  t.deepEqual(parsePluginJson(full), E.right(full))
})

for (const type of ['app', 'datasource', 'panel', 'renderer', 'secretsmanager']) {
  test(`knows the type ${type}`, (t) => {
    t.true(E.isRight(parsePluginJson({ id: 'x', type })))
  })
}

for (const id of ['a', 'grafana-testdata-datasource', 'A1', 'a.b_c-d', '0']) {
  test(`takes the id "${id}"`, (t) => {
    t.true(E.isRight(parsePluginJson({ ...minimal, id })))
  })
}

for (const id of ['', '.', '..', '-a', '../a', 'a/b', 'a\\b', 'a b', 'a\n', 'ä', '__proto__']) {
  test(`refuses the id ${JSON.stringify(id)}`, (t) => {
    t.like(parsePluginJson({ ...minimal, id }), { left: [{ field: 'id', reason: 'FieldValueInvalid' }] })
  })
}

const wrong: ReadonlyArray<readonly [unknown, ReadonlyArray<string>]> = [
  [{}, ['id', 'type']],
  [{ ...minimal, type: 'theme' }, ['type']],
  [{ ...minimal, id: 1 }, ['id']],
  [{ ...minimal, backend: 'yes' }, ['backend']],
  [{ ...minimal, executable: ['gpx'] }, ['executable']],
  [{ ...minimal, info: { version: 1 } }, ['info.version']],
]

for (const [value, fields] of wrong) {
  test(`names ${fields.join(' and ')} in ${JSON.stringify(value)}`, (t) => {
    const result = parsePluginJson(value)
    t.deepEqual(E.isLeft(result) ? result.left.map(({ field }) => field) : [], fields)
  })
}

for (const value of [null, 'text', 5, []]) {
  test(`refuses ${JSON.stringify(value)}`, (t) => {
    t.true(E.isLeft(parsePluginJson(value)))
  })
}

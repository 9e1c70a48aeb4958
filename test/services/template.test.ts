import test from 'ava'
import fc from 'fast-check'

import { E } from '../../src/fp.ts'
import { interpolate, type TemplateData } from '../../src/services/template.ts'

const data: TemplateData = {
  JsonData: {
    host: 'h',
    port: 9090,
    big: 2 ** 60,
    ratio: 0.5,
    on: true,
    none: null,
    map: { inner: { deep: 'd' } },
    list: ['a'],
    größe: 'g',
  },
  SecureJsonData: { token: 'geheim' },
  URL: 'http://db',
}

const rows: ReadonlyArray<readonly [template: string, expected: string | undefined]> = [
  ['', ''],
  ['as it is', 'as it is'],
  ['} }} {', '} }} {'],
  ['{{ .JsonData.host }}', 'h'],
  ['{{.JsonData.host}}', 'h'],
  ['Bearer {{ .SecureJsonData.token }}!', 'Bearer geheim!'],
  ['{{ .URL }}/{{.JsonData.port}}', 'http://db/9090'],
  ['{{ .JsonData.on }} {{ .JsonData.ratio }}', 'true 0.5'],
  ['{{ .JsonData.map.inner.deep }}', 'd'],
  ['{{ .JsonData.größe }}', 'g'],
  ['a {{- .JsonData.host -}} b', 'ahb'],
  ['a \n{{- .JsonData.host }} b', 'ah b'],
  ['a {{ .JsonData.host -}}\t b', 'a hb'],
  ['{{ orEmpty .JsonData.none }}{{ orEmpty .JsonData.missing.too }}{{orEmpty  .JsonData.host }}', 'h'],
  ['{{ .JsonData.missing }}', undefined],
  ['{{ .JsonData.none }}', undefined],
  ['{{ .JsonData.map }}', undefined],
  ['{{ .JsonData.map.missing }}', undefined],
  ['{{ .JsonData.host.length }}', undefined],
  ['{{ .JsonData.list.length }}', undefined],
  ['{{ .JsonData.big }}', undefined],
  ['{{ .JsonData.constructor }}', undefined],
  ['{{ .JsonData.__proto__ }}', undefined],
  ['{{ .SecureJsonData.missing }}', undefined],
  ['{{ .JsonData }}', undefined],
  ['{{ .Other.x }}', undefined],
  ['{{ . }}', undefined],
  ['{{ }}', undefined],
  ['{{ JsonData.host }}', undefined],
  ['{{ .JsonData.host', undefined],
  ['{{ {{ .JsonData.host }} }}', undefined],
  ['{{-.JsonData.host}}', undefined],
  ['{{ .JsonData.host-}}', undefined],
  ['{{ .JsonData.host | printf "%s" }}', undefined],
  ['{{ if .JsonData.on }}x{{ end }}', undefined],
  ['{{ orEmpty }}', undefined],
  ['{{ orEmpty.JsonData.host }}', undefined],
  ['{{/* a comment */}}', undefined],
]
for (const [template, expected] of rows) {
  test(`fills in ${JSON.stringify(template)}`, (t) => {
    const filled = interpolate(template, data)
    if (expected !== undefined) t.deepEqual(filled, E.right(expected))
    else t.true(E.isLeft(filled) && !filled.left.includes('geheim') && filled.left !== '')
  })
}

const pieces = fc.constantFrom('{{', '}}', '-', ' ', '.', '.JsonData', '.SecureJsonData.token', 'orEmpty', 'x', '\n')

test('never throws, and never tells a secret in a fault (S30)', (t) => {
  const template = fc.oneof(
    fc.string(),
    fc.array(pieces, { maxLength: 12 }).map((list) => list.join('')),
  )
  fc.assert(
    fc.property(template, (text) => {
      const filled = interpolate(text, data)
      return E.isRight(filled) || !filled.left.includes('geheim')
    }),
    { numRuns: 1000 },
  )
  t.pass()
})

test('takes time by the length of a template, not by its square (S21)', (t) => {
  const size = 300_000
  const long = [
    ' '.repeat(size),
    '{'.repeat(size),
    '{{ '.repeat(size),
    `{{${' '.repeat(size)}}}`,
    `{{ .${'a.'.repeat(size)} }}`,
    '{{ .URL }}'.repeat(size / 10),
  ]
  for (const text of [...long, `${' \t'.repeat(size)}{{- .URL -}}${' \t'.repeat(size)}x`]) interpolate(text, data)
  // a pattern that goes back would take minutes, and fail by the time of the whole file
  t.pass()
})

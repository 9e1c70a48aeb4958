import test from 'ava'

import type { Condition } from '../../src/api/object.ts'
import { judge } from '../../src/conditions/accepted.ts'
import { withConditions, type WantedCondition } from '../../src/conditions/apply.ts'
import { lookAt, type Look } from '../../src/conditions/availability.ts'
import { settle, type View } from '../../src/conditions/settle.ts'
import type { PluginState } from '../../src/plugin-status.ts'
import { inProcess } from '../../src/plugins/index.ts'
import type { RejectedObject } from '../../src/source.ts'
import { pluginStatus, registryOf, scriptedHost, verdictOf } from './_setup.ts'

const broken = (name: string, origin = name, message = 'must start with "/"'): RejectedObject => ({
  origin,
  name,
  causes: [
    { reason: 'FieldValueInvalid', field: 'spec.services[1].path', message },
    { reason: 'FieldValueRequired', field: 'spec.group', message: 'expected string, got nothing' },
  ],
})
const second = (name: string, origin: string): RejectedObject => ({
  origin,
  name,
  causes: [{ reason: 'FieldValueDuplicate', field: 'metadata.name', message: `"${name}" is already defined in a.yml` }],
})

test('judges objects by their claims', (t) => {
  const backend = { type: 'http', baseURL: 'https://b.example.com' } as const
  const judged = judge(
    registryOf(
      verdictOf({ name: 'whole', generation: 3 }),
      verdictOf({ name: 'part' }, ['GET /x is claimed by DataPlaneService "whole"'], 7),
      verdictOf({ name: 'none' }, ['GET /x is taken', 'GET /y is taken']),
      verdictOf({ name: 'http', backend }),
      verdictOf({ name: 'empty' }, [], 0),
    ),
  )
  t.deepEqual(judged.get('whole')?.accepted, { status: 'True', reason: 'Accepted', message: 'all claims stand' })
  t.is(judged.get('whole')?.generation, 3)
  t.is(judged.get('whole')?.pluginId, 'p')
  t.deepEqual(judged.get('part')?.accepted, {
    status: 'False',
    reason: 'Conflict',
    message: '1 of 7 claims are lost, the others stand: GET /x is claimed by DataPlaneService "whole"',
  })
  t.is(judged.get('part')?.pluginId, 'p')
  t.is(judged.get('none')?.accepted.message, '2 of 2 claims are lost, none stands: GET /x is taken; GET /y is taken')
  t.like(judged.get('none')?.available, { status: 'False', reason: 'NotAccepted' })
  t.like(judged.get('http')?.available, { status: 'True', reason: 'NotChecked' })
  t.like(judged.get('empty'), { accepted: { reason: 'Accepted' }, pluginId: 'p', available: undefined })
})

test('judges objects that are rejected', (t) => {
  const { verdicts } = registryOf(verdictOf({ name: 'kept', generation: 4 }), verdictOf({ name: 'first' }))
  const nameless: RejectedObject = { origin: 'x.yml', name: undefined, causes: [] }
  const rejected = [
    broken('gone', 'gone.yml#2'),
    broken('gone', 'zzz.yml'),
    broken('kept'),
    second('first', 'b.yml'),
    second('kept', 'b.yml'),
    second('nobody', 'c.yml'),
    broken('long', 'long', 'x'.repeat(5000)),
    nameless,
  ]
  const judged = judge({ verdicts, rejected })
  t.deepEqual([...judged.keys()].toSorted(), ['first', 'gone', 'kept', 'long'])
  t.deepEqual(judged.get('gone'), {
    accepted: {
      status: 'False',
      reason: 'InvalidSpec',
      message:
        'it is not served: gone.yml#2: spec.services[1].path: must start with "/"; spec.group: expected string, got nothing',
    },
    available: {
      status: 'False',
      reason: 'InvalidSpec',
      message: 'the object is invalid, and there is no valid state of it to serve',
    },
    rejected: rejected[0],
  })
  t.like(judged.get('kept'), { pluginId: 'p', generation: undefined, accepted: { reason: 'InvalidSpec' } })
  t.regex(judged.get('kept')?.accepted.message ?? '', /^a valid state of it serves on: spec\.services/)
  t.deepEqual(judged.get('first')?.accepted, {
    status: 'True',
    reason: 'Accepted',
    message: 'all claims stand; a second object of this name is left out: b.yml',
  })
  t.is(judged.get('long')?.accepted.message.length, 1024)
})

const states: ReadonlyArray<readonly [PluginState, number, string, boolean?]> = [
  ['idle', 0, 'True Idle'],
  ['starting', 1, 'Unknown CheckPending'],
  ['starting', 2, 'False PluginNotRunning'],
  ['ready', 1, 'True Passed'],
  ['unhealthy', 1, 'False FailedHealthCheck'],
  ['crashed', 1, 'False PluginNotRunning'],
  ['crash-looping', 5, 'False PluginNotRunning', true],
  ['stopping', 1, 'False PluginNotRunning'],
  ['stopped', 1, 'False PluginNotRunning'],
]
test('says of each state of a plugin whether it is available, and nothing of its log', (t) => {
  for (const [state, startCount, expected, isCertain] of states) {
    const host = { ...scriptedHost({ p: state }).host, statuses: () => [pluginStatus('p', state, startCount)] }
    const look = lookAt(host, ['p']).get('p')
    t.is(`${String(look?.finding.status)} ${String(look?.finding.reason)}`, expected, state)
    if (look?.finding.status !== 'True') t.is(look?.isCertain, isCertain ?? false, state)
    t.notRegex(look?.finding.message ?? '', /\d|\/srv/, state)
  }
})

test('says the same of a plugin that falls and is started, so that nothing is written in between', (t) => {
  const message = (state: PluginState): string | undefined => {
    const host = { ...scriptedHost({ p: state }).host, statuses: () => [pluginStatus('p', state, 3)] }
    return lookAt(host, ['p']).get('p')?.finding.message
  }
  t.is(message('starting'), message('crashed'))
  t.is(message('starting'), message('crash-looping'))
})

test('says what is not installed, what has no life of its own, and what cannot be told', (t) => {
  const reasonOf = (look: ReadonlyMap<string, Look>, id: string): string | undefined => look.get(id)?.finding.reason
  const plain = lookAt(inProcess({ p: {} }), ['p', 'q'])
  t.is(reasonOf(plain, 'p'), 'Passed')
  t.is(reasonOf(plain, 'q'), 'PluginNotInstalled')
  t.true(plain.get('q')?.isCertain)
  const scripted = scriptedHost({ p: 'ready' })
  scripted.setBroken(true)
  t.is(reasonOf(lookAt(scripted.host, ['p']), 'p'), 'PluginAccessError')
})

const look = (status: 'True' | 'False' | 'Unknown', isCertain = false): Look => ({
  finding: { status, reason: status === 'True' ? 'Passed' : 'PluginNotRunning', message: status },
  isCertain,
})
/** What is shown after each look at a second of the minute, by a settle time of 2 s. */
const shown = (...looks: ReadonlyArray<readonly [second: number, look: Look]>): string => {
  let view: View = {}
  return looks
    .map(([second, seen]) => {
      view = settle(view, seen, second * 1000, 2000)
      return `${view.shown?.status ?? '-'}${view.dueMs === undefined ? '' : ` (${String(view.dueMs / 1000)})`}`
    })
    .join(', ')
}

test('shows what is bad when it has lasted, and what is good at once', (t) => {
  const [up, down, wait, certain] = [look('True'), look('False'), look('Unknown'), look('False', true)]
  t.is(shown([0, up], [5, down], [6.9, down], [7, down], [8, up]), 'True, True (7), True (7), False, True')
  t.is(shown([0, up], [5, down], [6, up], [6.5, down], [8, up]), 'True, True (7), True, True (8.5), True')
  t.is(shown([0, down], [2, down]), '- (2), False')
  t.is(shown([0, wait], [1, up]), '- (2), True')
  t.is(shown([0, wait], [2, wait], [3, down], [4, wait]), '- (2), Unknown, False, Unknown')
  t.is(shown([0, certain]), 'False')
  t.is(shown([0, up], [5, certain]), 'True, False')
  t.is(shown([0, up], [1, certain], [2, certain]), 'True, True (2), False')
  t.is(shown([0, certain], [5, up], [5.1, certain], [6, up], [6.1, certain]), 'False, True, True (7), True, True (7)')
})

test('waits no longer for a clock that is set back', (t) => {
  t.is(
    shown([50, look('True')], [55, look('False')], [10, look('False')], [12, look('False')]),
    'True, True (57), True (12), False',
  )
})

const wanted = (fields: Partial<WantedCondition> = {}): WantedCondition => ({
  type: 'Available',
  status: 'True',
  reason: 'Passed',
  message: 'all checks passed',
  observedGeneration: 1,
  ...fields,
})
const atMs = Date.parse('2030-01-02T03:04:05.678Z')

test('leaves a status as it is when it says so already', (t) => {
  const once = withConditions({}, [wanted({ type: 'Accepted' }), wanted()], atMs)
  t.deepEqual(
    once.conditions?.map(({ type }) => type),
    ['Accepted', 'Available'],
  )
  t.is(withConditions(once, [wanted({ type: 'Accepted' }), wanted()], atMs + 9000), once)
  const none = {}
  t.is(withConditions(none, [], atMs), none)
})

test('moves the time of a condition with its status only', (t) => {
  const time = ({ conditions }: { readonly conditions?: ReadonlyArray<Condition> }) =>
    conditions?.[0]?.lastTransitionTime
  const first = withConditions({}, [wanted()], atMs)
  t.is(time(first), '2030-01-02T03:04:05Z')
  const idle = withConditions(first, [wanted({ reason: 'Idle', message: 'x', observedGeneration: 2 })], atMs + 60_000)
  t.like(idle.conditions?.[0], { reason: 'Idle', observedGeneration: 2, lastTransitionTime: '2030-01-02T03:04:05Z' })
  t.is(time(withConditions(idle, [wanted({ status: 'False' })], atMs + 60_000)), '2030-01-02T03:05:05Z')
})

test('keeps the conditions of others, and all in their places', (t) => {
  const other: Condition = { ...wanted(), type: 'Blessed', observedGeneration: 7, lastTransitionTime: 'x' }
  const old: Condition = { ...wanted({ status: 'False' }), observedGeneration: 1, lastTransitionTime: 'y' }
  const current = { conditions: [old, other], extra: 'kept' }
  const next = withConditions(current, [wanted({ type: 'Accepted', observedGeneration: undefined }), wanted()], atMs)
  t.like(next, { extra: 'kept' })
  t.deepEqual(
    next.conditions?.map(({ type, status }) => `${type} ${status}`),
    ['Available True', 'Blessed True', 'Accepted True'],
  )
  t.is(next.conditions?.[1], other)
  t.false('observedGeneration' in (next.conditions?.[2] ?? {}))
  t.deepEqual(current.conditions, [old, other])
})

import test from 'ava'
import fc from 'fast-check'

import { E } from '../../src/fp.ts'
import { negotiate } from '../../src/services/accept.ts'

const offers = ['application/json', 'text/event-stream', 'application/jsonl', 'text/jsonl'] as const
const none = 'nothing'

const chosen = (accept: string | ReadonlyArray<string> | undefined): string =>
  E.getOrElse<unknown, string>(() => none)(negotiate(accept, offers))

const cases: ReadonlyArray<readonly [accept: string | ReadonlyArray<string> | undefined, expected: string]> = [
  [undefined, 'application/json'],
  ['', 'application/json'],
  [' , ,', 'application/json'],
  ['*/*', 'application/json'],
  ['*', 'application/json'],
  ['text/html, image/gif, *; q=.2, */*; q=.2', 'application/json'],
  ['application/json, text/plain, */*', 'application/json'],
  ['text/event-stream', 'text/event-stream'],
  ['Text/Event-Stream;Charset=UTF-8', 'text/event-stream'],
  ['text/event-stream , application/json', 'text/event-stream'],
  ['application/json,text/event-stream', 'application/json'],
  ['text/event-stream, */*', 'text/event-stream'],
  ['*/*, text/event-stream', 'application/json'],
  ['application/json;q=0.5, text/event-stream;q=0.9', 'text/event-stream'],
  ['text/event-stream;q=0.5, application/json', 'application/json'],
  ['text/event-stream;q=0.001', 'text/event-stream'],
  ['text/event-stream;q=0', none],
  ['text/event-stream;q=0.000, application/jsonl', 'application/jsonl'],
  ['*/*, application/json;q=0', 'text/event-stream'],
  ['*/*;q=0, application/json', 'application/json'],
  ['*/*;q=0', none],
  ['text/*', 'text/event-stream'],
  ['text/*, text/event-stream;q=0', 'text/jsonl'],
  ['text/*;q=0.1, text/jsonl', 'text/jsonl'],
  ['text/jsonl;q=0.1, text/*', 'text/event-stream'],
  ['application/*', 'application/json'],
  ['application/*;q=0.2, text/*;q=0.3', 'text/event-stream'],
  ['application/json;q=0.2, application/jsonl ; Q = 0.3', 'application/jsonl'],
  ['application/json;as=Table;v=v1;g=meta.k8s.io;q=0.1, application/json', 'application/json'],
  ['application/json;as=Table;q=0, application/json, text/jsonl;q=0.9', 'application/json'],
  ['application/json;title="a, text/jsonl;q=1, b";q=0.1, text/event-stream;q=0.2', 'text/event-stream'],
  ['application/json;title="\\", text/jsonl", text/event-stream;q=0.2', 'application/json'],
  ['text/event-stream;title="never closed, application/json', 'text/event-stream'],
  ['text/event-stream;q=high, application/json;q=0.9', 'text/event-stream'],
  ['text/event-stream;q=-1, application/json;q=0.1', 'application/json'],
  ['application/json;q=0.9, text/event-stream;q=7', 'text/event-stream'],
  [['text/html', 'text/jsonl'], 'text/jsonl'],
  ['text/html', none],
  ['text', none],
  ['application/jso', none],
  ['application/vnd.kubernetes.protobuf', none],
  ['*/json', none],
]
for (const [accept, expected] of cases) {
  test(`gives ${expected} to whoever accepts ${JSON.stringify(accept) ?? 'nothing in particular'}`, (t) => {
    t.is(chosen(accept), expected)
  })
}

test('names what is offered to whom nothing suits', (t) => {
  t.deepEqual(negotiate('text/html', ['application/json', 'text/event-stream']), {
    _tag: 'Left',
    left: {
      _tag: 'NotAcceptable',
      message: 'expected an Accept header that takes one of "application/json", "text/event-stream"',
    },
  })
})

test('gives nobody what he refuses by name, whatever else he says', (t) => {
  const part = fc.constantFrom('*/*', 'text/*', ...offers, ';q=0.5', ';q=1', ';q=x', ';a="', '"', ',', ', ', '\\')
  fc.assert(
    fc.property(fc.array(part, { maxLength: 30 }), fc.constantFrom(...offers), (parts, refused) => {
      const others = parts.join('').replaceAll(refused, 'text/html').replaceAll('"', '')
      t.not(chosen(`${refused};q=0, ${others}`), refused)
    }),
  )
})

test('reads a header of any length in time that grows with it', (t) => {
  const long = 100_000
  for (const part of ['*/*,', '"', '\\"', ';q=', ' ', 'a', '"\\', ';"', ',;', 'text/html;q=0.1,']) {
    const accept = part.repeat(long)
    t.true([none, 'application/json'].includes(chosen(accept)))
  }
})

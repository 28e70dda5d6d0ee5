import t from 'tap'
import {
  formatTraceParent,
  isSampled,
  parseTraceContext,
  parseTraceState,
  traceStateCharsMax,
} from '../../lib/vocabulary/trace-context.ts'
import fc from '../fixtures/fast-check.ts'

const traceId = '4bf92f3577b34da6a3ce929d0e0e4736'
const spanId = '00f067aa0ba902b7'
const parent = `00-${traceId}-${spanId}-01`

t.test('a traceparent is read', async (t) => {
  t.same(parseTraceContext(parent, undefined), { traceId, spanId, flags: 1, state: '' })
  t.match(parseTraceContext(`00-${traceId}-${spanId}-00`, undefined), { flags: 0 })
  t.match(
    parseTraceContext(`00-${traceId}-${spanId}-ff`, undefined),
    { flags: 3 },
    'flags that nobody knows go no further',
  )
  t.ok(isSampled({ traceId, spanId, flags: 3, state: '' }))
  t.notOk(isSampled({ traceId, spanId, flags: 2, state: '' }))
})

t.test('and written as it was', async (t) => {
  const id = (digits: number) =>
    fc.stringMatching(new RegExp(`^[0-9a-f]{${digits}}$`)).filter((text) => !/^0+$/.test(text))
  fc.assert(
    fc.property(id(32), id(16), fc.nat(3), (traceId, spanId, flags) => {
      const context = { traceId, spanId, flags, state: '' }
      t.same(parseTraceContext(formatTraceParent(context), ''), context)
    }),
  )
})

t.test('of a later version what this one knows is read', async (t) => {
  t.match(parseTraceContext(`cc-${traceId}-${spanId}-01`, undefined), { traceId, flags: 1 })
  t.match(parseTraceContext(`cc-${traceId}-${spanId}-01-what-the-future-will-be`, undefined), { traceId, flags: 1 })
  t.equal(parseTraceContext(`cc-${traceId}-${spanId}-01.what`, undefined), undefined)
})

t.test('what is malformed is no trace', async (t) => {
  for (const malformed of [
    undefined,
    '',
    '00',
    `ff-${traceId}-${spanId}-01`,
    `00-${'0'.repeat(32)}-${spanId}-01`,
    `00-${traceId}-${'0'.repeat(16)}-01`,
    `00-${traceId.toUpperCase()}-${spanId}-01`,
    `00-${traceId}-${spanId}-0G`,
    `00-${traceId}-${spanId}-1`,
    `00-${traceId}-${spanId}-01-`,
    `00-${traceId}-${spanId}-01-more`,
    `00-${traceId}0-${spanId}-01`,
    ` ${parent}`,
    // As Node joins a header that comes twice.
    `${parent}, ${parent}`,
  ]) {
    t.equal(parseTraceContext(malformed, 'rojo=1'), undefined, String(malformed))
  }
})

t.test('a tracestate goes along in one form', async (t) => {
  t.equal(
    parseTraceContext(parent, 'rojo=00f067aa0ba902b7,congo=t61rcWkgMzE')?.state,
    'rojo=00f067aa0ba902b7,congo=t61rcWkgMzE',
  )
  t.equal(parseTraceState(' rojo=1 ,\t, tenant@system=a b '), 'rojo=1,tenant@system=a b')
  t.equal(parseTraceState('0t@s=1'), '0t@s=1', 'a tenant may begin with a digit')
})

t.test('a tracestate that is none is left out, and the trace goes on', async (t) => {
  for (const malformed of [
    'rojo',
    '=1',
    'rojo=',
    'rojo=a=b',
    'Rojo=1',
    '0rojo=1',
    'rojo=1,rojo=2',
    'rojo=ü',
    'a@b@c=1',
    `${'k'.repeat(257)}=1`,
    `k=${'v'.repeat(257)}`,
    Array.from({ length: 33 }, (_, at) => `k${at}=1`).join(','),
  ]) {
    t.same(parseTraceContext(parent, malformed), { traceId, spanId, flags: 1, state: '' }, malformed.slice(0, 40))
  }
})

t.test('a tracestate that is too long loses whole members: the long ones first, then the last', async (t) => {
  const short = Array.from({ length: 30 }, (_, at) => `key${at}=0123456789`)
  const long = `long=${'x'.repeat(200)}`
  const state = parseTraceState([long, ...short].join(','))
  t.ok(state.length <= traceStateCharsMax)
  t.ok(state.startsWith(`${short[0]},${short[1]}`))
  t.notOk(state.includes('long='))
  t.equal(parseTraceState(state), state, 'and then stays as it is')
})

t.test('nothing that comes is more than it may be, or changes when it is read again', async (t) => {
  fc.assert(
    fc.property(fc.string({ unit: fc.constantFrom(...'ab09=,@ _-*/\t'), maxLength: 700 }), (text) => {
      const state = parseTraceState(text)
      t.ok(state.length <= traceStateCharsMax)
      t.equal(parseTraceState(state), state)
    }),
    { numRuns: 300 },
  )
})

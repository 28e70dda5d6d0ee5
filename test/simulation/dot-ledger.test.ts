import t from 'tap'
import type { Dot } from '../../lib/protocol/causality/dot.ts'
import type { KeyRecord } from '../../lib/protocol/causality/record.ts'
import { hlcZero } from '../../lib/protocol/clock/hlc.ts'
import { valueBytes } from './clients.ts'
import { DotLedger } from './dot-ledger.ts'

t.test('a dot names one write', async (t) => {
  const { ledger, reported } = kept()
  ledger.look('k0', 'a', [copyOf('ada', ['a', dotOf(1)])])
  ledger.look('k0', 'a', [copyOf('bob', ['a', dotOf(1)])])
  ledger.look('k1', 'b', [copyOf('ada', ['b', dotOf(1)])])
  t.same(reported, [], 'on every copy, and each key counts for itself')
  ledger.look('k0', 'b', [copyOf('cyd', ['b', dotOf(1)])])
  t.match(reported, ['dot-twice: b and a have the dot k0'])
})

t.test('a copy forgets no write it has seen', async (t) => {
  const { ledger, reported } = kept()
  ledger.look('k0', 'b', [copyOf('ada', ['b', dotOf(2)])])
  ledger.look('k0', 'c', [copyOf('ada', ['c', dotOf(3)])])
  t.same(reported, [])
  ledger.look('k0', 'b', [copyOf('ada', ['b', dotOf(2)])])
  t.match(reported, ['copy-forgot: ada had seen 3 writes'])
})

t.test('unless it is no longer the same copy', async (t) => {
  const { ledger, reported, lives } = kept()
  ledger.look('k0', 'c', [copyOf('ada', ['c', dotOf(3)])])
  lives.set('ada', 'after a restart')
  ledger.look('k0', 'a', [copyOf('ada', ['a', dotOf(1)])])
  t.same(reported, [])
})

t.test('or of a machine on which nothing runs', async (t) => {
  const { ledger, reported, lives } = kept()
  ledger.look('k0', 'c', [copyOf('ada', ['c', dotOf(3)])])
  lives.set('ada', undefined)
  ledger.look('k0', 'a', [copyOf('ada', ['a', dotOf(1)])])
  lives.delete('ada')
  ledger.look('k0', 'b', [copyOf('ada', ['b', dotOf(2)])])
  t.same(reported, [])
})

t.test('a copy that is gone and comes again begins anew where copies may go', async (t) => {
  for (const mayLeave of [false, true]) {
    const { ledger, reported } = kept(mayLeave)
    ledger.look('k0', 'a', [copyOf('ada', ['a', dotOf(1)])])
    ledger.look('k0', 'b', [copyOf('ada', ['b', { ...dotOf(1), born: 9 }])])
    t.equal(reported.length, mayLeave ? 0 : 1)
  }
})

function kept(mayLeave = false) {
  const reported: string[] = []
  const lives = new Map<string, string | undefined>()
  const ledger = new DotLedger({
    lifeOf: (name) => (lives.has(name) ? lives.get(name) : 'first'),
    mayLeave,
    report: (check, message) => reported.push(`${check}: ${message}`),
  })
  return { ledger, reported, lives }
}

function dotOf(counter: number): Dot {
  return { shortId: 1, generation: 1, born: 1, counter } as Dot
}

function copyOf(name: string, [vid, dot]: readonly [string, Dot]): { name: string; record: KeyRecord } {
  const sibling = { dot, hlc: hlcZero, value: valueBytes(vid, 3), contentType: 'text/plain', metadata: [], checksum: 0 }
  return { name, record: { mode: 'siblings', vv: [dot], siblings: [sibling], deletedHlc: hlcZero, done: [] } }
}

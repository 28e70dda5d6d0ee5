import t from 'tap'
import type { LayoutVersion } from '../../lib/protocol/layout/layout-version.ts'
import { toNodeId } from '../../lib/vocabulary/ids.ts'
import { decodeForkedOff, encodeForkedOff } from '../../lib/wire/forked-off.ts'
import { MalformedBytes, UnknownFormat } from '../../lib/wire/unreadable-bytes.ts'
import { decodeVotes, encodeVotes, type StoredVotes } from '../../lib/wire/vote-codec.ts'
import fc from '../fixtures/fast-check.ts'
import { u32, u53 } from './fixtures/arbitraries.ts'
import { hex, thrownBy, truncations, unhex } from './fixtures/bytes.ts'
import { nodeId } from './fixtures/frame-arbitraries.ts'
import { layoutVersion } from './fixtures/layout-arbitraries.ts'

const ada = toNodeId('a'.repeat(32))
const candidate: LayoutVersion = {
  number: 2,
  assignedAt: 1,
  parent: '0123456789abcdef',
  partitionCount: 2,
  replicaCount: 1,
  nodes: [{ id: ada, shortId: 1, zone: 'x', weight: 1 }],
  assignment: Uint16Array.of(0, 0),
  excluded: [],
  awaited: [],
  forgotten: [],
  forks: 0,
}
const ballot = { round: 3, node: ada }
const example: StoredVotes = {
  state: { number: 2, promised: { round: 4, node: ada }, accepted: { ballot, candidate } },
  votesAbove: 7,
  isLearning: false,
  hasLearnt: true,
  forks: 5,
}
/** Format 1, frozen: these bytes stand on disks. */
const exampleBytes =
  '01020104aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa0103aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa2e01020123456789abcdef' +
  '01020101aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa0101783ff0000000000000000000000007000105'

t.test('what an acceptor must not forget', async (t) => {
  t.test('comes back as it was', async (t) => {
    const anyBallot = fc.record({ round: u53, node: nodeId })
    const votes = fc.record({
      state: fc.record({
        number: u53,
        promised: fc.option(anyBallot, { nil: undefined }),
        accepted: fc.option(fc.record({ ballot: anyBallot, candidate: layoutVersion }), { nil: undefined }),
      }),
      votesAbove: u53,
      isLearning: fc.boolean(),
      hasLearnt: fc.boolean(),
      forks: u53,
    })
    fc.assert(fc.property(votes, (votes) => t.same(decodeVotes(encodeVotes(votes)), votes)))
  })

  t.test('has the bytes of format 1', async (t) => {
    t.equal(hex(encodeVotes(example)), exampleBytes)
    t.same(decodeVotes(unhex(exampleBytes)), example)
  })

  t.test('is refused when it is cut, or newer', async (t) => {
    for (const cut of truncations(encodeVotes(example)))
      t.match(
        thrownBy(() => decodeVotes(cut)),
        MalformedBytes,
      )
    t.match(
      thrownBy(() => decodeVotes(unhex(`02${exampleBytes.slice(2)}`))),
      UnknownFormat,
    )
  })
})

t.test('the mark of an overruled past comes back as it was', async (t) => {
  fc.assert(
    fc.property(fc.record({ forks: u53, shortId: u32 }), (mark) =>
      t.same(decodeForkedOff(encodeForkedOff(mark)), mark),
    ),
  )
  t.equal(hex(encodeForkedOff({ forks: 300, shortId: 7 })), 'ac0207')
  for (const cut of truncations(unhex('ac0207')))
    t.match(
      thrownBy(() => decodeForkedOff(cut)),
      MalformedBytes,
    )
})

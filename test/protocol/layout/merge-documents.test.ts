import t from 'tap'
import type { Hlc } from '../../../lib/protocol/clock/hlc.ts'
import { digestOf } from '../../../lib/protocol/layout/document-digest.ts'
import { firstCandidate } from '../../../lib/protocol/layout/first-candidate.ts'
import { emptyDocument, type LayoutDocument } from '../../../lib/protocol/layout/layout-document.ts'
import { layoutHash, toDecidedLayout } from '../../../lib/protocol/layout/layout-hash.ts'
import type { DecidedLayout, LayoutVersion } from '../../../lib/protocol/layout/layout-version.ts'
import { mergeDocuments } from '../../../lib/protocol/layout/merge-documents.ts'
import { type NodeId, toClusterId } from '../../../lib/vocabulary/ids.ts'
import { InvariantViolation } from '../../../lib/vocabulary/invariant.ts'
import fc from '../../fixtures/fast-check.ts'
import { nodeId, testHash } from './first-layout-world.ts'

t.test('documents of one cluster merge the same in any order, late and twice', async (t) => {
  fc.assert(
    fc.property(documents(), documents(), documents(), (a, b, c) => {
      t.same(merged(a, b), merged(b, a), 'commutative')
      t.same(merged(merged(a, b), c), merged(a, merged(b, c)), 'associative')
      t.equal(merged(a, a), a, 'idempotent')
      t.same(merged(merged(a, b), a), merged(a, b), 'nothing is lost or comes back')
    }),
    { numRuns: 150 },
  )
})

t.test('merging what is known already gives the same object back', async (t) => {
  fc.assert(
    fc.property(documents(), documents(), (a, b) => {
      const both = merged(a, b)
      t.equal(merged(both, a), both)
      t.equal(merged(both, b), both)
    }),
    { numRuns: 60 },
  )
})

t.test('digests agree exactly when documents do', async (t) => {
  fc.assert(
    fc.property(documents(), documents(), (a, b) => {
      const both = merged(a, b)
      t.same(digestOf(both, testHash), digestOf(merged(b, a), testHash))
      t.equal(digestOf(both, testHash).documentHash !== digestOf(a, testHash).documentHash, both !== a)
    }),
    { numRuns: 150 },
  )
  t.equal(digestOf(emptyDocument, testHash).number, 0)
  t.equal(digestOf({ ...emptyDocument, live: [toDecidedLayout(version(), testHash)] }, testHash).number, 1)
})

t.test('two clusters never merge', async (t) => {
  const ours = { ...emptyDocument, live: [toDecidedLayout(version(3), testHash)] }
  const theirs = { ...emptyDocument, live: [toDecidedLayout(version(2), testHash)] }
  t.same(mergeDocuments(ours, theirs), { ok: false, reason: 'foreign-cluster' })
  t.ok(mergeDocuments(ours, emptyDocument).ok)
})

t.test('two versions of one number never merge', async (t) => {
  const clusterId = toClusterId('0123456789abcdef')
  const second = (awaited: readonly NodeId[], forks: number) => ({
    ...emptyDocument,
    live: [toDecidedLayout({ ...version(), number: 2, awaited, forks }, testHash, clusterId)],
  })
  t.same(mergeDocuments(second([], 0), second([nodeId(1)], 0)), { ok: false, reason: 'split-layout' })
  const forced = mergeDocuments(second([], 2), second([nodeId(1)], 2))
  t.same(forced, { ok: false, reason: 'split-layout' }, 'L5: both sides of a partition forced one: two clusters')
})

t.test('L5: what was forced counts, whatever the others have come to without it', async (t) => {
  const { first, second, amended, moving, forced, later } = history()
  const known = (...live: readonly DecidedLayout[]) => ({ ...emptyDocument, live })
  for (const other of [known(first, second), known(first, amended), known(amended, moving), known(moving)]) {
    for (const ours of [known(first, forced), known(forced, later)]) {
      t.same(merged(other, ours).live, ours.live)
      t.equal(merged(ours, other), ours)
    }
  }
  t.same(merged(known(first, forced), known(forced, later)).live, [forced, later], 'it has a history of its own')
})

t.test('a decided layout ends the votes on it', async (t) => {
  const name = layoutHash(version(), testHash)
  const voting: LayoutDocument = {
    ...emptyDocument,
    candidates: new Map([[name, version()]]),
    votes: new Map([[nodeId(1), { seq: 1, round: 1, stance: 'acknowledged', candidate: name }]]),
  }
  const decided = { ...emptyDocument, live: [toDecidedLayout(version(), testHash)] }
  t.same(merged(voting, decided), decided)
  t.equal(merged(decided, voting), decided)
})

t.test('whoever retired a version retired it for all', async (t) => {
  const clusterId = toClusterId('0123456789abcdef')
  const first = { ...toDecidedLayout(version(), testHash), clusterId }
  const second = toDecidedLayout({ ...version(), number: 2, assignedAt: 2, parent: first.hash }, testHash, clusterId)
  const both = { ...emptyDocument, live: [first, second] }
  t.same(merged({ ...emptyDocument, live: [first] }, { ...emptyDocument, live: [first, second] }), both)
  t.same(merged(both, { ...emptyDocument, live: [second] }).live, [second])
})

t.test('L4: a version that repeats an assignment takes the place of the one it repeats', async (t) => {
  const { first, second, amended } = history()
  const back = next(second, 3, 1)
  const known = (...live: readonly DecidedLayout[]) => ({ ...emptyDocument, live })
  t.same(merged(known(first, second), known(first, amended)).live, [first, amended])
  t.same(merged(known(first, second), known(second, back)).live, [second, back], 'T7: the way back')
})

t.test('the hash of a version covers all it says', async (t) => {
  const base = version()
  const [first, ...rest] = base.nodes
  if (first === undefined) throw new Error('a version has nodes')
  const others: LayoutVersion[] = [
    { ...base, number: 2 },
    { ...base, number: 2, assignedAt: 2 },
    { ...base, parent: '0123456789abcdef' },
    { ...base, partitionCount: 8 },
    { ...base, replicaCount: 2 },
    { ...base, nodes: [{ ...first, shortId: 9 }, ...rest] },
    { ...base, nodes: [{ ...first, zone: 'elsewhere' }, ...rest] },
    { ...base, nodes: [{ ...first, weight: 2 }, ...rest] },
    { ...base, assignment: base.assignment.slice().fill(0, 0, 2) },
    { ...base, excluded: [nodeId(1)] },
    { ...base, awaited: [nodeId(1)] },
    { ...base, forgotten: [nodeId(1)] },
    { ...base, forks: 1 },
  ]
  const hashes = [base, ...others].map((each) => layoutHash(each, testHash))
  t.equal(new Set(hashes).size, hashes.length)
  t.equal(layoutHash({ ...base }, testHash), layoutHash(base, testHash))
  t.match(hashes[0], /^[0-9a-f]{16}$/)
  t.equal(toDecidedLayout(base, testHash).clusterId, hashes[0], 'the hash of version 1 names the cluster')
  t.throws(() => toDecidedLayout({ ...base, number: 2 }, testHash), InvariantViolation)
})

function merged(a: LayoutDocument, b: LayoutDocument): LayoutDocument {
  const result = mergeDocuments(a, b)
  if (!result.ok) throw new Error(result.reason)
  return result.document
}

function version(nodeCount = 3): LayoutVersion {
  const starters = Array.from({ length: nodeCount }, (_, index) => ({
    id: nodeId(index + 1),
    zone: 'default',
    weight: 1,
  }))
  const made = firstCandidate(starters, { partitionCount: 4, replicaCount: 3 })
  if (!made.ok) throw new Error(made.reason)
  return made.version
}

/** What one cluster decided: a change, an amendment of it, another change, and the way back from that. */
function history() {
  const first = toDecidedLayout(version(), testHash)
  const second = next(first, 2, 2)
  const amended = next(second, 3, 2)
  const moving = next(amended, 4, 4)
  // Forced while the others decided `amended` and what follows it (docs/rules.md L5).
  const forced = next(second, 3, 2, 3)
  const later = next(forced, 4, 4, 3)
  return { first, second, amended, moving, back: next(moving, 5, 2), forced, later }
}

function next(before: DecidedLayout, number: number, assignedAt: number, forks = 0): DecidedLayout {
  return toDecidedLayout({ ...version(), number, assignedAt, parent: before.hash, forks }, testHash, before.clusterId)
}

/** Documents of one cluster: some before its first layout, some after. */
function documents(): fc.Arbitrary<LayoutDocument> {
  const small = fc.integer({ min: 0, max: 3 })
  const node = small.map((number) => nodeId(number + 1))
  const versions = [version(2), version(3), version(4)].map((each) => [layoutHash(each, testHash), each] as const)
  const candidates = new Map(versions)
  const { first, second, amended, moving, back, forced, later } = history()
  const lives = [
    [first],
    [first, second],
    [first, amended],
    [second],
    [amended],
    [amended, moving],
    [moving, back],
    [back],
    [first, forced],
    [forced, later],
  ]
  const vote = fc.record({
    seq: small,
    round: small,
    stance: fc.constantFrom('acknowledged' as const, 'withdrawn' as const, 'refused' as const),
    candidate: fc.constantFrom(...candidates.keys()),
  })
  const tracker = fc.record({ seq: small, ack: small, sync: small, syncAck: small, hintsClear: small })
  const change = fc.record({
    setAt: small.map((value) => value as Hlc),
    setBy: node,
    action: fc.constantFrom('join' as const, 'leave' as const, 'clear' as const),
    with: fc.option(node, { nil: undefined }),
    zone: fc.option(fc.constantFrom('a', 'b'), { nil: undefined }),
    weight: fc.option(small, { nil: undefined }),
    force: fc.boolean(),
  })
  const mapOf = <Value>(value: fc.Arbitrary<Value>) =>
    fc.array(fc.tuple(node, value), { maxLength: 3 }).map((entries) => new Map(entries))
  return fc
    .record({
      isDecided: fc.boolean(),
      lived: fc.nat(lives.length - 1),
      votes: mapOf(vote),
      trackers: mapOf(tracker),
      staged: mapOf(change),
    })
    .map(({ isDecided, lived, votes, trackers, staged }) => {
      const named = new Set([...votes.values()].map(({ candidate }) => candidate))
      return isDecided
        ? { ...emptyDocument, live: lives[lived] ?? [], trackers, staged }
        : {
            ...emptyDocument,
            votes,
            candidates: new Map(versions.filter(([name]) => named.has(name))),
            trackers,
            staged,
          }
    })
}

import t from 'tap'
import { newAcceptor, voteAccept, votePrepare } from '../../lib/protocol/layout/acceptor.ts'
import type { LayoutVersion } from '../../lib/protocol/layout/layout-version.ts'
import { type NodeId, toNodeId } from '../../lib/vocabulary/ids.ts'
import { Commits } from './competing-commits.ts'

// Lamport, Paxos Made Simple (2001), section 2; docs/rules.md L3 and L4.

const runs = Number(process.env.STARLING_PAXOS_RUNS ?? 1000)

t.test('L3: of competing commits one wins, everywhere: never two versions of one number', async (t) => {
  const totals = { decided: 0, numbers: 0, excluding: 0, bothWays: 0 }
  for (let seed = 1; seed <= runs; seed += 1) {
    const model = new Commits(seed, 'the rules')
    model.run()
    if (model.twice.length > 0) t.fail(`seed ${seed}: version ${model.twice[0]} was decided twice`)
    totals.decided += model.decisions
    totals.numbers += model.decided.size
    totals.excluding += model.exclusions
    totals.bothWays += model.hasExcludedBothWays ? 1 : 0
  }
  t.ok(totals.numbers > runs, `${totals.numbers} versions decided in ${runs} runs, ${totals.decided} times learnt`)
  t.ok(totals.excluding > runs / 20, `${totals.excluding} of them excluded somebody`)
  t.ok(totals.bothWays > runs / 3, `in ${totals.bothWays} runs both sides of a cut tried to exclude the other`)
})

for (const broken of [
  'an acceptor forgets its votes',
  'a store that went back in time votes at once',
  'acceptances are not looked at',
  'the excluded have no vote on their exclusion',
] as const) {
  t.test(`L3: two versions of one number are decided when ${broken}`, async (t) => {
    let found = 0
    for (let seed = 1; seed <= 20_000 && found === 0; seed += 1) {
      const model = new Commits(seed, broken)
      model.run()
      found = model.twice.length > 0 ? seed : 0
    }
    t.ok(found > 0, `noticed with seed ${found}`)
  })
}

t.test('L3: a ballot is promised once: whoever restarts may use its ballots again, for something else', async (t) => {
  const ada = toNodeId('a'.repeat(32))
  const facts = { decidedNumber: 1, decidedHash: 'first', isAcceptor: true, votesAbove: 0 }
  const ask = { number: 2, ballot: { round: 1, node: ada } }
  const once = votePrepare(newAcceptor(2), facts, ask)
  t.match(once.reply, { type: 'promised' })
  t.match(votePrepare(once.state, facts, ask).reply, { type: 'outbid', promised: ask.ballot })
  t.match(votePrepare(once.state, facts, { number: 2, ballot: { round: 2, node: ada } }).reply, { type: 'promised' })
})

t.test('L3: who votes, and on what', async (t) => {
  const ballot = { round: 1, node: toNodeId('a'.repeat(32)) }
  const facts = { decidedNumber: 4, decidedHash: 'fourth', isAcceptor: true, votesAbove: 0 }
  const reply = (number: number, changes = {}) =>
    votePrepare(newAcceptor(5), { ...facts, ...changes }, { number, ballot }).reply.type
  t.equal(reply(5), 'promised')
  t.equal(reply(4), 'asker-behind', 'it is decided')
  t.equal(reply(6), 'acceptor-behind', 'of the fifth it has not heard yet')
  t.equal(reply(5, { isAcceptor: false }), 'no-vote', 'excluded, or no member')
  t.equal(reply(5, { votesAbove: 5 }), 'no-vote', 'it may have voted on it, and forgotten')
  t.equal(reply(5, { votesAbove: Number.POSITIVE_INFINITY }), 'no-vote', 'it has not asked the others yet')
})

t.test('L3: why members alone propose: what an outsider had decided may be known to nobody who is asked', async (t) => {
  const [cyd, zoe] = ['c', 'e'].map((digit) => toNodeId(digit.repeat(32))) as [NodeId, NodeId]
  const facts = (decidedNumber: number, votesAbove = 0) =>
    ({ decidedNumber, decidedHash: String(decidedNumber), isAcceptor: true, votesAbove }) as const
  const version = (number: number, mark: NodeId) => versionOf(number, String(number - 1), mark)
  const first = { round: 1, node: zoe }
  // Zoe, who is no member, has had 2 decided by ada and bob, and has told ada alone. Ada accepts zoe's 3.
  const promise = votePrepare(newAcceptor(3), facts(2), { number: 3, ballot: first })
  t.match(voteAccept(promise.state, facts(2), { ballot: first, candidate: version(3, zoe) }).reply, {
    type: 'accepted',
  })
  // Ada's store goes back. Bob and cyd know nothing beyond 1: ada votes on what is above 2. She learns 2 again.
  const restored = { ...facts(2), votesAbove: 1 + 1 }
  // Cyd, who has learnt 2 meanwhile, has ada and herself accept another 3,
  const second = { round: 1, node: cyd }
  for (const known of [restored, facts(2)]) {
    const voted = votePrepare(newAcceptor(3), known, { number: 3, ballot: second })
    t.match(voted.reply, { type: 'promised', accepted: undefined })
    t.match(voteAccept(voted.state, known, { ballot: second, candidate: version(3, cyd) }).reply, { type: 'accepted' })
  }
  // and zoe, whom ada had accepted, has bob accept hers: both are a majority.
  const late = votePrepare(newAcceptor(3), facts(2), { number: 3, ballot: first })
  t.match(voteAccept(late.state, facts(2), { ballot: first, candidate: version(3, zoe) }).reply, { type: 'accepted' })
  // Were zoe a member, she would have told ada of 2: then ada has no vote on 3.
  const told = { ...facts(2), votesAbove: 2 + 1 }
  t.match(votePrepare(newAcceptor(3), told, { number: 3, ballot: second }).reply, { type: 'no-vote' })
})

function versionOf(number: number, parent: string, mark: NodeId): LayoutVersion {
  return {
    number,
    assignedAt: 1,
    parent,
    partitionCount: 1,
    replicaCount: 1,
    nodes: [{ id: mark, shortId: 1, zone: 'default', weight: 1 }],
    assignment: Uint16Array.of(0),
    excluded: [],
    awaited: [],
    forgotten: [],
    forks: 0,
  }
}

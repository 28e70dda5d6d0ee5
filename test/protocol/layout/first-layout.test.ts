import t from 'tap'
import {
  FirstLayout,
  type FirstLayoutEffect,
  type FirstLayoutEvent,
  startersSettleMs,
} from '../../../lib/protocol/layout/first-layout.ts'
import {
  type FirstLayoutRules,
  firstLayoutRules,
  hasNode,
  haveSameNodes,
} from '../../../lib/protocol/layout/first-layout-rules.ts'
import {
  emptyDocument,
  type FirstLayoutVote,
  type LayoutDocument,
} from '../../../lib/protocol/layout/layout-document.ts'
import type { Member } from '../../../lib/protocol/membership/member.ts'
import type { ClusterId } from '../../../lib/vocabulary/ids.ts'
import { conflictAmong, FirstLayoutWorld, nodeId, starter, testHash, type WorldOptions } from './first-layout-world.ts'

t.test('a node that expects nobody and joins nobody is a cluster at once', async (t) => {
  const ada = player(1, { expect: 1, joins: false })
  ada.sees(starter(1, 1))
  t.same(ada.types(), [
    'persist-document',
    'document-changed',
    'persist-document',
    'document-changed',
    'decided',
    'majority-shows',
  ])
  const layout = ada.layout()
  t.same(layout?.version.nodes, [{ id: nodeId(1), shortId: 1, zone: 'default', weight: 1 }])
  t.equal(layout?.clusterId, layout?.hash)
})

t.test('one node that joins others never becomes a cluster of its own', async (t) => {
  for (const expect of [0, 1]) {
    const ada = player(1, { expect, joins: true })
    ada.sees(starter(1, expect))
    t.same(ada.waiting(), ['joining'])
    t.notOk(ada.types().includes('set-timer'))
  }
})

t.test('three starters with --expect 3', async (t) => {
  t.test('watch each other for two seconds, then decide together', async (t) => {
    const [ada, bob, cyd] = three()
    for (const each of [ada, bob, cyd]) each.sees(...trio())
    t.same(
      ada.effects.find(({ type }) => type === 'set-timer'),
      {
        type: 'set-timer',
        attempt: 1,
        delayMs: startersSettleMs,
      },
    )
    t.same(ada.document.votes.size, 0, 'nothing is made before')
    ada.settles()
    t.same(ada.document.votes.size, 1)
    t.equal(ada.waiting().at(-1), 'acknowledgements-missing')
    tell(ada, bob)
    tell(bob, cyd)
    t.equal(ada.layout(), undefined)
    t.ok(cyd.layout(), 'the last to acknowledge knows that all have')
    t.equal(cyd.waiting().at(-1), 'majority-missing', 'but serves nothing while it is the only one to show it')
    tell(cyd, bob)
    t.ok(bob.types().includes('majority-shows'), 'two of three')
    tell(bob, ada)
    tell(bob, cyd)
    t.ok(cyd.types().includes('majority-shows'))
    t.same(new Set([ada, bob, cyd].map((each) => each.layout()?.hash)).size, 1)
    t.same(
      ada.layout()?.version.nodes.map(({ shortId }) => shortId),
      [1, 2, 3],
      'short ids by sorted id, never 0',
    )
  })
  t.test('make the same candidate, even if all make it at once', async (t) => {
    const players = three()
    for (const each of players) {
      each.sees(...trio())
      each.settles()
    }
    t.same(new Set(players.flatMap((each) => [...each.document.candidates.keys()])).size, 1)
  })
  t.test('move to the smaller hash when they see each other\u2019s settings differently', async (t) => {
    const [ada, bob, cyd] = three()
    ada.sees(...trio('here'))
    bob.sees(...trio('there'))
    ada.settles()
    bob.settles()
    const [ofAda] = [...ada.document.candidates.keys()]
    const [ofBob] = [...bob.document.candidates.keys()]
    t.not(ofAda, ofBob)
    for (let round = 0; round < 3; round += 1)
      for (const [from, to] of [
        [ada, cyd],
        [bob, ada],
        [bob, cyd],
        [cyd, ada],
        [ada, bob],
      ] as const)
        tell(from, to)
    const smaller = [ofAda, ofBob].sort()[0]
    t.same(
      [ada, bob, cyd].map((each) => each.layout()?.hash),
      [smaller, smaller, smaller],
    )
  })
})

t.test('nothing is said before it is durable', async (t) => {
  const [ada, bob, cyd] = three({ diskWorks: false })
  ada.sees(...trio())
  ada.settles()
  t.ok(ada.types().includes('persist-document'))
  t.same(ada.document, emptyDocument, 'the others see nothing yet')
  ada.diskAnswers()
  t.equal(ada.document.votes.size, 1)
  tell(ada, bob)
  bob.diskAnswers()
  tell(bob, cyd)
  cyd.diskAnswers()
  tell(cyd, ada)
  t.equal(ada.document.live.length, 0, 'a decision, too, is synced before it is used or shown')
  t.notOk(ada.types().includes('decided'))
  ada.diskAnswers()
  t.ok(ada.types().includes('decided'))
})

t.test('a node that starts again keeps its word', async (t) => {
  const [ada, bob] = three()
  ada.sees(...trio())
  ada.settles()
  const again = player(1, { expect: 3, document: ada.document })
  again.sees(...trio('elsewhere'))
  again.settles()
  t.same(again.document.votes, ada.document.votes)
  tell(ada, bob)
  const lost = player(2, { expect: 3, document: emptyDocument })
  t.same(lost.document, emptyDocument, 'what was not durable was not said either')
})

t.test('why there is no candidate', async (t) => {
  const reasons = (...members: Member[]) => {
    const ada = player(1, { expect: 3 })
    ada.sees(starter(1, 3), ...members)
    ada.sees(starter(1, 3), ...members)
    ada.settles()
    t.equal(ada.document.votes.size, 0)
    return ada.waiting()
  }
  t.same(reasons(starter(2, 3)), ['too-few-starters'], 'said once')
  t.same(reasons(starter(2, 3), starter(3, 3), starter(4, 3)), ['more-starters'])
  t.same(reasons(starter(2, 3), starter(3, 2)), ['another-expect'])
  t.same(reasons(starter(2, 3), starter(3, 3, { isFresh: false })), ['cluster-exists'])
  t.same(reasons(starter(2, 3), starter(3, 3, { state: 'suspect' })), ['starter-suspected'])
  t.same(reasons(starter(2, 3), starter(3, 3, { state: 'dead' })), ['too-few-starters'])
  t.same(reasons(starter(2, 3), starter(3, 3), starter(4, 3, { state: 'suspect' })), ['more-starters'])
})

t.test('two seconds of the same starters: another one, and they begin again', async (t) => {
  const ada = player(1, { expect: 3 })
  ada.sees(...trio())
  const attempt = ada.timer
  ada.sees(...trio(), starter(4, 3))
  ada.handle({ type: 'timer-fired', nowMs: 2_000, attempt })
  t.equal(ada.document.votes.size, 0, 'the timer of the first time is not heard')
  ada.sees(...trio())
  t.not(ada.timer, attempt)
  ada.handle({ type: 'timer-fired', nowMs: 3_000, attempt })
  t.equal(ada.document.votes.size, 0)
  ada.settles()
  t.equal(ada.document.votes.size, 1)
})

t.test('a node acknowledges only what has as many nodes as it expects', async (t) => {
  const ada = player(1, { expect: 3 })
  ada.sees(...trio())
  ada.settles()
  for (const expect of [0, 2, 4]) {
    const bob = player(2, { expect })
    tell(ada, bob)
    t.notOk(bob.document.votes.has(nodeId(2)), `--expect ${expect}`)
  }
  const used = player(2, { expect: 3, isFresh: false })
  tell(ada, used)
  t.notOk(used.document.votes.has(nodeId(2)), 'nor does a node that has data')
})

t.test('three nodes, each told to expect two', async (t) => {
  t.test('a node stays with its set as long as the other member may still acknowledge', async (t) => {
    const { ada, cyd } = pairs()
    cyd.sees(starter(1, 2), starter(3, 2))
    cyd.settles()
    tell(cyd, ada)
    t.equal(candidateOf(ada)?.nodes.at(-1)?.id, nodeId(2), 'ada waits for bob, who has said nothing')
  })
  t.test('and moves once it has seen that one bound elsewhere, to a later round', async (t) => {
    const { ada, bob, cyd } = pairs()
    bob.sees(starter(2, 2), starter(3, 2))
    bob.settles()
    tell(bob, ada)
    t.equal(ada.waiting().at(-1), 'too-few-starters', 'ada is free')
    tell(ada, cyd)
    cyd.sees(starter(1, 2), starter(3, 2))
    tell(bob, cyd)
    t.ok(cyd.layout(), 'cyd follows bob')
    tell(cyd, ada)
    t.match(
      ada.effects.find(({ type }) => type === 'decided'),
      { role: 'outsider' },
      'and ada, late, waits to be staged',
    )
  })
  t.test('never come back to a set that others, having seen them elsewhere, had left', async (t) => {
    // ada: {ada, bob}; bob: {bob, cyd}; cyd: {ada, cyd}, none knowing the others' candidates.
    const play = (rules: FirstLayoutRules) => {
      const { ada, bob, cyd } = pairs(rules)
      bob.sees(starter(2, 2), starter(3, 2))
      bob.settles()
      bob.sees(starter(2, 2))
      const early = bob.document
      cyd.sees(starter(1, 2), starter(3, 2))
      cyd.settles()
      cyd.sees(starter(3, 2))
      const late = ada.document
      ada.hears(early)
      ada.hears(cyd.document)
      bob.hears(cyd.document)
      bob.hears(late)
      cyd.hears(ada.document)
      return [ada, bob, cyd].flatMap((each) => each.layout() ?? [])
    }
    t.match(conflictAmong(new Map(play(withoutRounds()).map((each) => [each.hash, each])).values()), /is a member of/)
    t.same(play(firstLayoutRules), [], 'with rounds nobody is in two layouts')
  })
})

t.test('abort', async (t) => {
  t.test('by a member that has not acknowledged ends the candidate', async (t) => {
    const [ada] = three()
    ada.sees(...trio())
    ada.settles()
    const bob = player(2, { expect: 2 })
    tell(ada, bob)
    bob.handle({ type: 'abort-requested', nowMs: 0 })
    t.equal(bob.outcome(), 'aborted')
    t.equal(voteOf(bob)?.stance, 'refused')
    tell(bob, ada)
    ada.sees(...trio('moved'))
    ada.settles()
    t.equal(voteOf(ada)?.round, 2, 'ada is free to make another')
  })
  t.test('is an answer of every member that had acknowledged', async (t) => {
    const [ada, bob, cyd] = three()
    ada.sees(...trio())
    ada.settles()
    tell(ada, bob)
    bob.handle({ type: 'abort-requested', nowMs: 0 })
    t.equal(bob.outcome(), 'aborted')
    t.equal(voteOf(bob)?.stance, 'withdrawn')
    tell(bob, ada)
    t.equal(ada.waiting().at(-1), 'acknowledgements-missing', 'cyd may have heard both, and decided')
    tell(bob, cyd)
    t.notOk(voteOf(cyd), 'nobody else takes up what was aborted')
    cyd.handle({ type: 'abort-requested', nowMs: 0 })
    t.equal(voteOf(cyd)?.stance, 'refused', 'cyd had not acknowledged, and never will')
    tell(cyd, ada)
    ada.sees(...trio('moved'))
    ada.settles()
    t.equal(voteOf(ada)?.round, 2, 'now ada is free')
  })
  t.test('is complete when all have withdrawn', async (t) => {
    const [ada, bob] = [player(1, { expect: 2, diskWorks: false }), player(2, { expect: 2, diskWorks: false })]
    const both = [starter(1, 2), starter(2, 2)]
    for (const each of [ada, bob]) {
      each.sees(...both)
      each.settles()
      each.diskAnswers()
    }
    const [ofAda, ofBob] = [ada.document, bob.document]
    for (const each of [ada, bob]) {
      each.handle({ type: 'abort-requested', nowMs: 0 })
      each.diskAnswers()
    }
    ada.hears(ofBob)
    bob.hears(ofAda)
    t.same([ada.layout(), bob.layout()], [undefined, undefined], 'a withdrawn acknowledgement decides nothing')
    tell(ada, bob)
    tell(bob, ada)
    bob.sees(starter(1, 2, { zone: 'moved' }), starter(2, 2))
    bob.settles()
    bob.diskAnswers()
    t.equal(voteOf(bob)?.round, 2)
    tell(bob, ada)
    ada.diskAnswers()
    tell(ada, bob)
    bob.diskAnswers()
    t.equal(bob.layout()?.version.nodes[0]?.zone, 'moved')
  })
  t.test('is durable: the same candidate is never taken up again', async (t) => {
    const [ada] = three()
    ada.sees(...trio())
    ada.settles()
    ada.handle({ type: 'abort-requested', nowMs: 0 })
    const again = player(1, { expect: 3, document: ada.document })
    again.sees(...trio())
    again.settles()
    t.equal(again.waiting().at(-1), 'aborted')
    t.equal(voteOf(again)?.seq, voteOf(ada)?.seq)
  })
  t.test('comes too late once the layout is decided, and does nothing when there is none', async (t) => {
    const ada = player(1, { expect: 1, joins: false })
    ada.handle({ type: 'abort-requested', nowMs: 0 })
    t.equal(ada.outcome(), 'nothing-to-abort')
    ada.sees(starter(1, 1))
    ada.handle({ type: 'abort-requested', nowMs: 0 })
    t.equal(ada.outcome(), 'decided-already')
    t.ok(ada.layout())
  })
})

t.test('a decided layout met later', async (t) => {
  const cluster = clusterOf(1, 2)
  t.test('makes an outsider of a fresh node that is no member', async (t) => {
    const eve = player(9, { expect: 3 })
    eve.hears(cluster)
    t.match(
      eve.effects.find(({ type }) => type === 'decided'),
      { role: 'outsider' },
    )
    t.notOk(eve.document.trackers.has(nodeId(9)), 'barriers do not wait for it')
  })
  t.test('is followed by its members, even those that were bound elsewhere', async (t) => {
    const ada = player(1, { expect: 3 })
    ada.sees(...trio())
    ada.settles()
    ada.hears(cluster)
    t.match(
      ada.effects.find(({ type }) => type === 'decided'),
      { role: 'member' },
    )
    t.equal(ada.document.trackers.get(nodeId(1))?.ack, 1)
  })
  t.test('is not followed by a node whose own acknowledgement may have decided another', async (t) => {
    const cyd = player(3, { expect: 2 })
    cyd.sees(starter(3, 2), starter(4, 2))
    cyd.settles()
    cyd.hears(cluster)
    t.equal(cyd.waiting().at(-1), 'bound-to-another-set')
    t.equal(cyd.layout(), undefined)
  })
  t.test('of another cluster is refused by both sides', async (t) => {
    const ours = player(1, { document: cluster })
    ours.hears(clusterOf(3, 4))
    t.same(ours.effects.at(-1), { type: 'foreign-cluster', theirs: clusterOf(3, 4).live[0]?.clusterId })
    t.same(ours.document, cluster)
  })
  t.test('is not joined by a node that has data of unknown origin', async (t) => {
    const eve = player(9, { isFresh: false })
    eve.hears(cluster)
    t.equal(eve.layout(), undefined)
    t.equal(eve.waiting().at(-1), 'not-fresh')
  })
  t.test('is followed, as an outsider, by a node that was a member once and has lost its store since', async (t) => {
    const formerCluster = cluster.live[0]?.clusterId
    const eve = player(9, { isFresh: false, formerCluster })
    eve.hears(cluster)
    t.match(
      eve.effects.filter(({ type }) => type === 'decided'),
      [{ role: 'outsider' }],
    )
    const stranger = player(9, { isFresh: false, formerCluster: clusterOf(3, 4).live[0]?.clusterId })
    stranger.hears(cluster)
    t.equal(stranger.waiting().at(-1), 'not-fresh', 'of another cluster')
  })
  t.test('is there at once when the node starts again, and served if a majority was seen', async (t) => {
    const ada = player(1, { document: cluster })
    t.same(ada.types(), ['decided', 'majority-shows', 'persist-document', 'document-changed'])
  })
})

t.test('20,000 random starts never decide two layouts with a node in common', async (t) => {
  const conflicts: string[] = []
  let decided = 0
  for (let seed = 0; seed < 20_000; seed += 1) {
    const layouts = runWorld(seed).decided()
    const conflict = conflictAmong(layouts.values())
    if (layouts.size > 0) decided += 1
    if (conflict !== undefined) conflicts.push(`seed ${seed}: ${conflict}`)
  }
  t.same(conflicts, [])
  t.ok(decided > 5_000, `${decided} of them decided one`)
})

t.test('starters too few for two disjoint sets never decide two layouts at all', async (t) => {
  const seedsWithTwo: number[] = []
  const options = { nodeCount: 3, expect: 2, otherExpectPercent: 0, aborts: true, steps: 120 }
  for (let seed = 0; seed < 1_000; seed += 1) {
    const world = new FirstLayoutWorld(seed, options)
    world.rage()
    if (world.decided().size > 1) seedsWithTwo.push(seed)
  }
  t.same(seedsWithTwo, [])
})

t.test('exactly the expected starters decide, whatever happened before they had peace', async (t) => {
  const seedsWithout: number[] = []
  for (let seed = 0; seed < 600; seed += 1) {
    const nodeCount = 2 + (seed % 4)
    const options = { nodeCount, expect: nodeCount, otherExpectPercent: 0, aborts: false, steps: 60 }
    const world = new FirstLayoutWorld(seed, options)
    world.rage()
    world.calm()
    const isDone = world.nodes.every(({ decided }) => decided.length > 0) && world.decided().size === 1
    if (!isDone) seedsWithout.push(seed)
  }
  t.same(seedsWithout, [])
})

for (const [name, rules] of [
  ['decided by a majority', { isDecided: isDecidedByMajority }],
  ['a node moves as soon as anybody is bound elsewhere', { mayLeave: isAnybodyElsewhere }],
  ['one withdrawal frees everybody', { mayLeave: isAnybodyWithdrawn }],
  ['smallest hash wins, whatever the set', { mayLeave: isSmallerThere, mayEnter: () => true }],
  ['no rounds', withoutRounds()],
] as const) {
  t.test(`the same worlds without one rule (${name}) do decide two`, async (t) => {
    let conflicts = 0
    for (let seed = 0; seed < 6_000 && conflicts === 0; seed += 1) {
      const world = runWorld(seed, { ...firstLayoutRules, ...rules }, seed % 2 === 0)
      if (conflictAmong(world.decided().values()) !== undefined) conflicts += 1
    }
    t.equal(conflicts, 1)
  })
}

/** `isTight`: three nodes told to expect two, and much abort; else anything from two to five nodes. */
function runWorld(
  seed: number,
  rules: FirstLayoutRules = firstLayoutRules,
  isTight = seed % 4 === 3,
): FirstLayoutWorld {
  const expect = isTight ? 2 : 2 + (seed % 2)
  const options: WorldOptions = {
    rules,
    nodeCount: isTight ? 3 : expect + (Math.floor(seed / 2) % 3),
    expect,
    otherExpectPercent: !isTight && seed % 5 === 0 ? 20 : 0,
    aborts: isTight || seed % 3 === 0,
    steps: isTight ? 100 : 150,
  }
  const world = new FirstLayoutWorld(seed, options)
  world.rage()
  return world
}

function isDecidedByMajority(document: LayoutDocument, vote: FirstLayoutVote): boolean {
  const nodes = document.candidates.get(vote.candidate)?.nodes ?? []
  const acknowledged = nodes.filter(({ id }) => {
    const other = document.votes.get(id)
    return other?.stance === 'acknowledged' && other.candidate === vote.candidate
  })
  return acknowledged.length > nodes.length / 2
}

function isAnybodyElsewhere(document: LayoutDocument, vote: FirstLayoutVote): boolean {
  return [...document.votes.values()].some(
    (other) => other.round > vote.round && areOfDifferentSets(document, other, vote),
  )
}

function isAnybodyWithdrawn(document: LayoutDocument, vote: FirstLayoutVote): boolean {
  const nodes = document.candidates.get(vote.candidate)?.nodes ?? []
  return (
    firstLayoutRules.mayLeave(document, vote) || nodes.some(({ id }) => document.votes.get(id)?.stance === 'withdrawn')
  )
}

function isSmallerThere(document: LayoutDocument, vote: FirstLayoutVote): boolean {
  return [...document.votes.values()].some((other) => other.candidate < vote.candidate)
}

/** A node moves to another set after it has seen a member of the old one bound elsewhere; nothing else is asked. */
function withoutRounds(): FirstLayoutRules {
  return {
    ...firstLayoutRules,
    mayEnter: (_, from, vote) => vote.candidate !== from?.candidate,
    mayLeave(document, vote) {
      const nodes = document.candidates.get(vote.candidate)?.nodes ?? []
      return nodes.some(({ id }) => {
        const other = document.votes.get(id)
        return other !== undefined && (other.stance === 'refused' || areOfDifferentSets(document, other, vote))
      })
    },
  }
}

function areOfDifferentSets(document: LayoutDocument, a: FirstLayoutVote, b: FirstLayoutVote): boolean {
  const [versionA, versionB] = [document.candidates.get(a.candidate), document.candidates.get(b.candidate)]
  return versionA !== undefined && versionB !== undefined && !haveSameNodes(versionA, versionB)
}

interface PlayerOptions {
  readonly expect?: number
  readonly joins?: boolean
  readonly isFresh?: boolean
  readonly formerCluster?: ClusterId | undefined
  readonly document?: LayoutDocument
  readonly rules?: FirstLayoutRules
  /** Whether what is to be persisted is durable at once. */
  readonly diskWorks?: boolean
}

type Player = ReturnType<typeof player>

/** One starter whose disk, unless told otherwise, answers at once. */
function player(number: number, options: PlayerOptions = {}) {
  const { expect = 3, joins = true, isFresh = true, document = emptyDocument, diskWorks = true } = options
  const { formerCluster } = options
  const settings = { self: nodeId(number), expect, joins, isFresh, formerCluster, partitionCount: 4, replicaCount: 3 }
  const machine = new FirstLayout(settings, document, testHash, options.rules ?? firstLayoutRules)
  const effects: FirstLayoutEffect[] = []
  let ticket = 0
  const self = {
    number,
    effects,
    timer: 0,
    get document() {
      return machine.document
    },
    handle(event: FirstLayoutEvent): void {
      const before = effects.length
      effects.push(...machine.handle(event))
      const fresh = effects.slice(before)
      for (const effect of fresh) {
        if (effect.type === 'set-timer') self.timer = effect.attempt
        if (effect.type === 'persist-document') ticket = effect.ticket
      }
      if (diskWorks && fresh.some(({ type }) => type === 'persist-document')) self.persisted()
    },
    persisted: () => self.handle({ type: 'persisted', nowMs: 0, ticket }),
    /** Everything that is to be persisted, and what follows from it. */
    diskAnswers(): void {
      for (let asked = -1; asked !== ticket; ) {
        asked = ticket
        self.persisted()
      }
    },
    sees: (...members: Member[]) => self.handle({ type: 'members-changed', nowMs: 0, members }),
    settles: () => self.handle({ type: 'timer-fired', nowMs: startersSettleMs, attempt: self.timer }),
    hears: (heard: LayoutDocument) => self.handle({ type: 'document-received', nowMs: 0, document: heard }),
    types: () => effects.map(({ type }) => type).filter((type) => type !== 'waiting'),
    waiting: () => effects.flatMap((effect) => (effect.type === 'waiting' ? [effect.reason] : [])),
    outcome: () => effects.flatMap((effect) => (effect.type === 'abort-answered' ? [effect.outcome] : [])).at(-1),
    layout: () => effects.flatMap((effect) => (effect.type === 'decided' ? [effect.layout] : [])).at(-1),
  }
  self.handle({ type: 'started', nowMs: 0 })
  return self
}

function three(options: PlayerOptions = {}): readonly [Player, Player, Player] {
  return [player(1, options), player(2, options), player(3, options)]
}

function trio(zone = 'default'): readonly Member[] {
  return [starter(1, 3, { zone }), starter(2, 3), starter(3, 3)]
}

/** ada has seen only bob, and has made a first layout of the two. */
function pairs(rules: FirstLayoutRules = firstLayoutRules) {
  const [ada, bob, cyd] = three({ expect: 2, rules })
  ada.sees(starter(1, 2), starter(2, 2))
  ada.settles()
  ada.sees(starter(1, 2))
  return { ada, bob, cyd }
}

function tell(from: Player, to: Player): void {
  to.hears(from.document)
}

function voteOf(who: Player): FirstLayoutVote | undefined {
  return who.document.votes.get(nodeId(who.number))
}

function candidateOf(who: Player) {
  return who.document.candidates.get(voteOf(who)?.candidate ?? '')
}

/** The document of a cluster of two. */
function clusterOf(first: number, second: number): LayoutDocument {
  const [one, two] = [player(first, { expect: 2 }), player(second, { expect: 2 })]
  for (const each of [one, two]) each.sees(starter(first, 2), starter(second, 2))
  one.settles()
  tell(one, two)
  tell(two, one)
  tell(one, two)
  const [layout] = two.document.live
  if (layout === undefined || !hasNode(layout.version, nodeId(first))) throw new Error('the two did not decide')
  return two.document
}

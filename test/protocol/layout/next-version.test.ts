import t from 'tap'
import type { Hlc } from '../../../lib/protocol/clock/hlc.ts'
import { firstCandidate } from '../../../lib/protocol/layout/first-candidate.ts'
import type { StagedChange } from '../../../lib/protocol/layout/layout-document.ts'
import { layoutHash } from '../../../lib/protocol/layout/layout-hash.ts'
import type { LayoutVersion } from '../../../lib/protocol/layout/layout-version.ts'
import { type MemberFacts, type NextVersion, nextVersion } from '../../../lib/protocol/layout/next-version.ts'
import { assignmentProblem } from '../../../lib/protocol/ring/assignment-problem.ts'
import { type NodeId, toNodeId } from '../../../lib/vocabulary/ids.ts'
import { hash } from '../../wire/fixtures/hash.ts'

const names = ['ada', 'bob', 'cyd', 'dan', 'eve'] as const
type Name = (typeof names)[number]

t.test('nothing staged is nothing to commit', async (t) => {
  const plan = planned(['ada', 'bob', 'cyd'], {})
  t.equal(plan.version, undefined)
  t.match(failuresOf(plan), [/nothing is staged/])
})

t.test('a join', async (t) => {
  const before = layoutOf(['ada', 'bob', 'cyd'])
  const plan = planned(before, { dan: join })
  const { version } = plan
  t.match(version, { number: 2, assignedAt: 2, parent: layoutHash(before, hash), excluded: [], awaited: [], forks: 0 })
  t.equal(assignmentProblem(version as LayoutVersion), undefined)
  t.same(
    version?.nodes.map(({ id }) => nameOf(id)),
    ['ada', 'bob', 'cyd', 'dan'],
  )
  const shares = Object.fromEntries(plan.shares.map(({ node, before, after }) => [nameOf(node), [before, after]]))
  t.same(shares, { ada: [64, 48], bob: [64, 48], cyd: [64, 48], dan: [0, 48] })
  t.equal(plan.moves.length, 48, 'what the new node receives, and nothing else')
  t.ok(plan.moves.every(({ from, to }) => from.length === 1 && nameOf(to[0] as NodeId) === 'dan'))

  t.test('gives a short id that no node ever had', async (t) => {
    const third = nextVersion({
      current: version as LayoutVersion,
      currentHash: layoutHash(version as LayoutVersion, hash),
      isInTransition: false,
      staged: new Map([[idOf('eve'), staged(join)]]),
      members: members(),
    }).version
    const shortIds = third?.nodes.map(({ shortId }) => shortId) ?? []
    t.equal(new Set(shortIds).size, 5)
    t.ok(shortIds.every((shortId) => shortId === (shortId | 0)))
  })

  t.test('of several nodes is one plan; one that is not alive is refused', async (t) => {
    t.equal(planned(before, { dan: join, eve: join }).version?.nodes.length, 5)
    t.match(failuresOf(planned(before, { dan: join }, { dead: ['dan'] })), [/dan is to join, and is not alive/])
  })

  t.test('to a cluster with fewer nodes than replicas gives every partition more owners', async (t) => {
    const one = layoutOf(['ada'])
    const three = planned(one, { bob: join, cyd: join }).version as LayoutVersion
    t.equal(three.assignment.length, 64 * 3)
    t.equal(assignmentProblem(three), undefined)
  })
})

t.test('a leave', async (t) => {
  t.test('of a living node hands over; nobody is excluded', async (t) => {
    const plan = planned(['ada', 'bob', 'cyd', 'dan'], { bob: { action: 'leave' } })
    t.match(plan.version, { excluded: [], awaited: [] })
    t.same(
      plan.version?.nodes.map(({ id }) => nameOf(id)),
      ['ada', 'cyd', 'dan'],
    )
    t.ok(plan.moves.every(({ from }) => from.length === 1 && nameOf(from[0] as NodeId) === 'bob'))
  })

  t.test('L5: of a dead node carries its exclusion, and says so', async (t) => {
    const plan = planned(['ada', 'bob', 'cyd', 'dan'], { bob: { action: 'leave' } }, { dead: ['bob'] })
    t.match(plan.version, { excluded: [idOf('bob')], awaited: [idOf('bob')] })
    t.match(plan.changes, [/bob leaves, which is dead: it is excluded in the same plan/])
  })

  t.test('of the last node leaves nothing to place', async (t) => {
    t.match(failuresOf(planned(['ada'], { ada: { action: 'leave' } })), [/no nodes/])
  })
})

t.test('a replacement', async (t) => {
  const before = layoutOf(['ada', 'bob', 'cyd', 'dan'])
  const plan = planned(before, { bob: { action: 'replace', with: idOf('eve') } }, { dead: ['bob'] })
  t.test('takes exactly the partitions of the one it replaces', async (t) => {
    const owned = (version: LayoutVersion, name: Name) => partitionsOf(version, name)
    t.same(owned(plan.version as LayoutVersion, 'eve'), owned(before, 'bob'))
    for (const name of ['ada', 'cyd', 'dan'] as const) {
      t.same(owned(plan.version as LayoutVersion, name), owned(before, name), name)
    }
  })

  t.test('L5: of a dead node carries its exclusion', async (t) => {
    t.match(plan.version, { assignedAt: 2, excluded: [idOf('bob')], awaited: [idOf('bob')] })
    t.match(plan.changes, [/eve takes the partitions of bob, which is dead/])
  })

  t.test('that brings two owners into one zone without need is refused', async (t) => {
    const zones = { ada: 'x', bob: 'y', cyd: 'z', dan: 'y', eve: 'x' } as const
    const current = layoutOf(['ada', 'bob', 'cyd', 'dan'], zones)
    const wrong = planned(current, { bob: { action: 'replace', with: idOf('eve') } }, { dead: ['bob'], zones })
    t.equal(wrong.version, undefined)
    t.match(failuresOf(wrong), [/zone/])
    const right = planned(
      current,
      { bob: { action: 'replace', with: idOf('eve'), zone: 'y' } },
      { dead: ['bob'], zones },
    )
    t.match(right.version, { number: 2 })
  })

  t.test('by somebody who is a member, or dead, is refused', async (t) => {
    const by = (successor: Name, dead: readonly Name[] = []) =>
      failuresOf(planned(before, { bob: { action: 'replace', with: idOf(successor) } }, { dead: ['bob', ...dead] }))
    t.match(by('cyd'), [/cyd is a member already/])
    t.match(by('eve', ['eve']), [/not alive/])
  })

  t.test('of a living node is refused unless it is forced: then it hands over as one that leaves', async (t) => {
    const change = { action: 'replace', with: idOf('eve') } as const
    t.match(failuresOf(planned(before, { bob: change })), [/bob is alive/])
    const forced = planned(before, { bob: { ...change, force: true } })
    t.match(forced.version, { excluded: [], awaited: [] })
    t.same(partitionsOf(forced.version as LayoutVersion, 'eve'), partitionsOf(before, 'bob'))
  })
})

t.test('what has come about already is nothing to plan', async (t) => {
  const layout = layoutOf(['ada', 'bob', 'cyd'])
  const excluded = planned(layout, { cyd: { action: 'exclude' } }, { dead: ['cyd'] }).version as LayoutVersion
  for (const [change, what] of [
    [{ ada: join }, 'it joined'],
    [{ dan: { action: 'leave' } }, 'it left'],
    [{ dan: { action: 'replace', with: idOf('ada') } }, 'it was replaced'],
    [{ dan: { action: 'replace', with: idOf('eve') } }, 'it was replaced, and the other one left'],
    [{ cyd: { action: 'exclude' } }, 'it is excluded'],
    [{ ada: { action: 'set', zone: 'default', weight: 1 } }, 'it is so'],
    [{ ada: { action: 'clear' } }, 'it was taken back'],
  ] as const) {
    t.match(failuresOf(planned(excluded, change)), [/nothing is staged/], what)
  }
})

t.test('L4: an exclusion repeats the assignment: it may be decided during a transition', async (t) => {
  const before = layoutOf(['ada', 'bob', 'cyd'])
  const exclude = { bob: { action: 'exclude' } } as const
  const plan = planned(before, exclude, { dead: ['bob'], isInTransition: true })
  t.match(plan.version, { number: 2, assignedAt: 1, excluded: [idOf('bob')], awaited: [idOf('bob')] })
  t.same(plan.version?.assignment, before.assignment)
  t.same(plan.moves, [])
  t.match(failuresOf(planned(before, exclude)), [/bob is alive: let it leave instead/])
  t.match(failuresOf(planned(before, { dan: join }, { isInTransition: true })), [/still running/])
})

t.test('L4: whoever dies while it hands over is excluded, and nobody forgets who was excluded before', async (t) => {
  const before = layoutOf(['ada', 'bob', 'cyd', 'dan'])
  const without = planned(before, { dan: { action: 'leave' } }).version as LayoutVersion
  const current = { ...without, excluded: [idOf('cyd')], awaited: [idOf('cyd')] }
  const exclude = { dan: { action: 'exclude' } } as const
  const facts = { dead: ['cyd', 'dan'], isInTransition: true } as const
  t.match(failuresOf(planned(current, exclude, facts)), [/nothing is staged/], 'it is no member of the newest version')
  const plan = planned(current, exclude, { ...facts, leaving: ['dan'] })
  t.match(plan.version, { number: 3, assignedAt: 2, excluded: [idOf('cyd'), idOf('dan')], nodes: current.nodes })
  const third = planned(
    plan.version as LayoutVersion,
    { bob: { action: 'exclude' } },
    {
      dead: ['bob', 'cyd', 'dan'],
      isInTransition: true,
    },
  )
  t.same(
    third.version?.excluded,
    ['bob', 'cyd', 'dan'].map((name) => idOf(name as Name)),
    'the older version has dan still',
  )
})

t.test('L5: an exclusion says where writes may be missing, and gives the excluded nothing', async (t) => {
  const before = layoutOf(['ada', 'bob', 'cyd', 'dan'])
  const warningOf = (plan: NextVersion) => plan.checks.find(({ name }) => name === 'exclusion')
  const exclude = { action: 'exclude' } as const
  t.match(warningOf(planned(before, { cyd: exclude }, { dead: ['cyd'] })), {
    isOk: true,
    detail: 'in every partition fewer than 2 owners are excluded',
  })
  const both = planned(before, { cyd: exclude, dan: exclude }, { dead: ['cyd', 'dan'] })
  const count = partitionsOf(before, 'cyd').filter((partition) =>
    partitionsOf(before, 'dan').includes(partition),
  ).length
  t.match(warningOf(both), { isOk: true, detail: new RegExp(`^warning: in ${count} of 64 partitions 2 or more`) })
  t.match(
    failuresOf(planned(before, { cyd: exclude, dan: { action: 'leave' } }, { dead: ['cyd'] })),
    [/an excluded node would own more/],
    'whose share would go to cyd',
  )
  t.match(
    planned(before, { cyd: { ...exclude, force: true } }).version,
    { excluded: [idOf('cyd')] },
    'forced, though alive',
  )
})

t.test('L5: whoever still holds what it held before does not join', async (t) => {
  const before = layoutOf(['ada', 'bob', 'cyd'])
  const join = { action: 'join' } as const
  t.match(failuresOf(planned({ ...before, awaited: [idOf('dan')] }, { dan: join })), [/dan has not handed over/])
  t.match(failuresOf(planned({ ...before, forgotten: [idOf('dan')] }, { dan: join })), [/dan was forgotten/])
  const replace = { cyd: { action: 'replace', with: idOf('dan'), force: true } } as const
  t.match(failuresOf(planned({ ...before, awaited: [idOf('dan')] }, replace)), [/dan still has what it held/])
})

t.test('whoever took a place once and left joins like any other', async (t) => {
  const before = layoutOf(['ada', 'bob', 'cyd'])
  const plan = planned(before, { dan: { action: 'replace', with: idOf('eve') }, eve: { action: 'join' } })
  t.match(plan.changes, ['eve joins'])
})

t.test('a plan with a member that is dead and not excluded in it is refused', async (t) => {
  const before = layoutOf(['ada', 'bob', 'cyd'])
  t.match(failuresOf(planned(before, { dan: join }, { dead: ['cyd'] })), [/cyd: not alive/])
  t.match(planned(before, { dan: join, cyd: { action: 'exclude' } }, { dead: ['cyd'] }).version, {
    number: 2,
    excluded: [idOf('cyd')],
  })
})

t.test('a plan with a member too old to follow it is refused, unless it is excluded', async (t) => {
  const before = layoutOf(['ada', 'bob', 'cyd'])
  t.match(failuresOf(planned(before, { dan: join }, { outdated: ['bob'] })), [/bob: too old to follow/])
  t.match(failuresOf(planned(before, { dan: join }, { outdated: ['dan'] })), [/dan: too old to follow/])
  t.equal(planned(before, { dan: join }, { outdated: ['eve'] }).version?.number, 2, 'who is no part of it may be old')
  const replaced = { bob: { action: 'replace', with: idOf('dan') } } as const
  t.equal(planned(before, replaced, { outdated: ['bob'], dead: ['bob'] }).version?.number, 2)
})

t.test(
  'a newcomer that asked to join and is to replace somebody takes that place, in whatever order they come',
  async (t) => {
    const before = layoutOf(['bob', 'cyd', 'dan'])
    for (const [newcomer, other] of [
      ['ada', 'eve'],
      ['eve', 'ada'],
    ] as const) {
      const replaced = { bob: { action: 'replace', with: idOf(newcomer) } } as const
      const plan = planned(before, { ...replaced, [newcomer]: join, [other]: join }, { dead: ['bob'] })
      t.same(failuresOf(plan), [])
      t.same(
        plan.version?.nodes.map(({ id }) => nameOf(id)),
        ['ada', 'cyd', 'dan', 'eve'],
      )
      t.match(plan.changes.join(), new RegExp(`${newcomer} takes the partitions of bob`))
    }
  },
)

t.test('a plan with two members of one name is refused, unless one of them is excluded', async (t) => {
  const before = layoutOf(['ada', 'bob', 'cyd'])
  t.match(failuresOf(planned(before, { dan: join }, { alias: { dan: 'bob' } })), [/two members would be called bob/])
  const changes = { dan: join, bob: { action: 'exclude' } } as const
  t.equal(planned(before, changes, { alias: { dan: 'bob' }, dead: ['bob'] }).version?.number, 2)
})

t.test('a change of weight or zone is planned anew', async (t) => {
  const plan = planned(['ada', 'bob', 'cyd', 'dan'], { dan: { action: 'set', weight: 3 } })
  const dan = plan.shares.find(({ node }) => nameOf(node) === 'dan')
  t.ok((dan?.after ?? 0) > (dan?.before ?? 0))
  t.equal(plan.version?.nodes.find(({ id }) => nameOf(id) === 'dan')?.weight, 3)
})

const join = { action: 'join' } as const

type Change = Partial<StagedChange> & Pick<StagedChange, 'action'>

function planned(
  layout: LayoutVersion | readonly Name[],
  changes: Partial<Record<Name, Change>>,
  facts: {
    dead?: readonly Name[]
    outdated?: readonly Name[]
    /** Who goes by another's name. */
    alias?: Partial<Record<Name, Name>>
    isInTransition?: boolean
    leaving?: readonly Name[]
    zones?: Partial<Record<Name, string>>
  } = {},
): NextVersion {
  const current = 'assignment' in layout ? layout : layoutOf(layout)
  return nextVersion({
    current,
    currentHash: layoutHash(current, hash),
    isInTransition: facts.isInTransition ?? false,
    leaving: new Set(facts.leaving?.map(idOf)),
    staged: new Map(Object.entries(changes).map(([name, change]) => [idOf(name as Name), staged(change as Change)])),
    members: members(facts.dead, facts.zones, facts.outdated, facts.alias),
  })
}

function members(
  dead: readonly Name[] = [],
  zones: Partial<Record<Name, string>> = {},
  outdated: readonly Name[] = [],
  alias: Partial<Record<Name, Name>> = {},
): Map<NodeId, MemberFacts> {
  return new Map(
    names.map((name) => [
      idOf(name),
      {
        name: alias[name] ?? name,
        zone: zones[name] ?? 'default',
        weight: 1,
        isAlive: !dead.includes(name),
        isOutdated: outdated.includes(name),
      },
    ]),
  )
}

function staged(change: Change): StagedChange {
  return {
    setAt: 1 as Hlc,
    setBy: idOf('ada'),
    with: undefined,
    zone: undefined,
    weight: undefined,
    force: false,
    ...change,
  }
}

function layoutOf(of: readonly Name[], zones: Partial<Record<Name, string>> = {}): LayoutVersion {
  const starters = of.map((name) => ({ id: idOf(name), zone: zones[name] ?? 'default', weight: 1 }))
  const made = firstCandidate(starters, { partitionCount: 64, replicaCount: 3 })
  if (!made.ok) throw new Error(made.reason)
  return made.version
}

function partitionsOf(version: LayoutVersion, name: Name): readonly number[] {
  const place = version.nodes.findIndex(({ id }) => id === idOf(name))
  const owners = version.assignment.length / version.partitionCount
  return [...version.assignment.entries()].filter(([, node]) => node === place).map(([at]) => Math.floor(at / owners))
}

function failuresOf(plan: NextVersion): readonly string[] {
  return plan.checks.filter(({ isOk }) => !isOk).map(({ detail }) => detail)
}

function idOf(name: Name): NodeId {
  return toNodeId(Buffer.from(name.padEnd(16, '.')).toString('hex'))
}

function nameOf(id: NodeId): string {
  return Buffer.from(id, 'hex').toString().replaceAll('.', '')
}

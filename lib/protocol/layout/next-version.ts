import type { NodeId } from '../../vocabulary/ids.ts'
import { unreachable } from '../../vocabulary/invariant.ts'
import { assignmentProblem } from '../ring/assignment-problem.ts'
import { ownersPerPartition, type Placement } from '../ring/placement.ts'
import { planAssignment } from '../ring/planner.ts'
import type { StagedChange } from './layout-document.ts'
import type { LayoutNode, LayoutVersion } from './layout-version.ts'

/** What the planner must know of a member or of a node that wants to be one. */
export interface MemberFacts {
  readonly name: string
  readonly zone: string
  readonly weight: number
  readonly isAlive: boolean
  /** Its software is from before layouts could change: it would go on as if they did not. */
  readonly isOutdated?: boolean
}

export interface NextVersionRequest {
  /** The newest decided version, and its hash. */
  readonly current: LayoutVersion
  readonly currentHash: string
  /** Two versions are live: only amendments may follow (docs/rules.md T7). */
  readonly isInTransition: boolean
  /** In an older live version and not in the newest: they hand over, and others wait for them until they are excluded. */
  readonly leaving?: ReadonlySet<NodeId>
  readonly staged: ReadonlyMap<NodeId, StagedChange>
  readonly members: ReadonlyMap<NodeId, MemberFacts>
}

export interface PlanCheck {
  readonly name: 'staged' | 'members' | 'versions' | 'transition' | 'nodes' | 'zones' | 'exclusion'
  readonly isOk: boolean
  readonly detail: string
}

/** One partition that changes owners. */
export interface PlannedMove {
  readonly partition: number
  readonly from: readonly NodeId[]
  readonly to: readonly NodeId[]
}

export interface NextVersion {
  /** Undefined when there is none to commit; `checks` say why. */
  readonly version: LayoutVersion | undefined
  /** In words, one for each staged change, with what follows from it. */
  readonly changes: readonly string[]
  /** Replicas of each node of both versions, before and after. */
  readonly shares: readonly { readonly node: NodeId; readonly before: number; readonly after: number }[]
  readonly moves: readonly PlannedMove[]
  readonly checks: readonly PlanCheck[]
}

/**
 * Whether the newest version already is as `change` wants it, or has no place for it any more: staged changes need no
 * clearing once they are decided.
 */
export function isComeAbout(
  node: NodeId,
  change: StagedChange,
  { nodes, excluded }: LayoutVersion,
  leaving: ReadonlySet<NodeId> = new Set(),
): boolean {
  const member = nodes.find(({ id }) => id === node)
  switch (change.action) {
    case 'clear':
      return true
    case 'join':
      return member !== undefined
    case 'leave':
    case 'replace':
      return member === undefined
    case 'exclude':
      return (member === undefined && !leaving.has(node)) || excluded.includes(node)
    case 'set':
      return (
        member === undefined ||
        (member.zone === (change.zone ?? member.zone) && member.weight === (change.weight ?? member.weight))
      )
    default:
      return unreachable(change.action)
  }
}

/** Short ids are never used again: each version has its own range of them. */
const shortIdsPerVersion = 4096

/**
 * The version that the staged changes lead to. A pure function of what all nodes know, so that whoever plans, plans the
 * same. What only excludes, or changes nothing in who owns what, repeats the assignment: an amendment (docs/rules.md L4).
 */
export function nextVersion(request: NextVersionRequest): NextVersion {
  const { current, staged, members } = request
  const draft = new Draft(request)
  // A newcomer that asked to join and takes somebody's place joins by that.
  const successors = new Set(
    [...staged]
      .filter(([node, change]) => change.action === 'replace' && !isComeAbout(node, change, current))
      .map(([, change]) => change.with),
  )
  for (const [node, change] of [...staged].sort(([a], [b]) => (a < b ? -1 : 1))) {
    if (change.action !== 'join' || !successors.has(node)) draft.apply(node, change)
  }
  const { checks, changes } = draft
  if (changes.length === 0 && checks.length === 0) {
    checks.push(
      failed('staged', 'nothing is staged: see `starling cluster join`, `leave`, `replace`, `exclude`, `set`'),
    )
  }
  const placed = draft.place()
  if (!placed.ok) checks.push(failed('nodes', placed.reason))
  if (!checks.every(({ isOk }) => isOk) || !placed.ok) return { ...nothing, changes, checks }
  const isAmendment = placed.isRepeated
  if (request.isInTransition && !isAmendment) {
    checks.push(failed('transition', 'a change of owners is still running: wait for it, or abort it'))
    return { ...nothing, changes, checks }
  }
  const number = current.number + 1
  const version: LayoutVersion = {
    number,
    assignedAt: isAmendment ? current.assignedAt : number,
    parent: request.currentHash,
    partitionCount: current.partitionCount,
    replicaCount: current.replicaCount,
    nodes: placed.nodes,
    assignment: placed.assignment,
    excluded: draft.excluded(),
    awaited: draft.awaited(),
    forgotten: current.forgotten,
    forks: current.forks,
  }
  checks.push(
    ...livenessChecks(version, members),
    ...softwareChecks(current, version, members),
    ...zoneChecks(version),
    ...exclusionChecks(current, version),
  )
  const isOk = checks.every((check) => check.isOk)
  return {
    version: isOk ? version : undefined,
    changes,
    shares: sharesOf(current, version),
    moves: movesOf(current, version),
    checks,
  }
}

interface Placed {
  readonly ok: true
  readonly nodes: readonly LayoutNode[]
  readonly assignment: Uint16Array
  /** Nobody owns anything else than before. */
  readonly isRepeated: boolean
}

const nothing = { version: undefined, shares: [], moves: [] } as const

/** The staged changes, applied one by one to the newest version. */
class Draft {
  readonly checks: PlanCheck[] = []
  readonly changes: string[] = []
  readonly #current: LayoutVersion
  readonly #members: ReadonlyMap<NodeId, MemberFacts>
  readonly #isInTransition: boolean
  readonly #leaving: ReadonlySet<NodeId>
  readonly #nodes: Map<NodeId, LayoutNode>
  readonly #excluded: Set<NodeId>
  readonly #awaited: Set<NodeId>
  /** Who takes whose place, partition by partition. */
  readonly #successors = new Map<NodeId, NodeId>()
  #isReplanned = false
  #added = 0

  constructor({ current, members, isInTransition, leaving = new Set() }: NextVersionRequest) {
    this.#current = current
    this.#members = members
    this.#isInTransition = isInTransition
    this.#leaving = leaving
    this.#nodes = new Map(current.nodes.map((node) => [node.id, node]))
    this.#excluded = new Set(current.excluded)
    this.#awaited = new Set(current.awaited)
  }

  apply(node: NodeId, change: StagedChange): void {
    if (isComeAbout(node, change, this.#current, this.#leaving)) return
    switch (change.action) {
      case 'join':
        return this.#join(node, change)
      case 'leave':
        return this.#leave(node)
      case 'replace':
        return this.#replace(node, change)
      case 'exclude':
        return this.#exclude(node, change)
      case 'set':
        return this.#set(node, change)
      case 'clear':
        return
      default:
        return unreachable(change.action)
    }
  }

  /** Of what is excluded, what is still in a version that may be live: the rest is out of every barrier anyway. */
  excluded(): readonly NodeId[] {
    const known = new Set([...this.#nodes.keys(), ...this.#current.nodes.map(({ id }) => id)])
    // In a transition the version before this one is live, too, and may have those that this one has dropped.
    return [...this.#excluded].filter((id) => this.#isInTransition || known.has(id)).sort()
  }

  awaited(): readonly NodeId[] {
    return [...this.#awaited].sort()
  }

  place(): Placed | { readonly ok: false; readonly reason: string } {
    const nodes = [...this.#nodes.values()].sort(byId)
    const { partitionCount, replicaCount } = this.#current
    const previous = this.#succeeded()
    if (!this.#isReplanned) {
      return { ok: true, nodes, assignment: previous.assignment, isRepeated: this.#successors.size === 0 }
    }
    const plan = planAssignment({ nodes, partitionCount, replicaCount, previous })
    return plan.ok ? { ok: true, nodes, assignment: plan.assignment, isRepeated: false } : plan
  }

  #join(node: NodeId, change: StagedChange): void {
    const facts = this.#members.get(node)
    if (this.#current.forgotten.includes(node)) {
      return this.#fail('members', `${this.#name(node)} was forgotten: it can only join with an empty directory`)
    }
    // What it holds of its former membership would be deleted before it takes anything in (docs/rules.md T6).
    if (this.#awaited.has(node)) {
      return this.#fail('members', `${this.#name(node)} has not handed over what it held before: wait, or forget it`)
    }
    if (facts?.isAlive !== true) return this.#fail('members', `${this.#name(node)} is to join, and is not alive`)
    this.#add(node, change.zone ?? facts.zone, change.weight ?? facts.weight)
    this.#isReplanned = true
    this.changes.push(`${this.#name(node)} joins`)
  }

  #leave(node: NodeId): void {
    this.#nodes.delete(node)
    this.#isReplanned = true
    this.changes.push(`${this.#name(node)} leaves${this.#gone(node)}`)
  }

  #replace(node: NodeId, change: StagedChange): void {
    const successor = change.with
    const before = this.#nodes.get(node)
    const facts = successor === undefined ? undefined : this.#members.get(successor)
    // Another change of the same plan took it away.
    if (before === undefined) return
    if (this.#isAlive(node) && !change.force) {
      return this.#fail(
        'members',
        `${this.#name(node)} is alive: let it leave and the other join, or replace it with force`,
      )
    }
    if (successor === undefined || facts?.isAlive !== true) {
      return this.#fail('members', `the node that replaces ${this.#name(node)} is not alive`)
    }
    if (this.#nodes.has(successor)) return this.#fail('members', `${this.#name(successor)} is a member already`)
    if (this.#current.forgotten.includes(successor) || this.#awaited.has(successor)) {
      return this.#fail('members', `${this.#name(successor)} still has what it held as a member before`)
    }
    this.#nodes.delete(node)
    this.#add(successor, change.zone ?? facts.zone, change.weight ?? before.weight)
    this.#successors.set(node, successor)
    this.changes.push(`${this.#name(successor)} takes the partitions of ${this.#name(node)}${this.#gone(node)}`)
  }

  #exclude(node: NodeId, change: StagedChange): void {
    if (this.#isAlive(node) && !change.force) {
      return this.#fail('exclusion', `${this.#name(node)} is alive: let it leave instead`)
    }
    this.#excluded.add(node)
    this.#awaited.add(node)
    this.changes.push(`${this.#name(node)} is excluded: nobody waits for it any more`)
  }

  #set(node: NodeId, change: StagedChange): void {
    const before = this.#nodes.get(node)
    if (before === undefined) return
    const after = { ...before, zone: change.zone ?? before.zone, weight: change.weight ?? before.weight }
    this.#nodes.set(node, after)
    this.#isReplanned = true
    this.changes.push(`${this.#name(node)} is in zone ${after.zone} with weight ${after.weight}`)
  }

  /** Whoever goes without being able to hand over is excluded in the same plan, and awaited (docs/rules.md L5). */
  #gone(node: NodeId): string {
    if (this.#isAlive(node)) return ''
    this.#excluded.add(node)
    this.#awaited.add(node)
    return ', which is dead: it is excluded in the same plan, and what only it held is missing until it returns'
  }

  #add(id: NodeId, zone: string, weight: number): void {
    const shortId = (this.#current.number + 1) * shortIdsPerVersion + this.#added
    this.#added += 1
    // It was dropped before, and begins anew (docs/rules.md L5).
    this.#excluded.delete(id)
    this.#nodes.set(id, { id, shortId, zone, weight })
  }

  /** The newest version, with successors in their predecessors' places. */
  #succeeded(): Placement<LayoutNode> {
    const { partitionCount, replicaCount, nodes: before, assignment } = this.#current
    const successors = before.map((node) => this.#nodes.get(this.#successors.get(node.id) ?? node.id) ?? node)
    const nodes = [...successors].sort(byId)
    const places = successors.map((node) => nodes.indexOf(node))
    const owners = ownersPerPartition(this.#current)
    const succeeded = new Uint16Array(assignment.length)
    for (let from = 0; from < assignment.length; from += owners) {
      const cells = Array.from(assignment.subarray(from, from + owners), (index) => places[index] as number)
      succeeded.set(
        cells.sort((a, b) => a - b),
        from,
      )
    }
    return { partitionCount, replicaCount, nodes, assignment: succeeded }
  }

  #isAlive(node: NodeId): boolean {
    return this.#members.get(node)?.isAlive === true
  }

  #name(node: NodeId): string {
    return this.#members.get(node)?.name ?? node.slice(0, 8)
  }

  #fail(name: PlanCheck['name'], detail: string): void {
    this.checks.push(failed(name, detail))
  }
}

function byId(a: LayoutNode, b: LayoutNode): number {
  return a.id < b.id ? -1 : 1
}

function failed(name: PlanCheck['name'], detail: string): PlanCheck {
  return { name, isOk: false, detail }
}

function livenessChecks(version: LayoutVersion, members: ReadonlyMap<NodeId, MemberFacts>): readonly PlanCheck[] {
  const missing = version.nodes.filter(({ id }) => !version.excluded.includes(id) && members.get(id)?.isAlive !== true)
  const names = missing.map(({ id }) => members.get(id)?.name ?? id.slice(0, 8)).join(', ')
  const detail =
    missing.length === 0
      ? `all ${version.nodes.length} members are alive or excluded`
      : `${names}: not alive; start it, replace it, or exclude it`
  return [{ name: 'members', isOk: missing.length === 0, detail }, ...nameChecks(version, members)]
}

/** People name nodes by their names: no two members may have one. */
function nameChecks(version: LayoutVersion, members: ReadonlyMap<NodeId, MemberFacts>): readonly PlanCheck[] {
  const seen = new Set<string>()
  const twice = new Set<string>()
  for (const { id } of version.nodes) {
    const name = version.excluded.includes(id) ? undefined : members.get(id)?.name
    if (name !== undefined && seen.has(name)) twice.add(name)
    if (name !== undefined) seen.add(name)
  }
  if (twice.size === 0) return []
  return [
    failed('members', `two members would be called ${[...twice].join(', ')}: start one of them with another --name`),
  ]
}

/** What only the excluded have is missing: said where they may be all that acknowledged a write (docs/rules.md L5). */
function exclusionChecks(current: LayoutVersion, next: LayoutVersion): readonly PlanCheck[] {
  if (next.excluded.length === 0) return []
  const excluded = new Set(next.excluded)
  const quorum = Math.floor(ownersPerPartition(current) / 2) + 1
  let count = 0
  for (let partition = 0; partition < current.partitionCount; partition += 1) {
    if (ownersOf(current, partition).filter((id) => excluded.has(id)).length >= quorum) count += 1
  }
  const gains = next.nodes.filter(({ id }) => excluded.has(id)).filter(({ id }) => gainsAny(current, next, id))
  if (gains.length > 0) {
    return [
      failed(
        'exclusion',
        'an excluded node would own more than it did: let it leave, or be replaced, in the same plan',
      ),
    ]
  }
  const detail =
    count === 0
      ? `in every partition fewer than ${quorum} owners are excluded`
      : `warning: in ${count} of ${current.partitionCount} partitions ${quorum} or more owners are excluded: what only they have acknowledged is missing until they return`
  return [{ name: 'exclusion', isOk: true, detail }]
}

/** Every member follows the version, old or new: a rolling upgrade is finished before the layout changes. */
function softwareChecks(
  current: LayoutVersion,
  next: LayoutVersion,
  members: ReadonlyMap<NodeId, MemberFacts>,
): readonly PlanCheck[] {
  const concerned = new Set([...current.nodes, ...next.nodes].map(({ id }) => id))
  const outdated = [...concerned].filter((id) => !next.excluded.includes(id) && members.get(id)?.isOutdated === true)
  const names = outdated.map((id) => members.get(id)?.name).join(', ')
  const isOk = outdated.length === 0
  const detail = isOk
    ? 'all members can follow a change'
    : `${names}: too old to follow a change of the layout; upgrade it`
  return [{ name: 'versions', isOk, detail }]
}

/** Refused, not warned of: two owners on one node, or without need in one zone. */
function zoneChecks(version: LayoutVersion): readonly PlanCheck[] {
  const problem = assignmentProblem(version)
  return [
    {
      name: 'zones',
      isOk: problem === undefined,
      detail: problem ?? 'the owners of every partition are different nodes, in different zones where there are enough',
    },
  ]
}

function sharesOf(before: LayoutVersion, after: LayoutVersion): NextVersion['shares'] {
  const counts = new Map<NodeId, { before: number; after: number }>()
  const count = (version: LayoutVersion, when: 'before' | 'after'): void => {
    for (const { id } of version.nodes) if (!counts.has(id)) counts.set(id, { before: 0, after: 0 })
    for (const index of version.assignment) {
      const entry = counts.get((version.nodes[index] as LayoutNode).id)
      if (entry !== undefined) entry[when] += 1
    }
  }
  count(before, 'before')
  count(after, 'after')
  return [...counts].map(([node, both]) => ({ node, ...both })).sort((a, b) => (a.node < b.node ? -1 : 1))
}

function movesOf(before: LayoutVersion, after: LayoutVersion): readonly PlannedMove[] {
  const moves: PlannedMove[] = []
  for (let partition = 0; partition < before.partitionCount; partition += 1) {
    const old = ownersOf(before, partition)
    const next = ownersOf(after, partition)
    const to = next.filter((id) => !old.includes(id))
    const from = old.filter((id) => !next.includes(id))
    if (to.length > 0 || from.length > 0) moves.push({ partition, from, to })
  }
  return moves
}

function gainsAny(before: LayoutVersion, after: LayoutVersion, id: NodeId): boolean {
  return movesOf(before, after).some(({ to }) => to.includes(id))
}

function ownersOf(version: LayoutVersion, partition: number): readonly NodeId[] {
  const owners = ownersPerPartition(version)
  const cells = version.assignment.subarray(partition * owners, (partition + 1) * owners)
  return Array.from(cells, (index) => (version.nodes[index] as LayoutNode).id)
}

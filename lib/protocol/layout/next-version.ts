import type { NodeId } from '../../vocabulary/ids.ts'
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
}

export interface NextVersionRequest {
  /** The newest decided version, and its hash. */
  readonly current: LayoutVersion
  readonly currentHash: string
  /** Two versions are live: only amendments may follow (docs/rules.md T7). */
  readonly isInTransition: boolean
  readonly staged: ReadonlyMap<NodeId, StagedChange>
  readonly members: ReadonlyMap<NodeId, MemberFacts>
}

export interface PlanCheck {
  readonly name: 'staged' | 'members' | 'transition' | 'nodes' | 'zones' | 'exclusion'
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

/** Short ids are never used again: each version has its own range of them. */
const shortIdsPerVersion = 4096

/**
 * The version that the staged changes lead to. A pure function of what all nodes know, so that whoever plans, plans the
 * same. What only excludes, or changes nothing in who owns what, repeats the assignment: an amendment (docs/rules.md L4).
 */
export function nextVersion(request: NextVersionRequest): NextVersion {
  const { current, staged, members } = request
  const draft = new Draft(current, members)
  for (const [node, change] of [...staged].sort(([a], [b]) => (a < b ? -1 : 1))) draft.apply(node, change)
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
    forks: current.forks,
  }
  checks.push(...livenessChecks(version, members), ...zoneChecks(version))
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
  readonly #nodes: Map<NodeId, LayoutNode>
  readonly #excluded: Set<NodeId>
  readonly #awaited: Set<NodeId>
  /** Who takes whose place, partition by partition. */
  readonly #successors = new Map<NodeId, NodeId>()
  #isReplanned = false
  #added = 0

  constructor(current: LayoutVersion, members: ReadonlyMap<NodeId, MemberFacts>) {
    this.#current = current
    this.#members = members
    this.#nodes = new Map(current.nodes.map((node) => [node.id, node]))
    this.#excluded = new Set(current.excluded)
    this.#awaited = new Set(current.awaited)
  }

  /** What has come about already is nothing to plan: staged changes need no clearing once they are decided. */
  apply(node: NodeId, change: StagedChange): void {
    switch (change.action) {
      case 'join':
        return this.#join(node, change)
      case 'leave':
        return this.#leave(node)
      case 'replace':
        return this.#replace(node, change)
      case 'exclude':
        return this.#exclude(node)
      case 'set':
        return this.#set(node, change)
      case 'clear':
        return
    }
  }

  /** Of what is excluded, what is still in a version that may be live: the rest is out of every barrier anyway. */
  excluded(): readonly NodeId[] {
    const known = new Set([...this.#nodes.keys(), ...this.#current.nodes.map(({ id }) => id)])
    return [...this.#excluded].filter((id) => known.has(id)).sort()
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
    if (this.#nodes.has(node)) return
    if (facts?.isAlive !== true) return this.#fail('members', `${this.#name(node)} is to join, and is not alive`)
    this.#add(node, change.zone ?? facts.zone, change.weight ?? facts.weight)
    this.#isReplanned = true
    this.changes.push(`${this.#name(node)} joins`)
  }

  #leave(node: NodeId): void {
    if (!this.#nodes.delete(node)) return
    this.#isReplanned = true
    this.changes.push(`${this.#name(node)} leaves${this.#gone(node)}`)
  }

  #replace(node: NodeId, change: StagedChange): void {
    const successor = change.with
    const before = this.#nodes.get(node)
    const facts = successor === undefined ? undefined : this.#members.get(successor)
    if (before === undefined && successor !== undefined && this.#nodes.has(successor)) return
    if (before === undefined) return this.#fail('members', `${this.#name(node)} is no member`)
    if (successor === undefined || facts?.isAlive !== true) {
      return this.#fail('members', `the node that replaces ${this.#name(node)} is not alive`)
    }
    if (this.#nodes.has(successor)) return this.#fail('members', `${this.#name(successor)} is a member already`)
    this.#nodes.delete(node)
    this.#add(successor, change.zone ?? facts.zone, change.weight ?? before.weight)
    this.#successors.set(node, successor)
    this.changes.push(`${this.#name(successor)} takes the partitions of ${this.#name(node)}${this.#gone(node)}`)
  }

  #exclude(node: NodeId): void {
    if (!this.#nodes.has(node) || this.#excluded.has(node)) return
    if (this.#isAlive(node)) {
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
    if (after.zone === before.zone && after.weight === before.weight) return
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
  return [{ name: 'members', isOk: missing.length === 0, detail }]
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

function ownersOf(version: LayoutVersion, partition: number): readonly NodeId[] {
  const owners = ownersPerPartition(version)
  const cells = version.assignment.subarray(partition * owners, (partition + 1) * owners)
  return Array.from(cells, (index) => (version.nodes[index] as LayoutNode).id)
}

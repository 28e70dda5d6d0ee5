import type { ClusterView } from './cluster-view.ts'
import type { KnownNode } from './known-node.ts'

/**
 * Whom to ask next, lowest first. A node whose breaker is open is not asked at all. A half-open one is probed by a get,
 * which another node can answer as well, and only if need be by a write.
 */
const ranks = { owner: 1, probedByWrite: 2, forwarder: 3, doubtful: 4, gateway: 5, none: 6 } as const

/**
 * The best node to ask for a key of `owners` that is not in `tried`: an owner that answers quickly, else any member, which
 * forwards (Dynamo, SOSP 2007, §4.5), else an address of the seeds. Undefined: nobody is left. Runs for every request.
 */
export function chooseNode(
  view: Pick<ClusterView, 'members' | 'gateways'>,
  owners: readonly KnownNode[],
  isRead: boolean,
  tried: readonly KnownNode[],
  nowMs: number,
): KnownNode | undefined {
  const owner = best(owners, ranks.owner, undefined, isRead, tried, nowMs)
  if (owner !== undefined && rankOf(owner, ranks.owner, isRead, nowMs) <= ranks.owner) return owner
  const member = best(view.members, ranks.forwarder, owner, isRead, tried, nowMs)
  return member ?? best(view.gateways, ranks.gateway, undefined, isRead, tried, nowMs)
}

/** Another owner that is fit to answer a get at once; nobody else is worth a second question. */
export function chooseHedge(
  owners: readonly KnownNode[],
  tried: readonly KnownNode[],
  nowMs: number,
): KnownNode | undefined {
  let chosen: KnownNode | undefined
  for (const node of owners) {
    if (tried.includes(node) || node.breaker.state(nowMs) !== 'closed' || node.isDoubtful(nowMs)) continue
    if (chosen === undefined || node.cost(true, nowMs) < chosen.cost(true, nowMs)) chosen = node
  }
  return chosen
}

/** The one of least rank, then of least cost, among `nodes`; `standing`, an owner, wins where the ranks are equal. */
function best(
  nodes: readonly KnownNode[],
  rank: number,
  standing: KnownNode | undefined,
  isRead: boolean,
  tried: readonly KnownNode[],
  nowMs: number,
): KnownNode | undefined {
  let chosen = standing
  let chosenRank = standing === undefined ? ranks.none : rankOf(standing, ranks.owner, isRead, nowMs)
  let chosenCost = Number.NEGATIVE_INFINITY
  for (const node of nodes) {
    if (tried.length > 0 && tried.includes(node)) continue
    const nodeRank = rankOf(node, rank, isRead, nowMs)
    if (nodeRank > chosenRank || nodeRank >= ranks.none) continue
    const cost = node.cost(isRead, nowMs)
    if (nodeRank === chosenRank && cost >= chosenCost) continue
    chosen = node
    chosenRank = nodeRank
    chosenCost = cost
  }
  return chosen
}

function rankOf(node: KnownNode, rank: number, isRead: boolean, nowMs: number): number {
  const state = node.breaker.state(nowMs)
  if (state === 'open') return ranks.none
  if (node.isDoubtful(nowMs)) return Math.max(rank, ranks.doubtful)
  if (state === 'closed') return rank
  return isRead ? rank - 0.5 : Math.max(rank, ranks.probedByWrite)
}

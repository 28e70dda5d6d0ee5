import { setTimeout as sleep } from 'node:timers/promises'
import type { Member } from './cluster.ts'
import type { Http } from './http.ts'
import { type Demand, type Finding, historyOf, idOf, judge, type Shown } from './ledger.ts'
import { inLanes } from './load.ts'

const pauseMs = 100
const toldMax = 8
/** So many keys are looked at before those that were behind are looked at again. */
const chunkMax = 500

export interface Awaited {
  readonly demanded: number
  /** When the last copy was seen as demanded, after `sinceMs`; undefined: not all were. */
  readonly heldAfterMs: number | undefined
  /** When a copy was last seen behind, after `sinceMs`; 0: never. */
  readonly lastBehindMs: number
  /** Seen behind at the first look. */
  readonly behindAtFirst: number
  /** Keys whose copies are behind still, or hold what they must not. */
  readonly wrong: readonly string[]
  readonly invented: number
}

/**
 * Looks at a node's own copies again and again until each holds what is demanded of it, at most for so long. What was
 * held once is not looked at again: later writes only add to it.
 */
export async function awaitCopies(
  http: Http,
  node: Member,
  demands: readonly Demand[],
  limitMs: number,
  sinceMs = performance.now(),
): Promise<Awaited> {
  let open: readonly Demand[] = []
  let looked = 0
  let lastBehindMs = 0
  let behindAtFirst = 0
  const invented = new Set<string>()
  for (;;) {
    const fresh = demands.slice(looked, looked + chunkMax)
    const stillOpen: Demand[] = []
    await inLanes([...open, ...fresh], async (demand, at) => {
      const finding = await findingOf(demand, () => http.copy(node, demand.story.key))
      if (finding === 'held') return
      if (finding === 'invented') invented.add(demand.story.key)
      if (finding === 'behind') lastBehindMs = performance.now() - sinceMs
      if (at >= open.length) behindAtFirst += 1
      stillOpen.push(demand)
    })
    open = stillOpen
    looked += fresh.length
    const passedMs = performance.now() - sinceMs
    // Whatever the time, each is looked at; and what was behind before the limit, once more after it.
    if (looked === demands.length && (open.length === 0 || passedMs > limitMs)) {
      const heldAfterMs = open.length === 0 ? passedMs : undefined
      const wrong = open.map(({ story }) => story.key)
      return { demanded: demands.length, heldAfterMs, lastBehindMs, behindAtFirst, wrong, invented: invented.size }
    }
    if (fresh.length === 0) await sleep(pauseMs)
  }
}

/** What was written to some of these keys, and what each node holds of them now. */
export async function tellOf(
  http: Http,
  nodes: readonly Member[],
  demands: readonly Demand[],
): Promise<readonly string[]> {
  const told: string[] = []
  for (const { story } of demands.slice(0, toldMax)) {
    const copies: string[] = []
    for (const node of nodes) {
      const copy = await http.copy(node, story.key)
      copies.push(`${node.name} (${node.http}) holds ${copy?.values.map(idOf).join(' and ') ?? 'no answer'}`)
    }
    told.push(`${historyOf(story)}; ${copies.join(', ')}`)
  }
  return told
}

/** Reads every key once by quorum through that node. @returns those not read as demanded, in words */
export async function wrongReads(
  http: Http,
  node: Member,
  demands: readonly Demand[],
  query = '',
): Promise<readonly string[]> {
  const wrong: string[] = []
  await inLanes(demands, async (demand) => {
    const finding = await findingOf(demand, () => http.read(node, demand.story.key, query))
    if (finding !== 'held') wrong.push(`${demand.story.key} ${finding} through ${node.name}`)
  })
  return wrong
}

/** Keys whose copies differ between these nodes. */
export async function differentCopies(
  http: Http,
  nodes: readonly Member[],
  keys: readonly string[],
): Promise<readonly string[]> {
  const different: string[] = []
  await inLanes(keys, async (key) => {
    const hashes = await Promise.all(nodes.map(async (node) => (await http.copy(node, key))?.stateHash))
    if (new Set(hashes).size > 1 || hashes[0] === undefined) different.push(key)
  })
  return different
}

/** Until the copies of all keys are equal on all nodes. @returns how long that took; undefined: longer than the limit */
export async function awaitEqualCopies(
  http: Http,
  nodes: readonly Member[],
  keys: readonly string[],
  limitMs: number,
  sinceMs = performance.now(),
): Promise<{ readonly equalAfterMs: number | undefined; readonly different: readonly string[] }> {
  let different = keys
  for (;;) {
    different = await differentCopies(http, nodes, different)
    const passedMs = performance.now() - sinceMs
    if (different.length === 0) return { equalAfterMs: passedMs, different }
    if (passedMs > limitMs) return { equalAfterMs: undefined, different }
    await sleep(pauseMs)
  }
}

/** A node that does not answer shows nothing: that counts as not found. */
async function findingOf(demand: Demand, look: () => Promise<Shown | undefined>): Promise<Finding> {
  const shown = await look()
  return shown === undefined ? 'behind' : judge(demand, shown)
}

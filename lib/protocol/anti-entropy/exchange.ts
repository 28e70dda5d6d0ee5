import { unreachable } from '../../vocabulary/invariant.ts'
import type { TreeReader } from './answer.ts'
import { isYoungAt, type LeafDifferences, leafDifferences } from './differences.ts'
import {
  type CompareAnswer,
  type CompareQuestion,
  groupsOf,
  type LeafCell,
  type LeafEntry,
  selectPartitions,
  type WantedToken,
} from './exchange-messages.ts'
import { branchCount, leavesPerBranch, type XorTree } from './xor-tree.ts'

/** Bounds of one question, and of what one exchange repairs; the next goes on with the rest. */
export const partitionsPerQuestion = 32
export const leavesPerQuestion = 256
export const leavesPerExchangeMax = 16_384
/** Between two looks at a leaf: a write on its way has arrived by then. */
export const secondLookMs = 500

export type ExchangeEvent =
  | { readonly type: 'begun' }
  | { readonly type: 'answered'; readonly answer: CompareAnswer }
  | { readonly type: 'timer-fired' }
  /** What the own store has in the leaves asked for, in their order. */
  | {
      readonly type: 'leaves-scanned'
      readonly leaves: readonly (readonly LeafEntry[])[]
      readonly wallMs: number
    }
  /** The other side holds what was pushed, but for `failed` tokens. */
  | { readonly type: 'pushed'; readonly count: number; readonly failed: number }
  /** What came was merged, but for `failed`: `received` as it came, `merged` what the own store has of it now. */
  | {
      readonly type: 'pulled'
      readonly records: readonly { readonly token: bigint; readonly received: bigint; readonly merged: bigint }[]
      readonly failed: number
    }
  /** The other side does not answer, or not as it should. */
  | { readonly type: 'failed'; readonly outcome: 'refused' | 'failed' | 'busy'; readonly reason: string }

export type ExchangeEffect =
  | { readonly type: 'ask'; readonly question: CompareQuestion }
  | { readonly type: 'set-timer'; readonly delayMs: number }
  | { readonly type: 'scan-leaves'; readonly leaves: readonly { readonly partition: number; readonly leaf: number }[] }
  | { readonly type: 'push'; readonly tokens: readonly bigint[] }
  | { readonly type: 'pull'; readonly wanted: readonly WantedToken[] }
  | { readonly type: 'finished'; readonly summary: ExchangeSummary }

export interface ExchangeSummary {
  /**
   * `equal`: nothing differed that had not settled by itself; `repaired`: all that differed was moved, both ways;
   * `incomplete`: more is left to repair; `busy`: only trees that are being made are left.
   */
  readonly outcome: 'equal' | 'repaired' | 'incomplete' | 'busy' | 'refused' | 'failed'
  readonly reason: string | undefined
  /** Partitions that were the same on both sides at one moment of this exchange. */
  readonly equal: readonly number[]
  /** Partitions of which all that differed was moved, both ways. */
  readonly repaired: readonly number[]
  /** Keys that differed. */
  readonly differences: number
  readonly pushed: number
  readonly pulled: number
}

export interface ExchangePlan {
  /** The partitions both own, ascending; or some of them. */
  readonly partitions: readonly number[]
  /** Whether `partitions` are all that both own. */
  readonly isWhole: boolean
  /** Compared first when there is more to do than one exchange does. */
  readonly first: ReadonlySet<number>
  /** Everything that differs is moved at once, also what may be on its way: for a node that recovers (rule A5). */
  readonly isThorough: boolean
  /**
   * Where among the leaves that differ to begin, from 0 to 1: two who fill a third at the same time should not both begin
   * with the same.
   */
  readonly beginAt: number
  /** Only the other side is to hold everything: this one gives its copy up (rule T5). */
  readonly isPushOnly?: boolean
}

/**
 * One exchange with one other owner over all partitions both own (Dynamo, SOSP 2007, 4.7), in three questions: the roots
 * in groups, the branches of partitions that differ, and, half a second later, the leaves that still differ, which the
 * other side answers with their keys' states. Then states are moved, whole ones, and merged: who moves what is only a
 * matter of bytes. What was written within two seconds is left to the write itself.
 */
export class Exchange {
  readonly #plan: ExchangePlan
  readonly #trees: TreeReader
  /** Partitions not yet proved equal or repaired, and not given up. */
  #groups: readonly (readonly number[])[] = []
  readonly #equal: number[] = []
  #unequal: number[] = []
  #compared: readonly number[] = []
  /** As the other side had them at the first look. */
  #suspects: LeafCell[] = []
  #asked: readonly LeafCell[] = []
  #theirs: readonly (readonly LeafEntry[])[] = []
  #scanned: readonly LeafCell[] = []
  #pull: readonly WantedToken[] = []
  /** Partitions that are not the same afterwards, as far as we know. */
  readonly #open = new Set<number>()
  readonly #touched = new Set<number>()
  #isTruncated = false
  #busy = 0
  #failures = 0
  #differences = 0
  #pushed = 0
  #pulled = 0
  #isFinished = false

  constructor(plan: ExchangePlan, trees: TreeReader) {
    this.#plan = plan
    this.#trees = trees
  }

  handle(event: ExchangeEvent): readonly ExchangeEffect[] {
    if (this.#isFinished) return []
    switch (event.type) {
      case 'begun':
        return this.#compareRoots()
      case 'answered':
        return this.#answered(event.answer)
      case 'timer-fired':
        return this.#compareLeaves()
      case 'leaves-scanned':
        return this.#judge(event.leaves, event.wallMs)
      case 'pushed':
        this.#pushed += event.count
        this.#noteFailures(event.failed)
        return this.#pullNext()
      case 'pulled':
        return this.#pulledRecords(event)
      case 'failed':
        return this.#finish(event.outcome, event.reason)
      default:
        return unreachable(event)
    }
  }

  #answered(answer: CompareAnswer): readonly ExchangeEffect[] {
    switch (answer.type) {
      case 'roots-compared':
        return this.#rootsCompared(answer)
      case 'branches-compared':
        return this.#branchesCompared(answer)
      case 'leaves-compared':
        return this.#leavesCompared(answer)
      default:
        return unreachable(answer)
    }
  }

  // First question

  #compareRoots(): readonly ExchangeEffect[] {
    const { partitions, isWhole } = this.#plan
    const ready = partitions.filter((partition) => this.#trees.tree(partition) !== undefined)
    this.#busy += partitions.length - ready.length
    if (ready.length === 0) return this.#finish('busy', 'the trees of this node are being made')
    const readySet = new Set(ready)
    const leftOut = partitions.filter((partition) => !readySet.has(partition))
    const selection = isWhole ? { isOnly: false, partitions: leftOut } : { isOnly: true, partitions: ready }
    this.#groups = groupsOf(selectPartitions(partitions, selection))
    const groups = this.#groups.map((group) => group.reduce((digest, each) => digest ^ this.#rootOf(each), 0n))
    return [{ type: 'ask', question: { type: 'compare-roots', ...selection, groups } }]
  }

  #rootsCompared(answer: Extract<CompareAnswer, { type: 'roots-compared' }>): readonly ExchangeEffect[] {
    const busy = new Set(answer.busy)
    this.#busy += busy.size
    const different = new Map(answer.groups.map(({ group, roots }) => [group, roots]))
    for (const [group, partitions] of this.#groups.entries()) {
      const roots = different.get(group)
      for (const [index, partition] of partitions.entries()) {
        if (roots === undefined) this.#equal.push(partition)
        else if (busy.has(partition)) continue
        else if (roots[index] === this.#rootOf(partition)) this.#equal.push(partition)
        else this.#unequal.push(partition)
      }
    }
    const { first } = this.#plan
    this.#unequal.sort((a, b) => Number(first.has(b)) - Number(first.has(a)) || a - b)
    return this.#compareBranches()
  }

  // Second question

  #compareBranches(): readonly ExchangeEffect[] {
    if (this.#suspects.length >= leavesPerExchangeMax && this.#unequal.length > 0) {
      this.#isTruncated = true
      this.#unequal = []
    }
    if (this.#unequal.length === 0) return this.#lookAgain()
    this.#compared = this.#unequal.splice(0, partitionsPerQuestion)
    const partitions: { partition: number; branches: readonly bigint[] }[] = []
    for (const partition of this.#compared) {
      const tree = this.#trees.tree(partition)
      if (tree === undefined) this.#busy += 1
      else partitions.push({ partition, branches: branchesOf(tree) })
    }
    if (partitions.length === 0) return this.#compareBranches()
    return [{ type: 'ask', question: { type: 'compare-branches', partitions } }]
  }

  #branchesCompared(answer: Extract<CompareAnswer, { type: 'branches-compared' }>): readonly ExchangeEffect[] {
    const busy = new Set(answer.busy)
    this.#busy += busy.size
    const asked = new Set(this.#compared)
    const different = new Set<number>()
    for (const { partition, branch, leaves } of answer.branches) {
      if (!asked.has(partition)) continue
      const tree = this.#trees.tree(partition)
      different.add(partition)
      if (tree === undefined) continue
      const theirs = new Map(leaves)
      for (let leaf = branch * leavesPerBranch; leaf < (branch + 1) * leavesPerBranch; leaf += 1) {
        const hash = theirs.get(leaf) ?? 0n
        if (hash !== tree.leaf(leaf)) this.#suspects.push({ partition, leaf, hash })
      }
    }
    for (const partition of this.#compared) {
      if (!busy.has(partition) && !different.has(partition)) this.#equal.push(partition)
    }
    return this.#compareBranches()
  }

  #lookAgain(): readonly ExchangeEffect[] {
    if (this.#suspects.length === 0) return this.#conclude()
    this.#suspects.push(...this.#suspects.splice(0, Math.floor(this.#suspects.length * this.#plan.beginAt)))
    if (this.#plan.isThorough) return this.#compareLeaves()
    return [{ type: 'set-timer', delayMs: secondLookMs }]
  }

  // Third question, and what it finds, once for every 256 leaves

  #compareLeaves(): readonly ExchangeEffect[] {
    const leaves: LeafCell[] = []
    while (leaves.length < leavesPerQuestion) {
      const suspect = this.#suspects.pop()
      if (suspect === undefined) break
      const { partition, leaf, hash } = suspect
      const own = this.#trees.tree(partition)?.leaf(leaf)
      this.#touched.add(partition)
      if (own === undefined) this.#open.add(partition)
      // What we lacked has arrived: the write was on its way.
      else if (own !== hash || this.#plan.isThorough) leaves.push({ partition, leaf, hash: own })
    }
    if (leaves.length === 0) return this.#suspects.length > 0 ? this.#compareLeaves() : this.#conclude()
    this.#asked = leaves
    return [{ type: 'ask', question: { type: 'compare-leaves', leaves } }]
  }

  #leavesCompared(answer: Extract<CompareAnswer, { type: 'leaves-compared' }>): readonly ExchangeEffect[] {
    const asked = this.#asked
    for (const partition of answer.busy) this.#open.add(partition)
    // It was too much for one answer; an answer to nothing would go on for ever.
    if (answer.answered < 1) return this.#finish('failed', 'the other side answers no leaf')
    for (const leaf of asked.slice(answer.answered)) this.#suspects.push({ ...leaf, hash: unseen })
    const different = answer.leaves.filter(({ index }) => index < asked.length)
    if (different.length === 0) return this.#compareLeaves()
    this.#scanned = different.map(({ index }) => asked[index] as LeafCell)
    this.#theirs = different.map(({ entries }) => entries)
    return [{ type: 'scan-leaves', leaves: this.#scanned.map(({ partition, leaf }) => ({ partition, leaf })) }]
  }

  #judge(ours: readonly (readonly LeafEntry[])[], wallMs: number): readonly ExchangeEffect[] {
    const push: bigint[] = []
    const pull: WantedToken[] = []
    const isYoung = this.#plan.isThorough ? never : isYoungAt(wallMs)
    for (const [index, { partition }] of this.#scanned.entries()) {
      const found = leafDifferences(ours[index] ?? [], this.#theirs[index] ?? [], isYoung)
      this.#differences += found.count
      // Without a difference, a write was decided that is not in the store yet: nothing is proved.
      if (found.young > 0 || found.count === 0) this.#open.add(partition)
      if (this.#plan.isPushOnly === true) {
        push.push(...oursOf(found))
        continue
      }
      push.push(...found.push)
      pull.push(...found.pull)
    }
    this.#pull = pull
    return push.length > 0 ? [{ type: 'push', tokens: push }] : this.#pullNext()
  }

  #pullNext(): readonly ExchangeEffect[] {
    const wanted = this.#pull
    this.#pull = []
    return wanted.length > 0 ? [{ type: 'pull', wanted }] : this.#compareLeaves()
  }

  #pulledRecords(event: Extract<ExchangeEvent, { type: 'pulled' }>): readonly ExchangeEffect[] {
    this.#pulled += event.records.length
    this.#noteFailures(event.failed)
    // What we have beyond what came, they lack.
    const tokens = event.records.filter(({ received, merged }) => received !== merged).map(({ token }) => token)
    return tokens.length > 0 ? [{ type: 'push', tokens }] : this.#compareLeaves()
  }

  /** Which partition a failed token is of does not matter: the next exchange finds it. */
  #noteFailures(count: number): void {
    this.#failures += count
    if (count > 0) for (const { partition } of this.#scanned) this.#open.add(partition)
  }

  #conclude(): readonly ExchangeEffect[] {
    if (this.#isTruncated || this.#failures > 0) return this.#finish('incomplete', undefined)
    if (this.#differences > 0) return this.#finish('repaired', undefined)
    return this.#finish(this.#busy > 0 ? 'busy' : 'equal', undefined)
  }

  #finish(outcome: ExchangeSummary['outcome'], reason: string | undefined): readonly ExchangeEffect[] {
    this.#isFinished = true
    const isOver = outcome === 'repaired' || outcome === 'incomplete' || outcome === 'equal' || outcome === 'busy'
    const summary: ExchangeSummary = {
      outcome,
      reason,
      equal: this.#equal,
      repaired: isOver ? [...this.#touched].filter((partition) => !this.#open.has(partition)) : [],
      differences: this.#differences,
      pushed: this.#pushed,
      pulled: this.#pulled,
    }
    return [{ type: 'finished', summary }]
  }

  #rootOf(partition: number): bigint {
    return this.#trees.tree(partition)?.root ?? 0n
  }
}

function branchesOf(tree: XorTree): readonly bigint[] {
  return Array.from({ length: branchCount }, (_, branch) => tree.branch(branch))
}

/** The tokens that differ and of which this side has something. */
function oursOf({ push, pull }: LeafDifferences): Iterable<bigint> {
  return new Set([...push, ...pull.filter(({ stateHash }) => stateHash !== 0n).map(({ token }) => token)])
}

/** No leaf has it: so one that is asked for again is asked for whatever it is. */
const unseen = -1n

function never(): boolean {
  return false
}

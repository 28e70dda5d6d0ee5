import type { PlanCheckResult } from '../vocabulary/errors.ts'

/** What an operator asks for: nothing changes before a plan that holds it is committed. */
export interface StageOrder {
  readonly action: 'join' | 'leave' | 'replace' | 'exclude' | 'set' | 'clear'
  /** A node's id, its exact name, or the beginning of one that no other has; with `clear` empty: everything staged. */
  readonly node: string
  /** Who takes its place (`replace`). */
  readonly with?: string
  readonly zone?: string
  readonly weight?: number
  /** Also where it is refused for being dangerous: to replace or exclude a node that is alive. */
  readonly force?: boolean
}

/** A change that the next version of the layout will bring. */
export interface StagedChange {
  readonly node: string
  readonly name: string
  readonly action: StageOrder['action']
  readonly with?: string | null
  readonly withName?: string | null
  readonly zone?: string | null
  readonly weight?: number | null
  readonly force: boolean
  readonly setAtMs: number
}

/** What is staged now, after an order. */
export interface Staged {
  readonly staged: readonly StagedChange[]
}

/** The share of one node before and after a plan. */
export interface PlannedShare {
  readonly node: string
  readonly name: string
  /** Fractions of all replicas. */
  readonly before: number
  readonly after: number
  readonly partitionsBefore: number
  readonly partitionsAfter: number
}

/** One partition that changes owners. */
export interface PlannedMove {
  readonly partition: number
  /** Ids of those who give it up, and of those who gain it. */
  readonly from: readonly string[]
  readonly to: readonly string[]
  /** To be copied to all who gain it, as far as the node that planned can tell. */
  readonly bytes: number
}

/** What the staged changes lead to. */
export interface LayoutPlan {
  /** Names the plan: what is committed. Null: there is none, and `checks` say why. */
  readonly plan?: string | null
  /** Of the next version. */
  readonly number: number
  /** Nobody owns anything else afterwards: it may also be committed while data moves. */
  readonly amendment: boolean
  readonly staged: readonly StagedChange[]
  /** What it does, in sentences. */
  readonly changes: readonly string[]
  readonly shares: readonly PlannedShare[]
  readonly moves: readonly PlannedMove[]
  /** That change owners. */
  readonly partitions: number
  readonly bytes: number
  readonly estimateSeconds: number
  /** The fullest node against what its weight says. */
  readonly maxToTarget: number
  readonly checks: readonly PlanCheckResult[]
}

/** What became of a version that was put to the vote of the members. */
export type Decision =
  | { readonly decided: true; readonly number: number; readonly plan: string }
  /** Not by the deadline: it may still be. `waitingFor` names the members that have not answered. */
  | { readonly decided: false; readonly waitingFor: readonly string[] }

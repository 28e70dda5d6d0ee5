import type { Hlc } from '../clock/hlc.ts'

/** One leaf as its sender has it. */
export interface LeafCell {
  readonly partition: number
  readonly leaf: number
  readonly hash: bigint
}

/** All keys of one token, nearly always one: their state hashes combined by XOR, and when the newest of them changed. */
export interface LeafEntry {
  readonly token: bigint
  readonly stateHash: bigint
  readonly newest: Hlc
}

/** Keys by their token, and what the asker has of them: 0 for nothing. */
export interface WantedToken {
  readonly token: bigint
  readonly stateHash: bigint
}

export type ExchangeQuestion =
  /**
   * Of the partitions both own, `only` these or all but these, in ascending order and in groups of equal size: the XOR of
   * the roots of each group.
   */
  | {
      readonly type: 'compare-roots'
      readonly isOnly: boolean
      readonly partitions: readonly number[]
      readonly groups: readonly bigint[]
    }
  /** Of each partition its 64 branches. */
  | {
      readonly type: 'compare-branches'
      readonly partitions: readonly { readonly partition: number; readonly branches: readonly bigint[] }[]
    }
  | { readonly type: 'compare-leaves'; readonly leaves: readonly LeafCell[] }
  /** The records of these tokens, where they are not what the asker has. */
  | { readonly type: 'pull-records'; readonly wanted: readonly WantedToken[] }
  /** You may lack writes of these partitions: compare them with their other owners. */
  | { readonly type: 'mark-dirty'; readonly partitions: readonly number[] }

/** What an exchange asks with; the rest is asked beside it. */
export type CompareQuestion = Exclude<ExchangeQuestion, { readonly type: 'pull-records' | 'mark-dirty' }>

/** `busy`: partitions whose tree is being made: neither equal nor different. */
export type CompareAnswer =
  /** Of the groups that differ, or have a busy partition: the root of each partition (0 when busy). */
  | {
      readonly type: 'roots-compared'
      readonly busy: readonly number[]
      readonly groups: readonly { readonly group: number; readonly roots: readonly bigint[] }[]
    }
  /** Of the branches that differ: the leaves that are not 0. */
  | {
      readonly type: 'branches-compared'
      readonly busy: readonly number[]
      readonly branches: readonly {
        readonly partition: number
        readonly branch: number
        readonly leaves: readonly (readonly [leaf: number, hash: bigint])[]
      }[]
    }
  /** What is in the leaves that differ, by their place in the question; nothing is said of those from `answered` on. */
  | {
      readonly type: 'leaves-compared'
      readonly busy: readonly number[]
      readonly answered: number
      readonly leaves: readonly { readonly index: number; readonly entries: readonly LeafEntry[] }[]
    }

const groupsMax = 64

/** The partitions that a `compare-roots` is about. */
export function selectPartitions(
  shared: readonly number[],
  { isOnly, partitions }: { readonly isOnly: boolean; readonly partitions: readonly number[] },
): readonly number[] {
  const named = new Set(partitions)
  return shared.filter((partition) => named.has(partition) === isOnly)
}

/** At most 64 groups, so that two who agree need 512 bytes to say so. */
export function groupsOf(partitions: readonly number[]): readonly (readonly number[])[] {
  const size = Math.max(1, Math.ceil(partitions.length / groupsMax))
  const groups: number[][] = []
  for (let at = 0; at < partitions.length; at += size) groups.push(partitions.slice(at, at + size))
  return groups
}

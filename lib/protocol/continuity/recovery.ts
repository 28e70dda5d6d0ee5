import type { NodeId } from '../../vocabulary/ids.ts'
import type { RecoveryReason } from './start-kind.ts'

export interface PartitionToRecover {
  readonly partition: number
  /** Every other owner in the version that reads use, excluded ones apart. */
  readonly owners: readonly NodeId[]
}

/**
 * Which partitions of a node still lack what its store lost (rule A5). Until a partition was exchanged, both ways, with
 * every other owner, it takes writes and acknowledges them, but its answers do not count toward R and it confirms no
 * tombstone. A partition without another owner has nothing to recover from, and is not recovering.
 */
export class Recovery {
  readonly #reason: RecoveryReason
  readonly #owed: Map<number, Set<NodeId>>

  constructor(reason: RecoveryReason, partitions: Iterable<PartitionToRecover>) {
    this.#reason = reason
    this.#owed = new Map()
    for (const { partition, owners } of partitions) {
      if (owners.length > 0) this.#owed.set(partition, new Set(owners))
    }
  }

  /** Partitions not yet recovered; 0: it is over, tell `Continuity` by `recovered`. */
  get partitionsLeft(): number {
    return this.#owed.size
  }

  isRecovering(partition: number): boolean {
    return this.#owed.has(partition)
  }

  /** Whether an answer to a read counts toward R: after a merely lossy start, what was synced is still there. */
  countsTowardR(partition: number, durability: 'os' | 'disk'): boolean {
    return !this.#owed.has(partition) || (this.#reason === 'lossy' && durability === 'disk')
  }

  get reason(): RecoveryReason {
    return this.#reason
  }

  /** What is left, to be kept over a restart. */
  owed(): readonly PartitionToRecover[] {
    return Array.from(this.#owed, ([partition, owners]) => ({ partition, owners: [...owners] }))
  }

  /** The owners this partition must still be exchanged with. */
  owedTo(partition: number): readonly NodeId[] {
    return [...(this.#owed.get(partition) ?? [])]
  }

  /** The next exchanges to run, at most `countMax`: partitions nearest to being done first, one exchange for each. */
  next(
    countMax: number,
    isReachable: (node: NodeId) => boolean,
  ): readonly { readonly partition: number; readonly owner: NodeId }[] {
    const ready: { partition: number; owner: NodeId; left: number }[] = []
    for (const [partition, owners] of this.#owed) {
      for (const owner of owners) {
        if (!isReachable(owner)) continue
        ready.push({ partition, owner, left: owners.size })
        break
      }
    }
    ready.sort((a, b) => a.left - b.left || a.partition - b.partition)
    return ready.slice(0, countMax).map(({ partition, owner }) => ({ partition, owner }))
  }

  /** Both sides now hold the merge of what they had. True when this ended the partition's recovery. */
  exchanged(partition: number, owner: NodeId): boolean {
    const owners = this.#owed.get(partition)
    if (owners === undefined || !owners.delete(owner)) return false
    return owners.size === 0 && this.#owed.delete(partition)
  }

  /**
   * Owners are others now. Undefined: this node does not own the partition any more, and recovers nothing of it. An
   * excluded owner is not waited for. Where one that is still owed has gone, what it had is with those who are left: all
   * of them are owed then.
   * @param readersOf every other owner in the version that reads use
   */
  ownersChanged(
    readersOf: (partition: number) => readonly NodeId[] | undefined,
    isExcluded: (node: NodeId) => boolean,
  ): void {
    for (const [partition, owed] of [...this.#owed]) {
      const readers = readersOf(partition)
      if (readers === undefined) {
        this.#owed.delete(partition)
        continue
      }
      const isGone = [...owed].some((owner) => !isExcluded(owner) && !readers.includes(owner))
      const left = (isGone ? readers : [...owed]).filter((owner) => !isExcluded(owner))
      if (left.length === 0) this.#owed.delete(partition)
      else this.#owed.set(partition, new Set(left))
    }
  }

  /** `node recovered --accept-loss`: ends it by hand. */
  acceptLoss(): void {
    this.#owed.clear()
  }
}

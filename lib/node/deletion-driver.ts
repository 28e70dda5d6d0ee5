import type { Log } from '../ports/log.ts'
import type { Timer } from '../ports/time.ts'
import { pruneDone } from '../protocol/causality/done.ts'
import { isTombstone } from '../protocol/causality/inspect-record.ts'
import { type Hlc, hlcFromMs, hlcToMs } from '../protocol/clock/hlc.ts'
import type { WaitingFor } from '../protocol/deletion/removal.ts'
import type { LayoutInForce } from '../protocol/layout/layout-in-force.ts'
import type { NodeId } from '../vocabulary/ids.ts'
import type { RecordKey } from '../vocabulary/key.ts'
import { tombstonesMax } from '../wire/messages.ts'
import type { BatchWriter } from './batch-writer.ts'
import { settledLayout } from './layout-fence.ts'
import { RemovalRun, type Tombstone } from './removal-run.ts'
import type { WaitingTombstones } from './repair-views.ts'
import type { RequestContext } from './request-context.ts'
import type { IndexedTombstone, TombstoneIndex } from './tombstone-index.ts'
import type { TombstoneService } from './tombstone-service.ts'

const tickEveryMs = 1_000
/** Between batches: clients go first. */
const pauseMs = 20
/** How often the tombstones of one partition are looked at: as exact as the grace, within these bounds. */
const lookEveryMsMin = 1_000
const lookEveryMsMax = 600_000
const looksPerGrace = 20
/** A stable told this recently need not be asked for again to know that it is too low. */
const stableKeptMs = 1_000

/** What was last seen of the tombstones of one partition. */
interface Look {
  readonly atMs: number
  /** In the index then. */
  readonly count: number
  /** `changesOf` then: the difference since tells how many there are now. */
  readonly changes: number
  /** `madeIn` when it began. */
  readonly made: number
  readonly waiting: ReadonlyMap<string, { readonly waitingFor: WaitingFor; readonly count: number }>
}

/** One look in progress. */
interface Looking {
  readonly partition: number
  /** Without what this look itself removed. */
  changes: number
  readonly made: number
  count: number
  readonly waiting: Map<string, { readonly waitingFor: WaitingFor; count: number }>
}

/**
 * Removes tombstones for good (docs/rules.md D1 to D4): of each partition's owners the one with the smallest id drives.
 * It looks at its tombstones from time to time, removes those that may go in batches, one batch at a time, and remembers
 * of the others what they wait for.
 */
export class DeletionDriver {
  readonly #context: RequestContext
  readonly #index: TombstoneIndex
  readonly #service: TombstoneService
  readonly #batches: BatchWriter
  readonly #log: Log
  readonly #graceMs: number
  readonly #looks = new Map<number, Look>()
  #least: { readonly stable: Hlc; readonly node: NodeId; readonly atMs: number } | undefined
  #timer: Timer | undefined
  #isStopped = false

  constructor(
    parts: {
      readonly context: RequestContext
      readonly index: TombstoneIndex
      readonly service: TombstoneService
      readonly batches: BatchWriter
      readonly log: Log
    },
    options: {
      /** How long a tombstone stays at least. A load knob: 0 is safe. */
      readonly graceSeconds: number
    },
  ) {
    this.#context = parts.context
    this.#index = parts.index
    this.#service = parts.service
    this.#batches = parts.batches
    this.#log = parts.log
    this.#graceMs = options.graceSeconds * 1000
  }

  start(): void {
    this.#later(tickEveryMs)
  }

  stop(): void {
    this.#isStopped = true
    this.#timer?.cancel()
  }

  /** What was seen in partitions that this node has lost says nothing any more. */
  layoutChanged(layout: LayoutInForce): void {
    for (const partition of this.#looks.keys()) {
      if (!layout.owns(this.#context.self, partition)) this.#looks.delete(partition)
    }
  }

  /** The tombstones of this node by what they wait for. */
  tombstones(): readonly WaitingTombstones[] {
    const counts = new Map<string, number>()
    const add = (waitingFor: string, count: number): void => {
      if (count > 0) counts.set(waitingFor, (counts.get(waitingFor) ?? 0) + count)
    }
    for (const [partition, look] of this.#looks) {
      let left = Math.max(0, look.count + this.#index.changesOf(partition) - look.changes)
      for (const { waitingFor, count } of look.waiting.values()) {
        const told = Math.min(left, count)
        add(this.#text(waitingFor), told)
        left -= told
      }
      add(this.#text({ type: 'next-round' }), left)
    }
    return [...counts].map(([waitingFor, count]) => ({ waitingFor, count }))
  }

  /** Why the tombstone of this key is still here; undefined: there is none here. */
  waitingFor(key: RecordKey): string | undefined {
    const { store, layout, time } = this.#context
    const copy = store.read(key)
    if (copy.state !== 'found') return undefined
    const record = store.decode(copy.bytes)
    const partition = store.partitionOf(key)
    if (!isTombstone(record) || layout.inForce?.owns(this.#context.self, partition) !== true) return undefined
    const general = this.#blocked(partition)
    if (general !== undefined) return this.#text(general)
    const own = this.#notYet(record, hlcFromMs(time.wallMs()))
    if (own !== undefined) return this.#text(own)
    const seen = [...(this.#looks.get(partition)?.waiting.values() ?? [])].find(({ waitingFor }) =>
      isShared(waitingFor),
    )
    return this.#text(seen?.waitingFor ?? { type: 'next-round' })
  }

  // One partition after another

  #later(delayMs: number, next: () => void = () => this.#tick()): void {
    if (!this.#isStopped) this.#timer = this.#context.time.after(delayMs, next)
  }

  #tick(): void {
    // Tombstones can wait: they cost room, and nobody's time.
    if (this.#context.entrance.isPressed) return this.#later(tickEveryMs)
    const partition = this.#nextDue()
    if (partition === undefined) return this.#later(tickEveryMs)
    const changes = this.#index.changesOf(partition)
    const looking = { partition, changes, made: this.#index.madeIn(partition), count: 0, waiting: new Map() }
    // What was made until now is in the store then, where the look finds it.
    this.#batches.add([], 'os', () => {
      if (!this.#isStopped) this.#look(looking, undefined)
    })
  }

  /** The partition that has not been looked at for the longest, if that is long enough. */
  #nextDue(): number | undefined {
    const { layout, self, time } = this.#context
    const nowMs = time.nowMs()
    const lookEveryMs = Math.min(lookEveryMsMax, Math.max(lookEveryMsMin, this.#graceMs / looksPerGrace))
    let due: number | undefined
    let dueSinceMs = nowMs
    for (const partition of layout.inForce?.partitionsOf(self) ?? []) {
      const look = this.#looks.get(partition)
      if (look === undefined) return partition
      const isEmpty = look.count === 0 && this.#index.madeIn(partition) === look.made
      const atMs = look.atMs + (isEmpty ? lookEveryMsMax : lookEveryMs)
      if (atMs <= dueSinceMs) {
        due = partition
        dueSinceMs = atMs
      }
    }
    return due
  }

  #look(looking: Looking, after: Uint8Array | undefined): void {
    const { partition } = looking
    this.#index.scan(partition, after, tombstonesMax, (failure, found, next) => {
      if (this.#isStopped) return
      if (failure !== undefined) {
        this.#log.warn({ reason: failure.message }, 'the index of tombstones could not be read')
        return this.#later(lookEveryMsMin)
      }
      looking.count += found.length
      const going = this.#sort(looking, found)
      const goOn = (): void => {
        if (next !== undefined) return this.#later(pauseMs, () => this.#look(looking, next))
        const { changes, made, count, waiting } = looking
        this.#looks.set(partition, { atMs: this.#context.time.nowMs(), count, changes, made, waiting })
        if (count === 0) this.#passEmpty(partition)
        else this.#later(pauseMs)
      }
      if (going.length === 0) goOn()
      else this.#remove(looking, going, goOn)
    })
  }

  /**
   * Most partitions have no tombstone, and finding that out of each by itself is a good part of what an idle node does:
   * all behind this one, up to the next that has one, are looked at together.
   */
  #passEmpty(emptyPartition: number): void {
    const counts = this.#index.counts()
    // As of one partition: what was made until now is in the store then.
    this.#batches.add([], 'os', () => {
      if (this.#isStopped) return
      this.#index.nextOccupied(emptyPartition + 1, (failure, occupied = Number.POSITIVE_INFINITY) => {
        if (this.#isStopped) return
        // The next look meets the same failure, and says so.
        if (failure !== undefined) return this.#later(lookEveryMsMin)
        const { layout, self, time } = this.#context
        const atMs = time.nowMs()
        for (const partition of layout.inForce?.partitionsOf(self) ?? []) {
          if (partition <= emptyPartition || partition >= occupied) continue
          const look = { atMs, count: 0, changes: counts.changesOf(partition), made: counts.madeIn(partition) }
          this.#looks.set(partition, { ...look, waiting: new Map() })
        }
        this.#later(0)
      })
    })
  }

  /** Tells those that may go from those that must wait, and keeps account of the latter. */
  #sort(looking: Looking, found: readonly IndexedTombstone[]): readonly Tombstone[] {
    const { store, time } = this.#context
    const { partition } = looking
    const now = hlcFromMs(time.wallMs())
    const going: Tombstone[] = []
    const blocked = this.#blocked(partition)
    for (const { key, entry } of found) {
      const copy = store.read(key)
      const record = copy.state === 'found' ? store.decode(copy.bytes) : undefined
      if (copy.state === 'damaged' || copy.state === 'failed') {
        count(looking, { type: 'changed' })
      } else if (copy.state === 'absent' || record === undefined || !isTombstone(record)) {
        // What the entry spoke of was healed to something else, or is on its way out.
        looking.count -= 1
        this.#batches.add([this.#index.removeOperation(key, partition)], 'os', () => {})
      } else if (entry === undefined || entry.deletedHlc < record.deletedHlc) {
        this.#batches.add([this.#index.entryOperation(key, partition, record.deletedHlc)], 'os', () => {})
        count(looking, { type: 'next-round' })
      } else {
        const waitingFor = this.#notYet(record, now) ?? blocked ?? this.#unstable(entry.seenHlc)
        if (waitingFor !== undefined) count(looking, waitingFor)
        else going.push({ key, record, bytes: copy.bytes, seenHlc: entry.seenHlc })
      }
    }
    return going
  }

  #remove(looking: Looking, tombstones: readonly Tombstone[], done: () => void): void {
    const { layout, time } = this.#context
    const { partition } = looking
    const settled = settledLayout(layout.document)
    const owners = this.#ownersOf(partition)
    if (settled === undefined || owners === undefined) {
      for (const _ of tombstones) count(looking, { type: 'layout' })
      return done()
    }
    const { version, hash } = settled
    const members = version.nodes.map(({ id }) => id).filter((id) => !version.excluded.includes(id))
    const batch = { partition, layoutHash: hash, members, owners, tombstones }
    new RemovalRun({ context: this.#context, service: this.#service }, batch, (waiting, { least }) => {
      if (this.#isStopped) return
      if (least !== undefined) this.#least = { ...least, atMs: time.nowMs() }
      for (const waitingFor of waiting) {
        if (waitingFor !== undefined) count(looking, waitingFor)
        else {
          // Gone from the index, too.
          looking.count -= 1
          looking.changes -= 1
        }
      }
      done()
    })
  }

  /**
   * Who has to agree: the excluded have brought what they held before anything is removed, and begin anew when they come
   * back (docs/rules.md L5, T6).
   */
  #ownersOf(partition: number): readonly NodeId[] | undefined {
    const { inForce } = this.#context.layout
    return inForce?.ring.ownersOf(partition).filter((owner) => !inForce.isExcluded(owner))
  }

  // Reasons

  /** What holds up all tombstones of a partition. */
  #blocked(partition: number): WaitingFor | undefined {
    const { layout, self, recovery, minting, peers } = this.#context
    const settled = settledLayout(layout.document)
    const owners = this.#ownersOf(partition)
    if (settled === undefined || owners?.includes(self) !== true) return { type: 'layout' }
    if (recovery.isRecovering(partition)) return { type: 'recovering' }
    const { nodes, excluded } = settled.version
    for (const { id } of nodes) {
      if (id !== self && !excluded.includes(id) && !peers.isReachable(id)) return { type: 'stable', node: id }
    }
    if (minting.isClockSkewed) return { type: 'clock' }
    const driver = [...owners].sort()[0] as NodeId
    return driver === self ? undefined : { type: 'driver', node: driver }
  }

  #notYet(record: Tombstone['record'], now: Hlc): WaitingFor | undefined {
    if (hlcToMs(record.deletedHlc) + this.#graceMs > hlcToMs(now)) return { type: 'grace' }
    return pruneDone(record.done, now).length > 0 ? { type: 'done' } : undefined
  }

  #unstable(seenHlc: Hlc): WaitingFor | undefined {
    const least = this.#least
    if (least === undefined || this.#context.time.nowMs() - least.atMs > stableKeptMs) return undefined
    return seenHlc >= least.stable ? { type: 'stable', node: least.node } : undefined
  }

  #text(waitingFor: WaitingFor): string {
    const { peers } = this.#context
    switch (waitingFor.type) {
      case 'stable':
        return `stable of ${this.#nameOf(waitingFor.node)}`
      case 'owner':
        return `owner ${this.#nameOf(waitingFor.node)}`
      case 'driver':
        return `driver ${peers.nameOf(waitingFor.node)}`
      case 'next-round':
        return 'next round'
      default:
        return waitingFor.type
    }
  }

  #nameOf(node: NodeId): string {
    return node === this.#context.self ? 'this node' : this.#context.peers.nameOf(node)
  }
}

function count(looking: Looking, waitingFor: WaitingFor): void {
  const name = 'node' in waitingFor ? `${waitingFor.type} ${waitingFor.node}` : waitingFor.type
  const entry = looking.waiting.get(name)
  if (entry === undefined) looking.waiting.set(name, { waitingFor, count: 1 })
  else entry.count += 1
}

/** Whether a reason holds for the whole partition, not for one tombstone. */
function isShared(waitingFor: WaitingFor): boolean {
  return waitingFor.type === 'stable' || waitingFor.type === 'owner' || waitingFor.type === 'recovering'
}

import { pruneDone } from '../protocol/causality/done.ts'
import { isTombstone } from '../protocol/causality/inspect-record.ts'
import type { KeyRecord } from '../protocol/causality/record.ts'
import { siblingChecksum, stateHash } from '../protocol/causality/state-hash.ts'
import { type Hlc, hlcFromMs, hlcMax, hlcZero } from '../protocol/clock/hlc.ts'
import { noBarrier } from '../protocol/deletion/barrier.ts'
import type { ConfirmAnswer } from '../protocol/deletion/removal.ts'
import type { RecordKey } from '../vocabulary/key.ts'
import type { DoomedKey, Refusal } from '../wire/messages.ts'
import { decodeRecord } from '../wire/record.ts'
import type { DataHandlers, RequestOf, Respond } from './data-handlers.ts'
import { settledLayout } from './layout-fence.ts'
import { refusal, storageRefused } from './refusals.ts'
import type { RequestContext } from './request-context.ts'

/** A state from outside is checked before it is merged. */
const checked = { siblingChecksum }

interface OwnTombstone {
  readonly record: KeyRecord
  readonly stateHash: bigint
}

/** What an owner does for the removal of tombstones, its own driver's included (docs/rules.md D2 to D5, T3). */
export class TombstoneService {
  readonly #context: RequestContext

  constructor(context: RequestContext) {
    this.#context = context
  }

  readonly handlers = {
    'tell-stable': (_message, respond) => this.#tellStable(respond),
    'confirm-tombstones': (message, respond) => this.#confirm(message, respond),
    'raise-barrier': (message, respond) => this.#raise(message, respond),
    'drop-tombstones': (message, respond) => this.#drop(message, respond),
    'tell-barriers': (message, respond) => this.#tellBarriers(message, respond),
  } satisfies Partial<DataHandlers>

  #tellStable(respond: Respond): void {
    const { stability, minting } = this.#context
    stability.publish((stable) => respond({ type: 'stable-told', stable, clock: minting.read() }))
  }

  /** Each tombstone is merged and rewritten, synced; then it is looked at what stands here. */
  #confirm(message: RequestOf<'confirm-tombstones'>, respond: Respond): void {
    const { store, hash, minting } = this.#context
    const { partition, entries } = message
    const refused = this.#refused(partition, message.layoutHash)
    if (refused !== undefined) return respond(refused)
    if (store.isFull) return respond(refusal('overloaded', 'too many writes wait for the disk'))
    const tombstones = entries.map(({ key, record }) => ({
      key,
      bytes: record,
      record: decodeRecord(record, hash, checked),
    }))
    const isOdd = tombstones.some(({ key, record }) => !isTombstone(record) || store.partitionOf(key) !== partition)
    if (isOdd || entries.length === 0) return respond(refusal('malformed', 'these are no tombstones of the partition'))
    minting.adopt(message.asOf)
    const isMerged = tombstones.map(() => false)
    let left = tombstones.length
    for (const [index, { key, record, bytes }] of tombstones.entries()) {
      store.merge(key, record, bytes, 'disk', message.asOf, (failure) => {
        isMerged[index] = failure === undefined
        left -= 1
        if (left > 0) return
        const answers = tombstones.map((tombstone, at) =>
          this.#judge(tombstone.key, tombstone.record, isMerged[at] === true),
        )
        // Read last: what was read here before had not seen the tombstone, and was stamped with less.
        respond({ type: 'tombstones-confirmed', answers, clock: minting.read() })
      })
    }
  }

  #judge(key: RecordKey, tombstone: KeyRecord, isMerged: boolean): ConfirmAnswer {
    const own = isMerged ? this.#own(key) : undefined
    if (own === undefined || own.stateHash !== stateHash(key, tombstone, this.#context.hash)) {
      return { outcome: 'differs', deletedHlc: hlcZero }
    }
    return { outcome: this.#remembers(own.record) ? 'done' : 'equal', deletedHlc: own.record.deletedHlc }
  }

  #raise(message: RequestOf<'raise-barrier'>, respond: Respond): void {
    const { barriers, minting } = this.#context
    const { partition, barrier } = message
    const refused = this.#refused(partition, message.layoutHash)
    if (refused !== undefined) return respond(refused)
    // From now on this node's own readings lie above the barrier, or its own states would be refused everywhere.
    if (!minting.reach(barrier))
      return respond(refusal('clock-skew', 'the barrier lies too far ahead of the own clock'))
    const isEqual = message.entries.map((entry) => this.#isStill(entry))
    barriers.raiseSynced(partition, { ...noBarrier, gcBarrier: barrier }, (failure) =>
      respond(failure === undefined ? { type: 'barrier-raised', isEqual } : storageRefused(failure)),
    )
  }

  /** What is not the same any more stays: it is a newer state, or not a tombstone. */
  #drop(message: RequestOf<'drop-tombstones'>, respond: Respond): void {
    const { store, barriers, minting, metrics } = this.#context
    const { partition, entries, barrier } = message
    const refused = this.#refused(partition, message.layoutHash)
    if (refused !== undefined) return respond(refused)
    minting.reach(barrier)
    const isGone = entries.map(() => false)
    const going = [...entries.entries()].filter(([, entry]) => this.#isStill(entry))
    if (going.length === 0) return respond({ type: 'tombstones-dropped', isGone })
    // One turn is one batch: the barrier and everything that goes below it.
    const gcDeleted = going.reduce<Hlc>((latest, [, { deletedHlc }]) => hlcMax(latest, deletedHlc), hlcZero)
    let operations = barriers.raise(partition, { gcBarrier: barrier, gcDeleted })
    let left = going.length
    for (const [index, { key }] of going) {
      const before = (this.#own(key) as OwnTombstone).record
      store.remove(key, before, operations, 'disk', (failure) => {
        isGone[index] = failure === undefined
        if (failure === undefined) metrics.tombstonesRemoved.add(1)
        left -= 1
        if (left === 0) respond({ type: 'tombstones-dropped', isGone })
      })
      operations = []
    }
  }

  #tellBarriers(message: RequestOf<'tell-barriers'>, respond: Respond): void {
    const { barriers, recovery, gained } = this.#context
    respond({
      type: 'barriers-told',
      barriers: message.partitions.map((partition) => ({
        partition,
        ...barriers.of(partition),
        // A merely lossy store has lost nothing that was synced, and every barrier was.
        isKnown: !gained.isClosed(partition) && (!recovery.isClosed(partition) || recovery.reason === 'lossy'),
      })),
    })
  }

  #refused(partition: number, layoutHash: string): Refusal | undefined {
    const { layout, self, recovery, minting } = this.#context
    const settled = settledLayout(layout.document)
    if (settled === undefined || settled.hash !== layoutHash) {
      return refusal('layout-stale', 'this node has another layout, or one in transition')
    }
    if (layout.inForce?.ring.owns(self, partition) !== true || layout.inForce.isExcluded(self)) {
      return refusal('not-owner', 'this node does not own the partition')
    }
    if (recovery.isRecovering(partition)) return refusal('busy', 'the partition is recovering')
    if (minting.isClockSkewed) return refusal('clock-skew', 'the clock is too far from those of the others')
    return undefined
  }

  #isStill({ key, stateHash: expected, deletedHlc }: DoomedKey): boolean {
    const own = this.#own(key)
    return (
      own !== undefined &&
      own.stateHash === expected &&
      own.record.deletedHlc <= deletedHlc &&
      !this.#remembers(own.record)
    )
  }

  /** The newest state decided here, if it is a tombstone. */
  #own(key: RecordKey): OwnTombstone | undefined {
    const { store, hash } = this.#context
    const copy = store.read(key)
    if (copy.state !== 'found') return undefined
    const record = store.decode(copy.bytes)
    return isTombstone(record) ? { record, stateHash: stateHash(key, record, hash) } : undefined
  }

  /** Whether it knows of keyed writes that may still be tried again (docs/rules.md I1). */
  #remembers(record: KeyRecord): boolean {
    const now: Hlc = hlcFromMs(this.#context.time.wallMs())
    return pruneDone(record.done, now).length > 0
  }
}

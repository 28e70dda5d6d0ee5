import { contextOfGet, emptyContext } from '../../../lib/protocol/causality/context.ts'
import { deleteRecord } from '../../../lib/protocol/causality/delete.ts'
import type { VersionVector } from '../../../lib/protocol/causality/dot.ts'
import { emptyRecord, isTombstone, recordHlc } from '../../../lib/protocol/causality/inspect-record.ts'
import { mergeRecords } from '../../../lib/protocol/causality/merge.ts'
import { mintAsAfterMerge, mintDot } from '../../../lib/protocol/causality/mint.ts'
import { putRecord } from '../../../lib/protocol/causality/put.ts'
import type { CausalContext, KeyRecord, StoredRecord } from '../../../lib/protocol/causality/record.ts'
import { covers, equalVectors, mergeVectors } from '../../../lib/protocol/causality/version-vector.ts'
import { type Hlc, hlcMax, hlcPlusMs, hlcZero } from '../../../lib/protocol/clock/hlc.ts'
import { HybridClock } from '../../../lib/protocol/clock/hybrid-clock.ts'
import { type Barrier, comesTooLate, joinBarriers, noBarrier } from '../../../lib/protocol/deletion/barrier.ts'
import { expireSiblings } from '../../../lib/protocol/deletion/expiry.ts'
import { Removal, type RemovalEffect, type RemovalEvent } from '../../../lib/protocol/deletion/removal.ts'
import { StableMark } from '../../../lib/protocol/deletion/stability.ts'
import { oldestMint } from '../../../lib/protocol/handoff/oldest-mint.ts'
import { equalStates } from '../../../lib/protocol/quorum/equal-states.ts'
import type { NodeId } from '../../../lib/vocabulary/ids.ts'
import { invariant } from '../../../lib/vocabulary/invariant.ts'
import type { Random } from '../../../lib/vocabulary/random.ts'
import type { Rules, StepName, Weights } from './deletion-rules.ts'

const ownerCount = 3
const nodeCount = 5
const leaseMs = 10_000
const startMs = 1_700_000_000_000

/** What one node has on its disk. Values are immutable: a copy of the object is a copy of the disk. */
interface Disk {
  readonly stored: StoredRecord | undefined
  readonly isDamaged: boolean
  /** When the tombstone was stored; see `TombstoneEntry.seenHlc`. */
  readonly seenHlc: Hlc
  readonly barrier: Barrier
  readonly hints: ReadonlyMap<number, KeyRecord>
  readonly stable: Hlc
  readonly lease: Hlc
  /** Of a restored store that has not recovered: the least clock of the copy, and the greatest. */
  readonly copied: { readonly from: Hlc; readonly upTo: Hlc } | undefined
}

interface Ticket {
  readonly hlc: Hlc
  /** The state that was decided, and when. */
  readonly record: KeyRecord
  readonly asOf: Hlc
  readonly waiting: Set<number>
}

type Message =
  | { readonly type: 'state'; readonly record: KeyRecord; readonly asOf: Hlc; readonly done: (outcome: Merged) => void }
  | { readonly type: 'store-hint'; readonly target: number; readonly record: KeyRecord; readonly done: () => void }
  | { readonly type: 'call'; readonly run: () => void }
type Merged = 'merged' | 're-read' | 'busy'

/** What one owner, or a fallback, holds, and as of when. */
interface Answer {
  readonly record: KeyRecord | undefined
  readonly asOf: Hlc
}

interface Envelope {
  readonly to: number
  readonly message: Message
}

/** One node: its process, its disk, and what of the disk a power cut would leave. */
class ModelNode {
  readonly index: number
  readonly id: NodeId
  live: Disk
  synced: Disk
  clock: HybridClock
  mark: StableMark
  skewMs = 0
  generation = 1
  counter = 0
  life = 0
  readonly tickets = new Set<Ticket>()
  /** Owners it must still be exchanged with (A5). */
  owed = new Set<number>()
  isClosed = false

  constructor(index: number, nowMs: number) {
    this.index = index
    this.id = String.fromCharCode(97 + index).repeat(32) as NodeId
    const lease = hlcPlusMs(0 as Hlc, nowMs + leaseMs)
    this.live = { ...emptyDisk, lease }
    this.synced = this.live
    this.clock = new HybridClock({ startAt: hlcPlusMs(0 as Hlc, nowMs), leasedUpTo: lease })
    this.mark = new StableMark(hlcZero)
  }

  get record(): KeyRecord | undefined {
    return this.live.stored?.record
  }

  write(changes: Partial<Disk>, isSynced: boolean): void {
    this.live = { ...this.live, ...changes }
    if (isSynced) this.synced = this.live
  }
}

const emptyDisk: Disk = {
  stored: undefined,
  isDamaged: false,
  seenHlc: hlcZero,
  barrier: noBarrier,
  hints: new Map(),
  stable: hlcZero,
  lease: hlcZero,
  copied: undefined,
}

export interface Ended {
  /** Dots of values that came back after their tombstone had been dropped somewhere. */
  readonly resurrected: readonly string[]
  /** Tombstones that went for good. */
  readonly removed: number
}

/**
 * One key, three owners, two more members: the real functions and machines for records, clocks, stability, barriers,
 * expiry and removal, and around them a network that delays, loses and repeats everything, and disks and clocks that
 * fail. It knows which values were covered by a tombstone that somebody dropped: none of them may be there at the end,
 * when everything has healed.
 */
export class DeletionModel {
  readonly #random: Random
  readonly #rules: Rules
  readonly #nodes: readonly ModelNode[]
  readonly #owners: readonly ModelNode[]
  #network: Envelope[] = []
  /** Messages that come very late. */
  readonly #held: Envelope[] = []
  #nowMs = startMs
  #nextCounter = 1
  #removal: { readonly isCurrent: () => boolean } | undefined
  /** Everything that the tombstones dropped so far have seen. */
  #gone: VersionVector = []
  #removed = 0
  readonly #resurrected = new Set<string>()
  #contexts: CausalContext[] = [emptyContext]
  #snapshots: { readonly node: ModelNode; readonly disk: Disk }[] = []
  /** The last whose clock was set. */
  #skewed: ModelNode

  constructor(random: Random, rules: Rules) {
    this.#random = random
    this.#rules = rules
    this.#nodes = Array.from({ length: nodeCount }, (_, index) => new ModelNode(index, startMs))
    this.#owners = this.#nodes.slice(0, ownerCount)
    this.#skewed = this.#nodes[0] as ModelNode
    for (const node of this.#nodes)
      node.mark.persisted(node.mark.next({ clock: this.#read(node), oldestWrite: undefined, oldestHint: undefined }))
  }

  /** Some rounds of writes and faults, each ending in a delete and its removal, with more faults between the phases. */
  run(rounds: number, weights: Weights): Ended {
    for (let round = 0; round < rounds; round += 1) {
      for (let count = this.#random.below(40); count > 0; count -= 1) this.#randomStep(weights)
      if (this.#random.below(4) > 0) this.step('delete')
      this.step('quiet')
      const trouble = 2 + this.#random.below(20)
      for (let count = 0; count < 70; count += 1) {
        this.step(this.#removal?.isCurrent() === true ? 'deliver' : 'remove')
        if (this.#random.below(trouble) === 0) this.#randomStep(weights)
      }
    }
    return this.settle()
  }

  #randomStep(weights: Weights): void {
    const names = Object.keys(weights) as StepName[]
    let draw = this.#random.fraction() * names.reduce((sum, name) => sum + weights[name], 0)
    const name = names.find((each) => {
      draw -= weights[each]
      return draw < 0
    })
    this.step(name ?? 'wait')
  }

  step(name: StepName): void {
    this.#nowMs += this.#random.below(20)
    switch (name) {
      case 'put':
        return this.#coordinate(this.#pick(this.#owners), true, undefined)
      case 'expiring-put':
        return this.#coordinate(this.#pick(this.#owners), true, this.#nowMs + this.#random.below(500))
      case 'delete':
        return this.#coordinate(this.#pick(this.#owners), false, undefined)
      case 'hint-coordinator':
        return this.#coordinateFromHint(this.#pick(this.#nodes.slice(ownerCount)))
      case 'expire':
        return this.#expire(this.#pick(this.#owners))
      case 'deliver':
        return this.#deliver(true)
      case 'calm':
        for (let count = this.#random.below(60); count > 0; count -= 1) this.#deliver(true)
        return
      case 'quiet':
        return this.#quiet()
      case 'hold':
        return this.#hold()
      case 'release':
        if (this.#held.length > 0) this.#network.push(...this.#held.splice(this.#random.below(this.#held.length), 1))
        return
      case 'duplicate':
        return this.#deliver(false)
      case 'lose':
        if (this.#network.length > 0) this.#network.splice(this.#random.below(this.#network.length), 1)
        return
      case 'give-up':
        return this.#giveUp(this.#pick(this.#nodes.filter(({ tickets }) => tickets.size > 0)))
      case 'hint-delivery':
        return this.#deliverHints(this.#pick(this.#nodes.filter(({ live }) => live.hints.size > 0)))
      case 'push':
        return this.#push(this.#pick(this.#owners), this.#pick(this.#owners))
      case 'late-push': {
        const before = this.#network.length
        this.#push(this.#pick(this.#owners), this.#pick(this.#owners))
        this.#held.push(...this.#network.splice(before))
        return
      }
      case 'read':
        return this.#readRepair(this.#pick(this.#owners))
      case 'remove':
        return this.#remove()
      case 'abandon-removal':
        this.#removal = undefined
        return
      case 'recover':
        return this.#recover(this.#pick(this.#owners))
      case 'kill':
        // Its clock may be set while it is down.
        if (this.#random.below(2) === 0) this.step('skew')
        return this.#restart(this.#skewed, 'killed')
      case 'power-cut':
        return this.#restart(this.#pick(this.#nodes), 'lossy')
      case 'wipe':
        return this.#wipe(this.#pick(this.#nodes))
      case 'snapshot': {
        const node = this.#pick(this.#nodes)
        this.#snapshots.push({ node, disk: node.live })
        return
      }
      case 'restore':
        return this.#restore()
      case 'damage': {
        const node = this.#pick(this.#owners)
        if (node.live.stored !== undefined) node.write({ isDamaged: true }, true)
        return
      }
      case 'heal':
        return this.#heal(this.#pick(this.#owners))
      case 'skew':
        this.#skewed = this.#pick(this.#nodes)
        this.#skewed.skewMs = this.#random.below(120_000) - 60_000
        return
      case 'wait':
        this.#nowMs += this.#random.below(10_000)
        return
      case 'wait-long':
        this.#nowMs += 660_000
        return
    }
  }

  // Clocks and disks

  #wall(node: ModelNode): number {
    return this.#nowMs + node.skewMs
  }

  /** The lease is extended in time, as a rule; a reading never reaches beyond what is on disk. */
  #read(node: ModelNode): Hlc {
    const wallMs = this.#wall(node)
    const wanted = hlcMax(hlcPlusMs(0 as Hlc, wallMs + leaseMs / 2), hlcPlusMs(node.clock.latest, leaseMs / 2))
    if (wanted > node.clock.leasedUpTo) this.#lease(node, hlcPlusMs(wanted, leaseMs / 2))
    return node.clock.read(wallMs)
  }

  #lease(node: ModelNode, upTo: Hlc): void {
    node.write({ lease: upTo }, true)
    node.clock.extendLease(upTo)
  }

  #adopt(node: ModelNode, hlc: Hlc): boolean {
    return node.clock.adopt(hlc, this.#wall(node)) !== 'refused'
  }

  /** As of when this node can vouch for its own record. */
  #asOf(node: ModelNode): Hlc {
    const now = this.#read(node)
    const { copied } = node.live
    return copied !== undefined && node.owed.size > 0 && copied.from < now ? copied.from : now
  }

  #store(node: ModelNode, stored: StoredRecord | undefined, isSynced: boolean): void {
    const isDead = stored !== undefined && isTombstone(stored.record)
    this.#watch(node, stored?.record)
    const seenHlc = isDead ? hlcMax(this.#read(node), stored.record.deletedHlc) : hlcZero
    node.write({ stored, isDamaged: false, seenHlc }, isSynced)
  }

  /**
   * What was dropped must never come to an owner that has not lost anything; nor stay with one that has, once that has
   * recovered. (Two owners that were restored together, each with the value, do not recover: nobody can say which of
   * the three is right, until an operator does.)
   */
  #watch(node: ModelNode, record: KeyRecord | undefined): void {
    if (node.index >= ownerCount || node.owed.size > 0) return
    for (const { dot } of record?.siblings ?? []) {
      if (covers(this.#gone, dot)) this.#resurrected.add(`${dot.counter} at ${node.index}`)
    }
  }

  #merge(node: ModelNode, incoming: KeyRecord, asOf: Hlc, isSynced: boolean): Merged {
    this.#adopt(node, asOf)
    if (node.live.isDamaged || (node.isClosed && this.#rules.learns)) return 'busy'
    const { stored, barrier } = node.live
    const local = stored?.record
    const merged = local === undefined ? incoming : mergeRecords(local, incoming)
    if (local !== undefined && equalStates(merged, local)) {
      if (isSynced) node.write({}, true)
      return 'merged'
    }
    if (this.#rules.barrier && comesTooLate(barrier.gcBarrier, asOf, this.#wall(node), local, incoming))
      return 're-read'
    const mintAs = stored === undefined ? undefined : mintAsAfterMerge(stored, merged, node.generation)
    this.#store(node, { record: merged, mintAs }, isSynced)
    return 'merged'
  }

  // Writes

  #mint(node: ModelNode, stored: StoredRecord | undefined, seen: CausalContext) {
    const counter = this.#nextCounter++
    const atLeast = hlcMax(recordHlc(stored?.record ?? emptyRecord('siblings')), seen.hlc)
    this.#read(node)
    const wallMs = this.#wall(node)
    if (node.clock.wanted(wallMs, atLeast) >= node.clock.leasedUpTo) {
      this.#lease(node, hlcPlusMs(node.clock.wanted(wallMs, atLeast), leaseMs))
    }
    const hlc = node.clock.mint(wallMs, atLeast)
    invariant(hlc !== undefined, 'the lease was extended')
    const minter = { shortId: node.index + 1, generation: node.generation }
    return { ...mintDot(stored, seen.vv, minter, counter), hlc }
  }

  #decide(
    node: ModelNode,
    stored: StoredRecord | undefined,
    isPut: boolean,
    expiresAtMs: number | undefined,
  ): { readonly stored: StoredRecord; readonly hlc: Hlc } | undefined {
    const remembered = this.#pick(this.#contexts)
    const isBlind = stored === undefined || this.#random.below(3) === 0
    const seen = isBlind ? remembered : contextOfGet(stored.record)
    if (!isPut && stored === undefined && seen.vv.length === 0) return undefined
    const mint = this.#mint(node, stored, seen)
    const content = { value: noBytes, contentType: '', metadata: [], expiresAtMs, checksum: mint.dot.counter }
    const after = isPut
      ? putRecord(stored, seen, mint, 'siblings', content)
      : deleteRecord(stored, seen, mint, 'siblings')
    if (after === undefined) return undefined
    if (this.#random.below(4) === 0) this.#contexts.push(contextOfGet(after.record))
    return { stored: after, hlc: mint.hlc }
  }

  #coordinate(node: ModelNode, isPut: boolean, expiresAtMs: number | undefined): void {
    if (node.live.isDamaged) return
    const decided = this.#decide(node, node.live.stored, isPut, expiresAtMs)
    if (decided === undefined) return
    this.#store(node, decided.stored, this.#random.below(2) === 0)
    const { record } = decided.stored
    const ticket: Ticket = { hlc: decided.hlc, record, asOf: this.#asOf(node), waiting: new Set() }
    node.tickets.add(ticket)
    for (const owner of this.#owners) {
      if (owner === node) continue
      ticket.waiting.add(owner.index)
      // It leaves when the own store has it.
      const { life } = node
      this.#call(node, () => {
        if (node.life !== life) return
        this.#replicate(node, owner, ticket, record, this.#rules.asOfDecision ? ticket.asOf : this.#asOf(node))
      })
    }
  }

  #replicate(node: ModelNode, owner: ModelNode, ticket: Ticket, record: KeyRecord, asOf: Hlc): void {
    this.#sendState(node, owner, record, asOf, (outcome) => {
      const now = node.record
      if (outcome === 'merged') this.#endFor(node, ticket, owner.index)
      // A live owner reads again what it was refused.
      else if (outcome === 're-read' && now !== undefined) this.#replicate(node, owner, ticket, now, this.#asOf(node))
    })
  }

  #endFor(node: ModelNode, ticket: Ticket, owner: number): void {
    ticket.waiting.delete(owner)
    if (ticket.waiting.size === 0) node.tickets.delete(ticket)
  }

  /** The coordinator waits no longer for one owner: a fallback keeps the state for it, or its range is marked. */
  #giveUp(node: ModelNode | undefined): void {
    if (node === undefined) return
    const ticket = this.#pick([...node.tickets])
    const target = ticket === undefined ? undefined : this.#pick([...ticket.waiting])
    if (ticket !== undefined && target !== undefined) this.#giveUpOn(node, ticket, target)
  }

  #giveUpOn(node: ModelNode, ticket: Ticket, target: number): void {
    if (this.#random.below(4) === 0) return this.#endFor(node, ticket, target)
    const { life } = node
    const fallback = this.#pick(this.#nodes.slice(ownerCount))
    const done = (): void => {
      if (node.life === life) this.#endFor(node, ticket, target)
    }
    this.#send(fallback, { type: 'store-hint', target, record: ticket.record, done })
  }

  /** What is refused is marked for comparison instead: either way nobody waits for it any more. */
  #storeHint(node: ModelNode, target: number, record: KeyRecord, done: () => void): void {
    const held = node.live.hints.get(target)
    const merged = held === undefined ? record : mergeRecords(held, record)
    if (oldestMint(merged) > this.#hintFloor(node)) {
      node.write({ hints: new Map([...node.live.hints, [target, merged]]) }, false)
    }
    this.#network.push({ to: node.index, message: { type: 'call', run: done } })
  }

  #hintFloor(node: ModelNode): Hlc {
    if (!this.#rules.hintFloor) return hlcZero
    return node.mark.hintFloor > 2 ** 52 && !this.#rules.firstStable ? node.mark.told : node.mark.hintFloor
  }

  #coordinateFromHint(node: ModelNode): void {
    const held = node.live.hints.get(0)
    const stored = held === undefined ? undefined : { record: held, mintAs: undefined }
    const decided = this.#decide(node, stored, this.#random.below(2) === 0, undefined)
    if (decided === undefined || oldestMint(decided.stored.record) <= this.#hintFloor(node)) return
    const hints = new Map(node.live.hints)
    for (const owner of this.#owners)
      hints.set(owner.index, mergeRecords(hints.get(owner.index) ?? decided.stored.record, decided.stored.record))
    node.write({ hints }, false)
  }

  #deliverHints(node: ModelNode | undefined): void {
    if (node === undefined) return
    const held = this.#pick([...node.live.hints])
    if (held === undefined) return
    const [target, record] = held
    this.#sendState(node, this.#nodes[target] as ModelNode, record, this.#read(node), (outcome) => {
      if (outcome !== 'merged' || node.live.hints.get(target) !== record) return
      const hints = new Map(node.live.hints)
      hints.delete(target)
      node.write({ hints }, false)
    })
  }

  // Repair

  #push(from: ModelNode, to: ModelNode): void {
    if (from.record === undefined || from.live.isDamaged || from === to) return
    this.#sendState(from, to, from.record, this.#asOf(from), () => {})
  }

  /** Reads two or three owners, and perhaps a fallback, and pushes what they have together to all owners. */
  #readRepair(reader: ModelNode): void {
    const needed = 2 + this.#random.below(2)
    const answers: Answer[] = []
    const { life } = reader
    const asked = [...this.#owners, this.#pick(this.#nodes.slice(ownerCount))]
    for (const node of asked) {
      this.#call(node, () => {
        if (node.live.isDamaged) return
        const isOwner = node.index < ownerCount
        const held = [...node.live.hints.values()]
        const record = isOwner ? node.record : held.length === 0 ? undefined : held.reduce((a, b) => mergeRecords(a, b))
        const answer = { record, asOf: isOwner ? this.#asOf(node) : this.#read(node) }
        this.#call(reader, () => {
          if (reader.life !== life || answers.length >= needed) return
          answers.push(answer)
          if (answers.length === needed) this.#repairWith(reader, answers)
        })
      })
    }
  }

  #repairWith(reader: ModelNode, answers: readonly Answer[]): void {
    const records = answers.flatMap(({ record }) => (record === undefined ? [] : [record]))
    if (records.length === 0) return
    const merged = records.reduce((a, b) => mergeRecords(a, b))
    const oldest = leastOf(answers, this.#read(reader))
    const asOf = this.#rules.oldestAnswer ? oldest : this.#read(reader)
    for (const owner of this.#owners) {
      if (owner === reader) this.#merge(owner, merged, asOf, false)
      else this.#sendState(reader, owner, merged, asOf, () => {})
    }
  }

  #heal(node: ModelNode): void {
    if (!node.live.isDamaged) return
    const { life } = node
    const others = this.#owners.filter((owner) => owner !== node)
    const answers: Answer[] = []
    for (const other of others) {
      this.#call(other, () => {
        if (other.live.isDamaged) return
        const answer = { record: other.record, asOf: this.#asOf(other) }
        this.#call(node, () => {
          if (node.life !== life || !node.live.isDamaged) return
          answers.push(answer)
          if (answers.length === others.length) this.#replaceDamaged(node, answers)
        })
      })
    }
  }

  #replaceDamaged(node: ModelNode, answers: readonly Answer[]): void {
    const records = answers.flatMap(({ record }) => (record === undefined ? [] : [record]))
    const record = records.length === 0 ? undefined : records.reduce((a, b) => mergeRecords(a, b))
    const asOf = leastOf(answers, this.#read(node))
    const { gcBarrier } = node.live.barrier
    const isTooLate = record !== undefined && comesTooLate(gcBarrier, asOf, this.#wall(node), undefined, record)
    if (isTooLate && this.#rules.healWaits && this.#rules.barrier) return
    this.#store(node, record === undefined ? undefined : { record, mintAs: undefined }, true)
  }

  #expire(node: ModelNode): void {
    const { stored } = node.live
    if (stored === undefined || node.live.isDamaged) return
    const record = expireSiblings(stored.record, this.#wall(node))
    if (record !== stored.record) this.#store(node, { ...stored, record }, false)
  }

  // Removal

  #stable(node: ModelNode): Hlc {
    let oldestWrite: Hlc | undefined
    let oldestHint: Hlc | undefined
    for (const { hlc } of this.#rules.writesHoldStable ? node.tickets : []) {
      if (oldestWrite === undefined || hlc < oldestWrite) oldestWrite = hlc
    }
    for (const hint of this.#rules.hintsHoldStable ? node.live.hints.values() : []) {
      const oldest = oldestMint(hint)
      if (oldestHint === undefined || oldest < oldestHint) oldestHint = oldest
    }
    const stable = node.mark.next({ clock: this.#read(node), oldestWrite, oldestHint })
    node.write({ stable }, this.#rules.stableSynced)
    node.mark.persisted(stable)
    return stable
  }

  #remove(): void {
    if (this.#removal?.isCurrent() === true) return
    const driver = this.#owners[0] as ModelNode
    const tombstone = driver.record
    if (tombstone === undefined || !isTombstone(tombstone) || driver.live.isDamaged) return
    if (driver.owed.size > 0 && this.#rules.recoveringWaits) return
    const { life } = driver
    const asOf = this.#asOf(driver)
    const owners = this.#rules.allConfirm ? this.#owners : this.#owners.slice(0, 2)
    const byId = new Map(this.#nodes.map((node) => [node.id, node]))
    const machine = new Removal({
      members: this.#nodes.map(({ id }) => id),
      owners: owners.map(({ id }) => id),
      candidates: [{ deletedHlc: tombstone.deletedHlc, seenHlc: driver.live.seenHlc }],
      clock: this.#read(driver),
    })
    let isOver = false
    const removal = { isCurrent: () => !isOver && driver.life === life }
    this.#removal = removal
    const dispatch = (event: RemovalEvent): void => {
      if (this.#removal !== removal || !removal.isCurrent()) return
      for (const effect of machine.handle(event)) carryOut(effect)
    }
    const answer = (event: RemovalEvent): void => this.#call(driver, () => dispatch(event))
    const carryOut = (effect: RemovalEffect): void => {
      if (effect.type === 'report') {
        isOver = true
        return
      }
      const node = byId.get(effect.to) as ModelNode
      this.#call(node, () => this.#carryOut(effect, node, tombstone, asOf, dispatch, answer))
    }
    for (const effect of machine.handle({ type: 'begun' })) carryOut(effect)
  }

  #carryOut(
    effect: Exclude<RemovalEffect, { type: 'report' }>,
    node: ModelNode,
    tombstone: KeyRecord,
    asOf: Hlc,
    dispatch: (event: RemovalEvent) => void,
    answer: (event: RemovalEvent) => void,
  ): void {
    const refuses = this.#rules.recoveringWaits && node.owed.size > 0
    const failed: RemovalEvent = { type: 'failed', node: node.id, waitingFor: { type: 'recovering' } }
    switch (effect.type) {
      case 'ask-stable': {
        const stable = this.#rules.stable ? this.#stable(node) : (Number.MAX_SAFE_INTEGER as Hlc)
        const clock = this.#clockOf(node)
        return answer({ type: 'stable-told', node: node.id, stable, clock })
      }
      case 'ask-confirm': {
        if (refuses) return answer(failed)
        const outcome = this.#merge(node, tombstone, asOf, this.#rules.confirmSynced)
        const isEqual = outcome === 'merged' && this.#isStill(node, tombstone)
        const deletedHlc = node.record?.deletedHlc ?? hlcZero
        const answers = [{ outcome: isEqual ? 'equal' : 'differs', deletedHlc } as const]
        return answer({ type: 'confirmed', node: node.id, answers, clock: this.#clockOf(node) })
      }
      case 'raise-barrier': {
        // Without the rule nobody is asked, and the barrier comes with the drop.
        if (!this.#rules.barrierFirst) return dispatch({ type: 'barrier-raised', node: node.id, isEqual: [true] })
        if (refuses || !this.#adopt(node, effect.barrier)) return answer(failed)
        const isEqual = this.#isStill(node, tombstone)
        this.#raise(node, effect.barrier)
        return answer({ type: 'barrier-raised', node: node.id, isEqual: [isEqual] })
      }
      case 'drop': {
        if (refuses) return answer(failed)
        this.#adopt(node, effect.barrier)
        const isGone = this.#isStill(node, tombstone)
        if (isGone) {
          this.#raise(node, effect.barrier)
          this.#gone = mergeVectors(this.#gone, tombstone.vv)
          this.#removed += 1
          this.#store(node, undefined, true)
        }
        return answer({ type: 'dropped', node: node.id, isGone: [isGone] })
      }
    }
  }

  #clockOf(node: ModelNode): Hlc {
    return this.#rules.barrierAboveAll ? this.#read(node) : hlcZero
  }

  #raise(node: ModelNode, barrier: Hlc): void {
    node.write({ barrier: joinBarriers(node.live.barrier, { ...noBarrier, gcBarrier: barrier }) }, true)
  }

  #isStill(node: ModelNode, tombstone: KeyRecord): boolean {
    const { record } = node
    return record !== undefined && !node.live.isDamaged && isTombstone(record) && equalVectors(record.vv, tombstone.vv)
  }

  // Faults, and what follows them

  #restart(node: ModelNode, kind: 'killed' | 'lossy' | 'wiped' | 'restored'): void {
    const before = node.live.lease
    if (kind === 'lossy') node.live = node.synced
    if (kind === 'wiped') node.live = emptyDisk
    node.life += 1
    node.generation += 1
    node.tickets.clear()
    // Every member keeps a copy of the row with the lease (A4).
    const wall = hlcPlusMs(0 as Hlc, this.#wall(node))
    const startAt = this.#rules.leasedClock ? hlcMax(wall, before) : wall
    node.clock = new HybridClock({ startAt, leasedUpTo: hlcPlusMs(startAt, leaseMs) })
    node.write({ lease: node.clock.leasedUpTo }, true)
    node.mark = new StableMark(node.live.stable)
    if (kind === 'killed') return
    if (node.index >= ownerCount) return
    node.owed = new Set(this.#owners.filter((owner) => owner !== node).map(({ index }) => index))
    // What a lossy store had synced it still has: barriers among it.
    node.isClosed = true
  }

  /** Whether the others of its partition can do without its disk: one of them at least has lost nothing. */
  #mayLose(node: ModelNode): boolean {
    return node.index >= ownerCount || this.#owners.some((owner) => owner !== node && owner.owed.size === 0)
  }

  #wipe(node: ModelNode): void {
    if (this.#mayLose(node)) this.#restart(node, 'wiped')
  }

  #restore(): void {
    const snapshot = this.#pick(this.#snapshots)
    if (snapshot === undefined || !this.#mayLose(snapshot.node)) return
    const { node, disk } = snapshot
    const lease = node.live.lease
    // A copy younger than the last row looks like a store that was killed (A4): that is the limit of the rules.
    if (disk.lease === lease) return
    node.live = { ...disk, lease }
    this.#restart(node, 'restored')
    if (this.#rules.restored !== 'now') {
      const from = this.#rules.restored === 'copy' ? hlcPlusMs(disk.lease, -leaseMs) : disk.lease
      // A copy of a store that had itself been restored, and had not recovered, is as old as that one.
      const copied = { from: Math.min(from, disk.copied?.from ?? from) as Hlc, upTo: node.clock.latest }
      node.write({ copied }, true)
    }
    if (this.#rules.restoredHints) node.write({ hints: new Map() }, true)
  }

  /** Learns the barrier of one owner, merges what it has, and gives it what this one has. */
  #recover(node: ModelNode): void {
    const { life } = node
    const index = this.#pick([...node.owed])
    if (index === undefined) return
    const other = this.#nodes[index] as ModelNode
    this.#call(other, () => {
      if (other.live.isDamaged) return
      const isKnown = !other.isClosed || this.#owners.every((owner) => owner.isClosed)
      const told = { barrier: other.live.barrier, record: other.record, asOf: this.#asOf(other) }
      this.#call(node, () => {
        if (node.life !== life || node.live.isDamaged) return
        if (this.#rules.learns) {
          if (!isKnown) return
          this.#adopt(node, told.barrier.gcBarrier)
          node.write({ barrier: joinBarriers(node.live.barrier, told.barrier) }, true)
        }
        node.isClosed = false
        if (told.record !== undefined && this.#merge(node, told.record, told.asOf, true) !== 'merged') return
        this.#giveBack(node, other)
      })
    })
  }

  #giveBack(node: ModelNode, other: ModelNode): void {
    const { record, life } = { record: node.record, life: node.life }
    if (record === undefined) return this.#exchanged(node, other)
    this.#sendState(node, other, record, this.#asOf(node), (outcome) => {
      if (node.life !== life) return
      if (outcome === 'merged') this.#exchanged(node, other)
      else if (outcome === 're-read' && node.live.copied !== undefined) this.#settleRefused(node)
    })
  }

  #exchanged(node: ModelNode, other: ModelNode): void {
    node.owed.delete(other.index)
    if (node.owed.size === 0) node.write({ copied: undefined }, true)
  }

  /** What a restored store holds, others refuse, and no other owner has, was deleted for good. */
  #settleRefused(node: ModelNode): void {
    const others = this.#owners.filter((owner) => owner !== node)
    const { record, copied } = { record: node.record, copied: node.live.copied }
    if (record === undefined || copied === undefined || others.some((other) => other.live.isDamaged)) return
    const theirs = others.flatMap((other) => (other.record === undefined ? [] : [other.record]))
    const siblings = record.siblings.filter(
      ({ dot, hlc }) =>
        hlc > copied.upTo || theirs.some((one) => one.siblings.some((each) => each.dot.counter === dot.counter)),
    )
    const remains = { ...record, siblings }
    const { gcBarrier } = node.live.barrier
    // Another of them may have been restored, too: what it holds is as old as its copy.
    const isTooLate = others.some(
      (other) =>
        other.record !== undefined &&
        comesTooLate(gcBarrier, this.#asOf(other), this.#wall(node), remains, other.record),
    )
    if (isTooLate) return
    const isNothing = theirs.length === 0 && siblings.length === 0
    const settled = isNothing ? undefined : theirs.reduce((a, b) => mergeRecords(b, a), remains)
    this.#store(node, settled === undefined ? undefined : { record: settled, mintAs: undefined }, true)
  }

  // The network

  #send(to: ModelNode, message: Message): void {
    this.#network.push({ to: to.index, message })
  }

  #call(to: ModelNode, run: () => void): void {
    this.#send(to, { type: 'call', run })
  }

  /** The answer comes back by the network, to the life that asked. */
  #sendState(from: ModelNode, to: ModelNode, record: KeyRecord, asOf: Hlc, done: (outcome: Merged) => void): void {
    const { life } = from
    const heard = (outcome: Merged): void =>
      this.#call(from, () => {
        if (from.life === life) done(outcome)
      })
    this.#send(to, { type: 'state', record, asOf, done: heard })
  }

  #deliver(isLast: boolean): void {
    if (this.#network.length === 0) return
    const at = this.#random.below(this.#network.length)
    const { to, message } = this.#network[at] as Envelope
    if (isLast) this.#network.splice(at, 1)
    const node = this.#nodes[to] as ModelNode
    switch (message.type) {
      case 'state':
        return message.done(this.#merge(node, message.record, message.asOf, this.#random.below(2) === 0))
      case 'store-hint':
        return this.#storeHint(node, message.target, message.record, message.done)
      case 'call':
        return message.run()
    }
  }

  /** A message, or a copy of it, takes very long: others overtake it by minutes. */
  #hold(): void {
    if (this.#network.length === 0) return
    const at = this.#random.below(this.#network.length)
    this.#held.push(this.#network[at] as Envelope)
    if (this.#random.below(2) === 0) this.#network.splice(at, 1)
  }

  /** Some time in which little is asked of the nodes: what is not held up arrives. */
  #quiet(): void {
    for (let round = 0; round < 3; round += 1) {
      for (const node of this.#nodes) {
        for (const ticket of [...node.tickets])
          for (const owner of [...ticket.waiting]) this.#giveUpOn(node, ticket, owner)
        for (const _ of node.live.hints) this.#deliverHints(node)
        if (node.index < ownerCount && this.#random.below(2) === 0) this.#push(node, this.#pick(this.#owners))
        if (node.index < ownerCount && node.owed.size > 0) this.#recover(node)
        if (node.live.isDamaged) this.#heal(node)
      }
      for (let count = 0; count < 60; count += 1) this.#deliver(true)
      this.#nowMs += this.#random.below(10_000)
    }
  }

  #pick<Item>(items: readonly Item[]): Item {
    return items[this.#random.below(items.length)] as Item
  }

  // The end

  /** Nothing fails any more: what is on its way arrives, hints come home, copies are compared until they agree. */
  settle(): Ended {
    for (const node of this.#nodes) node.skewMs = 0
    this.#network.push(...this.#held.splice(0))
    for (let round = 0; round < 30; round += 1) {
      this.#nowMs += 5_000
      for (const node of this.#nodes) {
        for (const _ of node.live.hints) this.#deliverHints(node)
        if (node.index >= ownerCount) continue
        if (node.live.isDamaged) this.#heal(node)
        if (node.owed.size > 0) this.#recover(node)
        for (const owner of this.#owners) this.#push(node, owner)
      }
      for (let count = 0; count < 2_000 && this.#network.length > 0; count += 1) this.#deliver(true)
    }
    for (const owner of this.#owners) this.#watch(owner, owner.record)
    return { resurrected: [...this.#resurrected], removed: this.#removed }
  }
}

const noBytes = new Uint8Array(0)

/** Who had nothing has no part in what was merged. */
function leastOf(answers: readonly Answer[], now: Hlc): Hlc {
  return Math.min(now, ...answers.map(({ record, asOf }) => (record === undefined ? now : asOf))) as Hlc
}

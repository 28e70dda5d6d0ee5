import { seededRandom, seedFor } from '../../lib/ports/random.ts'
import { emptyDocument, type LayoutDocument } from '../../lib/protocol/layout/layout-document.ts'
import type { DecidedLayout, LayoutVersion } from '../../lib/protocol/layout/layout-version.ts'
import { Topology, type TopologyEffect } from '../../lib/protocol/layout/topology.ts'
import { barrierOf, newestLive, oldestLive, readVersions } from '../../lib/protocol/layout/transition.ts'
import { type ClusterId, type NodeId, toNodeId } from '../../lib/vocabulary/ids.ts'
import type { Random } from '../../lib/vocabulary/random.ts'

/** A rule that is left out, to see that the model notices. */
export type Omission =
  | 'nothing'
  /** F3: W of the union of both owner sets. */
  | 'T1 acknowledgements in each set'
  /** F1, F6: neither is anything waited for, nor refused. */
  | 'T2 lock and fence'
  | 'T3 synchronising after the barrier'
  /** F4: one old owner's is enough. */
  | 'T4 every old owner'
  /** F2: as soon as the own reads have switched. */
  | 'T5 every member reads from the newest'

const nothingDone = {
  plannedWith: undefined,
  openFor: Number.POSITIVE_INFINITY,
  syncedFor: 0,
  hintsClearFor: 0,
  isAbortAccepted: false,
}

const W = 2
const R = 2
/** A write is acknowledged also when its messages are slow. */
const writePatienceMs = 2500

interface Member {
  readonly id: NodeId
  topology: Topology
  /** What a restart finds. */
  persisted: LayoutDocument
  life: number
  /** Writes that this node stores. */
  readonly stored: Set<number>
  /** Layout numbers of what is in flight here. */
  planned: Map<number, number>
  syncedFor: number
  isSynchronising: boolean
}

/**
 * One partition whose owners change while clients read and write, over a network that loses 15 % of what is sent and
 * now and then delivers very late. The layout document, its merge and every rule about it are the real ones.
 */
export class TransitionModel {
  readonly #seed: number
  readonly #random: Random
  readonly #omission: Omission
  readonly #members: readonly Member[]
  readonly #queue: { readonly at: number; readonly run: () => void }[] = []
  readonly #next: DecidedLayout
  #now = 0
  #writes = 0
  readonly #acknowledged: { readonly id: number; readonly at: number }[] = []
  reads = 0
  /** A read of a quorum that lacked what had been acknowledged before it began. */
  isStale = false

  constructor(seed: number, omission: Omission) {
    this.#random = seededRandom(seedFor(seed, 'transition'))
    this.#omission = omission
    this.#seed = seed
    const ids = Array.from({ length: 6 }, (_, index) => toNodeId(String(index + 1).repeat(32)))
    const replaced = this.#random.below(4)
    const first = decided(1, ids, [0, 1, 2])
    this.#next = decided(2, ids, [0, 1, 2].map((owner) => (owner < replaced ? owner + 3 : owner)).sort())
    const document = { ...emptyDocument, live: [first] }
    this.#members = ids.map((id) => ({
      id,
      topology: new Topology(id, document, nothingDone),
      persisted: document,
      life: 0,
      stored: new Set(),
      planned: new Map(),
      syncedFor: 0,
      isSynchronising: false,
    }))
  }

  get acknowledged(): number {
    return this.#acknowledged.length
  }

  /** Whether the transition came to its end everywhere. */
  get isOver(): boolean {
    return this.#members.every(
      ({ topology: { document } }) => document.live.length === 1 && newestLive(document) !== first(document),
    )
  }

  run(): void {
    const seed = this.#seed
    this.#after(this.#random.below(300), () => this.#decide(this.#pick()))
    for (let count = 0; count < 40; count += 1) {
      // With odd seeds most are planned before everybody knows of the change.
      this.#after(this.#random.below(seed % 2 === 1 && count % 3 > 0 ? 700 : 5000), () => this.#write())
      this.#after(500 + this.#random.below(6000), () => this.#read())
    }
    for (let at = 0; at < 12_000; at += 20) this.#after(at, () => this.#tick())
    this.#after(12_100, () => this.#read())
    while (!this.isStale) {
      const event = this.#queue.pop()
      if (event === undefined) return
      this.#now = event.at
      event.run()
    }
  }

  #decide(member: Member): void {
    this.#carryOut(member, member.topology.handle({ type: 'decided', layout: this.#next }))
  }

  #carryOut(member: Member, effects: readonly TopologyEffect[]): void {
    const { life } = member
    for (const effect of effects) {
      if (effect.type !== 'persist-document') continue
      this.#after(1 + this.#random.below(20), () => {
        if (member.life !== life) return
        member.persisted = effect.document
        this.#carryOut(member, member.topology.handle({ type: 'persisted', ticket: effect.ticket }))
      })
    }
  }

  /** The process dies: what it had in flight is nobody's any more, and comes late or not at all. */
  #crash(member: Member): void {
    member.life += 1
    member.planned = new Map()
    member.isSynchronising = false
    member.topology = new Topology(member.id, member.persisted, nothingDone)
    this.#carryOut(member, member.topology.handle({ type: 'started' }))
  }

  #tick(): void {
    const member = this.#pick()
    this.#progress(member)
    this.#synchronise(member)
    const other = this.#pick()
    const { document } = member.topology
    this.#send(member, other, () => this.#learn(other, document))
    if (this.#random.below(60) === 0) this.#crash(this.#pick())
  }

  #learn(member: Member, document: LayoutDocument): void {
    this.#carryOut(member, member.topology.handle({ type: 'document-received', document }))
  }

  #progress(member: Member): void {
    const newest = newestLive(member.topology.document)?.version
    if (newest === undefined) return
    const plannedWith = [...member.planned.values()].sort((a, b) => a - b)[0]
    const progress = {
      plannedWith: this.#omission === 'T2 lock and fence' ? undefined : plannedWith,
      openFor: Number.POSITIVE_INFINITY,
      syncedFor: member.syncedFor,
      hintsClearFor: newest.assignedAt,
      isAbortAccepted: false,
    }
    this.#carryOut(member, member.topology.handle({ type: 'progressed', progress }))
    this.#overstate(member)
  }

  /** Says what the real keeper would not yet say, where a rule is left out. */
  #overstate(member: Member): void {
    const { document } = member.topology
    const newest = newestLive(document)
    const tracker = document.trackers.get(member.id)
    if (newest === undefined || tracker === undefined) return
    // Told as soon as everything was pushed, whoever may still write without the new owners in mind.
    const isEarly = this.#omission === 'T3 synchronising after the barrier' && tracker.sync < member.syncedFor
    if (isEarly) {
      const said = { ...tracker, seq: tracker.seq + 1, sync: member.syncedFor }
      this.#learn(member, { ...document, trackers: new Map([[member.id, said]]) })
    }
    const isGone = this.#omission === 'T5 every member reads from the newest' && this.#readVersion(document) === newest
    if (isGone && document.live.length > 1) this.#learn(member, { ...document, live: [newest] })
  }

  #readVersion(document: LayoutDocument): DecidedLayout | undefined {
    const newest = newestLive(document)
    const oldest = oldestLive(document)
    if (this.#omission !== 'T4 every old owner' || newest === undefined || oldest === undefined)
      return readVersions(document)(0)
    const isOneSynced = ownersOf(oldest).some(
      (id) => (document.trackers.get(id)?.sync ?? 0) >= newest.version.assignedAt,
    )
    return isOneSynced ? newest : oldest
  }

  /** An old owner brings everything it has to the new ones; it counts when it began after the barrier. */
  #synchronise(member: Member): void {
    const { document } = member.topology
    const newest = newestLive(document)
    const oldest = oldestLive(document)
    if (newest === undefined || oldest === undefined || newest === oldest || member.isSynchronising) return
    if (!ownersOf(oldest).includes(member.id) || member.syncedFor >= newest.version.assignedAt) return
    const isPastBarrier = barrierOf(document) >= newest.version.assignedAt
    if (!isPastBarrier && this.#omission !== 'T3 synchronising after the barrier') return
    member.isSynchronising = true
    const moved = [...member.stored]
    const targets = ownersOf(newest).filter((id) => id !== member.id)
    let left = targets.length
    const failed = (): void => {
      member.isSynchronising = false
    }
    for (const id of targets) {
      const target = this.#member(id)
      this.#ask(
        member,
        target,
        () => {
          for (const write of moved) target.stored.add(write)
          return true
        },
        (isDone) => {
          if (isDone !== true) return failed()
          left -= 1
          if (left > 0) return
          member.isSynchronising = false
          member.syncedFor = newest.version.assignedAt
        },
      )
    }
  }

  #write(): void {
    const coordinator = this.#pick()
    const { live } = coordinator.topology.document
    const number = live.at(-1)?.version.number ?? 0
    const sets = live.map((layout) => ownersOf(layout))
    const union = [...new Set(sets.flat())]
    const id = this.#writes
    this.#writes += 1
    const acked = new Set<NodeId>()
    let waiting = union.length
    let isAnswered = false
    coordinator.planned.set(id, number)
    const ended = (): void => {
      waiting -= 1
      if (waiting === 0) coordinator.planned.delete(id)
    }
    for (const owner of union) {
      const replica = this.#member(owner)
      this.#ask(
        coordinator,
        replica,
        () => this.#store(replica, id, number),
        (isStored) => {
          ended()
          if (isStored !== true || isAnswered) return
          acked.add(owner)
          const isEnough =
            this.#omission === 'T1 acknowledgements in each set'
              ? acked.size >= W
              : sets.every((set) => set.filter((node) => acked.has(node)).length >= W)
          if (!isEnough) return
          isAnswered = true
          // T8: what has been decided meanwhile asks for its own owners.
          const isOutdated = (newestLive(coordinator.topology.document)?.version.number ?? 0) > number
          if (!isOutdated || this.#omission === 'T2 lock and fence') this.#acknowledged.push({ id, at: this.#now })
        },
        writePatienceMs,
      )
    }
  }

  #store(replica: Member, write: number, plannedWith: number): boolean {
    const { document } = replica.topology
    const isFenced = plannedWith < barrierOf(document)
    if (isFenced && this.#omission !== 'T2 lock and fence') return false
    if (!document.live.some((layout) => ownersOf(layout).includes(replica.id))) return false
    replica.stored.add(write)
    return true
  }

  #read(): void {
    const coordinator = this.#pick()
    const version = this.#readVersion(coordinator.topology.document)
    if (version === undefined) return
    const beganAt = this.#now
    const owners = [...ownersOf(version)].sort(() => this.#random.below(3) - 1)
    const answers: ReadonlySet<number>[] = []
    for (const owner of owners) {
      const replica = this.#member(owner)
      this.#ask(
        coordinator,
        replica,
        () =>
          replica.topology.document.live.some((layout) => ownersOf(layout).includes(replica.id))
            ? new Set(replica.stored)
            : undefined,
        (stored) => {
          if (stored === undefined || answers.length >= R) return
          answers.push(stored)
          if (answers.length < R) return
          this.reads += 1
          const missing = this.#acknowledged.some(
            ({ id, at }) => at < beganAt && !answers.some((answer) => answer.has(id)),
          )
          if (missing) this.isStale = true
        },
      )
    }
  }

  /** Answered once, or with undefined after a while; a late message still does its work. */
  #ask<Answer>(
    from: Member,
    to: Member,
    answer: () => Answer,
    done: (answer: Answer | undefined) => void,
    patienceMs = 300,
  ): void {
    let isDone = false
    const end = (value: Answer | undefined): void => {
      if (isDone) return
      isDone = true
      done(value)
    }
    this.#send(from, to, () => {
      const value = answer()
      this.#send(to, from, () => end(value))
    })
    this.#after(patienceMs, () => end(undefined))
  }

  #send(from: Member, to: Member, deliver: () => void): void {
    if (from === to) return this.#after(0, deliver)
    if (this.#random.below(100) < 15) return
    this.#after(this.#random.below(8) === 0 ? this.#random.below(3000) : 1 + this.#random.below(60), deliver)
  }

  #member(id: NodeId): Member {
    return this.#members.find((member) => member.id === id) as Member
  }

  #pick(): Member {
    return this.#members[this.#random.below(this.#members.length)] as Member
  }

  #after(delayMs: number, run: () => void): void {
    const at = this.#now + delayMs
    // The earliest at the end; of two at one time, the one that was asked for first.
    let low = 0
    let high = this.#queue.length
    while (low < high) {
      const middle = (low + high) >>> 1
      if ((this.#queue[middle]?.at ?? 0) > at) low = middle + 1
      else high = middle
    }
    this.#queue.splice(low, 0, { at, run })
  }
}

function first(document: LayoutDocument): DecidedLayout | undefined {
  return document.live.find(({ version }) => version.number === 1)
}

function ownersOf({ version }: DecidedLayout): readonly NodeId[] {
  return Array.from(version.assignment, (index) => (version.nodes[index] as { readonly id: NodeId }).id)
}

function decided(number: number, ids: readonly NodeId[], owners: readonly number[]): DecidedLayout {
  const version: LayoutVersion = {
    number,
    assignedAt: number,
    parent: number === 1 ? '' : 'f'.repeat(16),
    partitionCount: 1,
    replicaCount: 3,
    nodes: ids.map((id, shortId) => ({ id, shortId, zone: 'default', weight: 1 })),
    assignment: Uint16Array.from(owners),
    excluded: [],
    awaited: [],
    forgotten: [],
    forks: 0,
  }
  return { version, hash: String(number).repeat(16), clusterId: '1111111111111111' as ClusterId }
}

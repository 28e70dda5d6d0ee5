import type { Endpoint, NodeId } from '../../vocabulary/ids.ts'
import { invariant } from '../../vocabulary/invariant.ts'
import { claimProblem } from './admission.ts'
import { judgeClaim } from './claim.ts'
import type { MembershipTimer } from './events.ts'
import type { LocalHealth } from './health.ts'
import type { Member, MemberMetadata, MemberState } from './member.ts'
import { type Entry, isLiving, type MemberTable } from './member-table.ts'
import type { Outbox } from './outbox.ts'
import { estimateMetadataBytes, type MemberUpdate, metadataBytesMax, type PacketHeader } from './packet.ts'
import type { MembershipSettings } from './settings.ts'
import type { ShuffledTurns } from './shuffled-turns.ts'
import { Suspicion, suspicionBounds } from './suspicion.ts'

/** How a claim came: in a datagram, by an exchange of lists, or by the exchange that we asked for to join. */
export type ClaimRoute = 'packet' | 'exchange' | 'join'

type SuspicionTimer = Extract<MembershipTimer, { type: 'suspicion-over' }>

interface RosterParts {
  readonly settings: MembershipSettings
  readonly table: MemberTable
  /** Both follow the table. */
  readonly turns: readonly ShuffledTurns[]
  readonly outbox: Outbox
  readonly health: LocalHealth
}

const accusersMax = 16

/** Who is who: takes claims, answers those about the own node, runs suspicions. (SWIM §4.2.) */
export class Roster {
  readonly #settings: MembershipSettings
  readonly #table: MemberTable
  readonly #turns: readonly ShuffledTurns[]
  readonly #outbox: Outbox
  readonly #health: LocalHealth
  #self: Member
  /** Asked for with `raise-start-number` and not on disk yet. */
  #startNumberWanted: number
  /** Who holds our present start dead, and has to be told of the next one first. */
  readonly #accusers = new Set<Endpoint>()
  #duplicateSuspectedMs = Number.NEGATIVE_INFINITY

  constructor(self: Member, parts: RosterParts) {
    checkMetadata(self.metadata)
    this.#self = self
    this.#startNumberWanted = self.startNumber
    this.#settings = parts.settings
    this.#table = parts.table
    this.#turns = parts.turns
    this.#outbox = parts.outbox
    this.#health = parts.health
  }

  get self(): Member {
    return this.#self
  }

  start(nowMs: number): void {
    this.#become(this.#self, nowMs)
  }

  /** Something new about ourselves: the higher incarnation makes the others take it. */
  changeMetadata(metadata: MemberMetadata, nowMs: number): void {
    checkMetadata(metadata)
    this.#become({ ...this.#self, metadata, incarnation: this.#self.incarnation + 1 }, nowMs)
  }

  leave(nowMs: number): void {
    this.#become({ ...this.#self, state: 'left' }, nowMs)
  }

  /** The node lives on under (id, start number), both on disk. Another id than before: the former one leaves. */
  adopt(id: NodeId, startNumber: number, nowMs: number): void {
    const known = this.#table.get(id)?.member
    if (id !== this.#self.id) {
      if (known !== undefined && known.startNumber >= startNumber) {
        // Only a start above all earlier ones of that id is believed.
        this.#outbox.push({ type: 'raise-start-number', to: known.startNumber + 1 })
        return
      }
      this.#become({ ...this.#self, state: 'left' }, nowMs)
      for (const turns of this.#turns) turns.remove(id)
      this.#startNumberWanted = startNumber
    }
    this.#startNumberWanted = Math.max(this.#startNumberWanted, startNumber)
    this.#become({ id, startNumber, incarnation: 0, state: 'alive', metadata: this.#self.metadata }, nowMs)
    if (startNumber < this.#startNumberWanted) return
    for (const accuser of this.#accusers) this.#outbox.send(accuser, { type: 'gossip' }, [this.#ownUpdate()])
    this.#accusers.clear()
  }

  /** Takes one claim. `source`: where an answer to it should go. */
  hear(update: MemberUpdate, route: ClaimRoute, source: Endpoint | undefined, nowMs: number): void {
    const { member } = update
    const known = this.#table.get(member.id)
    const problem = claimProblem(known?.member, member, this.#settings.incarnationJumpMax)
    if (problem !== undefined) return this.#outbox.drop(problem)
    if (member.id === this.#self.id) return this.#hearOfSelf(member, source, nowMs)
    // A list may be old: the accused must get its chance to object (rules.md M2).
    const isHearsay = route !== 'packet' && (member.state === 'dead' || member.state === 'suspect')
    const claim = isHearsay ? { ...member, state: 'suspect' as const } : member
    if (known === undefined && route === 'join') {
      // A newcomer learns of the dead as well, or it could neither name nor ever ask them.
      this.#accept(undefined, claim, this.#self.id, nowMs)
      return
    }
    switch (judgeClaim(known?.member, claim)) {
      case 'accepted':
        this.#accept(known, claim, isHearsay ? this.#self.id : update.from, nowMs)
        return
      case 'confirms':
        // Hearsay is no independent accuser.
        if (known !== undefined && !isHearsay) this.#confirm(known, update.from, nowMs)
        return
      case 'contradicts-death':
        if (known !== undefined) this.#object(known, claim.metadata.peer, nowMs)
        return
      case 'stale':
        return
    }
  }

  /** Our own probe of this member, at that start, failed. */
  accuse(id: NodeId, startNumber: number, nowMs: number): void {
    const known = this.#table.get(id)
    if (known === undefined || known.member.startNumber !== startNumber || !isLiving(known.member)) return
    if (known.member.state === 'suspect') this.#confirm(known, this.#self.id, nowMs)
    else this.#accept(known, { ...known.member, state: 'suspect' }, this.#self.id, nowMs)
  }

  /** Returns whom to probe a last time, if it comes to that: only who does not answer that one either is dead. */
  suspicionOver(timer: SuspicionTimer, nowMs: number): Member | undefined {
    const entry = this.#table.get(timer.id)
    const suspicion = entry?.suspicion
    if (entry === undefined || suspicion === undefined) return undefined
    if (entry.member.startNumber !== timer.startNumber || entry.member.incarnation !== timer.incarnation)
      return undefined
    if (nowMs < suspicion.deadlineMs) {
      // Postponed since.
      this.#armSuspicion(entry, suspicion, nowMs)
      return undefined
    }
    if (!suspicion.hasHadLastCall) {
      suspicion.giveLastCall(nowMs + this.#settings.probeTimeoutMs)
      this.#armSuspicion(entry, suspicion, nowMs)
      return entry.member
    }
    this.#accept(entry, { ...entry.member, state: 'dead' }, this.#self.id, nowMs)
    return undefined
  }

  /** We were deaf for `ms`: nobody's objection could reach us. */
  postponeSuspicions(ms: number): void {
    for (const entry of this.#table.entries()) entry.suspicion?.postpone(ms)
  }

  /** What the sender of a packet should hear of itself, because it does not seem to know; undefined: nothing. */
  objectionTo(header: PacketHeader): MemberUpdate | undefined {
    const entry = this.#table.get(header.from)
    if (entry === undefined || header.startNumber > entry.member.startNumber) return undefined
    if (header.startNumber === entry.member.startNumber && entry.member.state === 'alive') return undefined
    return this.#claimOn(entry)
  }

  /** The same in a packet of its own, at most once per probe interval and member. */
  objectTo(header: PacketHeader, source: Endpoint, nowMs: number): void {
    const entry = this.#table.get(header.from)
    if (entry !== undefined && this.objectionTo(header) !== undefined) this.#object(entry, source, nowMs)
  }

  /** What a probe of `id` should tell it: that it is suspected, so that it can object at once (Lifeguard: buddy system). */
  accusationOf(id: NodeId): readonly MemberUpdate[] {
    const entry = this.#table.get(id)
    return entry === undefined || entry.member.state === 'alive' ? [] : [this.#claimOn(entry)]
  }

  /** Someone with our id is about; once per probe interval of 10 it is worth a look. */
  suspectDuplicate(endpoint: Endpoint, nowMs: number): void {
    if (nowMs - this.#duplicateSuspectedMs < 10 * this.#settings.probeIntervalMs) return
    this.#duplicateSuspectedMs = nowMs
    this.#outbox.push({ type: 'duplicate-identity-suspected', endpoint })
  }

  /** Forgets who has been dead for long enough. */
  forgetLongDead(nowMs: number): void {
    for (const { member, changedMs } of [...this.#table.entries()]) {
      if (member.id === this.#self.id || isLiving(member)) continue
      if (nowMs - changedMs >= this.#settings.deadKeptMs) this.#forget(member)
    }
  }

  #hearOfSelf(claim: Member, source: Endpoint | undefined, nowMs: number): void {
    const own = this.#self
    if (own.state === 'left') return
    if (isLiving(claim) && claim.metadata.peer !== own.metadata.peer) this.suspectDuplicate(claim.metadata.peer, nowMs)
    if (claim.startNumber < own.startNumber) {
      // Somebody remembers an earlier life.
      if (source !== undefined) this.#answer(source, nowMs)
      return
    }
    if (claim.startNumber > own.startNumber || !isLiving(claim)) {
      if (source !== undefined && this.#accusers.size < accusersMax) this.#accusers.add(source)
      this.#raiseAbove(claim.startNumber)
      return
    }
    if (claim.incarnation < own.incarnation) {
      // Somebody missed our objection, and nothing else would tell it again.
      if (claim.state === 'suspect') this.#outbox.announce(this.#ownUpdate())
      return
    }
    const isTold = claim.state === 'alive' && isSameMetadata(claim.metadata, own.metadata)
    if (claim.incarnation === own.incarnation && isTold) return
    this.#health.change(+1)
    this.#outbox.log('warn', 'refutes a claim about this node', {
      claimed: claim.state,
      incarnation: claim.incarnation,
    })
    this.#become({ ...own, incarnation: claim.incarnation + 1 }, nowMs)
  }

  /** Death is final for one start, so an objection to it is a new start number (rules.md M1). */
  #raiseAbove(startNumber: number): void {
    if (this.#startNumberWanted > startNumber) return
    this.#startNumberWanted = startNumber + 1
    this.#health.change(+1)
    this.#outbox.log('warn', 'takes a new start number: this one was declared dead or is outdated', { startNumber })
    this.#outbox.push({ type: 'raise-start-number', to: this.#startNumberWanted })
  }

  #answer(source: Endpoint, nowMs: number): void {
    const entry = this.#table.get(this.#self.id)
    if (entry !== undefined) this.#object(entry, source, nowMs)
  }

  /** Tells one endpoint what we hold of a member. */
  #object(entry: Entry, to: Endpoint, nowMs: number): void {
    if (nowMs - entry.objectedMs < this.#settings.probeIntervalMs) return
    entry.objectedMs = nowMs
    this.#outbox.send(to, { type: 'gossip' }, [this.#claimOn(entry)])
  }

  #claimOn(entry: Entry): MemberUpdate {
    return { member: entry.member, from: entry.suspicion?.accuser ?? this.#self.id }
  }

  #confirm(entry: Entry, accuser: NodeId, nowMs: number): void {
    const { suspicion } = entry
    if (suspicion === undefined || !suspicion.confirm(accuser)) return
    this.#armSuspicion(entry, suspicion, nowMs)
    this.#outbox.announce({ member: entry.member, from: accuser })
  }

  /** Makes a claim about another member our own view, and tells the others. */
  #accept(known: Entry | undefined, claim: Member, accuser: NodeId, nowMs: number): void {
    if (known === undefined && !this.#makeRoom()) return this.#outbox.drop('table-full')
    const before = known?.member
    const entry = this.#table.put(claim, nowMs)
    if (before === undefined) for (const turns of this.#turns) turns.add(claim.id)
    entry.suspicion = undefined
    if (claim.state === 'suspect') {
      const bounds = suspicionBounds(this.#table.livingCount(), this.#settings)
      // To a newcomer it comes from those who have waited already.
      const own = before === undefined ? { ...bounds, confirmationsWanted: 0 } : bounds
      entry.suspicion = new Suspicion(accuser, nowMs, own)
      this.#armSuspicion(entry, entry.suspicion, nowMs)
    }
    this.#outbox.announce({ member: claim, from: accuser })
    this.#outbox.push({ type: 'member-changed', before, after: claim })
    if (before?.state !== claim.state || before.startNumber !== claim.startNumber) {
      const { id, startNumber, incarnation, state, metadata } = claim
      const level = state === 'dead' ? 'warn' : 'info'
      const fields = { member: id, name: metadata.name, startNumber, incarnation, was: before?.state, by: accuser }
      this.#outbox.log(level, stateMessages[state], fields)
    }
  }

  #armSuspicion(entry: Entry, suspicion: Suspicion, nowMs: number): void {
    const { id, startNumber, incarnation } = entry.member
    const timer = { type: 'suspicion-over', id, startNumber, incarnation } as const
    this.#outbox.push({ type: 'set-timer', timer, afterMs: Math.max(0, suspicion.deadlineMs - nowMs) })
  }

  /** Makes `self` what we are and tell of ourselves. */
  #become(self: Member, nowMs: number): void {
    const before = this.#table.get(self.id)?.member
    this.#self = self
    const entry = this.#table.put(self, nowMs)
    entry.suspicion = undefined
    this.#outbox.speakAs(self)
    this.#outbox.announce(this.#ownUpdate())
    this.#outbox.push({ type: 'member-changed', before, after: self })
  }

  #ownUpdate(): MemberUpdate {
    return { member: this.#self, from: this.#self.id }
  }

  #makeRoom(): boolean {
    if (!this.#table.isFull) return true
    const dead = this.#table.longestDead()
    if (dead === undefined || dead.id === this.#self.id) return false
    this.#forget(dead)
    return true
  }

  #forget(member: Member): void {
    this.#table.forget(member.id)
    for (const turns of this.#turns) turns.remove(member.id)
    this.#outbox.push({ type: 'member-changed', before: member, after: undefined })
    this.#outbox.log('info', 'forgets a member that has long been gone', { member: member.id, state: member.state })
  }
}

const stateMessages: Readonly<Record<MemberState, string>> = {
  alive: 'member is alive',
  suspect: 'member is suspected',
  dead: 'member is dead',
  left: 'member has left',
}

function checkMetadata(metadata: MemberMetadata): void {
  const bytes = estimateMetadataBytes(metadata)
  invariant(bytes <= metadataBytesMax, 'what a node says of itself fits into a datagram', { bytes })
}

function isSameMetadata(a: MemberMetadata, b: MemberMetadata): boolean {
  return (
    a.name === b.name &&
    a.peer === b.peer &&
    a.http === b.http &&
    a.zone === b.zone &&
    a.weight === b.weight &&
    a.version === b.version &&
    a.isFresh === b.isFresh &&
    a.expect === b.expect &&
    a.storeGeneration === b.storeGeneration
  )
}

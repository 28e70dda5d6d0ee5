import type { Endpoint, NodeId } from '../../vocabulary/ids.ts'
import { unreachable } from '../../vocabulary/invariant.ts'
import type { Random } from '../../vocabulary/random.ts'
import { type ClockReadings, clockSkewMs } from '../clock/clock-skew.ts'
import { type DropReason, isForeign } from './admission.ts'
import { transmissionsMax } from './dissemination.ts'
import type { MembershipEffect, MembershipEvent, MembershipTimer } from './events.ts'
import { LocalHealth } from './health.ts'
import type { Member, MemberMetadata, MemberState } from './member.ts'
import { isLiving, MemberTable } from './member-table.ts'
import { type ClusterView, Outbox } from './outbox.ts'
import { type MembershipPacket, updatesPerPacketMax } from './packet.ts'
import { Prober } from './prober.ts'
import { Roster } from './roster.ts'
import type { MembershipSettings } from './settings.ts'
import { ShuffledTurns } from './shuffled-turns.ts'
import { WakeUps } from './wake-ups.ts'

export interface MembershipOptions extends ClusterView {
  readonly settings: MembershipSettings
  readonly random: Random
  readonly id: NodeId
  /** Persisted, and higher than at every earlier start. */
  readonly startNumber: number
  /** At most metadataBytesMax by `estimateMetadataBytes`. `peer` is where datagrams reach us. */
  readonly metadata: MemberMetadata
}

type DatagramReceived = Extract<MembershipEvent, { type: 'datagram-received' }>
type MembersReceived = Extract<MembershipEvent, { type: 'members-received' }>

/** The first lists a process hears introduce those whom the cluster holds dead; later ones would bring back the forgotten. */
const introductionsMax = 3

/** How often the goodbye is told, each time to another handful of members. */
const goodbyes = 3

/**
 * Who is in the cluster and who answers: SWIM with suspicion and Lifeguard's local health, plus exchanges of whole lists.
 *
 * Promises: a member that stays dead is found dead by everybody; one that runs and can be reached is alive in every list
 * in the end, whatever was claimed of it; claims of a former start never win against a later one. A dead member changes
 * who is asked, never who owns (rules.md M1). All tables are bounded.
 */
export class Membership {
  readonly #settings: MembershipSettings
  readonly #random: Random
  readonly #health: LocalHealth
  readonly #table: MemberTable
  readonly #outbox: Outbox
  readonly #roster: Roster
  readonly #prober: Prober
  readonly #gossipTurns: ShuffledTurns
  #seeds: readonly Endpoint[] = []
  #seedRetryMs: number
  #phase: 'new' | 'running' | 'leaving' | 'left' = 'new'
  #goodbyesLeft = goodbyes
  #introductions = 0
  #lastEventMs = 0
  readonly #wakeUps = new WakeUps()
  /** When the next round of gossip may be, and whether one is to come: while there is no news there is none. */
  #gossipFromMs = 0
  #isGossipDue = false
  #metMs = Number.NEGATIVE_INFINITY
  #foreignLoggedMs = Number.NEGATIVE_INFINITY

  constructor(options: MembershipOptions) {
    const { settings, random, id, startNumber, metadata, cluster, clusterId, digest } = options
    this.#settings = settings
    this.#random = random
    this.#seedRetryMs = settings.seedRetryMs
    const self: Member = { id, startNumber, incarnation: 0, state: 'alive', metadata }
    const table = new MemberTable(settings.membersMax)
    const outbox = new Outbox(settings, table, { cluster, clusterId, digest }, self)
    const probeTurns = new ShuffledTurns(random)
    this.#gossipTurns = new ShuffledTurns(random)
    const health = new LocalHealth(settings.healthMax)
    const roster = new Roster(self, { settings, table, turns: [probeTurns, this.#gossipTurns], outbox, health })
    this.#prober = new Prober({ settings, table, turns: probeTurns, roster, outbox, health, random })
    this.#table = table
    this.#outbox = outbox
    this.#health = health
    this.#roster = roster
  }

  /** What to do now that this has happened. After `left`, and before `started`, nothing. */
  handle(event: MembershipEvent): readonly MembershipEffect[] {
    if (this.#phase === 'left' || (this.#phase === 'new' && event.type !== 'started')) return []
    const { nowMs } = event
    this.#noticeStall(nowMs)
    this.#dispatch(event)
    this.#gossipIfThereIsNews(nowMs)
    this.#lastEventMs = nowMs
    const effects = this.#outbox.drain()
    for (const effect of effects) if (effect.type === 'set-timer') this.#wakeUps.add(nowMs + effect.afterMs)
    return effects
  }

  /** The own entry. */
  self(): Member {
    return this.#roster.self
  }

  /** Everybody, the own node, the dead and the left included, sorted by id; the same array until something changes. */
  members(): readonly Member[] {
    return this.#table.members()
  }

  member(id: NodeId): Member | undefined {
    return this.#table.get(id)?.member
  }

  /** Believed to run: alive, or suspected only. */
  isAlive(id: NodeId): boolean {
    const entry = this.#table.get(id)
    return entry !== undefined && isLiving(entry.member)
  }

  /** 0: fully healthy, to settings.healthMax. */
  health(): number {
    return this.#health.score
  }

  counts(): Readonly<Record<MemberState, number>> {
    return this.#table.counts()
  }

  /** What was dropped since the start, by reason. */
  drops(): Readonly<Record<DropReason, number>> {
    return this.#outbox.drops()
  }

  /** Smoothed round trip of direct probes in milliseconds; undefined before the first answer. */
  rttMs(id: NodeId): number | undefined {
    return this.#table.get(id)?.rttMs
  }

  /**
   * By how many milliseconds the clocks of the living are ahead of ours; known to half a round trip (rules.md K3). Our own
   * clock is looked at now: when it jumps, that shows at once and not only after the next probes.
   */
  clockOffsets({ nowMs, wallMs }: ClockReadings): ReadonlyMap<NodeId, number> {
    const offsets = new Map<NodeId, number>()
    for (const { member, epochMs } of this.#table.entries()) {
      if (epochMs !== undefined && isLiving(member) && member.id !== this.self().id) {
        offsets.set(member.id, epochMs - (wallMs - nowMs))
      }
    }
    return offsets
  }

  /** How far our clock is ahead of the members' median; undefined with fewer than three clocks (rules.md K3). */
  clockSkewMs(now: ClockReadings): number | undefined {
    return clockSkewMs(this.clockOffsets(now).values())
  }

  #dispatch(event: MembershipEvent): void {
    switch (event.type) {
      case 'started':
        return this.#start(event.seeds, event.nowMs)
      case 'seeds-resolved':
        return this.#changeSeeds(event.seeds)
      case 'datagram-received':
        return this.#hearPacket(event)
      case 'timer-fired':
        return this.#wake(event.timer, event.nowMs)
      case 'members-received':
        return this.#hearMembers(event)
      case 'exchange-failed':
        this.#outbox.log('info', 'could not exchange member lists', { endpoint: event.endpoint })
        return
      case 'stream-probe-acked':
        return this.#prober.streamAcked(event.id, event.node, event.startNumber)
      case 'stream-probe-failed':
        // Silence says the same.
        return
      case 'event-loop-delayed':
        return this.#prober.loopDelayed(event.delayMs)
      case 'metadata-changed':
        if (this.#phase === 'running') this.#roster.changeMetadata(event.metadata, event.nowMs)
        return
      case 'identity-adopted':
        if (this.#phase === 'running') this.#roster.adopt(event.id, event.startNumber, event.nowMs)
        return
      case 'layout-changed':
        this.#outbox.clusterView = {
          cluster: this.#outbox.clusterView.cluster,
          clusterId: event.clusterId,
          digest: event.digest,
        }
        return
      case 'leave-requested':
        return this.#leave(event.nowMs)
      default:
        return unreachable(event)
    }
  }

  #start(seeds: readonly Endpoint[], nowMs: number): void {
    if (this.#phase !== 'new') return
    this.#phase = 'running'
    this.#roster.start(nowMs)
    this.#prober.start()
    this.#arm({ type: 'exchange-due' }, this.#random.fraction() * this.#settings.exchangeIntervalMs)
    this.#arm({ type: 'reconnect-due' }, this.#random.fraction() * this.#settings.reconnectIntervalMs)
    this.#changeSeeds(seeds)
    this.#armSeeds()
  }

  #wake(timer: MembershipTimer, nowMs: number): void {
    switch (timer.type) {
      case 'gossip-due':
        return this.#gossip(nowMs)
      case 'suspicion-over': {
        const lastCalled = this.#roster.suspicionOver(timer, nowMs)
        if (lastCalled !== undefined) this.#prober.callOn(lastCalled)
        return
      }
      case 'relay-silent':
        return this.#prober.relaySilent(timer.sequence)
    }
    // Who says goodbye asks nobody any more.
    if (this.#phase !== 'running') return
    switch (timer.type) {
      case 'probe-period-over':
        return this.#prober.periodOver(timer.sequence, nowMs)
      case 'probe-silent':
        return this.#prober.silent(timer.sequence, nowMs)
      case 'exchange-due':
        return this.#exchange()
      case 'reconnect-due':
        return this.#reconnect(nowMs)
      case 'seeds-due':
        if (this.#table.livingCount() > 1) return
        for (const seed of this.#absentSeeds()) this.#join(seed)
        return this.#armSeeds()
      default:
        return unreachable(timer)
    }
  }

  #hearPacket({ packet, from, nowMs, wallMs }: DatagramReceived): void {
    const { header, updates } = packet
    if (isForeign(header, this.#outbox.clusterView)) return this.#refuseForeigner(packet, from, nowMs)
    if (header.from === this.self().id) {
      this.#outbox.drop('own-identity')
      const isOwn = from === this.self().metadata.peer && header.startNumber === this.self().startNumber
      if (!isOwn) this.#roster.suspectDuplicate(from, nowMs)
      return
    }
    const wasLongDead = this.#isLongDead(header.from, nowMs)
    for (const update of updates.slice(0, updatesPerPacketMax)) this.#roster.hear(update, 'packet', from, nowMs)
    this.#prober.hear(packet, from, nowMs, wallMs)
    this.#prober.askClock(header.from, nowMs)
    // A probe has been answered with the objection already.
    if (packet.message.type !== 'probe') this.#roster.objectTo(header, from, nowMs)
    const known = this.member(header.from)
    const isNewcomer = known === undefined || known.startNumber < header.startNumber
    if (isNewcomer || (wasLongDead && isLiving(known))) this.#meet(from, header.from, nowMs)
    const own = this.#outbox.clusterView.digest
    if (header.digest.number !== own.number || header.digest.documentHash !== own.documentHash) {
      this.#outbox.push({ type: 'layout-differs', node: header.from, endpoint: from, digest: header.digest })
    }
  }

  #hearMembers({ members, from, isJoin, isReply, nowMs }: MembersReceived): void {
    if (from === this.self().id) return this.#outbox.drop('own-identity')
    // Whoever is new hears of the dead, too, also if the others came to it before it came to them.
    const isIntroduction = (isJoin && isReply) || this.#introductions < introductionsMax
    this.#introductions += 1
    const route = isIntroduction ? 'join' : 'exchange'
    // The sender first: then it is known where to answer it.
    const own = members.find((member) => member.id === from)
    if (own !== undefined) this.#roster.hear({ member: own, from }, route, undefined, nowMs)
    const source = this.member(from)?.metadata.peer
    for (const member of members) {
      if (member.id !== from) this.#roster.hear({ member, from }, route, source, nowMs)
    }
    for (const { id } of members) this.#prober.askClock(id, nowMs)
  }

  #gossipIfThereIsNews(nowMs: number): void {
    if (this.#isGossipDue || !(this.#outbox.hasNews || this.#phase === 'leaving')) return
    this.#isGossipDue = true
    // News reaches many at the same moment: whoever was at rest begins at a moment of its own.
    const { gossipIntervalMs } = this.#settings
    const afterMs = this.#gossipFromMs > nowMs ? this.#gossipFromMs - nowMs : this.#random.fraction() * gossipIntervalMs
    this.#arm({ type: 'gossip-due' }, afterMs)
  }

  #gossip(nowMs: number): void {
    this.#isGossipDue = false
    this.#gossipFromMs = nowMs + this.#settings.gossipIntervalMs
    if (this.#phase === 'leaving') return this.#sayGoodbye()
    for (let told = 0; told < this.#settings.gossipNodes && this.#outbox.hasNews; told += 1) {
      const id = this.#gossipTurns.next((candidate) => this.#isTold(candidate, nowMs))
      const listener = id === undefined ? undefined : this.member(id)
      if (listener === undefined) return
      this.#outbox.gossip(listener.metadata.peer)
    }
  }

  #isTold(id: NodeId, nowMs: number): boolean {
    const entry = this.#table.get(id)
    if (entry === undefined || id === this.self().id) return false
    // The recently dead are told too: they may object.
    const isRecent = nowMs - entry.changedMs < this.#settings.gossipToDeadMs
    return isLiving(entry.member) || (entry.member.state === 'dead' && isRecent)
  }

  #exchange(): void {
    const { exchangeIntervalMs } = this.#settings
    this.#arm({ type: 'exchange-due' }, exchangeIntervalMs * exchangeScale(this.#table.livingCount()))
    const [partner] = this.#table.pick(1, this.#random, ({ member }) => {
      return member.state === 'alive' && member.id !== this.self().id
    })
    if (partner === undefined) return
    const { id, metadata } = partner.member
    this.#outbox.push({ type: 'exchange-members', endpoint: metadata.peer, node: id, isJoin: false })
  }

  /** Those who went are tried again and again: after a long partition nobody else would. */
  #reconnect(nowMs: number): void {
    this.#arm({ type: 'reconnect-due' }, this.#settings.reconnectIntervalMs)
    this.#roster.forgetLongDead(nowMs)
    const [dead] = this.#table.pick(1, this.#random, ({ member }) => member.state === 'dead')
    if (dead !== undefined) this.#prober.callOn(dead.member)
    const seeds = this.#absentSeeds()
    const seed = seeds.length === 0 ? undefined : seeds[this.#random.below(seeds.length)]
    if (seed !== undefined) this.#join(seed)
  }

  /** Every seed is met once as soon as it is known. */
  #changeSeeds(seeds: readonly Endpoint[]): void {
    const former = this.#seeds
    this.#seeds = seeds
    for (const seed of this.#absentSeeds()) if (!former.includes(seed)) this.#join(seed)
  }

  /** Seeds at which no living member is known. */
  #absentSeeds(): readonly Endpoint[] {
    const living = new Set(
      this.members()
        .filter(isLiving)
        .map((member) => member.metadata.peer),
    )
    return this.#seeds.filter((seed) => !living.has(seed))
  }

  /** While nobody is found, the seeds are tried again, ever more slowly. */
  #armSeeds(): void {
    this.#arm({ type: 'seeds-due' }, this.#seedRetryMs)
    this.#seedRetryMs = Math.min(2 * this.#seedRetryMs, this.#settings.seedRetryMsMax)
  }

  #join(seed: Endpoint): void {
    this.#outbox.push({ type: 'exchange-members', endpoint: seed, node: undefined, isJoin: true })
  }

  /** A stranger, a newer start than we know, or somebody back from a long absence: compare lists. One per interval. */
  #meet(endpoint: Endpoint, node: NodeId, nowMs: number): void {
    if (this.#phase !== 'running' || nowMs - this.#metMs < this.#settings.probeIntervalMs) return
    this.#metMs = nowMs
    this.#outbox.push({ type: 'exchange-members', endpoint, node, isJoin: false })
  }

  #leave(nowMs: number): void {
    if (this.#phase !== 'running') return
    this.#phase = 'leaving'
    this.#roster.leave(nowMs)
    this.#sayGoodbye()
  }

  /** Directly to many, not through the queue: there is no time for rounds of gossip, and the others pass it on. */
  #sayGoodbye(): void {
    const own = { member: this.self(), from: this.self().id }
    const count = transmissionsMax(this.#table.livingCount(), this.#settings)
    const listeners = this.#table.pick(count, this.#random, ({ member }) => isLiving(member))
    for (const { member } of listeners) this.#outbox.send(member.metadata.peer, { type: 'gossip' }, [own])
    this.#goodbyesLeft -= 1
    if (this.#goodbyesLeft > 0 && listeners.length > 0) return
    this.#phase = 'left'
    this.#outbox.push({ type: 'left' })
  }

  #refuseForeigner({ header }: MembershipPacket, from: Endpoint, nowMs: number): void {
    this.#outbox.drop('foreign-cluster')
    if (nowMs - this.#foreignLoggedMs < 60_000) return
    this.#foreignLoggedMs = nowMs
    const { cluster, clusterId } = header
    this.#outbox.log('warn', 'ignores a node of another cluster', { endpoint: from, cluster, clusterId })
  }

  /**
   * When an event comes long after a timer should have fired, and nothing came between, our process stood still, and what
   * the others said meanwhile has not been heard yet.
   */
  #noticeStall(nowMs: number): void {
    const stalledMs = nowMs - Math.max(this.#lastEventMs, this.#wakeUps.takeUntil(nowMs))
    if (stalledMs <= this.#settings.loopDelayMsMax) return
    this.#prober.loopDelayed(stalledMs)
    this.#roster.postponeSuspicions(stalledMs)
  }

  #isLongDead(id: NodeId, nowMs: number): boolean {
    const entry = this.#table.get(id)
    return entry?.member.state === 'dead' && nowMs - entry.changedMs >= this.#settings.gossipToDeadMs
  }

  #arm(timer: MembershipTimer, afterMs: number): void {
    this.#outbox.push({ type: 'set-timer', timer, afterMs })
  }
}

/** Above 32 members whole lists are exchanged less often, or their cost would grow with the square. (memberlist) */
export function exchangeScale(members: number): number {
  return members <= 32 ? 1 : Math.ceil(Math.log2(members) - Math.log2(32)) + 1
}

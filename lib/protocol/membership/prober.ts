import type { Endpoint, NodeId } from '../../vocabulary/ids.ts'
import type { Random } from '../../vocabulary/random.ts'
import type { LocalHealth } from './health.ts'
import type { Member } from './member.ts'
import { isLiving, type MemberTable } from './member-table.ts'
import type { Outbox } from './outbox.ts'
import type { MembershipPacket } from './packet.ts'
import { Probe } from './probe.ts'
import { Relays } from './relays.ts'
import type { Roster } from './roster.ts'
import type { MembershipSettings } from './settings.ts'
import type { ShuffledTurns } from './shuffled-turns.ts'

interface ProberParts {
  readonly settings: MembershipSettings
  readonly table: MemberTable
  readonly turns: ShuffledTurns
  readonly roster: Roster
  readonly outbox: Outbox
  readonly health: LocalHealth
  readonly random: Random
}

/** How fast the smoothed round trip follows: the weight of one new sample. */
const rttSampleWeight = 0.2
/** Clocks that are asked for at a time, beside the probe cycle; the cycle asks the rest. */
const clockCallsMax = 16

/** The probe cycle: one member per period; directly, then through helpers and over a stream. (SWIM §3.1, Lifeguard.) */
export class Prober {
  readonly #settings: MembershipSettings
  readonly #table: MemberTable
  readonly #turns: ShuffledTurns
  readonly #roster: Roster
  readonly #outbox: Outbox
  readonly #health: LocalHealth
  readonly #random: Random
  readonly #relays: Relays
  #sequence: number
  /** The sequence that the running period's timer carries. */
  #period = 0
  #probe: Probe | undefined
  /** The longest that our own event loop stood still in this period. */
  #loopDelayMs = 0
  readonly #clockCalls = new Map<number, { readonly id: NodeId; readonly sentMs: number }>()

  constructor(parts: ProberParts) {
    this.#settings = parts.settings
    this.#table = parts.table
    this.#turns = parts.turns
    this.#roster = parts.roster
    this.#outbox = parts.outbox
    this.#health = parts.health
    this.#random = parts.random
    this.#relays = new Relays(parts.settings)
    // Unlike those of an earlier start, whose answers may still be under way.
    this.#sequence = parts.random.uint32()
  }

  start(): void {
    // Nodes that start together should not probe together.
    this.#armPeriod(this.#random.fraction() * this.#settings.probeIntervalMs)
  }

  loopDelayed(delayMs: number): void {
    this.#loopDelayMs = Math.max(this.#loopDelayMs, delayMs)
  }

  periodOver(sequence: number, nowMs: number): void {
    if (sequence !== this.#period) return
    this.#judge(nowMs)
    this.#probe = undefined
    this.#loopDelayMs = 0
    const id = this.#turns.next((candidate) => this.#isProbed(candidate))
    const target = id === undefined ? undefined : this.#table.get(id)?.member
    if (target !== undefined) {
      const probe = new Probe(this.#nextSequence(), target, nowMs)
      const { sequence } = probe
      this.#probe = probe
      this.#sendProbe(sequence, target.id, target.metadata.peer)
      const timer = { type: 'probe-silent', sequence } as const
      this.#outbox.push({ type: 'set-timer', timer, afterMs: this.#settings.probeTimeoutMs })
    }
    this.#armPeriod(this.#health.scale(this.#settings.probeIntervalMs))
  }

  /** The direct probe found no answer in time: ask helpers, and at the same time try a connection. */
  silent(sequence: number, nowMs: number): void {
    const probe = this.#probe
    if (probe === undefined || probe.sequence !== sequence || probe.isAcked) return
    const { id, metadata } = probe.target
    const ownId = this.#roster.self.id
    const helpers = this.#table.pick(this.#settings.indirectProbes, this.#random, ({ member }) => {
      return member.state === 'alive' && member.id !== id && member.id !== ownId
    })
    probe.askHelpers(helpers.map(({ member }) => member.id))
    for (const { member } of helpers) {
      const message = { type: 'indirect-probe', sequence, target: id, targetEndpoint: metadata.peer } as const
      this.#outbox.send(member.metadata.peer, message)
    }
    const endMs = probe.sentMs + this.#health.scale(this.#settings.probeIntervalMs)
    const timeoutMs = Math.max(1, endMs - nowMs)
    this.#outbox.push({ type: 'probe-by-stream', id: sequence, target: id, endpoint: metadata.peer, timeoutMs })
  }

  /** A probe outside the cycle, of a member that is suspect or dead to us. It tells it so, and the answer objects. */
  callOn({ id, metadata }: Member): void {
    this.#sendProbe(this.#nextSequence(), id, metadata.peer)
  }

  /**
   * The clock of a member that is new to us, without waiting for its turn: until enough are known a clock of our own that is
   * wrong cannot be told, and what it says has expired is gone (rules.md K3).
   */
  askClock(id: NodeId, nowMs: number): void {
    const entry = this.#table.get(id)
    if (entry === undefined || entry.epochMs !== undefined || !this.#isProbed(id)) return
    for (const [sequence, call] of this.#clockCalls) {
      if (nowMs - call.sentMs >= this.#settings.probeTimeoutMs) this.#clockCalls.delete(sequence)
      else if (call.id === id) return
    }
    if (this.#clockCalls.size >= clockCallsMax) return
    const sequence = this.#nextSequence()
    this.#clockCalls.set(sequence, { id, sentMs: nowMs })
    this.#sendProbe(sequence, id, entry.member.metadata.peer)
  }

  /** A packet with a probe, an answer or a request to help; its updates have been heard. */
  hear({ header, message }: MembershipPacket, from: Endpoint, nowMs: number, wallMs: number): void {
    switch (message.type) {
      case 'probe': {
        if (message.target !== this.#roster.self.id) return this.#outbox.drop('misaddressed')
        const objection = this.#roster.objectionTo(header)
        const first = objection === undefined ? [] : [objection]
        this.#outbox.send(from, { type: 'ack', sequence: message.sequence, wallMs }, first)
        return
      }
      case 'indirect-probe':
        return this.#help(message.sequence, message.target, message.targetEndpoint, from, nowMs)
      case 'ack': {
        const { sequence } = message
        const relay = this.#relays.answered(sequence, header.from)
        if (relay !== undefined) {
          const relayed = { type: 'ack', sequence: relay.requesterSequence, wallMs: message.wallMs } as const
          this.#outbox.send(relay.requester, relayed)
        } else if (this.#probe?.sequence === sequence) {
          const isFirst = !this.#probe.isAcked
          const isOfTarget = this.#probe.ack(header.from, header.startNumber) && header.from === this.#probe.target.id
          if (isFirst && isOfTarget) this.#measure(this.#probe.target.id, this.#probe.sentMs, message.wallMs, nowMs)
        } else {
          const call = this.#clockCalls.get(sequence)
          if (call?.id !== header.from) return
          this.#clockCalls.delete(sequence)
          this.#measure(call.id, call.sentMs, message.wallMs, nowMs)
        }
        return
      }
      case 'nack':
        if (this.#probe?.sequence === message.sequence) this.#probe.nack(header.from)
        return
      case 'gossip':
        return
    }
  }

  /** We help, and the target has not answered: say at least that we are here. */
  relaySilent(sequence: number): void {
    const relay = this.#relays.waiting(sequence)
    // It stays: an answer that is still on its way is worth passing on.
    if (relay !== undefined) this.#outbox.send(relay.requester, { type: 'nack', sequence: relay.requesterSequence })
  }

  streamAcked(id: number, node: NodeId, startNumber: number): void {
    const probe = this.#probe
    if (probe === undefined || probe.sequence !== id) return
    if (node === probe.target.id && startNumber >= probe.target.startNumber) probe.ackByStream()
  }

  #judge(nowMs: number): void {
    const isDelayed = this.#loopDelayMs > this.#settings.loopDelayMsMax
    if (isDelayed) this.#health.change(+1)
    const probe = this.#probe
    if (probe === undefined) return
    const { outcome, healthChange } = probe.verdict()
    const member = probe.target.id
    if (outcome === 'unreached' && this.#loopDelayMs > this.#settings.probeTimeoutMs) {
      // The answer may have come while we stood still.
      const fields = { member, loopDelayMs: this.#loopDelayMs }
      this.#outbox.log('info', 'discards a failed probe: this process stood still meanwhile', fields)
      return
    }
    // A slow period earns no trust.
    if (!(isDelayed && healthChange < 0)) this.#health.change(healthChange)
    if (outcome === 'reached-by-stream') {
      this.#outbox.log('warn', 'a member answers over TCP only: is UDP to it blocked?', { member })
    }
    if (outcome === 'unreached') this.#roster.accuse(member, probe.target.startNumber, nowMs)
  }

  #help(requesterSequence: number, target: NodeId, endpoint: Endpoint, requester: Endpoint, nowMs: number): void {
    const sequence = this.#nextSequence()
    if (!this.#relays.add(sequence, { requester, requesterSequence, target, sinceMs: nowMs })) {
      return this.#outbox.drop('relays-full')
    }
    this.#sendProbe(sequence, target, endpoint)
    const afterMs = this.#settings.probeTimeoutMs * this.#settings.nackFraction
    this.#outbox.push({ type: 'set-timer', timer: { type: 'relay-silent', sequence }, afterMs })
  }

  #measure(id: NodeId, sentMs: number, theirWallMs: number, nowMs: number): void {
    const entry = this.#table.get(id)
    if (entry === undefined) return
    const rttMs = Math.max(0, nowMs - sentMs)
    entry.rttMs = entry.rttMs === undefined ? rttMs : entry.rttMs + (rttMs - entry.rttMs) * rttSampleWeight
    // They read their clock about half a round trip ago; not smoothed, so that a jump shows at once (rules.md K3).
    if (Number.isFinite(theirWallMs)) entry.epochMs = theirWallMs + rttMs / 2 - nowMs
  }

  #isProbed(id: NodeId): boolean {
    const member = this.#table.get(id)?.member
    return member !== undefined && isLiving(member) && id !== this.#roster.self.id
  }

  #sendProbe(sequence: number, target: NodeId, to: Endpoint): void {
    this.#outbox.send(to, { type: 'probe', sequence, target }, this.#roster.accusationOf(target))
  }

  #armPeriod(afterMs: number): void {
    this.#period = this.#nextSequence()
    this.#outbox.push({ type: 'set-timer', timer: { type: 'probe-period-over', sequence: this.#period }, afterMs })
  }

  #nextSequence(): number {
    this.#sequence = (this.#sequence + 1) >>> 0
    return this.#sequence
  }
}

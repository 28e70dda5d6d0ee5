import { seededRandom, seedFor } from '../../lib/ports/random.ts'
import type { MembershipEffect, MembershipEvent } from '../../lib/protocol/membership/events.ts'
import type { Member, MemberMetadata, MemberState } from '../../lib/protocol/membership/member.ts'
import { Membership } from '../../lib/protocol/membership/membership.ts'
import { defaultMembershipSettings } from '../../lib/protocol/membership/settings.ts'
import { EventQueue, SimulatedEvent } from '../../lib/simulator/event-queue.ts'
import type { Hash } from '../../lib/vocabulary/hash.ts'
import { type Endpoint, type NodeId, toEndpoint, toNodeId } from '../../lib/vocabulary/ids.ts'
import { encodeDatagram } from '../../lib/wire/datagram.ts'
import { encodeMemberList } from '../../lib/wire/member-list.ts'

/** One way, of a datagram or of half an exchange: at most, by chance. */
const delayMsMax = 5

/** An event before the model stamps it. */
type Unstamped = MembershipEvent extends infer Event
  ? Event extends { readonly nowMs: number }
    ? Omit<Event, 'nowMs' | 'wallMs'>
    : never
  : never

interface GossipNode {
  readonly index: number
  readonly id: NodeId
  readonly endpoint: Endpoint
  readonly machine: Membership
  isKilled: boolean
}

/** What all nodes sent since the count began; bytes without the headers of UDP, TCP and IP. */
export interface Traffic {
  datagrams: number
  datagramBytes: number
  exchanges: number
  exchangeBytes: number
}

/**
 * Many membership machines, as every node runs one, in virtual time over a network that loses nothing. Datagrams are
 * counted as they would be encoded, and not decoded again.
 */
export class GossipCluster {
  nowMs = 0
  traffic: Traffic = noTraffic()
  readonly nodes: readonly GossipNode[]
  readonly #settings = { ...defaultMembershipSettings }
  readonly #hash: Hash
  readonly #queue = new EventQueue()
  readonly #random
  readonly #byEndpoint: ReadonlyMap<Endpoint, GossipNode>
  #isCounting = false
  /** Told of every change that anybody sees. */
  #onChange: (by: GossipNode, after: Member | undefined) => void = () => {}

  constructor(count: number, seed: number, hash: Hash) {
    this.#hash = hash
    this.#random = seededRandom(seedFor(seed, 'network'))
    this.nodes = Array.from({ length: count }, (_, index) => {
      const id = idOf(index)
      const machine = new Membership({
        cluster: 'starling',
        clusterId: '',
        digest: { number: 1, documentHash: 1 },
        settings: this.#settings,
        random: seededRandom(seedFor(seed, `node ${index}`)),
        id,
        startNumber: 1,
        metadata: metadataOf(index, 1),
      })
      return { index, id, endpoint: endpointOf(index), machine, isKilled: false }
    })
    this.#byEndpoint = new Map(this.nodes.map((node) => [node.endpoint, node]))
  }

  /**
   * All start, are handed the list of all, and settle. What they tell each other of it is told once instead of a dozen
   * times, or the start would take longer to simulate than what comes behind it.
   */
  form(): void {
    const usual = { ...this.#settings }
    Object.assign(this.#settings, { transmissionsMin: 1, retransmitMult: 0 })
    for (const node of this.nodes) this.#tell(node, { type: 'started', seeds: [] })
    const members = this.nodes.map(({ machine }) => machine.self())
    for (const node of this.nodes) {
      const from = this.nodes[(node.index + 1) % this.nodes.length]?.id ?? node.id
      this.#tell(node, { type: 'members-received', members, from, isJoin: true, isReply: true })
    }
    this.run(30_000)
    Object.assign(this.#settings, usual)
    this.run(30_000)
    if (!this.nodes.every(({ machine }) => machine.counts().alive === this.nodes.length)) {
      throw new Error('not everybody holds everybody alive')
    }
  }

  run(ms: number): void {
    this.runUntil(() => false, ms)
  }

  /** @returns whether `holds` came true within `msMax` */
  runUntil(holds: () => boolean, msMax: number): boolean {
    const endMs = this.nowMs + msMax
    while (this.#queue.nextMs <= endMs) {
      this.nowMs = this.#queue.nextMs
      this.#queue.pop()?.happen()
      if (holds()) return true
    }
    this.nowMs = endMs
    return false
  }

  /** What all nodes send in `ms`. */
  trafficOf(ms: number): Traffic {
    this.traffic = noTraffic()
    this.#isCounting = true
    this.run(ms)
    this.#isCounting = false
    return this.traffic
  }

  /** When, in milliseconds from now, each running node holds `node` to be what `is` says; stops when all do. */
  timesUntil(node: GossipNode, is: (member: Member) => boolean, msMax: number): readonly number[] {
    const beganMs = this.nowMs
    const times = new Map<number, number>()
    const watchers = this.nodes.filter((other) => other !== node && !other.isKilled)
    this.#onChange = (by, after) => {
      if (after?.id === node.id && by !== node && is(after) && !times.has(by.index)) {
        times.set(by.index, this.nowMs - beganMs)
      }
    }
    const isOver = this.runUntil(() => times.size === watchers.length, msMax)
    this.#onChange = () => {}
    if (!isOver) throw new Error(`after ${msMax} ms only ${times.size} of ${watchers.length} know it`)
    return [...times.values()].sort((a, b) => a - b)
  }

  /** Without a goodbye. */
  kill(node: GossipNode): void {
    node.isKilled = true
  }

  /** The node says something new of itself. */
  change(node: GossipNode, storeGeneration: number): void {
    this.#tell(node, { type: 'metadata-changed', metadata: metadataOf(node.index, storeGeneration) })
  }

  /** Whether any running node holds `node` to be in this state. */
  isAnybodySure(node: GossipNode, state: MemberState): boolean {
    return this.nodes.some((other) => !other.isKilled && other.machine.member(node.id)?.state === state)
  }

  #tell(node: GossipNode, event: Unstamped): void {
    if (node.isKilled) return
    const stamped = { ...event, nowMs: this.nowMs, wallMs: 1_700_000_000_000 + this.nowMs } as MembershipEvent
    for (const effect of node.machine.handle(stamped)) this.#carryOut(node, effect)
  }

  #later(ms: number, action: () => void): void {
    this.#queue.push(this.nowMs + ms, new Later(action))
  }

  #carryOut(node: GossipNode, effect: MembershipEffect): void {
    switch (effect.type) {
      case 'send-datagram': {
        const { packet, to } = effect
        if (this.#isCounting) {
          this.traffic.datagrams += 1
          this.traffic.datagramBytes += encodeDatagram(packet, this.#hash).length
        }
        const receiver = this.#byEndpoint.get(to)
        if (receiver === undefined || receiver.isKilled) return
        this.#later(this.#delayMs(), () => {
          this.#tell(receiver, { type: 'datagram-received', packet, from: node.endpoint })
        })
        return
      }
      case 'set-timer':
        return this.#later(effect.afterMs, () => this.#tell(node, { type: 'timer-fired', timer: effect.timer }))
      case 'exchange-members':
        return this.#exchange(node, effect.endpoint, effect.isJoin)
      case 'probe-by-stream':
        return this.#probe(node, effect)
      case 'member-changed':
        return this.#onChange(node, effect.after)
      default:
        return
    }
  }

  #exchange(node: GossipNode, endpoint: Endpoint, isJoin: boolean): void {
    const partner = this.#byEndpoint.get(endpoint)
    if (partner === undefined || partner.isKilled) {
      return this.#later(1000, () => this.#tell(node, { type: 'exchange-failed', endpoint }))
    }
    const pushed = node.machine.members()
    this.#later(this.#delayMs(), () => {
      const pulled = partner.machine.members()
      if (this.#isCounting) {
        this.traffic.exchanges += 1
        this.traffic.exchangeBytes += encodeMemberList(pushed).length + encodeMemberList(pulled).length
      }
      this.#tell(partner, { type: 'members-received', members: pushed, from: node.id, isJoin, isReply: false })
      this.#later(this.#delayMs(), () => {
        this.#tell(node, { type: 'members-received', members: pulled, from: partner.id, isJoin, isReply: true })
      })
    })
  }

  #probe(node: GossipNode, { id, endpoint }: Extract<MembershipEffect, { type: 'probe-by-stream' }>): void {
    const partner = this.#byEndpoint.get(endpoint)
    if (partner === undefined || partner.isKilled) return
    this.#later(this.#delayMs() + this.#delayMs(), () => {
      this.#tell(node, { type: 'stream-probe-acked', id, node: partner.id, startNumber: 1 })
    })
  }

  #delayMs(): number {
    return this.#random.fraction() * delayMsMax
  }
}

class Later extends SimulatedEvent {
  readonly #action: () => void

  constructor(action: () => void) {
    super()
    this.#action = action
  }

  happen(): void {
    this.#action()
  }
}

function noTraffic(): Traffic {
  return { datagrams: 0, datagramBytes: 0, exchanges: 0, exchangeBytes: 0 }
}

function idOf(index: number): NodeId {
  // As random as real ones: nothing about them shall be easy to sort.
  return toNodeId(
    ((BigInt(index) * 0x9e3779b97f4a7c15f39cc0605cedc835n + 1n) % (1n << 128n)).toString(16).padStart(32, '0'),
  )
}

function endpointOf(index: number): Endpoint {
  return toEndpoint(`10.0.${Math.floor(index / 250)}.${(index % 250) + 1}:7071`)
}

function metadataOf(index: number, storeGeneration: number): MemberMetadata {
  return {
    name: `node-${index}`,
    peer: endpointOf(index),
    http: toEndpoint(`10.0.${Math.floor(index / 250)}.${(index % 250) + 1}:7070`),
    zone: `zone-${index % 3}`,
    weight: 1,
    version: '1.0.0',
    isFresh: false,
    expect: 3,
    storeGeneration,
  }
}

import { seededRandom, seedFor } from '../../../lib/ports/random.ts'
import type { MembershipEffect, MembershipEvent } from '../../../lib/protocol/membership/events.ts'
import type { Member, MemberMetadata, MemberState } from '../../../lib/protocol/membership/member.ts'
import { Membership } from '../../../lib/protocol/membership/membership.ts'
import { defaultMembershipSettings, type MembershipSettings } from '../../../lib/protocol/membership/settings.ts'
import { type Endpoint, type NodeId, toEndpoint, toNodeId } from '../../../lib/vocabulary/ids.ts'
import type { Random } from '../../../lib/vocabulary/random.ts'

/** An event before the model stamps it. */
type Unstamped = MembershipEvent extends infer Event
  ? Event extends { readonly nowMs: number }
    ? Omit<Event, 'nowMs' | 'wallMs'>
    : never
  : never

export interface ModelOptions {
  readonly seed: number
  readonly nodes: number
  readonly settings?: Partial<MembershipSettings>
  /** Fraction of datagrams lost, and delivered twice. */
  readonly lossRate?: number
  readonly duplicationRate?: number
  /** Each datagram and each stream message takes a random time up to this. */
  readonly delayMsMax?: number
}

interface Change {
  readonly atMs: number
  readonly by: number
  readonly before: Member | undefined
  readonly after: Member | undefined
}

class ModelNode {
  readonly index: number
  readonly id: NodeId
  readonly endpoint: Endpoint
  machine: Membership
  startNumber = 1
  /** Counts processes: what was under way for an earlier one never arrives. */
  life = 0
  isKilled = false
  hasLeft = false
  pausedUntilMs = 0
  wallOffsetMs = 0

  constructor(index: number, machineFor: (index: number, startNumber: number) => Membership) {
    this.index = index
    this.id = nodeId(index)
    this.endpoint = endpointOf(index)
    this.machine = machineFor(index, 1)
  }
}

/**
 * Many Membership machines in virtual time, over a network that loses, delays and repeats by a seed. Streams are
 * reliable where there is a way. A paused node handles nothing, and everything late.
 */
export class ClusterModel {
  nowMs = 0
  /** Every member-changed, of every node. */
  readonly changes: Change[] = []
  readonly nodes: readonly ModelNode[]
  datagramCount = 0
  /** Off: lists are never exchanged again. */
  hasExchanges = true
  lossRate: number
  readonly #options: ModelOptions
  readonly #settings: MembershipSettings
  readonly #random: Random
  readonly #agenda = new Agenda()
  #isCut: (from: number, to: number) => boolean = () => false

  constructor(options: ModelOptions) {
    this.#options = options
    this.lossRate = options.lossRate ?? 0
    this.#settings = { ...defaultMembershipSettings, ...options.settings }
    this.#random = seededRandom(seedFor(options.seed, 'network'))
    this.nodes = Array.from({ length: options.nodes }, (_, index) => {
      return new ModelNode(index, (index, startNumber) => this.#machineFor(index, startNumber))
    })
  }

  /** Starts all, each with node 0 as its seed, and waits until all know all. */
  form(): void {
    for (const node of this.nodes) this.#tell(node, { type: 'started', seeds: [endpointOf(0)] })
    const isFormed = this.runUntil(() => this.#allAgreeOn('alive'), 60_000)
    if (!isFormed) throw new Error('the cluster did not form within a minute')
  }

  run(ms: number): void {
    const endMs = this.nowMs + ms
    this.runUntil(() => false, ms)
    this.nowMs = endMs
  }

  /** Runs until `holds` after some event; false when `msMax` pass before. */
  runUntil(holds: () => boolean, msMax: number): boolean {
    const endMs = this.nowMs + msMax
    for (;;) {
      const next = this.#agenda.peekMs()
      if (next === undefined || next > endMs) return false
      this.nowMs = next
      this.#agenda.runNext()
      if (holds()) return true
    }
  }

  /** Without a goodbye. */
  kill(index: number): void {
    const node = this.node(index)
    node.isKilled = true
    node.life += 1
  }

  restart(index: number): void {
    const node = this.node(index)
    node.isKilled = false
    node.hasLeft = false
    node.life += 1
    node.startNumber += 1
    node.machine = this.#machineFor(index, node.startNumber)
    this.#tell(node, { type: 'started', seeds: [endpointOf(index === 0 ? 1 : 0)] })
  }

  /** The process stands still: nothing is lost, everything is late. */
  pause(index: number, ms: number): void {
    this.node(index).pausedUntilMs = this.nowMs + ms
  }

  tell(index: number, event: Unstamped): void {
    this.#tell(this.node(index), event)
  }

  /** No packet and no stream crosses between the groups, nor from them to anybody else. */
  partition(...groups: readonly (readonly number[])[]): void {
    const groupOf = (index: number) => groups.findIndex((group) => group.includes(index))
    this.#isCut = (from, to) => groupOf(from) !== groupOf(to)
  }

  /** The node hears nobody, though everybody hears it. */
  deafen(index: number): void {
    this.#isCut = (_, to) => to === index
  }

  heal(): void {
    this.#isCut = () => false
  }

  node(index: number): ModelNode {
    const node = this.nodes[index]
    if (node === undefined) throw new Error(`there is no node ${index}`)
    return node
  }

  /** How `by` sees `of`. */
  view(by: number, of: number): Member | undefined {
    return this.node(by).machine.member(nodeId(of))
  }

  at(delayMs: number, action: () => void): void {
    this.#agenda.add(this.nowMs + delayMs, action)
  }

  /** Deaths in the views of running nodes: who was declared dead, while it ran or not. */
  deathsOf(index: number): readonly Change[] {
    return this.changes.filter(({ after }) => after?.state === 'dead' && after.id === nodeId(index))
  }

  everyRunningNodeSees(of: number, state: MemberState): boolean {
    return this.#running().every((node) => node.index === of || this.view(node.index, of)?.state === state)
  }

  #allAgreeOn(state: MemberState): boolean {
    return this.nodes.every((node) => this.everyRunningNodeSees(node.index, state))
  }

  #running(): readonly ModelNode[] {
    return this.nodes.filter((node) => !node.isKilled && !node.hasLeft)
  }

  #machineFor(index: number, startNumber: number): Membership {
    return new Membership({
      cluster: 'model',
      clusterId: '',
      digest: { number: 0, documentHash: 0 },
      settings: this.#settings,
      random: seededRandom(seedFor(this.#options.seed, `node ${index} start ${startNumber}`)),
      id: nodeId(index),
      startNumber,
      metadata: metadataOf(index),
    })
  }

  /** Hands the event to the node's present process, after any pause. */
  #tell(node: ModelNode, event: Unstamped, life = node.life): void {
    if (node.life !== life || node.isKilled || node.hasLeft) return
    if (this.nowMs < node.pausedUntilMs) {
      this.#agenda.add(node.pausedUntilMs, () => this.#tell(node, event, life))
      return
    }
    const wallMs = 1_700_000_000_000 + this.nowMs + node.wallOffsetMs
    const stamped = { ...event, nowMs: this.nowMs, wallMs } as MembershipEvent
    for (const effect of node.machine.handle(stamped)) this.#carryOut(node, effect)
  }

  #carryOut(node: ModelNode, effect: MembershipEffect): void {
    switch (effect.type) {
      case 'send-datagram': {
        this.datagramCount += 1
        const { packet, to } = effect
        const copies = this.#random.fraction() < (this.#options.duplicationRate ?? 0) ? 2 : 1
        for (let copy = 0; copy < copies; copy += 1) {
          const isLost = this.#random.fraction() < this.lossRate
          const receiver = this.#nodeAt(to)
          if (isLost || receiver === undefined || this.#isCut(node.index, receiver.index)) continue
          this.at(this.#delayMs(), () =>
            this.#tell(receiver, { type: 'datagram-received', packet, from: node.endpoint }),
          )
        }
        return
      }
      case 'set-timer': {
        const { life } = node
        this.at(effect.afterMs, () => this.#tell(node, { type: 'timer-fired', timer: effect.timer }, life))
        return
      }
      case 'exchange-members':
        if (this.hasExchanges) this.#exchange(node, effect.endpoint, effect.isJoin)
        return
      case 'probe-by-stream':
        this.#probeByStream(node, effect)
        return
      case 'member-changed':
        this.changes.push({ atMs: this.nowMs, by: node.index, before: effect.before, after: effect.after })
        return
      case 'raise-start-number': {
        const { life } = node
        // As long as a synced write may take.
        this.at(10, () => {
          if (node.life !== life) return
          node.startNumber = Math.max(node.startNumber, effect.to)
          this.#tell(node, { type: 'identity-adopted', id: node.id, startNumber: node.startNumber }, life)
        })
        return
      }
      case 'left':
        node.hasLeft = true
        return
      default:
        return
    }
  }

  #exchange(node: ModelNode, endpoint: Endpoint, isJoin: boolean): void {
    const { life } = node
    const partner = this.#nodeAt(endpoint)
    if (partner === undefined || partner.isKilled || partner.hasLeft || this.#isCut(node.index, partner.index)) {
      this.at(1000, () => this.#tell(node, { type: 'exchange-failed', endpoint }, life))
      return
    }
    const pushed = node.machine.members()
    this.#whenAwake(partner, this.#delayMs(), () => {
      const reply = partner.machine.members()
      this.#tell(partner, { type: 'members-received', members: pushed, from: node.id, isJoin, isReply: false })
      this.at(this.#delayMs(), () => {
        const event = { type: 'members-received', members: reply, from: partner.id, isJoin, isReply: true } as const
        if (!this.#isCut(partner.index, node.index)) this.#tell(node, event, life)
      })
    })
  }

  #probeByStream(node: ModelNode, { id, endpoint }: Extract<MembershipEffect, { type: 'probe-by-stream' }>): void {
    const { life } = node
    const partner = this.#nodeAt(endpoint)
    if (partner === undefined || this.#isCut(node.index, partner.index)) return
    this.#whenAwake(partner, this.#delayMs(), () => {
      const event = { type: 'stream-probe-acked', id, node: partner.id, startNumber: partner.startNumber } as const
      this.at(this.#delayMs(), () => {
        if (!this.#isCut(partner.index, node.index)) this.#tell(node, event, life)
      })
    })
  }

  #whenAwake(node: ModelNode, delayMs: number, action: () => void): void {
    const { life } = node
    this.at(delayMs, () => {
      if (node.life !== life || node.isKilled || node.hasLeft) return
      if (this.nowMs < node.pausedUntilMs) this.#whenAwake(node, node.pausedUntilMs - this.nowMs, action)
      else action()
    })
  }

  #nodeAt(endpoint: Endpoint): ModelNode | undefined {
    return this.nodes.find((node) => node.endpoint === endpoint)
  }

  #delayMs(): number {
    return this.#random.fraction() * (this.#options.delayMsMax ?? 5)
  }
}

/** What is to happen, by time and then by order of asking: a binary heap. */
class Agenda {
  readonly #heap: { readonly atMs: number; readonly order: number; readonly action: () => void }[] = []
  #order = 0

  peekMs(): number | undefined {
    return this.#heap[0]?.atMs
  }

  add(atMs: number, action: () => void): void {
    this.#order += 1
    let place = this.#heap.push({ atMs, order: this.#order, action }) - 1
    while (place > 0) {
      const parent = (place - 1) >> 1
      if (!this.#isBefore(place, parent)) return
      this.#swap(place, parent)
      place = parent
    }
  }

  runNext(): void {
    const first = this.#heap[0]
    const last = this.#heap.pop()
    if (first === undefined || last === undefined) return
    if (first !== last) {
      this.#heap[0] = last
      this.#sink()
    }
    first.action()
  }

  #sink(): void {
    let place = 0
    for (;;) {
      const left = 2 * place + 1
      let least = place
      if (left < this.#heap.length && this.#isBefore(left, least)) least = left
      if (left + 1 < this.#heap.length && this.#isBefore(left + 1, least)) least = left + 1
      if (least === place) return
      this.#swap(place, least)
      place = least
    }
  }

  #isBefore(a: number, b: number): boolean {
    const one = this.#heap[a]
    const other = this.#heap[b]
    if (one === undefined || other === undefined) return false
    return one.atMs < other.atMs || (one.atMs === other.atMs && one.order < other.order)
  }

  #swap(a: number, b: number): void {
    const one = this.#heap[a]
    const other = this.#heap[b]
    if (one === undefined || other === undefined) return
    this.#heap[a] = other
    this.#heap[b] = one
  }
}

export function nodeId(index: number): NodeId {
  return toNodeId(index.toString(16).padStart(32, '0'))
}

export function endpointOf(index: number): Endpoint {
  return toEndpoint(`10.0.0.${index}:7071`)
}

export function metadataOf(index: number): MemberMetadata {
  return {
    name: `node-${index}`,
    peer: endpointOf(index),
    http: undefined,
    zone: 'default',
    weight: 1,
    version: '0.1.0',
    isFresh: true,
    expect: 3,
    storeGeneration: 1,
  }
}

import type { LinkPool } from '../links/link-pool.ts'
import type { DatagramSocket } from '../ports/network.ts'
import type { Ports } from '../ports/ports.ts'
import type { LayoutDigest } from '../protocol/layout/layout-version.ts'
import type { MembershipEffect, MembershipEvent, MembershipTimer } from '../protocol/membership/events.ts'
import type { Member, MemberMetadata } from '../protocol/membership/member.ts'
import { Membership } from '../protocol/membership/membership.ts'
import { defaultMembershipSettings } from '../protocol/membership/settings.ts'
import type { ClusterId, Endpoint, NodeId } from '../vocabulary/ids.ts'
import { decodeDatagram, encodeDatagram } from '../wire/datagram.ts'
import type { NodeMetrics } from './node-metrics.ts'

/** Names of seeds are looked up again this often: a headless service changes its addresses. */
const resolveEveryMs = 30_000
const resolveEveryMsWhileAlone = 2_000
const exchangeTimeoutMs = 5_000

export interface MembershipListener {
  onMemberChanged(before: Member | undefined, after: Member | undefined): void
  onLayoutDiffers(digest: LayoutDigest, endpoint: Endpoint): void
  /** Persist, then answer by `adopt`. */
  onRaiseStartNumber(to: number): void
  onDuplicateIdentitySuspected(endpoint: Endpoint): void
  onForeignCluster(from: Endpoint): void
  /** Somebody speaks who has a secret, which this node has not. */
  onSealed(from: Endpoint): void
  /** Nobody listens to it (docs/rules.md L5). */
  isForgotten(node: NodeId): boolean
}

/** Carries out what the membership machine decides: datagrams, timers, push/pull and probes over links. */
export class MembershipDriver {
  readonly #ports: Ports
  readonly #links: LinkPool
  readonly #metrics: NodeMetrics
  readonly #machine: Membership
  readonly #listener: MembershipListener
  readonly #cluster: string
  readonly #seeds: readonly Endpoint[]
  /** Bounded by the member table: forgotten with the member. */
  readonly #digests = new Map<NodeId, LayoutDigest>()
  #clusterId: ClusterId | '' = ''
  #socket: DatagramSocket | undefined
  #isStopped = false
  #onLeft: (() => void) | undefined

  constructor(
    parts: { readonly ports: Ports; readonly links: LinkPool; readonly metrics: NodeMetrics },
    options: {
      readonly cluster: string
      readonly self: { readonly id: NodeId; readonly startNumber: number; readonly metadata: MemberMetadata }
      readonly seeds: readonly Endpoint[]
      readonly clusterId: ClusterId | ''
      readonly digest: LayoutDigest
    },
    listener: MembershipListener,
  ) {
    this.#ports = parts.ports
    this.#links = parts.links
    this.#metrics = parts.metrics
    this.#listener = listener
    this.#cluster = options.cluster
    this.#seeds = options.seeds
    this.#clusterId = options.clusterId
    this.#machine = new Membership({
      cluster: options.cluster,
      clusterId: options.clusterId,
      digest: options.digest,
      id: options.self.id,
      startNumber: options.self.startNumber,
      metadata: options.self.metadata,
      settings: { ...defaultMembershipSettings, packetBytesMax: parts.ports.datagrams.bytesMax },
      random: parts.ports.random(`membership/${options.self.startNumber}`),
    })
  }

  start(socket: DatagramSocket): void {
    this.#socket = socket
    this.#dispatch({ type: 'started', seeds: [], nowMs: this.#ports.time.nowMs() })
    this.#resolveSeeds()
  }

  /** A datagram came in, from anybody. */
  hear(bytes: Uint8Array, from: Endpoint): void {
    if (this.#isStopped) return
    const decoded = decodeDatagram(bytes, this.#ports.hash, { cluster: this.#cluster })
    if (typeof decoded === 'string') {
      this.#metrics.datagramsDropped(decoded).add(1)
      if (decoded === 'sealed') this.#listener.onSealed(from)
      return
    }
    const { clusterId } = decoded.header
    if (clusterId !== '' && this.#clusterId !== '' && clusterId !== this.#clusterId) {
      this.#metrics.datagramsDropped('foreign-cluster').add(1)
      return this.#listener.onForeignCluster(from)
    }
    if (this.#listener.isForgotten(decoded.header.from)) return this.#metrics.datagramsDropped('forgotten').add(1)
    const { time } = this.#ports
    this.#dispatch({ type: 'datagram-received', packet: decoded, from, wallMs: time.wallMs(), nowMs: time.nowMs() })
    const sender = decoded.header.from
    if (this.#machine.member(sender) !== undefined) this.#digests.set(sender, decoded.header.digest)
  }

  /** Whom this node knew before it was started: told as by one of them, to be found alive or dead anew. */
  remember(members: readonly Member[]): void {
    const own = this.#machine.self()
    const others = members.filter(({ id }) => id !== own.id)
    const teller = others.find(({ state }) => state === 'alive') ?? others[0]
    if (teller !== undefined) this.hearMembers(others, teller.id, true, true)
  }

  /** The other side of a push/pull told us what it knows. */
  hearMembers(members: readonly Member[], from: NodeId, isJoin: boolean, isReply: boolean): void {
    this.#dispatch({ type: 'members-received', members, from, isJoin, isReply, nowMs: this.#ports.time.nowMs() })
  }

  changeMetadata(metadata: MemberMetadata): void {
    this.#dispatch({ type: 'metadata-changed', metadata, nowMs: this.#ports.time.nowMs() })
  }

  changeLayout(clusterId: ClusterId | '', digest: LayoutDigest): void {
    this.#clusterId = clusterId
    this.#dispatch({ type: 'layout-changed', clusterId, digest, nowMs: this.#ports.time.nowMs() })
  }

  adopt(id: NodeId, startNumber: number): void {
    this.#dispatch({ type: 'identity-adopted', id, startNumber, nowMs: this.#ports.time.nowMs() })
  }

  /** Says goodbye; `done` follows within about a second. */
  leave(done: () => void): void {
    this.#onLeft = done
    this.#dispatch({ type: 'leave-requested', nowMs: this.#ports.time.nowMs() })
  }

  stop(): void {
    this.#isStopped = true
  }

  /** The layout digest that the member showed last; undefined before its first datagram. */
  digestOf(id: NodeId): LayoutDigest | undefined {
    return this.#digests.get(id)
  }

  get machine(): Membership {
    return this.#machine
  }

  #dispatch(event: MembershipEvent): void {
    if (this.#isStopped) return
    for (const effect of this.#machine.handle(event)) this.#carryOut(effect)
  }

  #carryOut(effect: MembershipEffect): void {
    const { time, log } = this.#ports
    switch (effect.type) {
      case 'send-datagram':
        this.#socket?.send(effect.to, encodeDatagram(effect.packet, this.#ports.hash))
        return
      case 'set-timer':
        time.after(effect.afterMs, () => this.#wake(effect.timer))
        return
      case 'exchange-members':
        return this.#exchange(effect.endpoint, effect.isJoin)
      case 'probe-by-stream':
        return this.#probe(effect)
      case 'member-changed':
        if (effect.after?.state === 'alive' && effect.before?.state !== 'alive') {
          this.#links.encourage(effect.after.metadata.peer)
        }
        if (effect.after === undefined && effect.before !== undefined) this.#digests.delete(effect.before.id)
        return this.#listener.onMemberChanged(effect.before, effect.after)
      case 'layout-differs':
        return this.#listener.onLayoutDiffers(effect.digest, effect.endpoint)
      case 'raise-start-number':
        return this.#listener.onRaiseStartNumber(effect.to)
      case 'duplicate-identity-suspected':
        return this.#listener.onDuplicateIdentitySuspected(effect.endpoint)
      case 'left':
        this.#isStopped = true
        return this.#onLeft?.()
      case 'log':
        return log[effect.level](effect.fields, effect.message)
    }
  }

  #exchange(endpoint: Endpoint, isJoin: boolean): void {
    const message = { type: 'exchange-members', members: this.#machine.members(), isJoin } as const
    this.#links.request(endpoint, message, exchangeTimeoutMs, (outcome) => {
      if (outcome.type === 'answered' && outcome.message.type === 'members') {
        this.hearMembers(outcome.message.members, outcome.message.from, isJoin, true)
      } else {
        this.#dispatch({ type: 'exchange-failed', endpoint, nowMs: this.#ports.time.nowMs() })
      }
    })
  }

  #probe(effect: Extract<MembershipEffect, { type: 'probe-by-stream' }>): void {
    const message = { type: 'probe', target: effect.target } as const
    this.#links.request(effect.endpoint, message, effect.timeoutMs, (outcome) => {
      const nowMs = this.#ports.time.nowMs()
      if (outcome.type === 'answered' && outcome.message.type === 'probe-acked') {
        const { node, startNumber } = outcome.message
        this.#dispatch({ type: 'stream-probe-acked', id: effect.id, node, startNumber, nowMs })
      } else {
        this.#dispatch({ type: 'stream-probe-failed', id: effect.id, nowMs })
      }
    })
  }

  #resolveSeeds(): void {
    if (this.#isStopped || this.#seeds.length === 0) return
    const found = new Set<Endpoint>()
    let left = this.#seeds.length
    for (const seed of this.#seeds) {
      this.#ports.names.resolve(seed, (addresses) => {
        for (const address of addresses) found.add(address)
        left -= 1
        if (left > 0) return
        this.#dispatch({ type: 'seeds-resolved', seeds: [...found], nowMs: this.#ports.time.nowMs() })
        const isAlone = this.#machine.members().length <= 1
        this.#ports.time.after(isAlone ? resolveEveryMsWhileAlone : resolveEveryMs, () => this.#resolveSeeds())
      })
    }
  }

  #wake(timer: MembershipTimer): void {
    const { time } = this.#ports
    const nowMs = time.nowMs()
    // A late process must not blame others for being late (Lifeguard, arXiv:1707.00788).
    if (timer.type === 'probe-period-over') {
      this.#dispatch({ type: 'event-loop-delayed', delayMs: time.eventLoopDelayMs(), nowMs })
    }
    this.#dispatch({ type: 'timer-fired', timer, nowMs })
  }
}

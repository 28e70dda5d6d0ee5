import { seededRandom, seedFor } from '../../../lib/ports/random.ts'
import type { MembershipEffect, MembershipEvent, MembershipTimer } from '../../../lib/protocol/membership/events.ts'
import type { Member, MemberState } from '../../../lib/protocol/membership/member.ts'
import { Membership } from '../../../lib/protocol/membership/membership.ts'
import type {
  MembershipPacket,
  MemberUpdate,
  PacketHeader,
  PacketMessage,
} from '../../../lib/protocol/membership/packet.ts'
import { defaultMembershipSettings, type MembershipSettings } from '../../../lib/protocol/membership/settings.ts'
import type { Endpoint } from '../../../lib/vocabulary/ids.ts'
import { endpointOf, metadataOf, nodeId } from './cluster-model.ts'

type EffectOf<Type extends MembershipEffect['type']> = Extract<MembershipEffect, { readonly type: Type }>

/** An event before the harness stamps it. */
export type Unstamped = MembershipEvent extends infer Event
  ? Event extends { readonly nowMs: number }
    ? Omit<Event, 'nowMs'>
    : never
  : never

/** Node 0, alone with a test that plays everybody else: passes time, hands it packets, and keeps what it does. */
export class OneMachine {
  readonly machine: Membership
  nowMs = 0
  /** Of the last `tell`, `hear` or `pass`. */
  effects: MembershipEffect[] = []
  #timers: { readonly atMs: number; readonly timer: MembershipTimer }[] = []

  constructor(settings: Partial<MembershipSettings> = {}, seeds: readonly Endpoint[] = []) {
    this.machine = new Membership({
      cluster: 'test',
      clusterId: '',
      digest: { number: 0, documentHash: 0 },
      settings: { ...defaultMembershipSettings, ...settings },
      random: seededRandom(seedFor(1, 'one machine')),
      id: nodeId(0),
      startNumber: 7,
      metadata: metadataOf(0),
    })
    this.tell({ type: 'started', seeds })
  }

  tell(event: Unstamped): this {
    this.effects = []
    this.#handle(event)
    return this
  }

  /** A packet from member `from`, by default of its first start. */
  hear(
    from: number,
    message: PacketMessage,
    updates: readonly MemberUpdate[] = [],
    header: Partial<PacketHeader> = {},
    wallMs = 0,
  ): this {
    return this.tell({
      type: 'datagram-received',
      packet: packetFrom(from, message, updates, header),
      from: endpointOf(from),
      wallMs,
    })
  }

  gossip(from: number, ...updates: readonly MemberUpdate[]): this {
    return this.hear(from, { type: 'gossip' }, updates)
  }

  /** Makes the first `count` peers known, and their news old. */
  withPeers(count: number): this {
    for (let index = 1; index <= count; index += 1) this.gossip(index, claim(index, 'alive'))
    return this.passAnswered(3000)
  }

  /** Lets `ms` pass, timers firing in time. */
  pass(ms: number): this {
    this.effects = []
    const endMs = this.nowMs + ms
    for (;;) {
      const next = this.#timers.toSorted((a, b) => a.atMs - b.atMs)[0]
      if (next === undefined || next.atMs > endMs) break
      this.#timers.splice(this.#timers.indexOf(next), 1)
      this.nowMs = Math.max(this.nowMs, next.atMs)
      this.#handle({ type: 'timer-fired', timer: next.timer })
    }
    this.nowMs = endMs
    return this
  }

  /** Lets `ms` pass, in which everybody but `except` answers probes. */
  passAnswered(ms: number, except = -1): this {
    const effects: MembershipEffect[] = []
    const stepMs = Math.min(ms, 100)
    for (let passed = 0; passed < ms; passed += stepMs) {
      effects.push(...this.pass(stepMs).effects)
      this.answerProbes(except)
    }
    this.effects = effects
    return this
  }

  /** The process stands still for `ms`: its timers fire late. */
  stall(ms: number): this {
    this.nowMs += ms
    return this.pass(0)
  }

  /** Everybody who was probed in the last step answers, but for `except`. */
  answerProbes(except = -1): void {
    for (const { to, packet } of this.sent('probe')) {
      const { target, sequence } = packet.message as Extract<PacketMessage, { type: 'probe' }>
      if (target === nodeId(Math.max(except, 0))) continue
      this.tell({
        type: 'datagram-received',
        packet: packetFrom(Number.parseInt(target, 16), { type: 'ack', sequence, wallMs: 0 }),
        from: to,
        wallMs: 0,
      })
    }
  }

  /** Passes time until the machine probes; undefined when it does not within `msMax`. */
  nextProbe(
    msMax = 10_000,
  ): { readonly target: number; readonly sequence: number; readonly packet: MembershipPacket } | undefined {
    const endMs = this.nowMs + msMax
    for (;;) {
      const nextMs = Math.min(...this.#timers.map(({ atMs }) => atMs))
      if (nextMs > endMs) return undefined
      const probe = this.pass(nextMs - this.nowMs).sent('probe')[0]
      if (probe?.packet.message.type === 'probe') {
        const { target, sequence } = probe.packet.message
        return { target: Number.parseInt(target, 16), sequence, packet: probe.packet }
      }
    }
  }

  did<Type extends MembershipEffect['type']>(type: Type): readonly EffectOf<Type>[] {
    return this.effects.filter((effect): effect is EffectOf<Type> => effect.type === type)
  }

  sent(type: PacketMessage['type']): readonly EffectOf<'send-datagram'>[] {
    return this.did('send-datagram').filter(({ packet }) => packet.message.type === type)
  }

  /** What was claimed in packets of the last step about `of`, as state/start/incarnation. */
  told(of: number): readonly string[] {
    return this.did('send-datagram')
      .flatMap(({ packet }) => packet.updates)
      .filter(({ member }) => member.id === nodeId(of))
      .map(({ member }) => viewOf(member))
  }

  view(of: number): string | undefined {
    const member = this.machine.member(nodeId(of))
    return member === undefined ? undefined : viewOf(member)
  }

  #handle(event: Unstamped): void {
    const effects = this.machine.handle({ ...event, nowMs: this.nowMs } as MembershipEvent)
    for (const effect of effects) {
      if (effect.type === 'set-timer') {
        this.#timers.push({ atMs: this.nowMs + effect.afterMs, timer: effect.timer })
      }
    }
    this.effects.push(...effects)
  }
}

/** state/start number/incarnation */
function viewOf({ state, startNumber, incarnation }: Member): string {
  return `${state}/${startNumber}/${incarnation}`
}

export function member(of: number, state: MemberState, startNumber = 1, incarnation = 0): Member {
  return { id: nodeId(of), state, startNumber, incarnation, metadata: metadataOf(of) }
}

/** What `from` (by default the member itself) says of member `of`. */
export function claim(of: number, state: MemberState, startNumber = 1, incarnation = 0, from = of): MemberUpdate {
  return { member: member(of, state, startNumber, incarnation), from: nodeId(from) }
}

export function packetFrom(
  from: number,
  message: PacketMessage,
  updates: readonly MemberUpdate[] = [],
  header: Partial<PacketHeader> = {},
): MembershipPacket {
  return {
    header: {
      cluster: 'test',
      clusterId: '',
      from: nodeId(from),
      startNumber: 1,
      incarnation: 0,
      digest: { number: 0, documentHash: 0 },
      ...header,
    },
    message,
    updates,
  }
}

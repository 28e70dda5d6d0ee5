import type { ClusterId, Endpoint } from '../../vocabulary/ids.ts'
import type { LayoutDigest } from '../layout/layout-version.ts'
import { type DropReason, dropReasons } from './admission.ts'
import { transmissionsMax, UpdateQueue } from './dissemination.ts'
import type { MembershipEffect } from './events.ts'
import type { Member } from './member.ts'
import type { MemberTable } from './member-table.ts'
import { estimateOverheadBytes, estimateUpdateBytes, type MemberUpdate, type PacketMessage } from './packet.ts'
import type { MembershipSettings } from './settings.ts'

/** What headers say of the cluster. */
export interface ClusterView {
  readonly cluster: string
  readonly clusterId: ClusterId | ''
  readonly digest: LayoutDigest
}

/** Where the parts of the machine put what is to be done and told; composes packets within their budget. */
export class Outbox {
  clusterView: ClusterView
  readonly #settings: MembershipSettings
  readonly #table: MemberTable
  readonly #queue: UpdateQueue
  readonly #drops = Object.fromEntries(dropReasons.map((reason) => [reason, 0])) as Record<DropReason, number>
  #effects: MembershipEffect[] = []
  #speaker: Member

  constructor(settings: MembershipSettings, table: MemberTable, clusterView: ClusterView, speaker: Member) {
    this.#settings = settings
    this.#table = table
    this.#queue = new UpdateQueue(settings)
    this.clusterView = clusterView
    this.#speaker = speaker
  }

  /** In whose name packets leave. */
  speakAs(speaker: Member): void {
    this.#speaker = speaker
  }

  push(effect: MembershipEffect): void {
    this.#effects.push(effect)
  }

  log(level: 'debug' | 'info' | 'warn', message: string, fields: Readonly<Record<string, unknown>>): void {
    this.#effects.push({ type: 'log', level, message, fields })
  }

  /** Everything pushed since the last call. */
  drain(): readonly MembershipEffect[] {
    const effects = this.#effects
    this.#effects = []
    return effects
  }

  drop(reason: DropReason): void {
    this.#drops[reason] += 1
  }

  drops(): Readonly<Record<DropReason, number>> {
    return { ...this.#drops }
  }

  get hasNews(): boolean {
    return this.#queue.size > 0
  }

  /** To be told to everybody, a few times, with whatever leaves next. */
  announce(update: MemberUpdate): void {
    const budgetBytes = this.#budgetBytes({ type: 'gossip' })
    if (!this.#queue.put(update, budgetBytes)) this.drop('update-too-large')
  }

  /** Sends `message`, with `first` before any other news. */
  send(to: Endpoint, message: PacketMessage, first: readonly MemberUpdate[] = []): void {
    let budgetBytes = this.#budgetBytes(message)
    const fitting: MemberUpdate[] = []
    for (const update of first) {
      const bytes = estimateUpdateBytes(update)
      if (bytes > budgetBytes) continue
      budgetBytes -= bytes
      fitting.push(update)
    }
    // Probes and answers carry news for nothing: only rounds of gossip, which take turns, count towards its end.
    this.#post(to, message, [...fitting, ...this.#queue.peek(budgetBytes, fitting)])
  }

  /** Sends the next round of news. */
  gossip(to: Endpoint): void {
    const message = { type: 'gossip' } as const
    const limit = transmissionsMax(this.#table.livingCount(), this.#settings)
    this.#post(to, message, this.#queue.take(this.#budgetBytes(message), limit))
  }

  #post(to: Endpoint, message: PacketMessage, updates: readonly MemberUpdate[]): void {
    const { cluster, clusterId, digest } = this.clusterView
    const { id, startNumber, incarnation } = this.#speaker
    const header = { cluster, clusterId, from: id, startNumber, incarnation, digest }
    this.#effects.push({ type: 'send-datagram', to, packet: { header, message, updates } })
  }

  #budgetBytes(message: PacketMessage): number {
    return this.#settings.packetBytesMax - estimateOverheadBytes(this.clusterView.cluster, message)
  }
}

import { linkSettingsDefault } from '../../lib/links/frame-link.ts'
import { waitingBytesMax } from '../../lib/node/batch-writer.ts'
import type { ClientAnswer, ClientRequest } from '../../lib/protocol/quorum/client-request.ts'
import type { World } from '../../lib/simulator/world.ts'
import type { Hash } from '../../lib/vocabulary/hash.ts'
import type { NodeId } from '../../lib/vocabulary/ids.ts'
import { type Copies, countCopies } from './audit-copies.ts'
import { vidOf } from './clients.ts'
import type { SimulatedCluster } from './cluster.ts'
import { answers, type Configuration, type FaultKind } from './configuration.ts'
import { DotLedger } from './dot-ledger.ts'
import { ownersIn, StoredLayouts } from './stored-layout.ts'
import { hintsOn } from './stored-state.ts'

/** What takes records away. */
const takingSeries = ['starling_tombstones_removed_total', 'starling_damaged_records_total'] as const
const lookEveryMs = 1000
const looksInsideEvery = 4
/** They concern wall clocks alone, and no wall clock says who is alive; or one process that is away for long. */
const clockFaults: readonly FaultKind[] = ['clock-jump', 'clock-leap', 'long-absence']
const noticedWithinMs = 45_000
/** From when a layout is on a disk until its node goes by it, if that disk is slow. */
const knowsWithinMs = 2000
/** Nodes ask each other now and then for reasons of their own. */
const idleWithinMs = 5000

interface LiveOwners {
  readonly owners: readonly NodeId[]
  /** With those who have, or for whom somebody keeps, what was kept for an excluded owner (docs/rules.md H3). */
  readonly holders: readonly NodeId[]
}

function alone(owners: readonly NodeId[]): LiveOwners {
  return { owners, holders: owners }
}

/** Looks inside while a run goes on: what no client could see, and no final state may show any more. */
export class OnlineAudit {
  readonly #cluster: SimulatedCluster
  readonly #world: World
  readonly #configuration: Configuration
  readonly #parts: {
    readonly hash: Hash
    /** When a disk last lost what it had acknowledged. */
    readonly dataLostAtMs: () => number
    readonly report: (check: string, message: string) => void
  }
  readonly #layouts: StoredLayouts
  readonly #ledger: DotLedger
  readonly #outSinceMs = new Map<string, number>()
  #isStopped = false
  /** Acknowledgements of which the copies were counted. */
  audited = 0
  #acknowledged = 0

  constructor(
    cluster: SimulatedCluster,
    configuration: Configuration,
    parts: {
      readonly hash: Hash
      readonly dataLostAtMs: () => number
      readonly report: (check: string, message: string) => void
    },
  ) {
    this.#cluster = cluster
    this.#world = cluster.world
    this.#configuration = configuration
    this.#parts = parts
    this.#layouts = new StoredLayouts(parts.hash)
    this.#ledger = new DotLedger({
      lifeOf: (name) => this.#lifeOf(name),
      // Who owns a partition no more forgets it, and may own it again.
      mayLeave: configuration.churn !== undefined,
      report: parts.report,
    })
  }

  start(): void {
    this.#world.after(lookEveryMs, () => {
      if (this.#isStopped) return
      this.#lookAtBounds()
      this.#lookAtMembers()
      this.#lookWhoIsOut()
      this.start()
    })
  }

  stop(): void {
    this.#isStopped = true
  }

  /**
   * Where links, disks and processes are well, nobody is found dead or said to have left but whoever does not run; and that
   * is noticed, whatever wall clocks do.
   */
  #lookAtMembers(): void {
    const { faults, links, churn } = this.#configuration
    if (churn !== undefined || links.lossChance > 0 || !faults.every((kind) => clockFaults.includes(kind))) return
    const endedMs = new Map(this.#cluster.endings.map(({ name, atMs }) => [name, atMs]))
    for (const by of this.#cluster.running) {
      for (const { name, state } of this.#cluster.node(by)?.status().members ?? []) {
        const isGone = state === 'dead' || state === 'left'
        if (isGone && !endedMs.has(name))
          this.#parts.report('false-death', `${by} says that ${name} is ${state}, and it is well`)
        const awayMs = this.#cluster.isRunning(name) ? 0 : this.#world.nowMs - (endedMs.get(name) ?? this.#world.nowMs)
        if (isGone || awayMs < noticedWithinMs || endedMs.has(by)) continue
        this.#parts.report('death-unnoticed', `${by} says that ${name} is ${state}, ${awayMs} ms after it has ended`)
      }
    }
  }

  #lookWhoIsOut(): void {
    if (this.#configuration.churn === undefined) return
    for (const name of this.#cluster.names) {
      if (!this.#isOut(name)) this.#outSinceMs.delete(name)
      else if (!this.#outSinceMs.has(name)) this.#outSinceMs.set(name, this.#world.nowMs)
    }
  }

  /** It has it on its disk that it is excluded, or is in no live version. */
  #isOut(name: string): boolean {
    const live = this.#layouts.documentOn(this.#world.machine(name).disk)?.live ?? []
    const id = this.#cluster.idOf(name)
    const newest = live.at(-1)?.version
    if (id === undefined || newest === undefined) return false
    return newest.excluded.includes(id) || !live.some(({ version }) => version.nodes.some((node) => node.id === id))
  }

  /** Whoever knew that it is out when it was asked names no write, and hands it on (docs/rules.md L5, Q2). */
  #expectMember({ type, key }: ClientRequest, { quorum }: ClientAnswer, askedMs: number): void {
    const by = this.#cluster.nameOf(quorum.coordinator)
    const sinceMs = by === undefined ? undefined : this.#outSinceMs.get(by)
    if (type === 'get' || by === undefined || sinceMs === undefined) return
    const outMs = askedMs - sinceMs
    // It may have come in again since the last look.
    if (outMs < knowsWithinMs || !this.#isOut(by)) return
    this.#parts.report(
      'served-while-out',
      `${by} answers a ${type} of ${key}, out for ${Math.round(outMs)} ms when asked`,
    )
  }

  /** Everything is over: whatever still waits, except for a moment, was forgotten. */
  expectNothingWaits(): void {
    for (const name of this.#cluster.running) {
      for (const series of ['starling_peer_requests_in_flight', 'starling_store_waiting_bytes']) {
        const count = (): number => this.#cluster.metric(name, series)
        if (this.#world.runUntil(() => count() === 0, idleWithinMs)) continue
        this.#parts.report('still-waiting', `${name} counts ${count()} of ${series} when all is over`)
      }
    }
  }

  /** Whatever waits somewhere has a bound. */
  #lookAtBounds(): void {
    const { names, running } = this.#cluster
    // Of one key there is one hint for each owner, however often it was written.
    // The record that holds all tokens is written, too.
    const keys = this.#configuration.keys + (this.#configuration.asksForTokens === true ? 1 : 0)
    const hintsMax = keys * names.length
    const inFlightMax = linkSettingsDefault.inFlightMax * names.length
    for (const name of running) {
      this.#expectAtMost(hintsMax, hintsOn(this.#world.machine(name).disk), `hints at ${name}`)
      const inFlight = this.#cluster.metric(name, 'starling_peer_requests_in_flight')
      this.#expectAtMost(inFlightMax, inFlight, `requests of ${name} in flight`)
      const waitingBytes = this.#cluster.metric(name, 'starling_store_waiting_bytes')
      this.#expectAtMost(waitingBytesMax, waitingBytes, `bytes waiting for the store of ${name}`)
    }
  }

  /** Another one as soon as the copies there may know less than before. */
  #lifeOf(name: string): string | undefined {
    if (!this.#cluster.isRunning(name)) return undefined
    const { starts, disk } = this.#world.machine(name)
    const taken = takingSeries.map((series) => this.#cluster.metric(name, series))
    // Between two looks a copy may have gone with one version, and come again, not yet whole, with the next.
    const layout = this.#configuration.churn === undefined ? [] : [this.#cluster.node(name)?.status().layout.number]
    return [starts, disk.inode, ...taken, ...layout].join(' ')
  }

  #expectAtMost(most: number, found: number, what: string): void {
    if (found > most) this.#parts.report('beyond-its-bound', `${found} ${what}, and ${most} are allowed`)
  }

  /** What no client can see: at the moment of its acknowledgement a put is on W disks, each for another owner. */
  acknowledged(name: string, request: ClientRequest, answer: ClientAnswer, askedMs: number): void {
    this.#expectMember(request, answer, askedMs)
    const { replicas, durability, timeoutMs, churn } = this.#configuration
    const place = this.#cluster.node(name)?.ownersOf(request.bucket, request.key)
    // A disk that was replaced just now may have been among the W.
    const isDiskNew = this.#world.nowMs - this.#parts.dataLostAtMs() < timeoutMs * 2
    if (request.type !== 'put' || place === undefined || isDiskNew) return
    const by = this.#cluster.nameOf(answer.quorum.coordinator)
    // Whoever forwarded it may know of other owners by now than the one who wrote it.
    if (churn !== undefined && by !== name) return
    const vid = vidOf(request)
    const sets = churn === undefined ? [alone(place.owners)] : this.#liveOwners(name, place.partition)
    // To look into records is most of the work: now and then is often enough to see that none forgets.
    this.#acknowledged += 1
    const looksInside = this.#acknowledged % looksInsideEvery === 0
    for (const { owners, holders } of sets) {
      const owned = Math.min(replicas, owners.length)
      const w = answers(request.options.w ?? 'quorum', owned)
      const pw = answers(request.options.pw ?? 0, owned)
      const isEnough = ({ slots, disks, owners }: Copies): boolean =>
        slots >= w && disks >= w && owners >= (request.options.sloppy ? pw : w)
      const value = { ...place, owners: holders, key: request.key, vid, durability }
      const copies = countCopies(this.#cluster, this.#parts.hash, value, looksInside ? undefined : isEnough)
      if (copies === undefined) return
      this.#ledger.look(request.key, vid, copies.found)
      this.audited += 1
      if (isEnough(copies)) continue
      const found = `on ${copies.disks} disks, ${copies.owners} of them of owners, for ${copies.slots} owners`
      const among = sets.length === 1 ? '' : ` of one of ${sets.length} live versions`
      this.#parts.report(
        'too-few-copies',
        `${vid} of ${request.key} is acknowledged by ${by}, w=${w} pw=${pw}, and ${found}${among}`,
      )
    }
  }

  /**
   * The owners in each version that is live for that node now (docs/rules.md T1), and for everybody else: what somebody
   * has given up, its owners may have deleted.
   */
  #liveOwners(name: string, partition: number): readonly LiveOwners[] {
    const live = this.#cluster.node(name)?.status().layout.live ?? []
    const newest = live.at(-1) ?? 0
    const last = this.#layouts.versionOf(newest, this.#cluster)
    return live.flatMap((number) => {
      if (number === newest && !this.#plansWithNewest(name, live[0] ?? 0)) return []
      if (number !== newest && this.#layouts.isGivenUp(number, this.#cluster)) return []
      const version = this.#layouts.versionOf(number, this.#cluster)
      if (version === undefined) return []
      const owners = ownersIn(version, partition)
      if (last === undefined || !owners.some((owner) => last.excluded.includes(owner))) return [alone(owners)]
      return [{ owners, holders: [...new Set([...owners, ...ownersIn(last, partition)])] }]
    })
  }

  /** At first a node plans without the nodes that come with a version: until they say that they take records. */
  #plansWithNewest(name: string, oldest: number): boolean {
    const node = this.#cluster.node(name)
    const { transition } = node?.status() ?? {}
    if (transition === undefined || transition.stage !== 'acknowledging') return true
    const waiting = transition.waitingFor.map(({ id }) => id)
    const before = this.#layouts.versionOf(oldest, this.#cluster)?.nodes.map(({ id }) => id) ?? []
    return !waiting.includes(this.#cluster.idOf(name) as NodeId) || waiting.every((id) => before.includes(id))
  }
}

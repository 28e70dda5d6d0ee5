import { type ConnectOptions, toClientSettings } from '../client/client-settings.ts'
import { bytes, type Codec } from '../client/codec.ts'
import { Database } from '../client/database.ts'
import { type Sibling, toSiblings } from '../client/sibling.ts'
import { StarlingNode } from '../node/node.ts'
import type { NodeSettings } from '../node/node-settings.ts'
import { standardParts } from '../node/standard-parts.ts'
import { visibleSiblings } from '../protocol/causality/inspect-record.ts'
import type { LinkSettings } from '../simulator/simulated-network.ts'
import { wallMsOf } from '../simulator/simulated-time.ts'
import { calmLinks, World, type WorldOptions } from '../simulator/world.ts'
import { Closed, InvalidBucket, InvalidKey, InvalidParameter } from '../vocabulary/errors.ts'
import type { Hash } from '../vocabulary/hash.ts'
import { toEndpoint } from '../vocabulary/ids.ts'
import { type Bucket, bucketProblem, type Key, keyProblem, toRecordKey } from '../vocabulary/key.ts'
import { awaited } from './awaited.ts'
import { MovingTime } from './moving-time.ts'
import { type NetworkOptions, type SimulationSettings, toNetwork } from './simulation-options.ts'
import { divergedKey, type Holder, recordOn } from './stored-copies.ts'

/** What one owner itself has of a key. */
export interface Copy<Value> {
  readonly node: string
  /** Empty: it has nothing of the key, or a tombstone. */
  readonly siblings: readonly Sibling<Value>[]
}

const peerPort = 7101
const lookEveryMs = 50
/** Failure detection needs seconds, and so does a node that comes back. */
const noticeLimitMs = 120_000
const settleLimitMs = 900_000
/** What an exchange brings to one owner, another may lack: asked for again. */
const exchangeEveryMs = 5_000
const logLinesShown = 20

/** The nodes on one side of a partition that has not been given are together on a side of their own. */
const otherSide = -1

/**
 * Real nodes and real clients in one small world: one thread, virtual time, a network that does what it is told. Made by
 * `simulateCluster`.
 *
 * Time moves only while something of the cluster is awaited: a request, a fault that is to be noticed, `run`, `settle`.
 * The same seed, and the same things asked in the same order, give the same run.
 */
export class SimulatedCluster {
  /** The names of the nodes. */
  readonly names: readonly string[]
  readonly seed: number
  readonly #settings: SimulationSettings
  readonly #hash: Hash
  readonly #world: World
  readonly #time: MovingTime
  readonly #nodes = new Map<string, StarlingNode>()
  readonly #paused = new Set<string>()
  readonly #stopping = new Set<string>()
  /** Beside which node each machine stands: the nodes themselves, and the programs with a database. */
  readonly #beside = new Map<string, string>()
  readonly #random: () => number
  #sides: ReadonlyMap<string, number> = new Map()
  #isClosed = false

  /** Starts nothing yet: made by `simulateCluster`, which does. */
  constructor(settings: SimulationSettings, hash: Hash, createCryptography: WorldOptions['createCryptography']) {
    const { names, seed, network } = settings
    this.names = names
    this.seed = seed
    this.#settings = settings
    this.#hash = hash
    this.#world = new World({ seed, hash, createCryptography, links: linksOf(network), logLevel: 'warn' })
    this.#time = new MovingTime(this.#world)
    this.#random = this.#world.random('user').fraction
    for (const name of names) {
      this.#world.machine(name)
      this.#beside.set(name, name)
    }
  }

  /** Starts every node; resolves once they have formed a cluster and all of them serve. */
  form(): Promise<void> {
    for (const name of this.names) this.#start(name)
    return this.#noticed('the nodes form no cluster')
  }

  /** Virtual milliseconds since the world began. */
  get nowMs(): number {
    return this.#world.nowMs
  }

  /** A number from 0 up to 1, not included: chance for the test itself that comes from the seed. */
  random(): number {
    return this.#random()
  }

  /** One of `choices`, by that chance. */
  pick<Choice>(choices: readonly Choice[]): Choice {
    if (choices.length === 0) throw new InvalidParameter('there is nothing to pick from')
    return choices[Math.floor(this.#random() * choices.length)] as Choice
  }

  /**
   * A new client, as `connect` gives one, in a program of its own that runs beside `node`: in a partition it is on that
   * node's side. It connects at its first request, and outlives the node.
   *
   * @throws {InvalidParameter} there is no such node, or an option is out of its range
   */
  database(node: string, options: ConnectOptions = {}): Database {
    this.#known(node)
    const machine = `${node}-program-${this.#beside.size}`
    const { time, streams, names, hash, random } = this.#world.portsFor(machine)
    const process = this.#world.machine(machine).process
    if (process !== undefined) process.onTurn = () => this.#time.settled()
    this.#beside.set(machine, node)
    this.#applySides()
    const seeds = [node, ...this.names.filter((name) => name !== node)].map(endpointOf)
    const settings = toClientSettings(seeds, { cluster: clusterName, ...options })
    return awaited(new Database({ time, streams, names, hash, random: random('client') }, settings), this.#time)
  }

  /** Lets so many virtual milliseconds pass. */
  run(ms: number): Promise<void> {
    if (!(ms >= 0 && ms < Number.POSITIVE_INFINITY)) throw new InvalidParameter(`so much time cannot pass: ${ms} ms`)
    return this.#time.pass(ms)
  }

  // Faults. Each happens in the call; the promise resolves once all nodes in reach of each other have noticed.

  /**
   * Cuts the network into sides, between which nothing passes any more; those that are not named are one further side.
   * It takes the place of a partition that is there already.
   *
   * @throws {InvalidParameter} there is no such node, or one is named twice
   */
  partition(...sides: readonly (readonly string[])[]): Promise<void> {
    const next = new Map<string, number>()
    for (const [side, names] of sides.entries()) {
      for (const name of names) {
        this.#known(name)
        if (next.has(name)) throw new InvalidParameter(`"${name}" cannot be on two sides`)
        next.set(name, side)
      }
    }
    this.#sides = next
    this.#applySides()
    return this.#noticed('the partition is not noticed')
  }

  /** The network is whole again. */
  heal(): Promise<void> {
    return this.partition()
  }

  /** How all links behave from now on; what is not given is as at the beginning. */
  network(options: NetworkOptions): void {
    this.#world.network.setAll(linksOf({ ...this.#settings.network, ...toNetwork(options) }))
  }

  /**
   * Ends the process of a node at once. With `power` its machine loses power as well: writes that were not synced may be
   * lost.
   */
  crash(node: string, kind: 'kill' | 'power' = 'kill'): Promise<void> {
    this.#known(node)
    this.#paused.delete(node)
    this.#world.crash(node, kind)
    return this.#noticed(`the crash of ${node} is not noticed`)
  }

  /** Stops a node in good order, as SIGTERM does. */
  stop(node: string): Promise<void> {
    const running = this.#nodes.get(this.#known(node))
    if (running !== undefined && this.#isRunning(node)) this.#end(node, running)
    return this.#noticed(`${node} does not stop`)
  }

  /** Starts a process with the node's disk; one that still runs is killed first. */
  restart(node: string): Promise<void> {
    this.#known(node)
    this.#paused.delete(node)
    this.#world.crash(node, 'kill')
    this.#start(node)
    return this.#noticed(`${node} does not come back`)
  }

  /** The process of a node does nothing any more, as after SIGSTOP, until it is resumed. */
  pause(node: string): Promise<void> {
    if (this.#isRunning(this.#known(node))) this.#paused.add(node)
    this.#world.pause(node)
    return this.#noticed(`nobody notices that ${node} does not answer`)
  }

  resume(node: string): Promise<void> {
    this.#paused.delete(this.#known(node))
    this.#world.resume(node)
    return this.#noticed(`${node} does not come back`)
  }

  /**
   * Lets time pass until the cluster has come to rest: hints are delivered, nodes have recovered, and the owners of each
   * key that can reach each other have the same of it. Asks for exchanges, which come by themselves within ten minutes.
   */
  async settle(): Promise<void> {
    await this.#noticed('the cluster does not settle')
    const endMs = this.nowMs + settleLimitMs
    let reasons = this.#unrest()
    while (reasons.length > 0 && this.nowMs < endMs) {
      this.#exchange()
      const roundEndMs = Math.min(endMs, this.nowMs + exchangeEveryMs)
      const isOver = (): boolean => this.nowMs >= roundEndMs || this.#unrest().length === 0
      await this.#time.until(isOver, lookEveryMs, exchangeEveryMs, () =>
        this.#failure('the cluster does not settle', []),
      )
      reasons = this.#unrest()
    }
    if (reasons.length > 0) throw this.#failure('the cluster does not settle', reasons)
  }

  /** The nodes that own `key`. */
  owners(bucket: string, key: string): readonly string[] {
    const { partition } = this.#placeOf(bucket, key)
    const ring = this.#running()
      .map((name) => this.#node(name).ring())
      .find((one) => one !== undefined)
    if (ring === undefined) throw new InvalidParameter('no node runs that could tell')
    return (ring.partitions[partition] ?? []).map((index) => ring.nodes[index]?.name as string)
  }

  /**
   * What each owner that runs would show of `key` by its own copy alone: asks nobody, and sets nothing off.
   *
   * @throws {InvalidBody} the codec cannot read a value
   */
  copies(bucket: string, key: string): readonly Copy<Uint8Array>[]
  copies<Value>(bucket: string, key: string, codec: Codec<Value>): readonly Copy<Value>[]
  copies<Value>(bucket: string, key: string, codec?: Codec<Value>): readonly Copy<Value | Uint8Array>[] {
    const { partition, recordKey } = this.#placeOf(bucket, key)
    const owners = this.owners(bucket, key)
    return this.#running()
      .filter((name) => owners.includes(name))
      .map((node) => {
        const { disk } = this.#world.machine(node)
        const record = recordOn(disk, partition, recordKey, this.#hash)
        const stored = record === undefined ? [] : visibleSiblings(record, wallMsOf(this.#world))
        return { node, siblings: codec === undefined ? toSiblings(stored, bytes) : toSiblings(stored, codec) }
      })
  }

  /** The last warnings and errors of all nodes, as text. */
  log(lines = logLinesShown): string {
    return this.#world.log.format(lines)
  }

  /** Ends everything; what is still awaited rejects with `Closed`. Safe to call twice. */
  async close(): Promise<void> {
    if (this.#isClosed) return
    this.#isClosed = true
    for (const machine of this.#beside.keys()) this.#world.crash(machine, 'kill')
    this.#time.end(new Closed('the simulated cluster was closed'))
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  #start(name: string): void {
    const ports = this.#world.portsFor(name)
    const node = new StarlingNode(ports, this.#nodeSettings(name), standardParts)
    this.#nodes.set(name, node)
    this.#stopping.delete(name)
    this.#world.inProcess(name, () => {
      const onFatal = ({ message }: { readonly message: string }): void =>
        this.#time.end(this.#failure(`${name} gave up`, [message]))
      node.start({ http: undefined, onFatal, onLeft: () => this.#end(name, node) }, (problem) => {
        if (problem !== undefined) onFatal(problem)
      })
    })
  }

  #end(name: string, node: StarlingNode): void {
    this.#stopping.add(name)
    this.#world.inProcess(name, () => {
      node.stop(() => {
        this.#world.after(0, () => {
          if (this.#nodes.get(name) === node) this.#world.crash(name, 'kill')
        })
      })
    })
  }

  #nodeSettings(name: string): NodeSettings {
    const { names, replicas, partitions, readRepair, hints, antiEntropy } = this.#settings
    return {
      cluster: clusterName,
      name,
      peer: endpointOf(name),
      advertisePeer: undefined,
      join: names.filter((other) => other !== name).map(endpointOf),
      expect: names.length,
      zone: 'default',
      weight: 1,
      replicas,
      partitions,
      readRepair,
      hints,
      antiEntropy,
      tombstoneGraceSeconds: 86_400,
      oldCopiesKeptSeconds: 600,
      version: '0.0.0',
    }
  }

  #known(name: string): string {
    if (!this.names.includes(name)) {
      throw new InvalidParameter(`there is no node "${name}"`, { hint: `there are ${this.names.join(', ')}` })
    }
    return name
  }

  #node(name: string): StarlingNode {
    return this.#nodes.get(name) as StarlingNode
  }

  #isRunning(name: string): boolean {
    return this.#world.machine(name).isRunning
  }

  #running(): readonly string[] {
    return this.names.filter((name) => this.#isRunning(name) && !this.#paused.has(name))
  }

  #sideOf(name: string): number {
    return this.#sides.get(name) ?? otherSide
  }

  #applySides(): void {
    const machines = [...this.#beside].map(([name, node]) => ({ machine: this.#world.machine(name), node }))
    for (const from of machines) {
      for (const to of machines) {
        if (from === to) continue
        const link = this.#world.network.link(from.machine, to.machine)
        if (this.#sideOf(from.node) === this.#sideOf(to.node)) link.heal()
        else link.cut()
      }
    }
  }

  #noticed(what: string): Promise<void> {
    let unnoticed: readonly string[] = []
    const isNoticed = (): boolean => {
      unnoticed = this.#unnoticed()
      return unnoticed.length === 0
    }
    const noticed = this.#time.until(isNoticed, lookEveryMs, noticeLimitMs, () => this.#failure(what, unnoticed))
    // A test may go on, and end, without having waited for it: that is no unhandled rejection.
    noticed.catch(() => {})
    return noticed
  }

  /** In what the nodes that run are wrong about each other, or not ready. */
  #unnoticed(): readonly string[] {
    const running = this.#running()
    const ending = running.filter((name) => this.#stopping.has(name)).map((name) => `${name} is still stopping`)
    return running
      .filter((name) => !this.#stopping.has(name))
      .flatMap((name) => {
        const node = this.#node(name)
        const reasons = node.notReadyBecause().map((reason) => `${name}: ${reason}`)
        const states = new Map(node.status().members.map((member) => [member.name, member.state]))
        for (const other of this.names) {
          const isThere = running.includes(other) && this.#sideOf(other) === this.#sideOf(name)
          const state = states.get(other)
          const isSeen = state === 'alive' || state === 'suspect'
          if (isThere ? state !== 'alive' : isSeen) reasons.push(`${name} takes ${other} for ${state ?? 'unknown'}`)
        }
        return reasons
      })
      .concat(ending)
  }

  /** Why the cluster is not at rest. */
  #unrest(): readonly string[] {
    const { antiEntropy, hints } = this.#settings
    const reasons = [...this.#unnoticed()]
    const sides = new Map<number, Holder[]>()
    for (const name of this.#running()) {
      const node = this.#node(name)
      const side = this.#sideOf(name)
      const holder = { name, node, disk: this.#world.machine(name).disk }
      sides.set(side, [...(sides.get(side) ?? []), holder])
      const { recoveringPartitions } = node.self()
      if (recoveringPartitions > 0) reasons.push(`${name} recovers ${recoveringPartitions} partitions`)
      if (!hints) continue
      for (const { name: target, count, dirtyPartitions } of node.hints().hints) {
        const isReachable = this.#running().includes(target) && this.#sideOf(target) === side
        if (isReachable && count > 0) reasons.push(`${name} keeps ${count} hints for ${target}`)
        if (isReachable && dirtyPartitions > 0) reasons.push(`${name} has dirty partitions of ${target}`)
      }
    }
    if (!antiEntropy || reasons.length > 0) return reasons
    for (const holders of sides.values()) {
      const diverged = divergedKey(holders, this.#hash)
      if (diverged !== undefined) reasons.push(`the owners of ${diverged} have different states of it`)
    }
    return reasons
  }

  #exchange(): void {
    if (!this.#settings.antiEntropy) return
    for (const name of this.#running()) {
      this.#world.inProcess(name, () => this.#node(name).runExchange(() => {}))
    }
  }

  #placeOf(bucket: string, key: string) {
    const bucketIs = bucketProblem(bucket)
    if (bucketIs !== undefined) throw new InvalidBucket(`the bucket "${bucket}" ${bucketIs}`)
    const keyIs = keyProblem(key)
    if (keyIs !== undefined) throw new InvalidKey(`the key "${key}" ${keyIs}`)
    const recordKey = toRecordKey(bucket as Bucket, key as Key, this.#hash)
    for (const name of this.#running()) {
      const place = this.#node(name).ownersOf(recordKey.bucket, recordKey.key)
      if (place !== undefined) return { recordKey, partition: place.partition }
    }
    throw new InvalidParameter('no node runs that could tell')
  }

  #failure(what: string, reasons: readonly string[]): Error {
    const log = this.log()
    const detail = reasons.length === 0 ? '' : `: ${reasons.join('; ')}`
    return new Error(
      `${what} (seed ${this.seed}, at ${Math.round(this.nowMs)} ms)${detail}${log === '' ? '' : `\n${log}`}`,
    )
  }
}

const clusterName = 'simulated'

function endpointOf(name: string) {
  return toEndpoint(`${name}:${peerPort}`)
}

function linksOf(network: NetworkOptions): LinkSettings {
  const { delayMs = calmLinks.delayMs, jitterMs = calmLinks.jitterMs, lossChance = calmLinks.lossChance } = network
  return { ...calmLinks, delayMs, jitterMs, lossChance }
}

import type { NodeApi } from '../../lib/node/node-api.ts'
import type { NodeParts, NodeSettings } from '../../lib/node/node-settings.ts'
import type { Ports } from '../../lib/ports/ports.ts'
import type { SimulatedMetrics } from '../../lib/simulator/simulated-metrics.ts'
import type { World } from '../../lib/simulator/world.ts'
import { type NodeId, toEndpoint } from '../../lib/vocabulary/ids.ts'
import type { Configuration } from './configuration.ts'
import { withReplays } from './replay-frames.ts'

interface Problem {
  readonly message: string
}

/** A node as the simulation drives it. */
export interface DrivenNode extends NodeApi {
  start(
    options: { readonly http: undefined; readonly onFatal: (problem: Problem) => void },
    done: (problem: Problem | undefined) => void,
  ): void
  stop(done: () => void): void
}

export type NodeMaker = (ports: Ports, settings: NodeSettings, parts: Partial<NodeParts>) => DrivenNode

const nodeNames = ['ada', 'bob', 'cyd', 'dan', 'eve', 'fay', 'gil'] as const

/** Each says itself that it must stay 0. */
const alarmSeries = [
  'starling_dot_conflicts_total',
  'starling_internal_errors_total',
  'starling_anti_entropy_tree_drift_total',
] as const

/** The nodes of one run, each on its machine. */
export class SimulatedCluster {
  readonly names: readonly string[]
  readonly world: World
  readonly #configuration: Configuration
  readonly #makeNode: NodeMaker
  readonly #nodes = new Map<string, DrivenNode>()
  readonly #metrics = new Map<string, SimulatedMetrics>()
  readonly #alarms = new Set<string>()
  readonly #ids = new Map<string, NodeId>()
  readonly #stopping = new Set<DrivenNode>()
  /** When processes ended, by force or in good order. */
  readonly endings: { readonly name: string; readonly atMs: number }[] = []
  /** Nodes that gave up, with the reason: none is expected. */
  readonly gaveUp: string[] = []

  constructor(world: World, configuration: Configuration, makeNode: NodeMaker) {
    this.world = world
    this.#configuration = configuration
    this.#makeNode = makeNode
    this.names = nodeNames.slice(0, configuration.nodes)
  }

  /** The node that runs on that machine now. */
  node(name: string): DrivenNode | undefined {
    return this.world.machine(name).isRunning ? this.#nodes.get(name) : undefined
  }

  isRunning(name: string): boolean {
    return this.world.machine(name).isRunning
  }

  /** Whether the node there was asked to stop, even if it is paused and has not heard it yet. */
  isStopping(name: string): boolean {
    const node = this.node(name)
    return node !== undefined && this.#stopping.has(node)
  }

  start(name: string): void {
    if (this.isRunning(name)) return
    const ports = this.world.portsFor(name)
    const { replayChance } = this.#configuration
    const random = this.world.random(`${name}/${this.world.machine(name).starts}/replays`)
    const used = replayChance === 0 ? ports : withReplays(ports, random, replayChance)
    const node = this.#makeNode(used, this.#settings(name), {})
    this.#nodes.set(name, node)
    this.#metrics.set(name, ports.metrics)
    this.world.inProcess(name, () => {
      node.start({ http: undefined, onFatal: (problem) => this.#gaveUp(name, node, problem.message) }, (problem) => {
        if (problem !== undefined) this.#gaveUp(name, node, problem.message)
      })
    })
  }

  crash(name: string, kind: 'kill' | 'power'): void {
    this.#noteEnding(name)
    this.world.crash(name, kind)
  }

  /** What a series of the process that runs there counts now. */
  metric(name: string, series: string, ...labelValues: readonly string[]): number {
    return this.#metrics.get(name)?.value(series, ...labelValues) ?? 0
  }

  /** Of the node that ran there last; one that lost its disk has another one until it has resumed its own. */
  idOf(name: string): NodeId | undefined {
    const id = this.#nodes.get(name)?.self().id ?? this.#ids.get(name)
    if (id !== undefined) this.#ids.set(name, id)
    return id
  }

  nameOf(id: NodeId): string | undefined {
    return this.names.find((name) => this.idOf(name) === id)
  }

  /** Stops in good order; a node that does not get there is killed by whoever starts it again. */
  stop(name: string): void {
    const node = this.node(name)
    if (node === undefined) return
    this.#noteEnding(name)
    this.#stopping.add(node)
    this.world.inProcess(name, () => {
      node.stop(() => {
        if (this.#nodes.get(name) === node) this.world.after(0, () => this.#ended(name, node))
      })
    })
  }

  /** Why the cluster is not whole; empty: every node serves, has recovered, and sees all others alive. */
  unreadiness(): readonly string[] {
    return this.names.flatMap((name) => {
      const node = this.node(name)
      if (node === undefined) return [`${name}: does not run`]
      const reasons = node.notReadyBecause().map((reason) => `${name}: ${reason}`)
      const { id, recoveringPartitions, state } = node.self()
      const isPart = node.ring()?.nodes.some((one) => one.id === id) === true
      if (!isPart) reasons.push(`${name}: is no part of the layout`)
      if (recoveringPartitions > 0) reasons.push(`${name}: recovers ${recoveringPartitions} partitions`)
      if (state !== 'serving') reasons.push(`${name}: ${state}`)
      const { members, converged } = node.status()
      const alive = members.filter((member) => member.state === 'alive')
      if (alive.length < this.names.length)
        reasons.push(`${name}: sees ${alive.length} of ${this.names.length} members`)
      if (!converged) reasons.push(`${name}: layouts differ`)
      return reasons
    })
  }

  /** What nodes counted that must never be counted. */
  alarms(): readonly string[] {
    for (const name of this.names) if (this.isRunning(name)) this.#noteAlarms(name)
    return [...this.#alarms]
  }

  #noteEnding(name: string): void {
    if (!this.isRunning(name)) return
    this.endings.push({ name, atMs: this.world.nowMs })
    this.#noteAlarms(name)
  }

  #noteAlarms(name: string): void {
    for (const series of alarmSeries) {
      if (this.metric(name, series) > 0) this.#alarms.add(`${name} counts ${series}`)
    }
  }

  #ended(name: string, node: DrivenNode): void {
    if (this.#nodes.get(name) === node && this.isRunning(name)) this.world.crash(name, 'kill')
  }

  #gaveUp(name: string, node: DrivenNode, message: string): void {
    // While a disk refuses, a node may give up; the process ends and somebody starts it again.
    if (this.world.machine(name).disk.fault === 'none')
      this.gaveUp.push(`${name} at ${Math.floor(this.world.nowMs)} ms: ${message}`)
    this.world.after(0, () => this.#ended(name, node))
  }

  #settings(name: string): NodeSettings {
    const { replicas, partitions, readRepair, hints, antiEntropy, tombstoneGraceSeconds } = this.#configuration
    return {
      cluster: 'simulated',
      name,
      peer: toEndpoint(`${name}:7101`),
      advertisePeer: undefined,
      join: this.names.filter((other) => other !== name).map((other) => toEndpoint(`${other}:7101`)),
      expect: this.names.length,
      zone: 'default',
      weight: 1,
      replicas,
      partitions,
      readRepair,
      hints,
      antiEntropy,
      tombstoneGraceSeconds,
      version: '0.0.0',
    }
  }
}

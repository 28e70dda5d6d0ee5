import type { ClusterStatus, NodeApi } from '../../lib/node/node-api.ts'
import type { NodeParts, NodeSettings } from '../../lib/node/node-settings.ts'
import type { Ports } from '../../lib/ports/ports.ts'
import type { SimulatedMetrics } from '../../lib/simulator/simulated-metrics.ts'
import type { World } from '../../lib/simulator/world.ts'
import { type NodeId, toEndpoint } from '../../lib/vocabulary/ids.ts'
import { drawSecretKey, KeptSecrets } from '../security/fixtures/kept-secret.ts'
import type { Configuration } from './configuration.ts'
import { nodeNames } from './node-names.ts'
import { Probes } from './probes.ts'
import { withReplays } from './replay-frames.ts'
import { bootstrapTokens } from './token-makers.ts'

interface Problem {
  readonly message: string
}

/** A node as the simulation drives it. */
export interface DrivenNode extends NodeApi {
  /** The same as in `self()`, without the rest. */
  readonly id: NodeId | undefined
  start(
    options: {
      readonly http: undefined
      readonly onFatal: (problem: Problem) => void
      /** It has left the cluster, and is to be stopped. */
      readonly onLeft: () => void
    },
    done: (problem: Problem | undefined) => void,
  ): void
  stop(done: () => void): void
}

export type NodeMaker = (ports: Ports, settings: NodeSettings, parts: Partial<NodeParts>) => DrivenNode

/** Each says itself that it must stay 0. */
const alarmSeries = [
  'starling_dot_conflicts_total',
  'starling_internal_errors_total',
  'starling_anti_entropy_tree_drift_total',
] as const

/** The nodes of one run, each on its machine. */
export class SimulatedCluster {
  /** Of all machines: those that begin, then those on which newcomers are started later. */
  readonly names: readonly string[]
  /** Whose nodes form the first layout. */
  readonly starters: readonly string[]
  readonly world: World
  /** What happened in all of its processes. */
  readonly probes = new Probes()
  readonly #configuration: Configuration
  readonly #makeNode: NodeMaker
  readonly #nodes = new Map<string, DrivenNode>()
  readonly #metrics = new Map<string, SimulatedMetrics>()
  readonly #alarms = new Set<string>()
  readonly #ids = new Map<string, NodeId>()
  readonly #stopping = new Set<DrivenNode>()
  /** Undefined: nodes have none. */
  readonly secrets: KeptSecrets | undefined
  /** Where somebody sees to it that a process runs. */
  #wanted: readonly string[]
  /** Nodes that have ended by themselves because they were members no more. */
  readonly #departed = new Set<NodeId>()
  /** When processes ended, by force or in good order. */
  readonly endings: { readonly name: string; readonly atMs: number }[] = []
  /** Nodes that gave up, with the reason: none is expected. */
  readonly gaveUp: string[] = []

  constructor(world: World, configuration: Configuration, makeNode: NodeMaker) {
    this.world = world
    this.#configuration = configuration
    this.#makeNode = makeNode
    this.secrets = configuration.hasSecret === true ? new KeptSecrets(drawSecretKey(world.random('secret'))) : undefined
    this.starters = nodeNames.slice(0, configuration.nodes)
    this.names = nodeNames.slice(0, configuration.nodes + (configuration.churn?.newcomers ?? 0))
    this.#wanted = this.starters
  }

  /** The machines on which a process should run. */
  get wanted(): readonly string[] {
    return this.#wanted
  }

  get running(): readonly string[] {
    return this.names.filter((name) => this.isRunning(name))
  }

  isWanted(name: string): boolean {
    return this.#wanted.includes(name)
  }

  /** From now on somebody sees to it that a process runs there. */
  bring(name: string): void {
    if (!this.isWanted(name)) this.#want(name, true)
    this.start(name)
  }

  /** Nobody starts a process there until it is brought back. */
  hold(name: string): void {
    this.#want(name, false)
    this.crash(name, 'kill')
  }

  #want(name: string, isWanted: boolean): void {
    this.#wanted = this.names.filter((one) => (one === name ? isWanted : this.isWanted(one)))
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

  /** Unless nobody wants a process there. */
  start(name: string): void {
    if (this.isRunning(name) || !this.isWanted(name)) return
    const ports = this.world.portsFor(name)
    const { process } = this.world.machine(name)
    if (process !== undefined) process.keyring = this.secrets?.of(name).keyring
    const { replayChance } = this.#configuration
    const random = this.world.random(`${name}/${this.world.machine(name).starts}/replays`)
    const used = replayChance === 0 ? ports : withReplays(ports, random, replayChance)
    const node = this.#makeNode({ ...used, log: this.probes.listening(used.log) }, this.#settings(name), {})
    this.#takeCounts(name)
    this.#nodes.set(name, node)
    this.#metrics.set(name, ports.metrics)
    this.world.inProcess(name, () => {
      node.start(
        {
          http: undefined,
          onFatal: (problem) => this.#gaveUp(name, node, problem.message),
          onLeft: () => this.#left(name, node),
        },
        (problem) => {
          if (problem !== undefined) this.#gaveUp(name, node, problem.message)
        },
      )
    })
  }

  /** What the processes that are there now have counted, after all that came before them. */
  takeAllCounts(): void {
    for (const name of this.names) this.#takeCounts(name)
  }

  #takeCounts(name: string): void {
    const metrics = this.#metrics.get(name)
    this.#metrics.delete(name)
    if (metrics === undefined) return
    this.probes.takeCounters(metrics)
    if (metrics.value('starling_value_log_reclaimed_bytes') > 0) this.probes.hit('done value-log-reclaim')
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
    const id = this.#nodes.get(name)?.id
    if (id === undefined) return this.#ids.get(name)
    this.#ids.set(name, id)
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

  /**
   * Why the cluster is not whole; empty: every node that is wanted serves, has recovered, and sees all others alive.
   * `mayMove`: though owners may be changing.
   */
  unreadiness(mayMove = false): readonly string[] {
    const { running } = this
    return this.#wanted.flatMap((name) => {
      const node = this.node(name)
      if (node === undefined) return [`${name}: does not run`]
      const { id, recoveringPartitions, state } = node.self()
      const isPart = node.ring()?.nodes.some((one) => one.id === id) === true
      const mayStandAside = !isPart && this.#mayStandAside(name, node)
      const isAside = mayStandAside && (state === 'outsider' || state === 'left')
      const reasons = isAside ? [] : node.notReadyBecause().map((reason) => `${name}: ${reason}`)
      if (!isPart && !mayStandAside) reasons.push(`${name}: is no part of the layout`)
      if (recoveringPartitions > 0) reasons.push(`${name}: recovers ${recoveringPartitions} partitions`)
      if (state !== 'serving' && !isAside) reasons.push(`${name}: ${state}`)
      const { members, converged, transition } = node.status()
      const alive = members.filter((member) => member.state === 'alive')
      if (alive.length < running.length) reasons.push(`${name}: sees ${alive.length} of ${running.length} members`)
      if (!converged && !mayMove) reasons.push(`${name}: layouts differ${waiting(transition)}`)
      return reasons
    })
  }

  /** Newcomers that nobody has let in, and those that were let go. A member that lost its disk has to find itself first. */
  #mayStandAside(name: string, node: DrivenNode): boolean {
    return this.#configuration.churn !== undefined && node.ring()?.nodes.every((one) => one.name !== name) === true
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

  /** It ends by itself with 0, and whoever starts processes again leaves it alone. */
  #left(name: string, node: DrivenNode): void {
    const { id } = node.self()
    this.world.after(0, () => {
      if (this.#nodes.get(name) !== node || !this.isRunning(name)) return
      if (id !== undefined) this.#departed.add(id)
      this.#want(name, false)
      this.stop(name)
    })
  }

  /** Whether the node that ran there last has left the cluster, and ended by itself. */
  hasLeft(name: string): boolean {
    const id = this.idOf(name)
    return id !== undefined && this.#departed.has(id)
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
      join: this.starters.filter((other) => other !== name).map((other) => toEndpoint(`${other}:7101`)),
      expect: this.starters.includes(name) ? this.starters.length : undefined,
      zone: 'default',
      weight: 1,
      replicas,
      partitions,
      readRepair,
      hints,
      antiEntropy,
      tombstoneGraceSeconds,
      // Soon, so that what was wrongly deleted is missed before the end.
      oldCopiesKeptSeconds: this.#configuration.churn?.oldCopiesKeptSeconds ?? 600,
      version: '0.0.0',
      secret: this.secrets?.of(name),
      bootstrapTokens: this.#configuration.asksForTokens === true ? bootstrapTokens : undefined,
    }
  }
}

function waiting(transition: ClusterStatus['transition']): string {
  if (transition === undefined) return ''
  const { stage, waitingFor } = transition
  return ` (${stage}, waits for ${waitingFor.map(({ name }) => name).join(' and ')})`
}

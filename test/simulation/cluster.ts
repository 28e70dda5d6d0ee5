import type { NodeApi } from '../../lib/node/node-api.ts'
import type { NodeParts, NodeSettings } from '../../lib/node/node-settings.ts'
import type { Ports } from '../../lib/ports/ports.ts'
import type { World } from '../../lib/simulator/world.ts'
import { toEndpoint } from '../../lib/vocabulary/ids.ts'
import type { Configuration } from './configuration.ts'

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

const nodeNames = ['ada', 'bob', 'cyd', 'dan', 'eve'] as const

/** The nodes of one run, each on its machine. */
export class SimulatedCluster {
  readonly names: readonly string[]
  readonly world: World
  readonly #configuration: Configuration
  readonly #makeNode: NodeMaker
  readonly #nodes = new Map<string, DrivenNode>()
  readonly #stopping = new Set<DrivenNode>()
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
    const node = this.#makeNode(this.world.portsFor(name), this.#settings(name), {})
    this.#nodes.set(name, node)
    this.world.inProcess(name, () => {
      node.start({ http: undefined, onFatal: (problem) => this.#gaveUp(name, node, problem.message) }, (problem) => {
        if (problem !== undefined) this.#gaveUp(name, node, problem.message)
      })
    })
  }

  crash(name: string, kind: 'kill' | 'power'): void {
    this.world.crash(name, kind)
  }

  /** Stops in good order; a node that does not get there is killed by whoever starts it again. */
  stop(name: string): void {
    const node = this.node(name)
    if (node === undefined) return
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
    const { replicas, partitions } = this.#configuration
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
      readRepair: 'blocking',
      hints: true,
      antiEntropy: true,
      tombstoneGraceSeconds: 86_400,
      version: '0.0.0',
    }
  }
}

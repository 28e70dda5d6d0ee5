import { InvalidParameter } from '../vocabulary/errors.ts'

/** How links between machines behave. */
export interface NetworkOptions {
  /** The least milliseconds on the way; default 0.1. */
  readonly delayMs?: number | undefined
  /** The mean of what chance adds to that; default 0.2. */
  readonly jitterMs?: number | undefined
  /** The share of packets that get lost, 0 to 1; default 0. Connections only get slower by it. */
  readonly lossChance?: number | undefined
}

/** What a simulated cluster is made of. Every part has a default. */
export interface SimulationOptions {
  /** How many nodes, 1 to 11, or their names; default 3, called `ada`, `bob`, `cyd`... */
  readonly nodes?: number | readonly string[] | undefined
  /** All chance comes from it, 0 or a positive whole number; default 1. */
  readonly seed?: number | undefined
  /** Copies of each key, 1 to 7; default 3, or the number of nodes if that is less. */
  readonly replicas?: number | undefined
  /** A power of two, 1 to 1,024; default 16. */
  readonly partitions?: number | undefined
  readonly network?: NetworkOptions | undefined
  /** What reads do about copies that differ; default `blocking`. */
  readonly readRepair?: 'blocking' | 'async' | 'off' | undefined
  /** Whether other nodes stand in for those that are away; default true. */
  readonly hints?: boolean | undefined
  /** Whether owners compare their copies in the background; default true. */
  readonly antiEntropy?: boolean | undefined
}

export interface SimulationSettings {
  readonly names: readonly string[]
  readonly seed: number
  readonly replicas: number
  readonly partitions: number
  readonly network: NetworkOptions
  readonly readRepair: 'blocking' | 'async' | 'off'
  readonly hints: boolean
  readonly antiEntropy: boolean
}

const namesDefault = 'ada bob cyd dan eve fay gil hal ivy jan kim'.split(' ')
const nodesMax = namesDefault.length
const replicasMax = 7
const partitionsMax = 1024

/** @throws {InvalidParameter} an option is out of its range */
export function toSimulationSettings(options: SimulationOptions): SimulationSettings {
  const names = namesOf(options.nodes ?? 3)
  const replicas = options.replicas ?? Math.min(3, names.length)
  const { seed = 1, partitions = 16 } = options
  check(Number.isInteger(replicas) && replicas >= 1 && replicas <= replicasMax, 'replicas', replicas)
  check(Number.isSafeInteger(seed) && seed >= 0, 'seed', seed)
  const isPower = Number.isInteger(partitions) && (partitions & (partitions - 1)) === 0
  check(isPower && partitions >= 1 && partitions <= partitionsMax, 'partitions', partitions)
  return {
    names,
    seed,
    replicas,
    partitions,
    network: toNetwork(options.network ?? {}),
    readRepair: options.readRepair ?? 'blocking',
    hints: options.hints ?? true,
    antiEntropy: options.antiEntropy ?? true,
  }
}

/** @throws {InvalidParameter} */
export function toNetwork(options: NetworkOptions): NetworkOptions {
  const { delayMs = 0, jitterMs = 0, lossChance = 0 } = options
  check(delayMs >= 0 && delayMs < Number.POSITIVE_INFINITY, 'network.delayMs', delayMs)
  check(jitterMs >= 0 && jitterMs < Number.POSITIVE_INFINITY, 'network.jitterMs', jitterMs)
  check(lossChance >= 0 && lossChance <= 1, 'network.lossChance', lossChance)
  return options
}

function namesOf(nodes: number | readonly string[]): readonly string[] {
  if (typeof nodes === 'number') {
    check(Number.isInteger(nodes) && nodes >= 1 && nodes <= nodesMax, 'nodes', nodes)
    return namesDefault.slice(0, nodes)
  }
  check(nodes.length >= 1 && nodes.length <= nodesMax && new Set(nodes).size === nodes.length, 'nodes', nodes)
  for (const name of nodes) check(/^[A-Za-z0-9-]{1,63}$/.test(name), 'nodes', name)
  return [...nodes]
}

function check(isInRange: boolean, name: string, value: unknown): void {
  if (!isInRange) throw new InvalidParameter(`${name} is out of its range: ${JSON.stringify(value)}`)
}

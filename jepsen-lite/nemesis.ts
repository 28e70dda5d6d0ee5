import type { ClusterState } from '../test/checkers/history.ts'
import type { Network } from './network/network.ts'

/** What is done to a cluster while clients use it: one of the columns of the matrix. */
export interface Nemesis {
  /** As `--nemesis` has it. */
  readonly name: string
  readonly summary: string
  /** What a machine must be able to do, by the names in `Capabilities`; a cell that needs more than there is, is skipped. */
  readonly needs: readonly CapabilityName[]
  /** The networks it works on; default: all. */
  readonly networks?: readonly Network['kind'][]
  /** Nodes may end by themselves under it, such as on a disk that fails; otherwise that makes a run invalid. */
  readonly endsNodes?: true
  /** What nodes must find around themselves from their start on. */
  prepare?(stage: Stage): Promise<Preparation>
  /** One fault: begins it, and resolves when it has begun. `undo` ends it; called at the latest when the run heals. */
  strike(stage: Stage): Promise<Strike>
  /** Asked when the run is over: what shows that the faults were felt. Empty: nothing does, and the result is unknown. */
  bites(stage: Stage): Promise<readonly Bite[]>
}

export interface Strike {
  /** For the history and the report: what, and to whom. */
  readonly what: string
  readonly nodes: readonly string[]
  /**
   * Who is in reach of whom until it is undone, where that is all that is wrong, and whoever is in reach of somebody is in
   * reach of the same nodes: a request may pass through several. Undefined: nobody can tell who must be served.
   */
  readonly cluster?: ClusterState | undefined
  undo(): Promise<void>
}

/** Evidence: packets dropped, a process seen in state T, bytes lost. */
export interface Bite {
  readonly what: string
  readonly count: number
}

export interface Preparation {
  /** By the name of a node. */
  readonly surroundings?: (name: string) => {
    readonly env?: Readonly<Record<string, string>>
    readonly before?: readonly string[]
  }
  /** Where a node keeps its data; by default below the run's directory. */
  readonly data?: (name: string) => string
}

/** What a nemesis works on. */
export interface Stage {
  readonly directory: string
  readonly nodes: readonly StageNode[]
  readonly network: Network
  /** Uniform in [0, 1), from the seed. */
  readonly fraction: () => number
  /** Runs `starling WORDS` against a node that runs. @returns its output @throws Error with its errors when it fails */
  cli(words: readonly string[]): Promise<string>
  /** A new, empty member that stages itself to join; it has network, directory and addresses as the others have. */
  addNode(): Promise<StageNode>
  /** It has left for good: nobody waits for it or asks it any more; its process is ended if it still runs. */
  dismiss(node: StageNode): Promise<void>
  /** Work to be done when the run ends, whatever happens, last first. */
  teardown(work: () => unknown): void
  say(line: string): void
}

export interface StageNode {
  readonly name: string
  readonly data: string
  readonly http: string
  readonly pid: number
  readonly isRunning: boolean
  /** `kill -9`; resolves when it is gone. */
  kill(): Promise<void>
  signal(signal: 'SIGSTOP' | 'SIGCONT' | 'SIGTERM'): void
  /** Starts it again on the same data; `surroundings` replace those it had. Resolves when it listens. @param flags of this start alone */
  start(surroundings?: ReturnType<NonNullable<Preparation['surroundings']>>, flags?: readonly string[]): Promise<void>
}

/** Found by trying, once, before a run; printed with it. */
export const capabilityNames = [
  'namespaces',
  'proxy',
  'signals',
  'faketime',
  'loop-mounts',
  'fsfreeze',
  'c-compiler',
  'boot-id',
] as const
export type CapabilityName = (typeof capabilityNames)[number]

export interface Capability {
  readonly name: CapabilityName
  readonly isThere: boolean
  /** Why not, with the remedy; or what was found. */
  readonly detail: string
}

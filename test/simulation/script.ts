import type { Configuration } from './configuration.ts'
import type { Moment } from './stored-layout.ts'

/**
 * A run written down as what was decided in it: what clients did and what was broken, each with its time. Everything else
 * (how long messages take, what a crash leaves on a disk) follows from the seed, from one stream of chance per link, disk,
 * process and operation: to leave one line out changes as little of the rest as can be. What an operator does is not
 * written down; it follows from the seed and from what the operator sees.
 */
export interface Script {
  readonly seed: number
  readonly configuration: Configuration
  /** The time of clients and faults: the healing begins after it, and after the last of the operations and faults. */
  readonly lastsMs: number
  readonly operations: readonly ClientOperation[]
  readonly faults: readonly ScriptedFault[]
}

/** One thing that one client does. A client that is still busy at that time does it as soon as it can. */
export interface ClientOperation {
  /** After the clients began. */
  readonly atMs: number
  readonly client: number
  /** Unlike those of the client's other operations: it names the value and the stream of chance. */
  readonly number: number
  readonly type: 'get' | 'put' | 'delete'
  readonly key: string
  /** Who is asked; who comes after it is asked when a write is tried again. */
  readonly node: string
  /** `last`: of the last answer that the client got for the key. A delete without any is left out. */
  readonly context?: 'none' | 'last'
  readonly paddingBytes?: number
  readonly ttlSeconds?: number
}

/** `atMs`: after the clients began. */
export type ScriptedFault = { readonly atMs: number } & Fault

/** Something that breaks, and for how long: what it takes is over by itself after `lastsMs`. */
export type Fault =
  | { readonly kind: 'kill' | 'power' | 'stop' | 'pause' | 'flip-bit'; readonly node: string; readonly lastsMs: number }
  | { readonly kind: 'wipe' | 'roll-back' | 'long-absence'; readonly node: string; readonly lastsMs: number }
  | { readonly kind: 'back-up'; readonly node: string; readonly isStopped: boolean; readonly lastsMs: number }
  | { readonly kind: 'blackout'; readonly nodes: readonly { readonly node: string; readonly lastsMs: number }[] }
  | { readonly kind: 'isolate' | 'halves'; readonly side: readonly string[]; readonly lastsMs: number }
  | { readonly kind: 'one-way'; readonly to: string; readonly from: readonly string[]; readonly lastsMs: number }
  | { readonly kind: 'reset'; readonly between: readonly [string, string] }
  | {
      readonly kind: 'lossy'
      readonly lossChance: number
      readonly duplicateChance: number
      readonly lastsMs: number
    }
  | { readonly kind: 'slow-disk'; readonly node: string; readonly slowness: number; readonly lastsMs: number }
  | { readonly kind: 'clock-jump'; readonly node: string; readonly offsetMs: number }
  /** A wall clock is wrong by minutes or hours, until somebody notices; with `strobeMs` it goes to and fro meanwhile. */
  | {
      readonly kind: 'clock-leap'
      readonly node: string
      readonly offsetMs: number
      readonly strobeMs?: number
      readonly lastsMs: number
    }
  | {
      readonly kind: 'disk-full' | 'disk-error'
      readonly node: string
      readonly lastsMs: number
      /** Somebody is impatient and kills the node then, to start it again so much later. */
      readonly restartMs?: number
    }
  /** Kills a node as soon as one is busy bringing copies together: that one, or the named one. */
  | { readonly kind: 'kill-at-work'; readonly node?: string; readonly lastsMs: number }
  /**
   * First `late` is cut off for so long, and misses writes. When it is back the disk of `node` loses what it held, or a record
   * of it goes bad; and as soon as `node` serves again `apart` is cut off, which may alone have what the others lack.
   */
  | {
      readonly kind: 'bare-return'
      readonly loss: 'wipe' | 'flip-bit'
      readonly node: string
      readonly late: string
      readonly apart: string
      readonly lastsMs: number
      readonly downMs: number
      readonly apartMs: number
    }
  /** Strikes as soon as some node is that far in a change of owners: `isThere`: that one instead of `node`. */
  | {
      readonly kind: 'mid-move'
      readonly moment: Moment
      readonly node: string
      readonly isThere: boolean
      readonly strikes: Fault
    }

/** The same with other nodes in it. */
export function renamedIn(fault: Fault, rename: (node: string) => string): Fault {
  switch (fault.kind) {
    case 'blackout':
      return { ...fault, nodes: fault.nodes.map(({ node, lastsMs }) => ({ node: rename(node), lastsMs })) }
    case 'isolate':
    case 'halves':
      return { ...fault, side: fault.side.map(rename) }
    case 'one-way':
      return { ...fault, to: rename(fault.to), from: fault.from.map(rename) }
    case 'reset':
      return { ...fault, between: [rename(fault.between[0]), rename(fault.between[1])] }
    case 'lossy':
      return fault
    case 'bare-return':
      return { ...fault, node: rename(fault.node), late: rename(fault.late), apart: rename(fault.apart) }
    case 'kill-at-work':
      return fault.node === undefined ? fault : { ...fault, node: rename(fault.node) }
    case 'mid-move':
      return { ...fault, node: rename(fault.node), strikes: renamedIn(fault.strikes, rename) }
    default:
      return { ...fault, node: rename(fault.node) }
  }
}

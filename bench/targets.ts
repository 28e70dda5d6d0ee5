import type { ClientKind } from './systems/system.ts'

/** How the figure of a target comes about. */
export type Measure =
  /** CPU of Starling over that of the floor, in pairs. */
  | { readonly type: 'over-floor'; readonly workload: string; readonly client: ClientKind }
  /** CPU of the floor over that of the single process, in pairs. */
  | { readonly type: 'floor-over-single'; readonly workload: string }
  /** CPU of a system that is not run here, derived, over that of Starling; `ours-over-theirs`: the other way round. */
  | {
      readonly type: 'theirs-over-ours' | 'ours-over-theirs'
      readonly system: string
      readonly workload: string
      readonly client: ClientKind
    }
  /** CPU of Starling under one workload over that under another, both in yardsticks. */
  | { readonly type: 'over-workload'; readonly workload: string; readonly over: string; readonly client: ClientKind }
  | { readonly type: 'p99-over-p50' | 'p99.9'; readonly workload: string; readonly client: ClientKind }

/** One row of what is promised. */
export interface Target {
  readonly name: string
  readonly unit: 'x' | 'ms'
  /** `at-least`: more is better. */
  readonly bound: 'at-most' | 'at-least'
  readonly target: number
  /** Where this is to go; undefined: nowhere. */
  readonly stretch: number | undefined
  readonly measure: Measure
  /** Whether it decides if the run counts at all. */
  readonly isCondition?: boolean
}

const riak = 'Riak KV 3.2, HTTP, N=3 R=W=2'
const nats = 'NATS JetStream KV R3, no fsync'

/**
 * The budget. Where a stretch was set in microseconds of the day on which the budget was made, it is written as its share of
 * what the floor cost on that day: 120 of 162 us for a put over HTTP, 85 of 86 for a get; 60 of 114 and 33 of 35 embedded.
 */
export const targets: readonly Target[] = [
  floorCondition('put', 3),
  floorCondition('get', 1.7),
  overFloor('put', 'http', 120 / 162),
  overFloor('get', 'http', 85 / 86),
  overFloor('put', 'binary', 60 / 114),
  overFloor('get', 'binary', 33 / 35),
  ...['put', 'get', '50/50'].map(againstRiak),
  againstNats('put', 1, 0.5),
  againstNats('get', 0.8, undefined),
  ...eachClient(
    (client): Target => ({
      name: `put with durability disk over one with os, ${clientWord(client)}`,
      ...{ unit: 'x', bound: 'at-most', target: 2.1, stretch: 1.3 },
      measure: { type: 'over-workload', workload: 'put uniform disk', over: 'put uniform', client },
    }),
  ),
  ...['put', 'get'].flatMap((mix) =>
    eachClient(
      (client): Target => ({
        name: `p99 over p50 of ${mix} at 70 % of the peak, ${clientWord(client)}`,
        ...{ unit: 'x', bound: 'at-most', target: 6, stretch: 3 },
        measure: { type: 'p99-over-p50', workload: `${mix} uniform open-70%`, client },
      }),
    ),
  ),
  ...eachClient(
    (client): Target => ({
      name: `p99.9 of put at 70 % of the peak, ${clientWord(client)}`,
      ...{ unit: 'ms', bound: 'at-most', target: 60, stretch: 15 },
      measure: { type: 'p99.9', workload: 'put uniform open-70%', client },
    }),
  ),
]

function floorCondition(mix: string, target: number): Target {
  return {
    name: `the floor is a floor: ${mix}, against one process`,
    ...{ unit: 'x', bound: 'at-most', target, stretch: undefined, isCondition: true },
    measure: { type: 'floor-over-single', workload: `${mix} uniform` },
  }
}

function overFloor(mix: string, client: ClientKind, stretch: number): Target {
  return {
    name: `${mix}, ${clientWord(client)}, over the floor`,
    ...{ unit: 'x', bound: 'at-most', target: 1.25, stretch },
    measure: { type: 'over-floor', workload: `${mix} uniform`, client },
  }
}

function againstRiak(mix: string): Target {
  return {
    name: `${mix}, HTTP: Riak over Starling`,
    ...{ unit: 'x', bound: 'at-least', target: 10, stretch: 15 },
    measure: { type: 'theirs-over-ours', system: riak, workload: `${mix} uniform`, client: 'http' },
  }
}

function againstNats(mix: string, target: number, stretch: number | undefined): Target {
  return {
    name: `${mix}, embedded client, over NATS KV R3`,
    ...{ unit: 'x', bound: 'at-most', target, stretch },
    measure: { type: 'ours-over-theirs', system: nats, workload: `${mix} uniform`, client: 'binary' },
  }
}

function eachClient(row: (client: ClientKind) => Target): readonly Target[] {
  return [row('http'), row('binary')]
}

function clientWord(client: ClientKind): string {
  return client === 'http' ? 'HTTP' : 'embedded client'
}

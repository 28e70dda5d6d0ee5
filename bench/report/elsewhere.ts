import type { Row } from './rows.ts'

/**
 * CPU microseconds per operation of systems that this bench does not run, with the floor beside them as it was measured
 * on that day: three nodes on two cores of x86-64, 1 KiB values, 64 in flight.
 */
const measuredElsewhere = [
  { system: 'Riak KV 3.2, HTTP, N=3 R=W=2', client: 'http', put: 3121, get: 1400, '50/50': 2549 },
  { system: 'etcd 3.4, gRPC, fsync', client: 'binary', put: 310, get: 188, '50/50': 303 },
  { system: 'NATS JetStream KV R3, no fsync', client: 'binary', put: 130, get: 51, '50/50': 128 },
  { system: 'Redis, 2 replicas, WAIT 1, in memory', client: 'binary', put: 61, get: 12, '50/50': 31 },
] as const
const floorThatDay = {
  http: { put: 162, get: 86, '50/50': 148 },
  binary: { put: 114, get: 35, '50/50': 81 },
} as const

export interface DerivedRow {
  readonly system: string
  readonly client: 'http' | 'binary'
  readonly workload: string
  /** What it would cost here, if it scales as the floor does. */
  readonly cpuMicros: number
  /** Its cost over Starling's: above 1, Starling is cheaper. Undefined: Starling was not measured so. */
  readonly overStarling: number | undefined
}

/** Not measured in this run: scaled by the floors of both days. Good for an order of magnitude. */
export function derivedRows(rows: readonly Row[]): readonly DerivedRow[] {
  return measuredElsewhere.flatMap(({ system, client, ...costs }) =>
    (['put', 'get', '50/50'] as const).flatMap((operation) => {
      const workload = `${operation} uniform`
      const floor = costOf(rows, workload, 'floor', client)
      if (floor === undefined) return []
      const cpuMicros = (costs[operation] * floor) / floorThatDay[client][operation]
      const starling = costOf(rows, workload, 'starling', client)
      return [{ system, client, workload, cpuMicros, overStarling: starling && cpuMicros / starling }]
    }),
  )
}

function costOf(
  rows: readonly Row[],
  workload: string,
  system: Row['system'],
  client: Row['client'],
): number | undefined {
  return rows.find((row) => row.workload === workload && row.system === system && row.client === client)?.cpuMicros
    .median
}

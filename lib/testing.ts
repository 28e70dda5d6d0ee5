import { createCryptography } from './platform/node-cryptography.ts'
import { createHash } from './platform/xxhash.ts'
import { SimulatedCluster } from './testing/simulated-cluster.ts'
import { type SimulationOptions, toSimulationSettings } from './testing/simulation-options.ts'

export type { Copy, SimulatedCluster } from './testing/simulated-cluster.ts'
export type { NetworkOptions, SimulationOptions } from './testing/simulation-options.ts'

/**
 * A cluster of real nodes in this process, in virtual time, for the tests of a program that uses Starling: no sockets, no
 * files, and hours that pass in a moment. The same seed gives the same run.
 *
 * @throws {InvalidParameter} an option is out of its range
 * @see docs/testing.md
 */
export async function simulateCluster(options: SimulationOptions = {}): Promise<SimulatedCluster> {
  const settings = toSimulationSettings(options)
  const cluster = new SimulatedCluster(settings, await createHash(), createCryptography)
  await cluster.form()
  return cluster
}

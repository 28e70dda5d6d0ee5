import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import { StarlingCluster } from './starling-cluster.ts'
import { programAt } from './system.ts'

/**
 * Starts a cluster on stores that hold `keyCount` keys of 1 KiB each: those that `directory` has already, or new ones,
 * written straight into the stores of the stopped nodes; putting a million keys takes six times as long.
 *
 * @returns whether they were there already
 */
export async function startFilled(cluster: StarlingCluster, directory: string, keyCount: number): Promise<boolean> {
  const isThere = StarlingCluster.hasData(directory, cluster.nodeCount)
  if (!isThere) {
    await cluster.startAll()
    await cluster.stopAll()
    const words = [programAt('bench/parts/fill-stores.js'), directory, String(cluster.nodeCount), String(keyCount)]
    await promisify(execFile)(process.execPath, words)
  }
  await cluster.startAll()
  return isThere
}

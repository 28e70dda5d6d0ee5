import type { Child } from './child.ts'
import { StarlingCluster } from './starling-cluster.ts'
import type { Place, System } from './system.ts'

/** Processes of `starling start` with its defaults, as anybody would run them. */
export async function startStarling(place: Place, started: (child: Child) => void): Promise<System> {
  const { directory, nodeCount = 3, nodeFlags, words = [], build, durability = 'os' } = place
  const children: Child[] = []
  const cluster = await StarlingCluster.prepare({ directory, nodeCount, nodeFlags, words, build }, (child) => {
    children.push(child)
    started(child)
  })
  await cluster.startAll()
  if (durability !== 'os') await cluster.setBucket({ durability })
  return {
    name: build === undefined ? 'starling' : 'against',
    children,
    targets: { http: cluster.http, binary: cluster.embedded },
  }
}

import { planDemo } from '../../lib/cli/demo/demo-node.ts'
import { portsInUse } from '../../lib/cli/demo/ports-in-use.ts'
import type { LinkCounts, LinkFaults, Network, Place } from './network.ts'

/** Below what the system hands out by itself, so that no connection of anybody takes a port while its node is down. */
const firstPortMin = 15_000
const firstPortMax = 32_000
const placesTriedMax = 50

/** Links of this machine's own, which nobody can make worse. */
export class Loopback implements Network {
  readonly kind = 'proxy'

  async place(_name: string): Promise<Place> {
    for (let tried = 0; tried < placesTriedMax; tried += 1) {
      // By chance and not from the seed: two runs at once must not look for the same places.
      const firstPort = firstPortMin + Math.floor(Math.random() * (firstPortMax - firstPortMin))
      const plan = planDemo(1, firstPort, '')
      const [node] = plan
      if (node === undefined || (await portsInUse(plan)).length > 0) continue
      const http = `127.0.0.1:${node.httpPort}`
      const peer = `127.0.0.1:${node.peerPort}`
      return { flags: ['--http', http, '--peer', peer], before: [], http, peer, joinAddress: peer }
    }
    throw new Error(`no free ports between ${firstPortMin} and ${firstPortMax}`)
  }

  async cut(from: string, to: string): Promise<void> {
    throw new Error(`nothing is between ${from} and ${to} that could be cut`)
  }

  async mend(): Promise<void> {}

  async spoil(from: string, to: string, _faults: LinkFaults): Promise<void> {
    throw new Error(`nothing is between ${from} and ${to} that could be spoiled`)
  }

  async heal(): Promise<void> {}

  async counts(): Promise<LinkCounts> {
    return { dropped: 0, delayed: 0, duplicated: 0 }
  }

  async close(): Promise<void> {}
}

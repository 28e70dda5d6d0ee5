import { planDemo } from '../../lib/cli/demo/demo-node.ts'
import { portsInUse } from '../../lib/cli/demo/ports-in-use.ts'

/** Below what the system hands out by itself, so that no connection of anybody takes a port while its node is down. */
const firstPortMin = 15_000
const firstPortMax = 32_000
const triedMax = 200
/** Two of them are the node's, and one is what it advertises. */
const portsEach = 4

export interface Ports {
  readonly http: number
  readonly peer: number
  readonly advertised: number
}

/** Ports on loopback that nobody listens at; each is given once. */
export class FreePorts {
  readonly #taken = new Set<number>()

  /** By chance and not from the seed: two runs at once must not look for the same ones. */
  async next(): Promise<Ports> {
    for (let tried = 0; tried < triedMax; tried += 1) {
      const slot = Math.floor((Math.random() * (firstPortMax - firstPortMin)) / portsEach)
      if (this.#taken.has(slot)) continue
      const http = firstPortMin + slot * portsEach
      const probed = [...planDemo(1, http, ''), ...planDemo(1, http + 2, '')]
      if ((await portsInUse(probed)).length > 0) continue
      this.#taken.add(slot)
      return { http, peer: http + 1, advertised: http + 2 }
    }
    throw new Error(`no free ports between ${firstPortMin} and ${firstPortMax}`)
  }
}

import type { Random } from '../../lib/vocabulary/random.ts'
import { keyName, type SimulatedClient, type Workload } from './clients.ts'
import { pick } from './configuration.ts'
import type { ClientOperation } from './script.ts'

/** Tells one client what to do. */
export interface ClientDriver {
  start(): void
  /** Nothing is left to be done, and nothing is still being done. */
  readonly isIdle: boolean
}

/** Draws what a client does, at random coordinators, until the run has no operations left. */
export class DrawnClient implements ClientDriver {
  readonly #client: SimulatedClient
  readonly #workload: Workload
  readonly #random: Random
  #begun = 0
  #isIdle = false

  constructor(client: SimulatedClient, workload: Workload, random: Random) {
    this.#client = client
    this.#workload = workload
    this.#random = random
  }

  get isIdle(): boolean {
    return this.#isIdle
  }

  start(): void {
    this.#think()
  }

  #think(): void {
    const thinkMs = this.#workload.configuration.thinkMs * 2 * this.#random.fraction()
    this.#workload.cluster.world.after(thinkMs, () => this.#next())
  }

  #next(): void {
    const { configuration } = this.#workload
    if (!this.#workload.takeOperation()) {
      this.#isIdle = true
      return
    }
    const key = keyName(this.#random.below(configuration.keys))
    let share = this.#random.fraction()
    const falls = (part: number): boolean => {
      share -= part
      return share < 0
    }
    const { readShare, blindShare, chainShare, deleteShare } = configuration
    if (falls(readShare)) return this.#get(key, () => this.#think())
    if (falls(blindShare)) return this.#write('put', key, 'none')
    // Going on from the last answer, without reading again.
    if (this.#client.hasSeen(key) && falls(chainShare)) return this.#write('put', key, 'last')
    const kind = this.#random.fraction() < deleteShare ? 'delete' : 'put'
    this.#get(key, (read) => {
      if (read === 'failed' || !this.#workload.takeOperation()) this.#think()
      else if (kind === 'put' || read === 'seen') this.#write(kind, key, read === 'seen' ? 'last' : 'none')
      else this.#think()
    })
  }

  #get(key: string, then: (read: 'seen' | 'nothing' | 'failed') => void): void {
    this.#client.perform({ ...this.#who(), type: 'get', key }, then)
  }

  #write(type: 'put' | 'delete', key: string, context: 'none' | 'last'): void {
    const { valueBytesMax, ttlShare, ttlSeconds } = this.#workload.configuration
    const paddingBytes = this.#random.below(valueBytesMax)
    const expires = type === 'put' && ttlShare > 0 && this.#random.fraction() < ttlShare
    const value = type === 'delete' ? {} : expires ? { paddingBytes, ttlSeconds } : { paddingBytes }
    this.#client.perform({ ...this.#who(), type, key, context, ...value }, () => this.#think())
  }

  #who(): { readonly client: number; readonly number: number; readonly node: string } {
    this.#begun += 1
    const node = pick(this.#random, this.#workload.cluster.wanted)
    return { client: this.#client.number, number: this.#begun, node }
  }
}

/** Lets a client do what was written down. */
export class ScriptedClient implements ClientDriver {
  readonly #client: SimulatedClient
  readonly #workload: Workload
  readonly #operations: readonly ClientOperation[]
  readonly #due: ClientOperation[] = []
  #left: number
  #isBusy = false

  constructor(client: SimulatedClient, workload: Workload, operations: readonly ClientOperation[]) {
    this.#client = client
    this.#workload = workload
    this.#operations = operations.filter((operation) => operation.client === client.number)
    this.#left = this.#operations.length
  }

  get isIdle(): boolean {
    return this.#left === 0
  }

  start(): void {
    for (const operation of this.#operations) {
      this.#workload.cluster.world.after(operation.atMs, () => {
        this.#due.push(operation)
        this.#next()
      })
    }
  }

  #next(): void {
    const operation = this.#isBusy ? undefined : this.#due.shift()
    if (operation === undefined) return
    this.#isBusy = true
    const { atMs: _when, ...decision } = operation
    this.#client.perform(decision, () => {
      this.#isBusy = false
      this.#left -= 1
      this.#next()
    })
  }
}

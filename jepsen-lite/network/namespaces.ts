import { spawn } from 'node:child_process'
import { Lease, type Office } from './lease.ts'
import { type Cable, doubledCounter, droppedCounter, emptyTables, rulesFor, tablesFor } from './link-rules.ts'
import type { LinkCounts, LinkFaults, Network, Place } from './network.ts'

const commandMsMax = 15_000
const httpPort = 7070
const peerPort = 7071
const hostNumber = 254
const nodesMax = 200

interface Plugged extends Cable {
  readonly name: string
}

/**
 * Links of the kernel's own: each node in a network namespace with one card, a switch in another with all the cables,
 * and what may pass is decided there, by nft, for each direction. One more cable leads to this process, and is never
 * cut: clients and looks reach every node. Only what this run has made is touched, all of it called `jl-NUMBER-...`.
 *
 * Needs root, iproute2 and nftables. Delay needs a kernel with netem, which cannot be counted on: use the proxy.
 */
export class NamespaceNetwork implements Network {
  readonly kind = 'netns'
  readonly canSpoil = ['lossChance', 'duplicateChance'] as const
  readonly #lease: Lease
  #switch = ''
  readonly #plugged = new Map<string, Plugged>()
  /** Those that are cut, and what the others suffer, by `from to`. */
  readonly #cut = new Set<string>()
  readonly #faults = new Map<string, LinkFaults>()
  #applying: Promise<void> = Promise.resolve()
  #nextApply: Promise<void> | undefined

  private constructor(lease: Lease) {
    this.#lease = lease
  }

  /** @throws Error, with the remedy, where it cannot be */
  static async open(office?: Office): Promise<NamespaceNetwork> {
    const network = new NamespaceNetwork(Lease.take(office))
    try {
      await network.#makeSwitch()
      return network
    } catch (error) {
      await network.close()
      throw error
    }
  }

  async place(name: string): Promise<Place> {
    if (this.#plugged.has(name)) throw new Error(`${name} has its place already`)
    const number = this.#plugged.size + 1
    if (number > nodesMax) throw new Error(`there is room for ${nodesMax} nodes`)
    const others = [...this.#plugged.values()]
    const port = `v${number}`
    const mac = `02:4a:4c:00:${hex(this.#lease.number)}:${hex(number)}`
    const plugged: Plugged = { name, port, mac }
    this.#plugged.set(name, plugged)
    const namespace = this.#lease.namespace(name)
    await ip('netns', 'add', namespace)
    // Both ends never appear outside of the two namespaces.
    const far = ['peer', 'name', 'eth0', 'address', mac, 'netns', namespace]
    await ip('link', 'add', port, 'netns', this.#switch, 'type', 'veth', ...far)
    await ip('-n', this.#switch, 'link', 'set', port, 'addrgenmode', 'none', 'master', 'br0', 'up')
    await ip('-n', namespace, 'addr', 'add', `${this.#address(number)}/24`, 'dev', 'eth0')
    await ip('-n', namespace, 'link', 'set', 'eth0', 'addrgenmode', 'none', 'up')
    await ip('-n', namespace, 'link', 'set', 'lo', 'up')
    await this.#nft(tablesFor(plugged, others))
    const http = `${this.#address(number)}:${httpPort}`
    const peer = `${this.#address(number)}:${peerPort}`
    return {
      flags: ['--http', http, '--peer', peer, '--insecure'],
      before: ['ip', 'netns', 'exec', namespace],
      http,
      peer,
      joinAddress: peer,
    }
  }

  cut(from: string, to: string): Promise<void> {
    this.#cut.add(this.#way(from, to))
    return this.#apply()
  }

  mend(from: string, to: string): Promise<void> {
    this.#cut.delete(this.#way(from, to))
    return this.#apply()
  }

  async spoil(from: string, to: string, faults: LinkFaults): Promise<void> {
    const wanted = Object.keys(faults) as (keyof LinkFaults)[]
    const beyond = wanted.filter((fault) => !(this.canSpoil as readonly string[]).includes(fault))
    if (beyond.length > 0) throw new Error(`${beyond.join(' and ')}: not with namespaces, use --net proxy`)
    this.#faults.set(this.#way(from, to), faults)
    await this.#apply()
  }

  heal(): Promise<void> {
    this.#cut.clear()
    this.#faults.clear()
    return this.#apply()
  }

  async counts(): Promise<LinkCounts> {
    const counters = await this.#counters()
    const sumOf = (start: string): number =>
      [...counters].reduce((sum, [name, packets]) => (name.startsWith(start) ? sum + packets : sum), 0)
    return { dropped: sumOf('dropped_'), held: 0, delayed: 0, duplicated: sumOf('doubled_') }
  }

  async countsOf(from: string, to: string): Promise<LinkCounts> {
    const counters = await this.#counters()
    const [source, target] = [this.#cable(from), this.#cable(to)]
    const dropped = counters.get(droppedCounter(source, target)) ?? 0
    const duplicated = counters.get(doubledCounter(source, target)) ?? 0
    return { dropped, held: 0, delayed: 0, duplicated }
  }

  async close(): Promise<void> {
    await this.#applying.catch(() => undefined)
    this.#lease.release()
  }

  async #makeSwitch(): Promise<void> {
    this.#switch = this.#lease.namespace('sw')
    await ip('netns', 'add', this.#switch)
    await ip('-n', this.#switch, 'link', 'add', 'br0', 'type', 'bridge')
    await ip('-n', this.#switch, 'link', 'set', 'br0', 'addrgenmode', 'none', 'up')
    const link = this.#lease.link()
    await ip('link', 'add', link, 'type', 'veth', 'peer', 'name', 'host', 'netns', this.#switch)
    await ip('-n', this.#switch, 'link', 'set', 'host', 'addrgenmode', 'none', 'master', 'br0', 'up')
    await ip('addr', 'add', `${this.#address(hostNumber)}/24`, 'dev', link)
    await ip('link', 'set', link, 'addrgenmode', 'none', 'up')
    await this.#nft(emptyTables)
  }

  #address(number: number): string {
    return `${this.#lease.net}.${number}`
  }

  #cable(name: string): Plugged {
    const plugged = this.#plugged.get(name)
    if (plugged === undefined) throw new Error(`${name} has no place here`)
    return plugged
  }

  #way(from: string, to: string): string {
    return `${this.#cable(from).name} ${this.#cable(to).name}`
  }

  /** Resolves when all that was decided before the call is in force. Whatever is decided meanwhile is put in force together. */
  #apply(): Promise<void> {
    this.#nextApply ??= this.#applying
      .catch(() => undefined)
      .then(() => {
        this.#nextApply = undefined
        this.#applying = this.#putInForce()
        return this.#applying
      })
    return this.#nextApply
  }

  async #putInForce(): Promise<void> {
    const ways = new Set([...this.#cut, ...this.#faults.keys()])
    const links = [...ways].map((way) => {
      const [from = '', to = ''] = way.split(' ')
      const faults = this.#faults.get(way) ?? {}
      return { from: this.#cable(from), to: this.#cable(to), isCut: this.#cut.has(way), faults }
    })
    await this.#nft(rulesFor([...this.#plugged.values()], links))
  }

  /** Packets by the names of counters. */
  async #counters(): Promise<ReadonlyMap<string, number>> {
    const listed = await command('ip', ['netns', 'exec', this.#switch, 'nft', '-j', 'list', 'counters'])
    const { nftables } = JSON.parse(listed) as {
      nftables: readonly { readonly counter?: { readonly name: string; readonly packets: number } }[]
    }
    return new Map(nftables.flatMap(({ counter }) => (counter === undefined ? [] : [[counter.name, counter.packets]])))
  }

  async #nft(script: string): Promise<void> {
    await command('ip', ['netns', 'exec', this.#switch, 'nft', '-f', '-'], script)
  }
}

function hex(number: number): string {
  return number.toString(16).padStart(2, '0')
}

function ip(...words: readonly string[]): Promise<string> {
  return command('ip', words)
}

/** @returns what it prints @throws Error with what it complained about, and what may be missing */
function command(name: string, words: readonly string[], input = ''): Promise<string> {
  return new Promise((resolve, reject) => {
    const child = spawn(name, words, { stdio: ['pipe', 'pipe', 'pipe'], timeout: commandMsMax, killSignal: 'SIGKILL' })
    const printed: Buffer[] = []
    const complaints: Buffer[] = []
    const fail = (reason: string): void => {
      const remedy = 'network namespaces need root on Linux, with iproute2 and nftables installed; or use --net proxy'
      reject(new Error(`${name} ${words.join(' ')}: ${reason}; ${remedy}`))
    }
    child.stdout.on('data', (part: Buffer) => printed.push(part))
    child.stderr.on('data', (part: Buffer) => complaints.push(part))
    child.stdin.on('error', () => undefined)
    child.on('error', (error) => fail(error.message))
    child.on('close', (code) => {
      if (code === 0) resolve(Buffer.concat(printed).toString())
      else fail(Buffer.concat(complaints).toString().trim())
    })
    child.stdin.end(input)
  })
}

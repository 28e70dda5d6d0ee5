import type { World } from '../../lib/simulator/world.ts'
import type { NodeId } from '../../lib/vocabulary/ids.ts'
import type { Key } from '../../lib/vocabulary/key.ts'
import type { Random } from '../../lib/vocabulary/random.ts'
import {
  answered,
  ask,
  bucket,
  getRequest,
  keyName,
  valueBytes,
  vidsOf,
  type Workload,
  writeRequest,
} from './clients.ts'
import type { SimulatedCluster } from './cluster.ts'
import { answers, type Configuration, type FaultKind, pick } from './configuration.ts'

/** Whoever is away is found dead, and asked no more, by then; and hints and repairs of the time before are over. */
const worksWithinMs = 90_000
const againAfterMs = 500
const keysMax = 3

/** After these every store has all that it had. */
const harmless: readonly FaultKind[] = [
  'kill',
  'stop',
  'pause',
  'isolate',
  'halves',
  'one-way',
  'reset',
  'lossy',
  'slow-disk',
  'clock-jump',
  'clock-leap',
  'kill-at-work',
  'long-absence',
]

/** What stays broken in a node that is not in the core. */
const breakages = ['killed', 'power-cut', 'paused', 'cut-off', 'deaf', 'mute', 'disk-failed'] as const

/**
 * A few nodes are well and reach each other; all others stay broken. Whatever these few own enough of must work again
 * within a bound: a cluster that only recovers once everybody is back would pass every test that heals everything first.
 * (TigerBeetle, "Simulation testing for liveness", 2023.)
 */
export class LivenessPhase {
  readonly #cluster: SimulatedCluster
  readonly #world: World
  readonly #configuration: Configuration
  readonly #workload: Workload
  readonly #random: Random
  readonly #report: (check: string, message: string) => void

  constructor(workload: Workload, report: (check: string, message: string) => void) {
    this.#workload = workload
    this.#cluster = workload.cluster
    this.#world = workload.cluster.world
    this.#configuration = workload.configuration
    this.#random = this.#world.random('liveness')
    this.#report = report
  }

  /**
   * Whether it may begin in the middle of whatever is broken. A store that has lost something asks all other owners before
   * it counts again (docs/rules.md A5): then everybody is made well first.
   */
  get beginsAmidst(): boolean {
    return this.#configuration.faults.every((kind) => harmless.includes(kind)) && this.#random.below(4) > 0
  }

  /** Whoever is broken, before it or in it, stays so when it ends. */
  live(): void {
    const first = keyName(this.#random.below(Math.max(1, this.#configuration.keys)))
    const owners = this.#ownersOf(first)
    const needed = this.#needed(owners.length)
    if (owners.length === 0 || needed > owners.length) return
    const core = new Set(this.#shuffled(owners).slice(0, needed))
    for (const name of this.#cluster.wanted) if (this.#random.below(4) === 0) core.add(name)
    const others = this.#cluster.wanted.filter((name) => !core.has(name))
    const broken = others.map((name) => [name, this.#break(name, core)])
    this.#mend(core)
    this.#record('core', { core: [...core], broken: Object.fromEntries(broken) })
    const keys = Array.from({ length: this.#configuration.keys }, (_, number) => keyName(number))
    const working = this.#shuffled(keys.filter((key) => this.#isWithin(core, key))).slice(0, keysMax)
    if (this.#isWithin(core, first) && !working.includes(first)) working.push(first)
    this.#demand(working, [...core])
  }

  #demand(keys: readonly string[], core: readonly string[]): void {
    const endMs = this.#world.nowMs + worksWithinMs
    let open = 0
    for (const key of keys) {
      for (const node of core) {
        for (const type of ['put', 'get'] as const) {
          open += 1
          this.#until(type, key, node, endMs, (error) => {
            open -= 1
            if (error === undefined) return
            const seconds = worksWithinMs / 1000
            this.#report(
              'no-progress',
              `${seconds} s after all but ${core} broke a ${type} of ${key} at ${node}: ${error}`,
            )
          })
        }
      }
    }
    this.#world.runUntil(() => open === 0, worksWithinMs + this.#configuration.timeoutMs * 2 + 5000)
    if (open > 0) this.#report('clients-hang', `${open} operations at nodes that are well never ended`)
  }

  /** Again and again until it works; tells the last error when it does not in time. */
  #until(
    type: 'put' | 'get',
    key: string,
    node: string,
    endMs: number,
    done: (error: string | undefined) => void,
  ): void {
    const { history } = this.#workload
    const p = this.#workload.nextProcess()
    const vid = `core-${p}`
    const { r, w } = this.#configuration
    const base = { p, s: 'core', f: type, k: key, node, ...(type === 'put' ? { vid, w } : { r }) }
    const request =
      type === 'put'
        ? writeRequest(this.#configuration, 'put', key, undefined, valueBytes(vid, 0))
        : getRequest(this.#configuration, key)
    history.add({ t: 'invoke', ...base, ...(type === 'put' ? { ctx: [] } : {}), ns: this.#ns() })
    ask(this.#workload, node, request, this.#random, (ending) => {
      const error = ending.type === 'ok' ? undefined : ending.error
      const { answer } = ending.type === 'ok' ? ending : { answer: undefined }
      const more = answer === undefined ? {} : answered(this.#cluster, answer)
      const read = answer?.type === 'got' ? { vals: vidsOf(answer), tok: answer.context } : {}
      history.add({ t: ending.type, ...base, error, ...more, ...read, ns: this.#ns() })
      // A key may have as many siblings as it may have: that is an answer, too.
      if (error === undefined || error === 'too-many-siblings') done(undefined)
      else if (this.#world.nowMs >= endMs) done(error)
      else this.#world.after(againAfterMs, () => this.#until(type, key, node, endMs, done))
    })
  }

  #break(name: string, core: ReadonlySet<string>): string {
    const kind = pick(this.#random, breakages)
    const { network } = this.#world
    switch (kind) {
      case 'killed':
        this.#cluster.crash(name, 'kill')
        break
      case 'power-cut':
        // What only `os` has acknowledged may be gone from more disks than a write was on.
        this.#cluster.crash(name, this.#configuration.durability === 'disk' ? 'power' : 'kill')
        break
      case 'paused':
        this.#world.pause(name)
        break
      case 'disk-failed':
        this.#world.machine(name).disk.fault = 'failed'
        break
      default:
        for (const link of network.links()) {
          const hears = link.to.name === name && core.has(link.from.name) && kind !== 'mute'
          const speaks = link.from.name === name && core.has(link.to.name) && kind !== 'deaf'
          if (hears || speaks) link.cut()
        }
    }
    return kind
  }

  #mend(core: ReadonlySet<string>): void {
    for (const link of this.#world.network.links()) {
      if (!core.has(link.from.name) || !core.has(link.to.name)) continue
      link.heal()
      link.settings = { ...this.#configuration.links, lossChance: 0, duplicateChance: 0 }
    }
    for (const name of core) {
      this.#world.resume(name)
      const { clock, disk } = this.#world.machine(name)
      clock.wallOffsetMs = 0
      disk.slowness = 1
      if (this.#cluster.isStopping(name)) this.#cluster.crash(name, 'kill')
      this.#cluster.start(name)
    }
  }

  #isWithin(core: ReadonlySet<string>, key: string): boolean {
    const owners = this.#ownersOf(key)
    return owners.length > 0 && owners.filter((owner) => core.has(owner)).length >= this.#needed(owners.length)
  }

  /** How many owners must be well for any operation of this run. */
  #needed(owners: number): number {
    const { r, w, pr, pw } = this.#configuration
    return Math.max(1, ...[r, w, pr, pw].map((level) => answers(level, owners)))
  }

  #ownersOf(key: string): readonly string[] {
    const owners: readonly NodeId[] =
      this.#cluster.running
        .map((name) => this.#cluster.node(name)?.ownersOf(bucket, key as Key)?.owners)
        .find((found) => found !== undefined) ?? []
    return owners.flatMap((owner) => this.#cluster.nameOf(owner) ?? [])
  }

  #shuffled<Item>(items: readonly Item[]): readonly Item[] {
    const left = [...items]
    return items.map(() => left.splice(this.#random.below(left.length), 1)[0] as Item)
  }

  #record(f: string, v: unknown): void {
    this.#workload.history.add({ t: 'info', p: 'nemesis', f, v, ns: this.#ns() })
  }

  #ns(): number {
    return Math.floor(this.#world.nowMs * 1_000_000)
  }
}

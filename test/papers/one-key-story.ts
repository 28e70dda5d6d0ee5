import type { ReadRepairMode } from '../../lib/protocol/quorum/read.ts'
import { checkRegisters } from '../checkers/check-registers.ts'
import { History } from '../checkers/history.ts'
import { FrameGate } from '../node/fixtures/frame-gate.ts'
import { type Ended, TestCluster, type WriteChanges } from '../node/fixtures/test-cluster.ts'

export const key = 'k'

/** One key of a cluster in which nothing but reads and writes moves it, and the history of what was asked. */
export class Story {
  readonly cluster: TestCluster
  readonly gate = new FrameGate()
  readonly #history = new History()
  #processes = 0
  /** One writer goes on from its last answer, unless it is told otherwise. */
  #context: string | undefined

  constructor(
    names: readonly string[],
    readRepair: ReadRepairMode,
    changes: { readonly hints?: boolean } = {},
    seed = 1,
  ) {
    this.cluster = TestCluster.formed(names, {
      seed,
      change: (settings) => ({ ...settings, hints: false, antiEntropy: false, readRepair, ...changes }),
      wrap: this.gate.wrap,
    })
  }

  write(at: string, value: string, changes: WriteChanges = {}): Ended {
    const request = { w: 2, sloppy: false, timeoutMs: 500, context: this.#context, ...changes }
    const base = { p: this.#nextProcess(), f: 'put', k: key, vid: value }
    this.#history.add({ t: 'invoke', ...base, ctx: [], ns: this.#ns() })
    const ended = this.cluster.put(at, key, value, request)
    const isUndone = ended.aftermath === 'nothing-changed'
    this.#history.add({ t: ended.code === 'ok' ? 'ok' : isUndone ? 'fail' : 'info', ...base, ns: this.#ns() })
    this.#context = ended.context ?? this.#context
    return ended
  }

  read(at: string, r = 2): readonly string[] {
    const base = { p: this.#nextProcess(), f: 'get', k: key }
    this.#history.add({ t: 'invoke', ...base, ns: this.#ns() })
    const { code, values = [] } = this.cluster.get(at, key, { r, sloppy: false, timeoutMs: 1000 })
    if (code !== 'ok') throw new Error(`a read at ${at} ended with ${code}`)
    this.#history.add({ t: 'ok', ...base, vals: values, ns: this.#ns() })
    return values
  }

  /** What of a register is broken, by the names of the checks. */
  broken(model: 'regular' | 'atomic'): readonly string[] {
    const { violations } = checkRegisters(this.#history.records, { model })
    return violations.map(({ check }) => check)
  }

  /** From now on these reach each other, and nobody else. */
  among(...group: readonly string[]): void {
    this.heal()
    this.cut(...group)
  }

  /** They reach nobody else any more. */
  cut(...group: readonly string[]): void {
    for (const a of this.cluster.names) {
      for (const b of this.cluster.names) if (a !== b && group.includes(a) !== group.includes(b)) this.cluster.cut(a, b)
    }
  }

  /** These two reach each other again, from this moment on. */
  connect(a: string, b: string): void {
    const { network } = this.cluster.world
    const [one, other] = [this.cluster.world.machine(a), this.cluster.world.machine(b)]
    network.link(one, other).heal()
    network.link(other, one).heal()
  }

  heal(): void {
    this.cluster.heal()
  }

  #nextProcess(): number {
    this.#processes += 1
    return this.#processes
  }

  /** No two things happen at once. */
  #ns(): number {
    this.cluster.world.run(1)
    return Math.floor(this.cluster.world.nowMs * 1e6)
  }
}

import type { ClientRequest } from '../../lib/protocol/quorum/client-request.ts'
import { World } from '../../lib/simulator/world.ts'
import type { Hash } from '../../lib/vocabulary/hash.ts'
import type { Key } from '../../lib/vocabulary/key.ts'
import { countCopies } from './audit-copies.ts'
import { checkAcknowledgedWrites } from './check-acknowledged-writes.ts'
import { checkContexts } from './check-contexts.ts'
import { checkFreshness } from './check-freshness.ts'
import type { Violation } from './check-result.ts'
import {
  ask,
  bucket,
  getRequest,
  keyName,
  SimulatedClient,
  valueBytes,
  vidIn,
  vidsOf,
  type Workload,
  writeRequest,
} from './clients.ts'
import { type NodeMaker, SimulatedCluster } from './cluster.ts'
import { answers, type Configuration, drawConfiguration } from './configuration.ts'
import { Nemesis } from './faults.ts'
import { History } from './history.ts'
import { trapLeaks } from './trap-leaks.ts'

export interface SimulationOptions {
  readonly seed: number
  readonly hash: Hash
  readonly makeNode: NodeMaker
  /** Client operations; default: drawn from the seed. */
  readonly operations?: number | undefined
  /** Replaces what the seed draws. */
  readonly change?: ((drawn: Configuration) => Configuration) | undefined
}

export interface SimulationResult {
  /** True: nothing was wrong, and something could have been. */
  readonly ok: boolean
  /** Nothing could have been wrong: the run proves nothing. */
  readonly unknown: boolean
  readonly traceHash: string
  readonly violations: readonly Violation[]
  readonly configuration: Configuration
  readonly operations: number
  /** Acknowledgements of which the copies were counted. */
  readonly audited: number
  readonly events: number
  readonly faults: number
  readonly simulatedMs: number
  readonly history: History
  /** The last lines that nodes logged. */
  readonly log: string
}

const formLimitMs = 60_000
const faultsLimitMs = 1_800_000
const recoverLimitMs = 300_000
const quiesceMs = 3000

/**
 * One cluster's life, from a seed: it forms, serves clients through faults, is healed, recovers, and is read through every
 * coordinator; then the checkers judge what the clients saw. The same seed gives the same run, event by event.
 */
export function runSimulation(options: SimulationOptions): SimulationResult {
  const drawn = drawConfiguration(options.seed, options.operations)
  const run = new Run(options.change?.(drawn) ?? drawn, options)
  const undo = trapLeaks()
  try {
    run.live()
  } catch (error) {
    // In production the process would die of it; here nothing else can be trusted after it.
    run.report('exception', error instanceof Error ? (error.stack ?? error.message) : String(error))
  } finally {
    undo()
  }
  return run.judge()
}

class Run {
  readonly #configuration: Configuration
  readonly #world: World
  readonly #cluster: SimulatedCluster
  readonly #nemesis: Nemesis
  readonly #history = new History()
  readonly #workload: Workload
  readonly #violations: Violation[] = []
  readonly #hash: Hash
  #processes = 0
  #audited = 0
  #operationsLeft: number

  constructor(configuration: Configuration, options: SimulationOptions) {
    this.#configuration = configuration
    this.#hash = options.hash
    const { seed, links, disk } = configuration
    this.#world = new World({ seed, hash: options.hash, links, disk })
    this.#cluster = new SimulatedCluster(this.#world, configuration, options.makeNode)
    this.#nemesis = new Nemesis(this.#cluster, configuration, this.#history)
    this.#operationsLeft = configuration.operations
    this.#workload = {
      cluster: this.#cluster,
      configuration,
      history: this.#history,
      acknowledged: (node, request) => this.#audit(node, request),
      nextProcess: () => {
        this.#processes += 1
        return this.#processes
      },
      takeOperation: () => {
        this.#operationsLeft -= 1
        return this.#operationsLeft >= 0
      },
    }
  }

  report(check: string, message: string): void {
    this.#violations.push({ check, key: '', values: [], at: this.#history.records.length, message })
  }

  live(): void {
    const random = this.#world.random('set-up')
    const { driftPpmMax, wallOffsetMsMax, clients } = this.#configuration
    for (const name of this.#cluster.names) {
      const { clock } = this.#world.machine(name)
      clock.driftPpm = (random.fraction() * 2 - 1) * driftPpmMax
      clock.wallOffsetMs = (random.fraction() * 2 - 1) * wallOffsetMsMax
      this.#world.after(random.fraction() * 2000, () => this.#cluster.start(name))
    }
    if (!this.#awaitReady('cluster-did-not-form', formLimitMs)) return
    const sessions = Array.from(
      { length: clients },
      (_, number) => new SimulatedClient(this.#workload, number, this.#world.random(`client ${number}`)),
    )
    for (const session of sessions) session.start()
    this.#nemesis.start()
    const isDone = this.#world.runUntil(() => sessions.every((session) => session.isIdle), faultsLimitMs)
    if (!isDone) this.report('clients-hang', 'a client never got an answer, nor its own timeout')
    this.#nemesis.heal()
    if (!this.#awaitReady('cluster-did-not-recover', recoverLimitMs)) return
    this.#scrub()
    this.#world.run(quiesceMs)
    if (this.#configuration.restartsAll) {
      for (const name of this.#cluster.names) this.#cluster.crash(name, 'kill')
      for (const name of this.#cluster.names) this.#cluster.start(name)
      if (!this.#awaitReady('cluster-did-not-recover', recoverLimitMs)) return
    }
    this.#finish()
  }

  judge(): SimulationResult {
    const { records } = this.#history
    const { r, w, replicas } = this.#configuration
    const isStrict = !this.#configuration.sloppy
    const monotonicReads = isStrict && answers(r, replicas) > replicas / 2
    const freshReads = isStrict && answers(r, replicas) + answers(w, replicas) > replicas
    const writes = checkAcknowledgedWrites(records)
    const contexts = checkContexts(records, { monotonicReads })
    const freshness = checkFreshness(records, { monotonicReads, freshReads })
    for (const reason of this.#cluster.gaveUp) this.report('node-gave-up', reason)
    const violations = [...this.#violations, ...writes.violations, ...contexts.violations, ...freshness.violations]
    const unknown = violations.length === 0 && (writes.valid === 'unknown' || contexts.valid === 'unknown')
    this.#world.trace.addText(this.#history.toLines())
    return {
      ok: violations.length === 0 && !unknown,
      unknown,
      traceHash: this.#world.trace.toString(),
      violations,
      configuration: this.#configuration,
      operations: records.filter((record) => record.t === 'invoke').length,
      audited: this.#audited,
      events: this.#world.happened,
      faults: this.#nemesis.begun,
      simulatedMs: this.#world.nowMs,
      history: this.#history,
      log: this.#world.log.format(60),
    }
  }

  #awaitReady(check: string, limitMs: number): boolean {
    let reasons: readonly string[] = []
    // Looking is not free: twice a virtual second is often enough.
    const endMs = this.#world.nowMs + limitMs
    while (this.#world.nowMs < endMs) {
      this.#world.run(500)
      reasons = this.#cluster.unreadiness()
      if (reasons.length === 0) return true
    }
    this.report(check, `after ${limitMs / 1000} s: ${reasons.join('; ')}`)
    return false
  }

  /** What no client can see: at the moment of its acknowledgement a put is on W disks. */
  #audit(name: string, request: ClientRequest): void {
    const { w, replicas, durability, timeoutMs } = this.#configuration
    const owners = this.#cluster.node(name)?.ownersOf(request.bucket, request.key)
    // A disk that was replaced just now may have been among the W.
    const isDiskNew = this.#world.nowMs - this.#nemesis.dataLostAtMs < timeoutMs * 2
    if (request.type !== 'put' || owners === undefined || isDiskNew) return
    const vid = vidIn(request.value)
    const value = { key: request.key, partition: owners.partition, vid, durability }
    const copies = countCopies(this.#world, this.#hash, value)
    if (copies === undefined) return
    this.#audited += 1
    const needed = answers(w, replicas)
    if (copies >= needed) return
    this.report('too-few-copies', `${vid} of ${request.key} is acknowledged by ${name}, w=${w}, and on ${copies} disks`)
  }

  /** Every copy is looked at once: a damaged one is found when it is read, and healed. */
  #scrub(): void {
    for (const name of this.#cluster.names) {
      const node = this.#cluster.node(name)
      for (let number = 0; number < this.#configuration.keys; number += 1) {
        this.#world.inProcess(name, () => node?.replica(bucket, keyName(number) as Key, () => {}))
      }
    }
  }

  /** Everything is whole again: every operation succeeds, and every coordinator reads the same, from all owners. */
  #finish(): void {
    this.#readEverywhere()
    this.#writeEverywhere()
    this.#readEverywhere()
  }

  #writeEverywhere(): void {
    const random = this.#world.random('last writes')
    this.#everywhere((key, node, done) => {
      const p = this.#workload.nextProcess()
      const vid = `last-${p}`
      const base = { p, s: 'last', f: 'put', k: key, vid, w: this.#configuration.w, node }
      this.#history.add({ t: 'invoke', ...base, ctx: [], ns: this.#ns() })
      const request = writeRequest(this.#configuration, 'put', key, undefined, valueBytes(vid, 0))
      ask(this.#workload, node, request, random, (ending) => {
        const error = ending.type === 'ok' ? undefined : ending.error
        this.#history.add({ t: ending.type, ...base, error, ns: this.#ns() })
        // A key may have as many siblings as it may have: that is an answer, too.
        if (error !== undefined && error !== 'too-many-siblings') {
          this.report('unavailable', `after the healing a put of ${key} at ${node} ended with ${error}`)
        }
        done()
      })
    })
  }

  #readEverywhere(): void {
    const random = this.#world.random('last reads')
    const { timeoutMs } = this.#configuration
    const shown = new Map<string, string>()
    this.#everywhere((key, node, done) => {
      const base = {
        p: this.#workload.nextProcess(),
        s: 'final',
        f: 'get',
        k: key,
        r: 'all',
        node,
        final: true as const,
      }
      this.#history.add({ t: 'invoke', ...base, ns: this.#ns() })
      ask(this.#workload, node, getRequest(key, 'all', false, timeoutMs), random, (ending) => {
        done()
        if (ending.type !== 'ok' || ending.answer.type !== 'got') {
          const error = ending.type === 'ok' ? 'a wrong answer' : ending.error
          this.#history.add({ t: 'info', ...base, error, ns: this.#ns() })
          return this.report('unavailable', `after the healing a read of ${key} at ${node} ended with ${error}`)
        }
        const vals = vidsOf(ending.answer)
        this.#history.add({ t: 'ok', ...base, vals, tok: ending.answer.context, ns: this.#ns() })
        const state = ending.answer.stateHash ?? 'nothing'
        const others = shown.get(key) ?? state
        shown.set(key, others)
        if (others !== state) this.report('diverged', `final reads of ${key} show different states`)
      })
    })
  }

  /** Does something with every key at every node at once, and waits until all of it and what it set off is over. */
  #everywhere(act: (key: string, node: string, done: () => void) => void): void {
    const { keys, timeoutMs } = this.#configuration
    let open = 0
    for (let number = 0; number < keys; number += 1) {
      for (const node of this.#cluster.names) {
        open += 1
        act(keyName(number), node, () => {
          open -= 1
        })
      }
    }
    this.#world.runUntil(() => open === 0, timeoutMs * 2 + 5000)
    if (open > 0) this.report('clients-hang', `${open} final operations never ended`)
    this.#world.run(quiesceMs)
  }

  #ns(): number {
    return Math.floor(this.#world.nowMs * 1_000_000)
  }
}

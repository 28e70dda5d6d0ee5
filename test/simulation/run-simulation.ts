import { createCryptography } from '../../lib/platform/node-cryptography.ts'
import { seededRandom, seedFor } from '../../lib/ports/random.ts'
import { World, type WorldOptions } from '../../lib/simulator/world.ts'
import type { Hash } from '../../lib/vocabulary/hash.ts'
import type { Key } from '../../lib/vocabulary/key.ts'
import { checkAcknowledgedWrites } from '../checkers/check-acknowledged-writes.ts'
import { checkContextTokens } from '../checkers/check-context-tokens.ts'
import { checkContexts } from '../checkers/check-contexts.ts'
import { type CopyPromises, checkCopies } from '../checkers/check-copies.ts'
import { checkDeletes } from '../checkers/check-deletes.ts'
import { checkFreshness } from '../checkers/check-freshness.ts'
import { checkLastWriteWins } from '../checkers/check-last-write-wins.ts'
import type { CheckResult, Violation } from '../checkers/check-result.ts'
import { checkSessions } from '../checkers/check-sessions.ts'
import { History, type HistoryRecord } from '../checkers/history.ts'
import { type ClientDriver, DrawnClient, ScriptedClient } from './client-drivers.ts'
import {
  answered,
  ask,
  bucket,
  getRequest,
  getRequestOfAll,
  keyName,
  SimulatedClient,
  valueBytes,
  vidsOf,
  type Workload,
  writeRequest,
} from './clients.ts'
import { type NodeMaker, SimulatedCluster } from './cluster.ts'
import { answers, type Configuration, drawConfiguration, type FaultKind, type Scale } from './configuration.ts'
import { Nemesis } from './faults.ts'
import { FinalPhase, shortGraceSeconds } from './final-phase.ts'
import { LivenessPhase } from './liveness-phase.ts'
import { OnlineAudit } from './online-audit.ts'
import { Operator } from './operator.ts'
import { SecretRotator } from './rotate-secret.ts'
import type { ClientOperation, Script } from './script.ts'
import { TokenMakers } from './token-makers.ts'
import { trapLeaks } from './trap-leaks.ts'

export interface SimulationOptions {
  readonly seed: number
  readonly hash: Hash
  readonly makeNode: NodeMaker
  /** Client operations; default: drawn from the seed. */
  readonly operations?: number | undefined
  /** How many, and in how long a time, when they are drawn; default: brief. */
  readonly scale?: Scale | undefined
  /** Somebody changes the cluster in any case; default: in more than a third of the seeds. */
  readonly hasChurn?: boolean | undefined
  /** What is done and what is broken; default: drawn from the seed. */
  readonly script?: Script | undefined
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
  /** The run as it can be done again. */
  readonly script: Script
  readonly operations: number
  /** Acknowledgements of which the copies were counted. */
  readonly audited: number
  readonly events: number
  readonly faults: number
  readonly simulatedMs: number
  readonly history: History
  /** How often what happened, by name. */
  readonly probes: Readonly<Record<string, number>>
  /** The last lines that nodes logged. */
  readonly log: string
}

const formLimitMs = 60_000
/** Beyond what clients think and wait. */
const faultsLimitMs = 1_800_000
const recoverLimitMs = 300_000
/** Whatever an operator has begun is over by then. */
const operatorLimitMs = 300_000
const quiesceMs = 1500
/** What was lost on a bad link is sent again after so long. */
const calmMs = 3000
/** What is set for a bucket is in force everywhere by then. */
const bucketInForceMs = 5000
/** After its deadline a write still sees to it that absent owners get it, for so long at most. */
const writeEndsMs = 10_000
const unwrittenKeys = 3
/** Members are known to be away by then: a node that reaches nobody is slow to blame the others. */
const detectionLimitMs = 120_000

/**
 * One cluster's life, from a seed: it forms, serves clients through faults, is healed, recovers, and is read through every
 * coordinator; then the checkers judge what the clients saw. The same seed gives the same run, event by event.
 */
export function runSimulation(options: SimulationOptions): SimulationResult {
  const drawn = drawConfiguration(options.seed, options)
  const run = new Run(options.script?.configuration ?? options.change?.(drawn) ?? drawn, options)
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
  readonly #operator: Operator | undefined
  readonly #rotator: SecretRotator | undefined
  readonly #tokenMakers: TokenMakers | undefined
  readonly #history = new History()
  readonly #workload: Workload
  readonly #violations: Violation[] = []
  readonly #script: Script | undefined
  readonly #written: ClientOperation[] = []
  #clientsBeganMs = 0
  #lastedMs = 0
  readonly #hash: Hash
  #processes = 0
  readonly #audit: OnlineAudit
  /** Where in the history the first copies were looked at, and the last. */
  #copiesAt: { readonly from: number; readonly to: number } | undefined
  #lastCopiesAt: number | undefined
  #operationsLeft: number
  readonly #finalPhase: FinalPhase

  constructor(configuration: Configuration, options: SimulationOptions) {
    this.#configuration = configuration
    this.#hash = options.hash
    const { seed, links, disk } = configuration
    this.#world = new World({
      seed,
      hash: options.hash,
      createCryptography,
      links,
      disk,
      valueLog: valueLogOf(configuration),
    })
    this.#cluster = new SimulatedCluster(this.#world, configuration, options.makeNode)
    this.#script = options.script
    this.#nemesis = new Nemesis(this.#cluster, configuration, this.#history, options.script?.faults)
    const { churn } = configuration
    this.#operator =
      churn === undefined
        ? undefined
        : new Operator(this.#cluster, {
            configuration,
            churn,
            history: this.#history,
            hash: options.hash,
            report: (check, message) => this.report(check, message),
          })
    const { rotateEveryMs } = configuration
    this.#rotator =
      rotateEveryMs === undefined
        ? undefined
        : new SecretRotator(this.#cluster, rotateEveryMs, this.#world.random('rotation'), (check, message) =>
            this.report(check, message),
          )
    this.#tokenMakers =
      configuration.asksForTokens === true
        ? new TokenMakers(this.#cluster, this.#world.random('tokens'), (check, message) => this.report(check, message))
        : undefined
    this.#operationsLeft = configuration.operations
    this.#audit = new OnlineAudit(this.#cluster, configuration, {
      hash: options.hash,
      dataLostAtMs: () => this.#nemesis.dataLostAtMs,
      report: (check, message) => this.report(check, message),
    })
    this.#finalPhase = new FinalPhase(this.#cluster, configuration, {
      history: this.#history,
      hash: options.hash,
      report: (check, message) => this.report(check, message),
    })
    this.#workload = {
      cluster: this.#cluster,
      configuration,
      history: this.#history,
      acknowledged: (...told) => this.#audit.acknowledged(...told),
      nextProcess: () => {
        this.#processes += 1
        return this.#processes
      },
      takeOperation: () => {
        this.#operationsLeft -= 1
        return this.#operationsLeft >= 0
      },
      write: (operation) => this.#written.push({ atMs: this.#world.nowMs - this.#clientsBeganMs, ...operation }),
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
      if (this.#cluster.isWanted(name)) this.#world.after(random.fraction() * 2000, () => this.#cluster.start(name))
    }
    if (!this.#awaitReady('cluster-did-not-form', formLimitMs) || !this.#setBucket()) return
    this.#clientsBeganMs = this.#world.nowMs
    const drivers = Array.from({ length: clients }, (_, number) => this.#driver(number))
    for (const driver of drivers) driver.start()
    // Drawn clients think for a while before they find that nothing is left to do.
    let isOver = false
    this.#world.after(this.#script?.lastsMs ?? 0, () => {
      isOver = true
    })
    this.#nemesis.start()
    this.#operator?.start()
    this.#rotator?.start()
    this.#tokenMakers?.start()
    this.#audit.start()
    const isIdle = (): boolean => isOver && this.#nemesis.isIdle && drivers.every((driver) => driver.isIdle)
    const isDone = this.#world.runUntil(isIdle, faultsLimitMs + this.#busyMs())
    if (!isDone) this.report('clients-hang', 'a client never got an answer, nor its own timeout')
    this.#lastedMs = this.#world.nowMs - this.#clientsBeganMs
    this.#audit.stop()
    this.#nemesis.stop()
    this.#operator?.stop()
    this.#rotator?.stop()
    this.#tokenMakers?.stop()
    this.#world.run(Math.max(0, this.#nemesis.absentUntilMs - this.#world.nowMs))
    if (this.#configuration.triesLiveness === true && !this.#tryLiveness()) return
    if (this.#configuration.triesAvailability && !this.#tryAvailability()) return
    this.#operator?.releaseAll()
    this.#nemesis.heal()
    if (this.#operator?.finish(operatorLimitMs) === false) {
      return this.report(
        'change-never-ends',
        `after ${operatorLimitMs / 1000} s: ${this.#operator.unsettled().join('; ')}`,
      )
    }
    if (!this.#awaitReady('cluster-did-not-recover', recoverLimitMs)) return
    this.#scrub()
    this.#world.run(calmMs)
    this.#finalPhase.bringTogether()
    if (this.#configuration.restartsAll) {
      for (const name of this.#cluster.wanted) this.#cluster.crash(name, 'kill')
      for (const name of this.#cluster.wanted) this.#cluster.start(name)
      if (!this.#awaitReady('cluster-did-not-recover', recoverLimitMs)) return
    }
    if (this.#configuration.churn !== undefined) this.#finalPhase.lookAtOwners()
    this.#tokenMakers?.finish()
    this.#finalPhase.expectSilence()
    const from = this.#history.records.length
    this.#finalPhase.lookAtCopies()
    this.#copiesAt = { from, to: this.#history.records.length }
    this.#finish()
    this.#lastCopiesAt = this.#history.records.length
    this.#finalPhase.lookAtCopies()
    this.#audit.expectNothingWaits()
    this.#finalPhase.compareTrees()
  }

  /** Twice what clients think on average, and every operation tried as often and for as long as can be. */
  #busyMs(): number {
    const { operations, clients, thinkMs, timeoutMs, retries } = this.#configuration
    const waitMs = (timeoutMs + 1000) * (retries ? 4 : 1)
    return (operations / Math.max(1, clients)) * (2 * thinkMs + waitMs)
  }

  #driver(number: number): ClientDriver {
    const client = new SimulatedClient(this.#workload, number)
    return this.#script === undefined
      ? new DrawnClient(client, this.#workload, this.#world.random(`client ${number}`))
      : new ScriptedClient(client, this.#workload, this.#script.operations)
  }

  judge(): SimulationResult {
    const { records } = this.#history
    const results = this.#check(records)
    for (const reason of this.#cluster.gaveUp) this.report('node-gave-up', reason)
    for (const reason of this.#cluster.alarms()) this.report('alarm', reason)
    const violations = [...this.#violations, ...results.flatMap((result) => result.violations)]
    const unknown = violations.length === 0 && results.some(({ valid }) => valid === 'unknown')
    this.#world.trace.addText(this.#history.toLines())
    this.#cluster.takeAllCounts()
    this.#cluster.probes.takeHistory(records)
    return {
      ok: violations.length === 0 && !unknown,
      unknown,
      traceHash: this.#world.trace.toString(),
      violations,
      configuration: this.#configuration,
      script: {
        seed: this.#world.seed,
        configuration: this.#configuration,
        lastsMs: this.#lastedMs,
        operations: this.#written,
        faults: this.#nemesis.written,
      },
      operations: records.filter((record) => record.t === 'invoke').length,
      audited: this.#audit.audited,
      events: this.#world.happened,
      faults: this.#nemesis.begun,
      simulatedMs: this.#world.nowMs,
      history: this.#history,
      probes: this.#cluster.probes.counts,
      log: this.#world.log.format(60),
    }
  }

  /** Only what could be checked of this run, so that none of it may be unknown. */
  #check(records: readonly HistoryRecord[]): readonly CheckResult[] {
    const { r, w, replicas, sloppy, readRepair, conflict, sessions } = this.#configuration
    const isMajority = !sloppy && answers(r, replicas) > replicas / 2
    const monotonicReads = isMajority && readRepair === 'blocking'
    const freshReads = !sloppy && answers(r, replicas) + answers(w, replicas) > replicas
    const promises = { monotonicReads, freshReads }
    const copies = this.#checkCopies(records)
    if (conflict === 'lww') return [checkLastWriteWins(records, promises), ...copies]
    return [
      checkAcknowledgedWrites(records),
      checkContexts(records, promises),
      known(checkContextTokens(records)),
      // These may have nothing to compare in a run that has little of it.
      known(checkDeletes(records, promises)),
      known(checkFreshness(records, promises)),
      ...(sessions ? [known(checkSessions(records))] : []),
      ...copies,
    ]
  }

  #checkCopies(records: readonly HistoryRecord[]): readonly CheckResult[] {
    const { antiEntropy, readRepair, tombstoneGraceSeconds, retries, conflict } = this.#configuration
    const isLastWriteWins = conflict === 'lww'
    const mayBeGone = antiEntropy && !retries && tombstoneGraceSeconds <= shortGraceSeconds
    const { goneIfBefore } = this.#finalPhase
    const tombstones = mayBeGone ? { goneIfBefore } : tombstoneGraceSeconds > shortGraceSeconds ? 'kept' : undefined
    const results: CheckResult[] = []
    if (this.#copiesAt !== undefined) {
      const handedOver = this.#handedOver(records.slice(0, this.#copiesAt.from))
      const promises: CopyPromises = { converged: antiEntropy, handedOver, tombstones, isLastWriteWins }
      results.push(known(checkCopies(records.slice(0, this.#copiesAt.to), promises)))
    }
    if (this.#lastCopiesAt !== undefined) {
      // By now everything was read, from all owners.
      const converged = antiEntropy || readRepair !== 'off'
      const promises: CopyPromises = { converged, handedOver: new Set(), tombstones: undefined, isLastWriteWins }
      const isProbe = ({ p, i }: HistoryRecord): boolean => p === 'probe' && i < (this.#lastCopiesAt as number)
      results.push(
        known(
          checkCopies(
            records.filter((record) => !isProbe(record)),
            promises,
          ),
        ),
      )
    }
    return results
  }

  /**
   * Writes that every owner must have got by itself: with anti-entropy all that were acknowledged; with hints alone those
   * whose coordinator lived long enough to see who had them.
   */
  #handedOver(records: readonly HistoryRecord[]): ReadonlySet<string> {
    const { antiEntropy, hints, faults, timeoutMs } = this.#configuration
    const vids = new Set<string>()
    const isComplete = antiEntropy || (hints && !faults.some(losesHints))
    if (!isComplete) return vids
    const invokedMs = new Map<number, number>()
    for (const { t, p, vid, by, ns } of records) {
      if (typeof p !== 'number' || vid === undefined) continue
      if (t === 'invoke') invokedMs.set(p, ns / 1e6)
      if (t !== 'ok') continue
      const fromMs = invokedMs.get(p) ?? 0
      const toMs = ns / 1e6 + timeoutMs + writeEndsMs
      const hasEnded = this.#cluster.endings.some(
        ({ name, atMs }) => (name === by || by === undefined) && atMs >= fromMs && atMs <= toMs,
      )
      if (antiEntropy || !hasEnded) vids.add(vid)
    }
    return vids
  }

  /** Properties that requests cannot give themselves. */
  #setBucket(): boolean {
    const { conflict } = this.#configuration
    if (conflict === 'siblings') return true
    const first = this.#cluster.starters[0] as string
    let failure: string | undefined = 'no answer'
    this.#world.inProcess(first, () => {
      this.#cluster.node(first)?.setBucketProperties(bucket, { conflict }, 5000, (error) => {
        failure = error?.message
      })
    })
    this.#world.run(bucketInForceMs)
    if (failure !== undefined) this.report('bucket-not-set', failure)
    return failure === undefined
  }

  /** A few nodes are well, in the middle of what is broken, or after everybody was: what they own enough of must work. */
  #tryLiveness(): boolean {
    const phase = new LivenessPhase(this.#workload, (check, message) => this.report(check, message))
    if (phase.beginsAmidst) {
      this.#nemesis.freeze()
    } else {
      this.#nemesis.heal()
      if (!this.#awaitReady('cluster-did-not-recover', recoverLimitMs)) return false
      // A damaged copy takes no write before all its other owners were asked for theirs.
      this.#scrub()
      this.#world.run(quiesceMs)
    }
    phase.live()
    return true
  }

  /**
   * Some nodes are down or cut off, at least one is not: once the others have noticed, each of these takes writes at W=1,
   * whoever owns the key.
   */
  #tryAvailability(): boolean {
    const random = this.#world.random('availability')
    const { names } = this.#cluster
    this.#nemesis.heal()
    if (!this.#awaitReady('cluster-did-not-recover', recoverLimitMs)) return false
    // A damaged copy takes no write before all its other owners were asked for theirs.
    this.#scrub()
    this.#world.run(quiesceMs)
    const side = names.filter(() => random.below(2) === 0)
    const isCut = side.length > 0 && random.below(2) === 0
    const links = this.#world.network.links()
    if (isCut) {
      for (const link of links) if (side.includes(link.from.name) !== side.includes(link.to.name)) link.cut()
    } else {
      for (const name of side.slice(0, names.length - 1)) this.#cluster.crash(name, 'kill')
    }
    const reaches = (from: string, to: string): boolean =>
      this.#cluster.isRunning(to) && (!isCut || side.includes(from) === side.includes(to))
    if (!this.#awaitDetection(reaches)) return false
    this.#readUnwritten(reaches)
    const options = { ...this.#configuration, w: 1, pw: 0, keys: Math.min(2, this.#configuration.keys) }
    this.#putEverywhere('trial', options, (key, node, error) =>
      this.report('unavailable', `a sloppy put of ${key} with w=1 at ${node} ended with ${error}`),
    )
    return true
  }

  /** Until every node that runs knows of all whom it does not reach that they are away. */
  #awaitDetection(reaches: (from: string, to: string) => boolean): boolean {
    const { names } = this.#cluster
    const unaware = (): readonly string[] =>
      names.filter((from) => {
        const members = this.#cluster.node(from)?.status().members ?? []
        return members.some(({ name, state }) => (state === 'alive' || state === 'suspect') && !reaches(from, name))
      })
    const endMs = this.#world.nowMs + detectionLimitMs
    while (this.#world.nowMs < endMs) {
      this.#world.run(1000)
      if (unaware().length === 0) return true
    }
    this.report('away-unnoticed', `${detectionLimitMs / 1000} s after others went away: ${unaware().join(', ')}`)
    return false
  }

  /** Of a key that nobody wrote, whoever reaches none of its owners must not say that there is nothing (docs/rules.md Q3). */
  #readUnwritten(reaches: (from: string, to: string) => boolean): void {
    const random = this.#world.random('unwritten')
    let open = 0
    for (const node of this.#cluster.names) {
      for (let number = 0; number < unwrittenKeys && this.#cluster.isRunning(node); number += 1) {
        const key = `unwritten-${number}`
        const owners = this.#cluster.node(node)?.ownersOf(bucket, key as Key)?.owners ?? []
        const isCutOff = owners.every((owner) => !reaches(node, this.#cluster.nameOf(owner) ?? node))
        if (!isCutOff) continue
        open += 1
        const request = getRequest({ ...this.#configuration, r: 1, pr: 0, sloppy: true }, key)
        ask(this.#workload, node, request, random, (ending) => {
          open -= 1
          if (ending.type !== 'ok') return
          this.report('fallback-said-absent', `${node} reaches no owner of ${key}, and says that it is not there`)
        })
      }
    }
    this.#world.runUntil(() => open === 0, this.#configuration.timeoutMs * 2 + 5000)
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
    this.#putEverywhere('last', this.#configuration, (key, node, error) => {
      this.report('unavailable', `after the healing a put of ${key} at ${node} ended with ${error}`)
    })
  }

  #putEverywhere(
    session: string,
    configuration: Configuration,
    failed: (key: string, node: string, error: string) => void,
  ): void {
    const random = this.#world.random(`${session} writes`)
    this.#everywhere(configuration.keys, (key, node, done) => {
      const p = this.#workload.nextProcess()
      const vid = `${session}-${p}`
      const base = { p, s: session, f: 'put', k: key, vid, w: configuration.w, node }
      this.#history.add({ t: 'invoke', ...base, ctx: [], ns: this.#ns() })
      const request = writeRequest(configuration, 'put', key, undefined, valueBytes(vid, 0))
      ask(this.#workload, node, request, random, (ending) => {
        const error = ending.type === 'ok' ? undefined : ending.error
        const more = ending.type === 'ok' ? answered(this.#cluster, ending.answer) : {}
        this.#history.add({ t: ending.type, ...base, error, ...more, ns: this.#ns() })
        // A key may have as many siblings as it may have: that is an answer, too.
        const isAnswer =
          error === 'too-many-siblings' || (error === 'quorum-unavailable' && this.#hasTooFewOwners(node, key))
        if (error !== undefined && !isAnswer) failed(key, node, error)
        done()
      })
    })
  }

  /** Operators whose wishes stood there together may have left fewer members than there should be copies. */
  #hasTooFewOwners(node: string, key: string): boolean {
    const { w, replicas } = this.#configuration
    const owners = this.#cluster.node(node)?.ownersOf(bucket, key as Key)?.owners
    return owners !== undefined && owners.length < answers(w, replicas)
  }

  #readEverywhere(): void {
    const random = this.#world.random('last reads')
    const shown = new Map<string, string>()
    this.#everywhere(this.#configuration.keys, (key, node, done) => {
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
      ask(this.#workload, node, getRequestOfAll(this.#configuration, key), random, (ending) => {
        done()
        if (ending.type !== 'ok' || ending.answer.type !== 'got') {
          const error = ending.type === 'ok' ? 'a wrong answer' : ending.error
          this.#history.add({ t: 'info', ...base, error, ns: this.#ns() })
          return this.report('unavailable', `after the healing a read of ${key} at ${node} ended with ${error}`)
        }
        const vals = vidsOf(ending.answer)
        this.#history.add({
          t: 'ok',
          ...base,
          vals,
          tok: ending.answer.context,
          ...answered(this.#cluster, ending.answer),
          ns: this.#ns(),
        })
        const state = ending.answer.stateHash ?? 'nothing'
        const others = shown.get(key) ?? state
        shown.set(key, others)
        if (others !== state) this.report('diverged', `final reads of ${key} show different states`)
      })
    })
  }

  /** Does something with the keys at every node that runs at once, and waits until all of it and what it set off is over. */
  #everywhere(keys: number, act: (key: string, node: string, done: () => void) => void): void {
    const { timeoutMs } = this.#configuration
    let open = 0
    for (let number = 0; number < keys; number += 1) {
      for (const node of this.#cluster.names) {
        if (!this.#cluster.isRunning(node)) continue
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

/** A run may have nothing of it, and is checked all the same. */
function known(result: CheckResult): CheckResult {
  return result.valid === 'unknown' ? { ...result, valid: true } : result
}

/** Faults after which hints alone cannot bring copies together. */
function losesHints(kind: FaultKind): boolean {
  return ['wipe', 'roll-back', 'flip-bit', 'bare-return', 'disk-full', 'disk-error'].includes(kind)
}

function valueLogOf({ seed, valueLog, switchesValueLog }: Configuration): WorldOptions['valueLog'] {
  if (valueLog === undefined || switchesValueLog !== true) return valueLog
  return (life) => ({ ...valueLog, isDraining: seededRandom(seedFor(seed, `${life}/drains`)).below(2) === 0 })
}

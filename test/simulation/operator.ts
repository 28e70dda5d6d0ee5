import type { CommitAnswer, Done, PlanView, StageRequest } from '../../lib/node/node-api.ts'
import type { LayoutVersion } from '../../lib/protocol/layout/layout-version.ts'
import type { World } from '../../lib/simulator/world.ts'
import type { StarlingError } from '../../lib/vocabulary/errors.ts'
import type { Hash } from '../../lib/vocabulary/hash.ts'
import type { NodeId } from '../../lib/vocabulary/ids.ts'
import type { Random } from '../../lib/vocabulary/random.ts'
import type { History } from '../checkers/history.ts'
import type { Churn, ChurnKind } from './churn.ts'
import type { DrivenNode, SimulatedCluster } from './cluster.ts'
import { answers, type Configuration, dataLosing, pick } from './configuration.ts'
import { StoredLayouts } from './stored-layout.ts'

/** What somebody wants of one node, until it has come about or was given up. */
interface Wish {
  readonly name: string
  readonly request: Omit<StageRequest, 'node' | 'with'>
  /** The machine whose node takes the place. */
  readonly successor: string | undefined
  readonly sinceMs: number
  /** Given up then. */
  readonly untilMs: number
}

const commitTimeoutMs = 4000
/** A node that was started with `--join` stages itself; one that has not by then is staged by hand. */
const stagesItselfMs = 4000
const patienceMs = 25_000
const abortWithinMs = 1500
const lookEveryMs = 50
const finishEveryMs = 500
/** Of nodes that are known to be away somebody must know it: longer than a suspicion lasts. */
const cutMs = 20_000

/**
 * A patient person at the keyboard: wants nodes in and out, looks at the plan, commits what it says, again and again
 * until it has come about, changes their mind, and has a colleague who commits something else at the same time. Refuses
 * what no operator should do: to take away a majority of those who decide, or every copy that some write counts on.
 */
export class Operator {
  readonly #cluster: SimulatedCluster
  readonly #world: World
  readonly #configuration: Configuration
  readonly #churn: Churn
  readonly #history: History
  readonly #layouts: StoredLayouts
  readonly #report: (check: string, message: string) => void
  /** The hash of every version that some disk has held as decided, by its number. */
  readonly #decided = new Map<number, string>()
  readonly #random: Random
  readonly #wishes = new Map<string, Wish>()
  /** Down until somebody lets them return: they are to be excluded. */
  readonly #held = new Set<string>()
  /** They were excluded, and are to be members again once they are let go. */
  readonly #returning = new Set<string>()
  /** Plans are refused while the members that must be alive are not: no reason to give up while things are broken. */
  #refusedSinceMs: number | undefined
  /** Calls that are not answered yet, and since when. */
  readonly #asked = new Map<object, number>()
  #lastPlan: string | undefined
  #isStopped = false
  #isFinishing = false

  constructor(
    cluster: SimulatedCluster,
    parts: {
      readonly configuration: Configuration
      readonly churn: Churn
      readonly history: History
      readonly hash: Hash
      readonly report: (check: string, message: string) => void
    },
  ) {
    this.#report = parts.report
    this.#cluster = cluster
    this.#world = cluster.world
    this.#configuration = parts.configuration
    this.#churn = parts.churn
    this.#history = parts.history
    this.#layouts = new StoredLayouts(parts.hash)
    this.#random = cluster.world.random('operator')
  }

  start(): void {
    this.#wishLater()
    this.#commitLater()
  }

  /** Wants nothing new; what is wanted stays so. */
  stop(): void {
    this.#isStopped = true
  }

  /** Lets whoever was held down return. */
  releaseAll(): void {
    for (const name of [...this.#held]) this.#release(name)
  }

  /** Carries out what is pending, or gives it up; false when it does not come to an end. */
  finish(limitMs: number): boolean {
    this.#isStopped = true
    this.#isFinishing = true
    this.releaseAll()
    if (this.#churn.ending === 'abort') this.#giveUp()
    const endMs = this.#world.nowMs + limitMs
    while (this.#world.nowMs < endMs) {
      this.#world.run(finishEveryMs)
      const isSettled = this.unsettled().length === 0
      if (isSettled && !this.#isAnswerDue()) return true
      // What was asked for until now may still be decided; nothing more is.
      if (isSettled) continue
      this.#takeBack()
      this.#clearRefused()
      this.#tend()
      this.#planAndCommit(this.#anyNode())
    }
    return false
  }

  /** What is still to happen before nobody has anything to do. */
  unsettled(): readonly string[] {
    const newest = this.#newest()
    if (newest === undefined) return ['there is no layout']
    const reasons: string[] = this.#waits()
    for (const name of this.#cluster.running) {
      const live = this.#layouts.documentOn(this.#world.machine(name).disk)?.live ?? []
      const numbers = live.map(({ version }) => version.number)
      if (numbers.length !== 1 || numbers[0] !== newest.number) reasons.push(`${name} has layouts ${numbers.join()}`)
    }
    for (const id of excludedMembers(newest)) reasons.push(`${this.#nameOf(id)} is excluded`)
    for (const id of newest.awaited) reasons.push(`${this.#nameOf(id)} is awaited`)
    for (const name of this.#returning) reasons.push(`${name} is to return`)
    for (const { name, request } of this.#wishes.values()) reasons.push(`${name} is to ${request.action}`)
    return reasons
  }

  /** Whom a change that is running waits for. */
  #waits(): string[] {
    return this.#cluster.running.flatMap((name) => {
      const transition = this.#cluster.node(name)?.status().transition
      if (transition === undefined) return []
      const { stage, waitingFor } = transition
      return [`${name}: ${stage}, waits for ${waitingFor.map((one) => one.name).join(' and ')}`]
    })
  }

  // Wishes

  #wishLater(): void {
    this.#world.after(this.#churn.everyMs * 2 * this.#random.fraction(), () => {
      if (this.#isStopped) return
      this.#wish(pick(this.#random, this.#churn.kinds))
      this.#wishLater()
    })
  }

  #wish(kind: ChurnKind): void {
    // Whoever was held down may come back at any time.
    const [first] = this.#held
    if (first !== undefined && this.#random.below(4) === 0) this.#release(first)
    switch (kind) {
      case 'join':
        return this.#wishJoin()
      case 'leave': {
        const name = this.#member()
        return name === undefined || !this.#mayLose() ? undefined : this.#add(name, { action: 'leave' })
      }
      case 'replace-living':
      case 'replace-dead': {
        const name = this.#member()
        const successor = this.#spare()
        if (name === undefined || successor === undefined) return
        const isDead = kind === 'replace-dead'
        if (isDead && !this.#mayHold(name)) return
        if (isDead) this.#hold(name)
        this.#cluster.bring(successor)
        return this.#add(name, { action: 'replace', force: !isDead }, successor)
      }
      case 'exclude': {
        const name = this.#member()
        if (name === undefined || !this.#mayHold(name)) return
        this.#hold(name)
        return this.#add(name, { action: 'exclude' })
      }
      case 'set': {
        const name = this.#member()
        return name === undefined ? undefined : this.#add(name, this.#change())
      }
      case 'abort':
        return this.#abortSoon(400)
      case 'compete':
        return this.#compete()
    }
  }

  #wishJoin(): void {
    const name = this.#spare()
    if (name === undefined) return
    this.#cluster.bring(name)
    this.#add(name, { action: 'join' })
  }

  #change(): Wish['request'] {
    if (this.#random.below(3) === 0) return { action: 'set', zone: pick(this.#random, ['default', 'other']) }
    return { action: 'set', weight: pick(this.#random, [0.5, 1, 2]) }
  }

  #add(name: string, request: Wish['request'], successor?: string): void {
    const { nowMs } = this.#world
    this.#wishes.set(name, { name, request, successor, sinceMs: nowMs, untilMs: nowMs + patienceMs })
    this.#record(
      `want-${request.action}`,
      successor === undefined ? { name, ...request } : { name, successor, ...request },
    )
  }

  /** Two people want different things, of two nodes that may not see each other. */
  #compete(): void {
    const a = this.#anyNode()
    const b = this.#anyNode()
    const isCut = this.#random.below(2) === 0
    if (a === undefined || b === undefined || a === b) return
    // What each side takes the other for takes its time; and what is known to be away may be excluded.
    const excludes = isCut && this.#churn.kinds.includes('exclude') && this.#mayHold(a)
    this.#record('compete', { a, b, isCut, excludes })
    if (isCut) this.#cutOff(a)
    const wanted = (): Wish['request'] => (excludes ? { action: 'exclude' } : this.#change())
    const afterMs = excludes ? cutMs * (0.5 + 0.5 * this.#random.fraction()) : this.#random.below(200)
    const requestOfA = wanted()
    const requestOfB = wanted()
    this.#world.after(afterMs, () => {
      for (const [at, node, request] of [
        [a, b, requestOfA],
        [b, a, requestOfB],
      ] as const) {
        const id = this.#cluster.idOf(node)
        if (id === undefined) continue
        this.#call<unknown>(
          at,
          (one, done) => one.stage({ ...request, node: id }, done),
          () => this.#planAndCommit(at),
        )
      }
    })
  }

  #cutOff(name: string): void {
    const links = this.#world.network.links().filter(({ from, to }) => (from.name === name) !== (to.name === name))
    for (const link of links) link.cut()
    this.#world.after(cutMs, () => {
      if (!this.#isStopped) for (const link of links) link.heal()
    })
  }

  /** As soon as something moves, and then a moment later. */
  #abortSoon(looks: number): void {
    if (looks === 0 || this.#isStopped) return
    if (!this.#isMoving()) {
      this.#world.after(lookEveryMs, () => this.#abortSoon(looks - 1))
      return
    }
    this.#world.after(abortWithinMs * this.#random.fraction(), () => {
      if (this.#isStopped) return
      this.#abort(this.#anyNode())
      if (this.#random.below(2) === 0) this.#giveUp()
    })
  }

  // What an operator must not do

  /** A member that nothing is wanted of yet. */
  #member(): string | undefined {
    const names = this.#members().filter((name) => !this.#wishes.has(name) && !this.#held.has(name))
    return names.length === 0 ? undefined : pick(this.#random, names)
  }

  /** A machine on which nothing runs, and nothing should. */
  #spare(): string | undefined {
    const ids = new Set(this.#newest()?.nodes.map(({ id }) => id))
    const names = this.#cluster.names.filter((name) => {
      const id = this.#cluster.idOf(name)
      const isFree = !this.#cluster.isWanted(name) && !this.#held.has(name) && !this.#wishes.has(name)
      return isFree && !this.#cluster.isRunning(name) && (id === undefined || !ids.has(id))
    })
    return names.length === 0 ? undefined : pick(this.#random, names)
  }

  /** One member fewer are still as many as a key has owners. */
  #mayLose(): boolean {
    let count = this.#members().length
    for (const { request } of this.#wishes.values()) if (request.action === 'leave') count -= 1
    return count > this.#configuration.replicas
  }

  /**
   * Somebody's older wish may still stand among what is staged, of a node that has left and come back since: of the plan
   * itself a key needs as many owners as it has copies, or as many as there are members now.
   */
  #leavesTooFew({ shares }: PlanView): boolean {
    const left = shares.filter(({ after }) => after > 0).length
    return left < Math.min(this.#configuration.replicas, this.#members().length)
  }

  #mayHold(name: string): boolean {
    const id = this.#cluster.idOf(name)
    return id !== undefined && this.#mayMiss([id])
  }

  /**
   * Of those who decide a majority stays; and of the W that hold a write at least one. Where a disk may lose what it had,
   * nobody may be missing besides.
   */
  #mayMiss(more: readonly NodeId[]): boolean {
    const newest = this.#newest()
    if (newest === undefined) return false
    const { w, replicas, faults } = this.#configuration
    const missing = new Set<NodeId | undefined>([...newest.awaited, ...excludedMembers(newest), ...more])
    for (const held of this.#held) missing.add(this.#cluster.idOf(held))
    const acceptors = newest.nodes.filter(({ id }) => !newest.excluded.includes(id))
    const left = acceptors.filter(({ id }) => !missing.has(id)).length
    const isDurable = !faults.some((kind) => dataLosing.includes(kind))
    return isDurable && missing.size < answers(w, replicas) && left > Math.floor(acceptors.length / 2)
  }

  /** Those that would be excluded because they are away just now: looked at before anything is committed. */
  #goneBy(at: string, { staged }: PlanView): readonly NodeId[] {
    const members = this.#cluster.node(at)?.status().members ?? []
    const isAlive = (id: NodeId): boolean => members.some((member) => member.id === id && member.state === 'alive')
    const isGoing = new Set<StageRequest['action']>(['leave', 'replace', 'exclude'])
    const newest = this.#newest()
    const isMember = (id: NodeId): boolean =>
      newest?.nodes.some((node) => node.id === id) === true && !newest.excluded.includes(id)
    return staged
      .filter(({ action, node }) => isGoing.has(action) && isMember(node) && !isAlive(node))
      .map(({ node }) => node)
  }

  #hold(name: string): void {
    this.#held.add(name)
    this.#cluster.hold(name)
    this.#record('hold', name)
  }

  #release(name: string): void {
    this.#held.delete(name)
    this.#cluster.bring(name)
    this.#record('release', name)
  }

  // Having it done

  #commitLater(): void {
    this.#world.after(this.#churn.commitEveryMs * 2 * this.#random.fraction(), () => {
      if (this.#isStopped) return
      this.#clearRefused()
      this.#tend()
      this.#planAndCommit(this.#anyNode())
      this.#commitLater()
    })
  }

  /** Forgets what has come about or takes too long, and says again what nobody seems to have heard. */
  #tend(): void {
    const newest = this.#newest()
    if (newest === undefined) return
    for (const wish of [...this.#wishes.values()]) {
      if (this.#hasComeAbout(wish, newest)) this.#wishes.delete(wish.name)
      else if (this.#world.nowMs > wish.untilMs) this.#forgetWish(wish)
      else if (!this.#isStaged(wish)) this.#stage(wish)
    }
    this.#restore(newest)
  }

  /** Who was excluded, is back, and has pushed what it held goes for good; or is a member anew after that. */
  #restore(newest: LayoutVersion): void {
    const isFew = newest.nodes.length <= this.#configuration.replicas
    for (const id of excludedMembers(newest)) {
      const name = this.#cluster.nameOf(id)
      if (name === undefined || this.#wishes.has(name) || newest.awaited.includes(id)) continue
      if (!this.#isFinishing && (isFew || this.#random.below(8) > 0)) continue
      this.#add(name, { action: 'leave' })
      if (isFew || this.#random.below(2) === 0) this.#returning.add(name)
    }
    for (const name of this.#returning) {
      const id = this.#cluster.idOf(name)
      if (id === undefined || this.#wishes.has(name) || newest.nodes.some((node) => node.id === id)) continue
      this.#returning.delete(name)
      this.#add(name, { action: 'join' })
    }
  }

  #hasComeAbout({ name, request }: Wish, newest: LayoutVersion): boolean {
    const id = this.#cluster.idOf(name)
    const node = newest.nodes.find((one) => one.id === id)
    const isExcluded = id !== undefined && newest.excluded.includes(id)
    switch (request.action) {
      case 'join':
        return node !== undefined && !isExcluded
      case 'leave':
      case 'replace':
        return node === undefined
      case 'exclude':
        return node === undefined || isExcluded
      case 'set':
        return (
          node === undefined ||
          ((request.weight === undefined || node.weight === request.weight) &&
            (request.zone === undefined || node.zone === request.zone))
        )
      case 'clear':
        return true
    }
  }

  #isStaged({ name, request, sinceMs }: Wish): boolean {
    if (request.action === 'join' && this.#world.nowMs - sinceMs < stagesItselfMs) return true
    const id = this.#cluster.idOf(name)
    return (
      id !== undefined &&
      this.#cluster.running.some((one) => {
        const staged = this.#layouts.documentOn(this.#world.machine(one).disk)?.staged.get(id)
        return staged?.action === request.action
      })
    )
  }

  #stage({ name, request, successor }: Wish): void {
    const node = this.#cluster.idOf(name)
    const at = this.#anyNode()
    const by = successor === undefined ? undefined : this.#cluster.idOf(successor)
    if (node === undefined || at === undefined || (successor !== undefined && by === undefined)) return
    const staged = by === undefined ? { ...request, node } : { ...request, node, with: by }
    this.#call<unknown>(
      at,
      (one, done) => one.stage(staged, done),
      (error) => this.#record(error === undefined ? 'stage' : 'stage-refused', { at, name, error: error?.code }),
    )
  }

  #forgetWish({ name }: Wish): void {
    this.#wishes.delete(name)
    // It is needed after all.
    if (this.#held.has(name)) this.#release(name)
    const node = this.#cluster.idOf(name)
    const at = this.#anyNode()
    if (node === undefined || at === undefined) return
    this.#record('give-up', name)
    this.#call<unknown>(at, (one, done) => one.stage({ action: 'clear', node }, done))
  }

  #giveUp(): void {
    for (const wish of [...this.#wishes.values()]) this.#forgetWish(wish)
    this.#clear()
  }

  #clear(): void {
    const at = this.#anyNode()
    if (at !== undefined) this.#call<unknown>(at, (one, done) => one.stage({ action: 'clear', node: '' }, done))
  }

  /** In the end a change that is running may be taken back. */
  #takeBack(): void {
    if (this.#churn.ending === 'abort' && this.#isMoving() && this.#wishes.size === 0) this.#abort(this.#anyNode())
  }

  /** What is refused for long: somebody has staged what cannot be, and nobody wants it any more. */
  #clearRefused(): void {
    if (this.#refusedSinceMs === undefined || this.#world.nowMs - this.#refusedSinceMs < patienceMs) return
    this.#refusedSinceMs = undefined
    this.#record('clear', 'all')
    this.#giveUp()
  }

  #planAndCommit(at: string | undefined): void {
    if (at === undefined) return
    this.#call<PlanView>(
      at,
      (node, done) => node.plan(done),
      (error, view) => {
        if (view === undefined) return this.#record('no-plan', { at, error: error?.code })
        const isRefused = view.plan === undefined && view.staged.length > 0 && view.checks.some(({ ok }) => !ok)
        if (!isRefused) this.#refusedSinceMs = undefined
        else this.#refusedSinceMs ??= this.#world.nowMs
        if (!view.isPossible || view.plan === undefined) return
        const gone = this.#goneBy(at, view)
        if (gone.length > 0 && !this.#mayMiss(gone)) return this.#record('too-dangerous', { at, changes: view.changes })
        if (this.#leavesTooFew(view)) {
          this.#record('too-few-left', { at, changes: view.changes })
          return this.#giveUp()
        }
        // Now and then somebody commits the plan of yesterday.
        const isOld = this.#lastPlan !== undefined && !this.#isFinishing && this.#random.below(10) === 0
        const plan = isOld ? this.#lastPlan : view.plan
        this.#lastPlan = view.plan
        this.#commit(at, plan, view.changes)
      },
    )
  }

  #commit(at: string, plan: string | undefined, changes: readonly string[]): void {
    this.#call<CommitAnswer>(
      at,
      (node, done) => node.commit({ plan, force: false, timeoutMs: commitTimeoutMs }, done),
      (error, answer) => {
        if (answer?.decided === true) this.#record('decide', { at, number: answer.number, plan: answer.plan, changes })
        else this.#record('not-decided', { at, error: error?.code ?? answer?.waitingFor })
      },
    )
  }

  #abort(at: string | undefined): void {
    if (at === undefined) return
    this.#call<CommitAnswer>(
      at,
      (node, done) => node.abort(commitTimeoutMs, done),
      (error, answer) =>
        this.#record(answer?.decided === true ? 'abort' : 'abort-refused', { at, error: error?.code ?? answer }),
    )
  }

  // Looking

  #isMoving(): boolean {
    return this.#cluster.running.some(
      (name) => (this.#layouts.documentOn(this.#world.machine(name).disk)?.live.length ?? 0) > 1,
    )
  }

  /** The newest version that any disk knows to be decided. No number has two (docs/rules.md L3). */
  #newest(): LayoutVersion | undefined {
    let newest: LayoutVersion | undefined
    for (const name of this.#cluster.names) {
      for (const { version, hash } of this.#layouts.documentOn(this.#world.machine(name).disk)?.live ?? []) {
        const known = this.#decided.get(version.number)
        if (known === undefined) this.#decided.set(version.number, hash)
        else if (known !== hash) {
          this.#decided.set(version.number, hash)
          this.#report('two-versions-of-a-number', `${name} has another version ${version.number} than somebody had`)
        }
        if (version.number > (newest?.number ?? 0)) newest = version
      }
    }
    return newest
  }

  #members(): readonly string[] {
    const newest = this.#newest()
    return (newest?.nodes ?? []).flatMap(({ id }) => {
      const name = newest?.excluded.includes(id) === true ? undefined : this.#cluster.nameOf(id)
      return name === undefined ? [] : [name]
    })
  }

  #nameOf(id: NodeId): string {
    return this.#cluster.nameOf(id) ?? id.slice(0, 8)
  }

  #anyNode(): string | undefined {
    const { running } = this.#cluster
    return running.length === 0 ? undefined : pick(this.#random, running)
  }

  /** What was asked for may still be decided. */
  #isAnswerDue(): boolean {
    for (const [call, atMs] of this.#asked) {
      if (this.#world.nowMs - atMs > commitTimeoutMs * 2) this.#asked.delete(call)
    }
    return this.#asked.size > 0
  }

  /** Asks the node there; nobody is told when it dies meanwhile. */
  #call<Answer>(
    name: string,
    ask: (node: DrivenNode, done: Done<Answer>) => void,
    then: (error: StarlingError | undefined, answer: Answer | undefined) => void = () => {},
  ): void {
    const node = this.#cluster.node(name)
    if (node === undefined) return
    const call = {}
    this.#asked.set(call, this.#world.nowMs)
    const answered = (error: StarlingError | undefined, answer: Answer | undefined): void => {
      this.#asked.delete(call)
      then(error, answer)
    }
    this.#world.inProcess(name, () => ask(node, (error, answer) => this.#world.after(0, () => answered(error, answer))))
  }

  #record(f: string, v: unknown): void {
    this.#history.add({ t: 'info', p: 'nemesis', f, v, ns: Math.floor(this.#world.nowMs * 1_000_000) })
  }
}

/** A version also names those whom it has dropped, as long as an older one has them. */
function excludedMembers({ nodes, excluded }: LayoutVersion): readonly NodeId[] {
  return excluded.filter((id) => nodes.some((node) => node.id === id))
}

import type { Outcome } from '../links/frame-link.ts'
import type { Span } from '../ports/tracer.ts'
import type { LayoutInForce } from '../protocol/layout/layout-in-force.ts'
import { answersNeeded } from '../protocol/quorum/quorum-level.ts'
import type { NodeId } from '../vocabulary/ids.ts'
import type { Bucket } from '../vocabulary/key.ts'
import type { Refusal, Request, Response } from '../wire/messages.ts'
import type { RequestContext } from './request-context.ts'

/** What every answer to a question about whole indexes says. */
export interface IndexAnswer {
  /** Partitions of which the answer does not count. */
  readonly silent: readonly number[]
}

/** How long the last ones are waited for where the others are enough. */
const stragglerMs = 100
/** Of the time there is: what is left is for reading what the answers disagree about. */
const askingShare = 0.6

/** What the members in reach answered, as far as it counts. */
export class Answers<Answer extends IndexAnswer> {
  readonly layout: LayoutInForce
  readonly #needed: (owners: number) => number
  readonly #byNode = new Map<NodeId, Answer>()
  readonly #silent = new Map<NodeId, ReadonlySet<number>>()
  /** Somebody has left the layout of the question behind (docs/rules.md T2). */
  isStale = false

  constructor(layout: LayoutInForce, needed: (owners: number) => number) {
    this.layout = layout
    this.#needed = needed
  }

  add(node: NodeId, answer: Answer): void {
    this.#byNode.set(node, answer)
    if (answer.silent.length > 0) this.#silent.set(node, new Set(answer.silent))
  }

  get all(): ReadonlyMap<NodeId, Answer> {
    return this.#byNode
  }

  /** The owners that are read, and whose answers count for `partition`. */
  countingFor(partition: number): readonly NodeId[] {
    return this.layout.readersOf(partition).filter((owner) => this.#counts(owner, partition))
  }

  /** Partitions of which too few owners answered to be sure that every acknowledged key was seen. */
  missing(): readonly number[] {
    const missing: number[] = []
    for (let partition = 0; partition < this.layout.partitionCount; partition += 1) {
      const readers = this.layout.readersOf(partition)
      let answered = 0
      for (const owner of readers) if (this.#counts(owner, partition)) answered += 1
      if (answered < this.#needed(readers.length)) missing.push(partition)
    }
    return missing
  }

  #counts(owner: NodeId, partition: number): boolean {
    return this.#byNode.has(owner) && this.#silent.get(owner)?.has(partition) !== true
  }
}

/** A majority of the owners, or as many as the bucket's reads wait for, whichever is more. */
export function neededFor(context: RequestContext, bucket: Bucket): (owners: number) => number {
  const { r } = context.buckets.propertiesOf(bucket)
  return (owners) => Math.min(owners, Math.max(answersNeeded(r, owners), answersNeeded('quorum', owners)))
}

/** A question to every member: what is asked of the others, and how it is answered here. */
export interface MemberQuestion<Answer extends IndexAnswer> {
  readonly layout: LayoutInForce
  readonly needed: (owners: number) => number
  readonly message: Request
  readonly deadlineMs: number
  /** Of whoever wants to know. */
  readonly span?: Span | undefined
  answerHere(done: (refused: Refusal | undefined, answer: Answer | undefined) => void): void
  /** Undefined: it is no answer to this. */
  read(message: Response): Answer | undefined
}

/**
 * Asks every member in reach at once. `done` hears once, not inside the call: when all have answered, or when the others
 * are late and enough owners of every partition have.
 */
export function askMembers<Answer extends IndexAnswer>(
  context: RequestContext,
  question: MemberQuestion<Answer>,
  done: (answers: Answers<Answer>) => void,
): void {
  const { self, peers, time, deadlines } = context
  const { layout, message } = question
  const answers = new Answers<Answer>(layout, question.needed)
  const timeoutMs = Math.max(1, (question.deadlineMs - time.nowMs()) * askingShare)
  const trail = question.span === undefined ? undefined : { serial: 0, span: question.span }
  const awaited = new Set(layout.nodeIds.filter((node) => node === self || peers.isReachable(node)))
  let isOver = false
  let isHurried = false
  const end = (): void => {
    if (isOver) return
    isOver = true
    done(answers)
  }
  const answered = (node: NodeId, refused: Refusal | undefined, answer: Answer | undefined): void => {
    if (isOver) return
    awaited.delete(node)
    if (answer !== undefined) answers.add(node, answer)
    if (refused?.code === 'layout-stale') answers.isStale = true
    if (awaited.size === 0) return end()
    if (isHurried || answers.missing().length > 0) return
    isHurried = true
    const areAllStalled = [...awaited].every((other) => other !== self && peers.isStalled(other))
    deadlines.after(areAllStalled ? 0 : stragglerMs, end)
  }
  if (awaited.size === 0) return time.soon(end)
  for (const node of awaited) {
    if (node === self) {
      // Not inside the call: the loop has still to ask the others.
      time.soon(() => question.answerHere((refused, answer) => answered(self, refused, answer)))
      continue
    }
    const heard = (outcome: Outcome): void => {
      if (outcome.type === 'refused') return answered(node, outcome.refusal, undefined)
      answered(node, undefined, outcome.type === 'answered' ? question.read(outcome.message) : undefined)
    }
    peers.ask(node, message, timeoutMs, heard, trail)
  }
}

/** Whether every partition has the readers that it had. */
export function isReadAlike(before: LayoutInForce, now: LayoutInForce | undefined): boolean {
  if (before === now) return true
  if (now === undefined || before.partitionCount !== now.partitionCount || before.planned !== now.planned) return false
  for (let partition = 0; partition < now.partitionCount; partition += 1) {
    if (before.readersOf(partition) !== now.readersOf(partition)) return false
  }
  return true
}

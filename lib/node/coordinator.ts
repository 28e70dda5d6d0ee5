import type { BucketProperties } from '../protocol/bucket/properties.ts'
import { contextOfGet, emptyContext, unknownDots } from '../protocol/causality/context.ts'
import { isTombstone, visibleSiblings } from '../protocol/causality/inspect-record.ts'
import { asLastWriteWins } from '../protocol/causality/last-write-wins.ts'
import type { Content } from '../protocol/causality/put.ts'
import type { CausalContext, KeyRecord } from '../protocol/causality/record.ts'
import { formatStateHash, siblingChecksum, stateHash } from '../protocol/causality/state-hash.ts'
import { type Hlc, hlcFromMs } from '../protocol/clock/hlc.ts'
import type { LayoutInForce } from '../protocol/layout/layout-in-force.ts'
import type {
  ClientAnswer,
  ClientRequest,
  DeleteRequest,
  Durability,
  GetAnswer,
  GetRequest,
  PutRequest,
  QuorumLevel,
  QuorumReceipt,
} from '../protocol/quorum/client-request.ts'
import { quorumNeeds } from '../protocol/quorum/quorum-level.ts'
import {
  ClockSkew,
  Draining,
  InvalidContext,
  InvalidHeader,
  InvalidParameter,
  NoLayout,
  Overloaded,
  PreconditionFailed,
  QuorumUnavailable,
  type StarlingError,
  StorageFailed,
  ValueTooLarge,
} from '../vocabulary/errors.ts'
import { toRecordKey } from '../vocabulary/key.ts'
import { clockAheadMsMax, valueBytesMax } from '../vocabulary/limits.ts'
import type { ReceiptNode } from '../vocabulary/quorum-receipt.ts'
import { decodeContext, encodeContext } from '../wire/context-token.ts'
import { refusedWhileClosed } from './closed-partition.ts'
import { Forwarder } from './forwarder.ts'
import { gather } from './gather.ts'
import { hintSeat, type LocalSeat } from './hint-seat.ts'
import { hopsMax, type Job } from './job.ts'
import { dotsOf, keyedWriteOf } from './keyed-write.ts'
import { mayCoordinate } from './may-coordinate.ts'
import type { Done } from './node-api.ts'
import { beginCoordination, endCoordination } from './node-spans.ts'
import { asDoubtful } from './owner-outcome.ts'
import { type ReadLevels, type ReadResult, ReadRun } from './read-run.ts'
import type { RequestContext } from './request-context.ts'
import type { RequestOrigin } from './trail.ts'
import { WriteRun } from './write-run.ts'

/**
 * Runs client requests: at an owner by itself, elsewhere by handing them to the best living owner. (Dynamo, SOSP 2007,
 * §4.5: every node takes every request; only an owner can name a write, because only its own copy can vouch for the name.)
 * Where no owner takes it and the quorum is sloppy, the first fallback coordinates, on the hint that it keeps for the
 * first absent owner (§4.6; docs/rules.md Q2).
 */
export class Coordinator {
  readonly #context: RequestContext
  readonly #forwarder: Forwarder
  #drainedBecause: string | undefined
  #inFlight = 0

  constructor(context: RequestContext) {
    this.#context = context
    this.#forwarder = new Forwarder(context, {
      coordinate: (job) => this.#coordinateIfAble(job),
      end: (job, error, answer) => this.#end(job, error, answer),
    })
  }

  get inFlight(): number {
    return this.#inFlight
  }

  get drainedBecause(): string | undefined {
    return this.#drainedBecause
  }

  /** From now on nothing new is taken, `because` of this; what runs, runs on. */
  drain(because: string): void {
    this.#drainedBecause = because
  }

  /** Why nothing at all is taken now; undefined: each request is looked at. */
  refusesAll(): StarlingError | undefined {
    if (this.#drainedBecause !== undefined) return new Draining(this.#drainedBecause, { hint: 'ask another node' })
    const { inForce, waitingBecause } = this.#context.layout
    if (inForce !== undefined) return undefined
    return new NoLayout('the node knows no decided layout yet', { hint: waitingBecause })
  }

  /** @param hops forwarders so far; beyond one the request is refused rather than sent round in circles */
  serve(request: ClientRequest, hops: number, done: Done<ClientAnswer>, origin?: RequestOrigin): void {
    const { time, hash, layout, self, buckets } = this.#context
    const fail = (error: StarlingError): void => time.soon(() => done(error, undefined))
    const inForce = layout.inForce
    if (this.#drainedBecause !== undefined)
      return fail(new Draining(this.#drainedBecause, { hint: 'ask another node' }))
    if (inForce === undefined) {
      return fail(new NoLayout('the node knows no decided layout yet', { hint: layout.waitingBecause }))
    }
    const problem = this.#problemOf(request, inForce)
    if (problem !== undefined) return fail(problem)
    const key = toRecordKey(request.bucket, request.key, hash)
    const partition = inForce.ring.partitionOf(key.token)
    this.#inFlight += 1
    const nowMs = time.nowMs()
    const { slow, recorder } = this.#context
    const serial = slow === undefined ? 0 : recorder.nextSerial()
    const span = origin?.span === undefined ? undefined : beginCoordination(origin.span, request, hops)
    const counted: Done<ClientAnswer> = (error, answer) => {
      this.#inFlight -= 1
      const endedMs = time.nowMs()
      const tookMs = endedMs - nowMs
      this.#context.foreground.observe(tookMs, endedMs)
      if (span !== undefined) endCoordination(span, error, answer)
      if (slow !== undefined && tookMs + (origin?.waitedMs ?? 0) >= slow.afterMs) {
        slow.note({ serial, request, key, hops, origin, startedAtMs: nowMs, tookMs, error, answer })
      }
      done(error, answer)
    }
    const job: Job<ClientRequest> = {
      request,
      key,
      layout: inForce,
      partition,
      owners: inForce.readersOf(partition),
      properties: buckets.propertiesOf(request.bucket),
      hops,
      deadlineMs: nowMs + request.timeoutMs,
      keyed: undefined,
      serial,
      span,
      done: counted,
    }
    if (!mayCoordinate(inForce, self, partition, undefined)) return this.#forwarder.forward(job)
    this.#coordinateIfAble(job)
  }

  #coordinateIfAble(job: Job<ClientRequest>): void {
    const { minting, buckets } = this.#context
    const { request } = job
    if (minting.isClockSkewed) return this.#endSkewed(job)
    if (!minting.isReady) {
      // One that has just become a member; the others are none the worse for it.
      if (job.hops === 0 && this.#isOtherInReach(job)) return this.#forwarder.forward(job)
      return this.#end(
        job,
        new NoLayout('the node is still checking its store against the other members', { hint: 'retry in a moment' }),
      )
    }
    if (job.seat === undefined && request.type !== 'get' && this.#isBehind(job)) return this.#handOn(job)
    if (buckets.isKnown) return this.#coordinate(job)
    const isWaiting = buckets.whenKnown(() => {
      if (this.#context.deadlines.isStopped) return this.#end(job, this.refusesAll())
      this.#coordinate({ ...job, properties: buckets.propertiesOf(request.bucket) })
    })
    if (!isWaiting) this.#end(job, new Overloaded('too many requests wait for the bucket properties'))
  }

  /** Others name writes better: the own copy is not open, went back in time (docs/rules.md A5), or is still being made. */
  #isBehind(job: Job<ClientRequest>): boolean {
    const { self, recovery } = this.#context
    const { partition, owners, hops } = job
    if (refusedWhileClosed(this.#context, partition) !== undefined) return true
    if (hops === 0 && !owners.includes(self)) return this.#isOtherInReach(job)
    return recovery.isRestored(partition) && hops < hopsMax && this.#isOtherInReach(job)
  }

  /** Of those whose copies are read. */
  #isOtherInReach({ owners }: Job<ClientRequest>): boolean {
    const { self, peers } = this.#context
    return owners.some((owner) => owner !== self && peers.isReachable(owner))
  }

  #handOn(job: Job<ClientRequest>): void {
    if (job.hops < hopsMax) return this.#forwarder.forward(job)
    const hint = 'another owner of the key has to answer first; see `starling cluster status`'
    this.#end(job, new QuorumUnavailable('the node reads again what its store lost', { hint }))
  }

  #problemOf(request: ClientRequest, layout: LayoutInForce): StarlingError | undefined {
    const { replicaCount } = layout.decided.version
    const { options } = request
    const problem =
      'r' in options
        ? (levelProblem('r', options.r, 1, replicaCount) ?? levelProblem('pr', options.pr, 0, replicaCount))
        : (levelProblem('w', options.w, 1, replicaCount) ?? levelProblem('pw', options.pw, 0, replicaCount))
    if (problem !== undefined) return problem
    if (request.type === 'put' && request.value.length > valueBytesMax) {
      return new ValueTooLarge(`the value has ${request.value.length} bytes; ${valueBytesMax} are allowed`)
    }
    return undefined
  }

  #coordinate(job: Job<ClientRequest>): void {
    const { request } = job
    switch (request.type) {
      case 'get':
        return this.#get(job as Job<GetRequest>)
      case 'put':
        return this.#write(job as Job<PutRequest>)
      case 'delete':
        return this.#write(job as Job<DeleteRequest>)
    }
  }

  #get(job: Job<GetRequest>): void {
    const { r, pr, sloppy } = job.request.options
    const { properties } = job
    const isAtLeastQuorum = job.request.session === 'quorum'
    const levels = { r: r ?? properties.r, pr: pr ?? properties.pr, sloppy, isAtLeastQuorum }
    this.#read(job, levels, (error, result) => {
      if (error !== undefined || result === undefined) return this.#end(job, error)
      if (this.#hidesTooMuch(result.record)) return this.#endSkewed(job)
      this.#context.metrics.siblings.observe(result.record?.siblings.length ?? 0)
      this.#context.metrics.clockEntries.observe(result.record?.vv.length ?? 0)
      const { type, siblings, context, tombstone, stateHash } = this.#shown(job, result.record)
      const quorum = this.#receipt(job, 'r', result, result)
      this.#end(job, undefined, { type, siblings, context, tombstone, stateHash, quorum })
    })
  }

  /** The clock has jumped since the request was begun, and what of this has expired is not known any more (rule K3). */
  #hidesTooMuch(record: KeyRecord | undefined): boolean {
    const mayExpire = record?.siblings.some(({ expiresAtMs }) => expiresAtMs !== undefined) === true
    return mayExpire && this.#context.minting.isClockSkewed
  }

  #endSkewed(job: Job<ClientRequest>): void {
    this.#end(job, clockSkewed(this.#context.minting.clockOffsetMs))
  }

  #shown(job: Job<ClientRequest>, held: KeyRecord | undefined): Omit<GetAnswer, 'quorum'> {
    const record = held !== undefined && job.properties.conflict === 'lww' ? asLastWriteWins(held) : held
    if (record === undefined) {
      return { type: 'got', siblings: [], context: undefined, tombstone: false, stateHash: undefined }
    }
    return {
      type: 'got',
      siblings: visibleSiblings(record, this.#context.time.wallMs()),
      context: this.#token(job, contextOfGet(record)),
      tombstone: isTombstone(record),
      stateHash: formatStateHash(stateHash(job.key, record, this.#context.hash)),
    }
  }

  #write(job: Job<PutRequest | DeleteRequest>): void {
    const { request, properties } = job
    if (request.type === 'put' && request.value.length > properties.valueBytesMax) {
      return this.#end(
        job,
        new ValueTooLarge(`the value has ${request.value.length} bytes; the bucket allows ${properties.valueBytesMax}`),
      )
    }
    const seen = this.#seenBy(job)
    if (seen === undefined) {
      return this.#end(
        job,
        new InvalidContext('the context is damaged, or of another key or cluster, or from the future', {
          hint: 'send the Starling-Context of a GET of this very key, unchanged',
        }),
      )
    }
    const { idempotency } = request
    if (idempotency !== undefined) {
      if (this.#isFromFuture(idempotency.since)) return this.#end(job, idFromFuture())
      const { minting, hash } = this.#context
      job.keyed = keyedWriteOf(request, idempotency, minting.read(), hash)
    }
    const { keyed } = job
    const isConditional = request.ifMatch !== undefined || (request.type === 'put' && request.ifNoneMatch)
    const isBlindDelete = request.type === 'delete' && request.context === undefined
    const isRetry = keyed?.isFirst === false
    if (!isConditional && !isBlindDelete && !isRetry) return this.#writeKnowing(job, seen)
    // What this copy knows already is not asked about any more: its condition held when it was tried first.
    if (this.#isKnownHere(job)) return this.#writeNow(job, seen)
    const levels = { r: 'quorum', pr: 0, sloppy: request.options.sloppy } as const
    this.#read(job, levels, (error, result) => {
      const isPlain = !isConditional && !isBlindDelete
      // Beside siblings, a retry that nobody recognises now is recognised when the states meet (docs/rules.md I1).
      if (error !== undefined && isPlain && properties.conflict === 'siblings') return this.#writeKnowing(job, seen)
      if (error !== undefined || result === undefined) return this.#end(job, error)
      const { record, asOf } = result
      if (record !== undefined && keyed !== undefined && (isPlain || dotsOf(keyed, record) !== undefined)) {
        return this.#takeIn(job, record, asOf, () => this.#writeKnowing(job, seen))
      }
      if (isPlain) return this.#writeKnowing(job, seen)
      if (this.#hidesTooMuch(record)) return this.#endSkewed(job)
      const failed = this.#failedCondition(job, record, result)
      if (failed !== undefined) return this.#end(job, failed)
      // Whoever names the state has seen it: its siblings are what this write replaces.
      const isNamed = request.context === undefined && request.ifMatch?.includes('*') === false
      if (isNamed && record !== undefined) return this.#writeKnowing(job, contextOfGet(record))
      if (!isBlindDelete) return this.#writeKnowing(job, seen)
      // A delete without context deletes what a quorum read sees now; where nothing ever was, nothing is made.
      if (record === undefined) return this.#endUnwritten(job)
      this.#writeKnowing(job, contextOfGet(record))
    })
  }

  /** Rule K2. */
  #isFromFuture(hlc: Hlc): boolean {
    return hlc > hlcFromMs(this.#context.time.wallMs() + clockAheadMsMax)
  }

  #isKnownHere(job: Job<PutRequest | DeleteRequest>): boolean {
    if (job.keyed === undefined) return false
    const copy = this.#seatOf(job).read(job.key)
    return copy.state === 'found' && dotsOf(job.keyed, this.#context.store.decode(copy.bytes)) !== undefined
  }

  #failedCondition(
    job: Job<PutRequest | DeleteRequest>,
    record: KeyRecord | undefined,
    result: ReadResult,
  ): StarlingError | undefined {
    const { request } = job
    const shown = this.#shown(job, record)
    const isThere = shown.siblings.length > 0
    if (request.type === 'put' && request.ifNoneMatch && isThere) {
      const hint = 'If-None-Match: * writes only where nothing is'
      return new PreconditionFailed('the key exists', { hint, quorum: this.#receipt(job, 'r', result, result) })
    }
    const { ifMatch } = request
    if (ifMatch === undefined) return undefined
    const matches = isThere && (ifMatch.includes('*') || ifMatch.includes(shown.stateHash as string))
    if (matches) return undefined
    const message = isThere ? 'the key has changed since it was read' : 'nothing is there that could match'
    return new PreconditionFailed(message, { hint: 'read it again', quorum: this.#receipt(job, 'r', result, result) })
  }

  /** What the client has seen: undefined when its token is not one. */
  #seenBy(job: Job<PutRequest | DeleteRequest>): CausalContext | undefined {
    const { context: token } = job.request
    if (token === undefined) return emptyContext
    const { hash, minting } = this.#context
    const seen = decodeContext(token, job.layout.decided.clusterId, job.key, hash)
    if (seen === undefined || this.#isFromFuture(seen.hlc)) return undefined
    minting.adopt(seen.hlc)
    return seen
  }

  /**
   * Writes with a context whose every dot is known here, or known to nobody in reach: a token may name one write that
   * has not arrived here yet, and to supersede it this copy must have seen it (docs/rules.md A8).
   */
  #writeKnowing(job: Job<PutRequest | DeleteRequest>, seen: CausalContext): void {
    const { store, time } = this.#context
    if (seen.dots.length === 0) return this.#writeNow(job, seen)
    const seat = this.#seatOf(job)
    const copy = seat.read(job.key)
    if (copy.state === 'failed')
      return this.#end(job, new StorageFailed(copy.failure.message, { hint: 'ask another node' }))
    const local = copy.state === 'found' ? store.decode(copy.bytes) : undefined
    if (unknownDots(seen, local).length === 0) return this.#writeNow(job, seen)
    const timeoutMs = Math.max(1, (job.deadlineMs - time.nowMs()) / 2)
    const layout = this.#context.layout.inForce ?? job.layout
    gather(
      this.#context,
      {
        key: job.key,
        owners: layout.ownersOf(job.partition),
        layoutNumber: layout.plannedNumber,
        timeoutMs,
        trail: job,
      },
      ({ record, asOf }) => {
        if (record === undefined) return this.#writeNow(job, seen)
        this.#takeIn(job, record, asOf, () => this.#writeNow(job, seen))
      },
    )
  }

  /** What others hold belongs into the copy that the write builds on. */
  #takeIn(job: Job<PutRequest | DeleteRequest>, record: KeyRecord, asOf: Hlc, then: () => void): void {
    const changed = this.#changedHands(job)
    if (changed !== undefined) return this.#forwarder.forward(changed)
    this.#seatOf(job).mergeDecoded(job.key, record, 'os', asOf, then)
  }

  /** The job by the layout in force, if this node may not coordinate it any more; nothing has been written yet. */
  #changedHands(job: Job<PutRequest | DeleteRequest>): Job<PutRequest | DeleteRequest> | undefined {
    const { self, layout } = this.#context
    const inForce = layout.inForce ?? job.layout
    if (inForce.live === job.layout.live || mayCoordinate(inForce, self, job.partition, job.seat)) return undefined
    return { ...job, layout: inForce, owners: inForce.readersOf(job.partition), seat: undefined }
  }

  #seatOf({ seat }: Job<ClientRequest>): LocalSeat {
    return seat === undefined ? this.#context.store : hintSeat(this.#context, seat)
  }

  #writeNow(job: Job<PutRequest | DeleteRequest>, seen: CausalContext): void {
    const { request, key, owners, properties } = job
    // The store failed while others were asked what the client has seen: nobody would end this write any more.
    if (this.#context.deadlines.isStopped) return this.#end(job, this.refusesAll())
    const changed = this.#changedHands(job)
    if (changed !== undefined) return this.#forwarder.forward(changed)
    // Reading may have taken a while: the write is planned with what is in force now (docs/rules.md T8).
    const layout = this.#context.layout.inForce ?? job.layout
    const { sloppy } = request.options
    const levels = { w: request.options.w ?? properties.w, pw: request.options.pw ?? properties.pw, sloppy }
    const needs = quorumNeeds(levels.w, levels.pw, sloppy, layout.ring.ownerCount)
    const content = request.type === 'put' ? this.#contentOf(request, properties) : undefined
    new WriteRun(
      this.#context,
      {
        key,
        layout,
        seen,
        content,
        keyed: job.keyed,
        properties,
        durability: request.options.durability ?? properties.durability,
        levels,
        deadlineMs: job.deadlineMs,
        seat: job.seat,
        trail: job,
      },
      (error, result) => {
        // A copy that is damaged or cannot be read must not be built on: another owner has a whole one.
        const isUnreadable = error?.code === 'storage-failed' && error.aftermath === 'nothing-changed'
        if (isUnreadable && job.seat === undefined && job.hops < hopsMax && owners.length > 1)
          return this.#forwarder.forward(job)
        if (error !== undefined || result === undefined) return this.#end(job, error)
        const wantsState = request.type === 'put' && request.returnValue
        const shown = wantsState ? this.#shown(job, result.record) : undefined
        this.#end(job, undefined, {
          type: 'written',
          context: this.#token(job, result.context),
          state:
            shown === undefined
              ? undefined
              : { siblings: shown.siblings, stateHash: shown.stateHash as string, context: shown.context as string },
          quorum: this.#receipt(job, 'w', result, needs, request.options.durability ?? properties.durability),
        })
      },
    )
  }

  #contentOf(request: PutRequest, properties: BucketProperties): Content {
    const { hash, time } = this.#context
    const { value, contentType, metadata } = request
    const ttlSeconds = request.ttlSeconds ?? properties.ttlSeconds
    const expiresAtMs = ttlSeconds === undefined ? undefined : Math.floor(time.wallMs()) + ttlSeconds * 1000
    const checksum = siblingChecksum(value, contentType, metadata, expiresAtMs, hash)
    return { value, contentType, metadata, expiresAtMs, checksum }
  }

  #read(
    job: Job<ClientRequest>,
    levels: ReadLevels,
    done: (error: StarlingError | undefined, result: ReadResult | undefined) => void,
  ): void {
    const { key, layout, deadlineMs, request } = job
    const session = request.session === 'quorum' ? undefined : request.session
    new ReadRun(this.#context, { key, layout, levels, session, deadlineMs, trail: job }, done)
  }

  #token(job: Job<ClientRequest>, context: CausalContext): string {
    return encodeContext(context, job.layout.decided.clusterId, job.key, this.#context.hash)
  }

  #receipt(
    job: Job<ClientRequest>,
    kind: 'r' | 'w',
    result: Counted,
    { needed }: { readonly needed: number },
    durability?: Durability,
  ): QuorumReceipt {
    const { answered, fallbacks } = result
    const counts = { kind, answered, needed, owners: answered - fallbacks, fallbacks, coordinator: this.#context.self }
    if (job.request.wantsReceipt !== true) return counts
    return { ...counts, details: { nodes: result.acks(), durability, repairs: result.repaired ?? 0 } }
  }

  #endUnwritten(job: Job<ClientRequest>): void {
    const quorum = this.#receipt(job, 'w', { answered: 0, fallbacks: 0, acks: () => [] }, { needed: 0 })
    this.#end(job, undefined, { type: 'written', context: undefined, state: undefined, quorum })
  }

  #end(job: Job<ClientRequest>, error: StarlingError | undefined, answer?: ClientAnswer): void {
    const { time } = this.#context
    if (job.isDoubtful !== true) return time.soon(() => job.done(error, answer))
    const told = error === undefined ? undefined : asDoubtful(error)
    const quorum = answer === undefined ? undefined : { ...answer.quorum, isRepeated: true as const }
    time.soon(() => job.done(told, answer && quorum && { ...answer, quorum }))
  }
}

/** What a receipt says of a quorum. */
interface Counted {
  readonly answered: number
  readonly fallbacks: number
  readonly acks: () => readonly ReceiptNode[]
  readonly repaired?: number
}

function idFromFuture(): StarlingError {
  return new InvalidHeader('the id of the write is from the future', { hint: 'is the clock of the client its own?' })
}

function levelProblem(
  name: string,
  level: QuorumLevel | undefined,
  least: number,
  most: number,
): StarlingError | undefined {
  if (typeof level !== 'number' || (level >= least && level <= most)) return undefined
  return new InvalidParameter(`${name}=${level} is outside ${least} to ${most}`, {
    hint: `the cluster keeps ${most} replicas of every key`,
  })
}

function clockSkewed(offsetMs: number): StarlingError {
  return new ClockSkew(`the clock of this node is ${Math.round(offsetMs)} ms from the median of the members`, {
    hint: 'set its clock; until then ask another node',
  })
}

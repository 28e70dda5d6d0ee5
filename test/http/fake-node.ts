import { isDeepStrictEqual } from 'node:util'
import type { Ending } from '../../lib/node/batch-run.ts'
import type { ClientGate } from '../../lib/node/client-gate.ts'
import type { Admitted } from '../../lib/node/entrance.ts'
import type {
  BucketList,
  ClusterStatus,
  CommitAnswer,
  CommitRequest,
  CreatedToken,
  Done,
  Explanation,
  ListPage,
  ListRequest,
  NodeApi,
  NodeView,
  PlanView,
  ReplicaView,
  RingView,
  StageAnswer,
  StageRequest,
  TokenList,
  TransitionView,
} from '../../lib/node/node-api.ts'
import type { AntiEntropyView, HintsView, TransfersView, WaitingTombstones } from '../../lib/node/repair-views.ts'
import type { NodeKeys, SecretChanged, SecretOrder, SecretStatus } from '../../lib/node/secret-views.ts'
import type { BatchRequest, BatchServed } from '../../lib/node/serve-batch.ts'
import type { SessionDone } from '../../lib/node/session-door.ts'
import type { RequestOrigin } from '../../lib/node/trail.ts'
import { createCryptography } from '../../lib/platform/node-cryptography.ts'
import { type BucketProperties, checkProperties, propertiesDefault } from '../../lib/protocol/bucket/properties.ts'
import type { Dot } from '../../lib/protocol/causality/dot.ts'
import type { Sibling } from '../../lib/protocol/causality/record.ts'
import { type Hlc, hlcTicksPerMs } from '../../lib/protocol/clock/hlc.ts'
import type {
  ClientAnswer,
  ClientRequest,
  DeleteRequest,
  PutRequest,
  QuorumReceipt,
} from '../../lib/protocol/quorum/client-request.ts'
import { Doorkeeper } from '../../lib/security/doorkeeper.ts'
import type { NewToken } from '../../lib/security/new-token.ts'
import type { Principal } from '../../lib/security/principal.ts'
import { excessOf } from '../../lib/security/rights.ts'
import { TokenAuthority } from '../../lib/security/token-authority.ts'
import { nextNumber, type TokenEntry, withRevoked, withToken } from '../../lib/security/token-map.ts'
import { mintToken } from '../../lib/security/token-text.ts'
import {
  InvalidContext,
  InvalidParameter,
  NotFound,
  PlanRefused,
  PreconditionFailed,
  type StarlingError,
} from '../../lib/vocabulary/errors.ts'
import { toClusterId, toEndpoint, toNodeId } from '../../lib/vocabulary/ids.ts'
import type { Bucket, Key } from '../../lib/vocabulary/key.ts'
import type { ReceiptNode } from '../../lib/vocabulary/quorum-receipt.ts'

interface Held {
  seen: readonly Dot[]
  siblings: readonly Sibling[]
}

const ada = toNodeId('a'.repeat(32))
const bob = toNodeId('b'.repeat(32))
const cyd = toNodeId('c'.repeat(32))

/** One process that behaves as a node does, as far as its clients can tell: a map of siblings with explicit versions. */
export class FakeNode implements NodeApi {
  readonly authority = new TokenAuthority({
    cryptography: createCryptography(),
    wallMs: () => Date.now(),
    isUpToDate: () => true,
    onRefused: () => {},
  })
  /** Why somebody was turned away, newest last. */
  readonly turnedAway: string[] = []
  /** Whether clients have to show certificates. */
  asksForCertificates = false
  readonly doorkeeper = doorkeeperOf(this)
  /** Undefined: nobody is held to anything. */
  clients: ClientGate | undefined = undefined
  /** What was asked for, newest last. */
  readonly requests: ClientRequest[] = []
  readonly listRequests: ListRequest[] = []
  readonly bucketRequests: { readonly bucket: string; readonly given: object; readonly timeoutMs: number }[] = []
  /** The session that each request carried, newest last; its answer gets one more than that. */
  readonly sessions: (string | undefined)[] = []
  /** What each request said of where it came from, newest last. */
  readonly origins: (RequestOrigin | undefined)[] = []
  readonly batches: BatchRequest[] = []
  /** Makes the next batches fail as a whole. */
  readonly batchFailures: StarlingError[] = []
  /** Makes the next requests fail. */
  readonly failures: StarlingError[] = []
  /** Throws inside the call. */
  bug: Error | undefined
  /** Holds answers back until `release`. */
  isHolding = false
  /** Admits nothing more. */
  isOverloaded = false
  reasons: string[] = []
  state: NodeView['state'] = 'serving'
  hasLayout = true
  missing: number[] = []
  recoveringPartitions = 0
  exchangesRun = 0
  /** What was asked about the layout, newest last. */
  readonly layoutRequests: object[] = []
  drains = 0
  transition: TransitionView | undefined
  /** Members that do not answer: nothing is decided. */
  silent: string[] = []
  /** The ids of its keys; undefined: it has no secret. */
  secretKeys: string[] | undefined
  /** What was asked of them, newest last. */
  readonly secretOrders: SecretOrder[] = []
  readonly #held = new Map<string, Held>()
  readonly #properties = new Map<Bucket, BucketProperties>()
  readonly #waiting: (() => void)[] = []
  #counter = 0

  serveInSession(
    request: ClientRequest,
    session: string | undefined,
    done: SessionDone,
    origin?: RequestOrigin | undefined,
  ): void {
    this.sessions.push(session)
    this.origins.push(origin)
    this.serve(request, (error, answer) => done(error, answer, error === undefined ? `${session ?? ''}+` : session))
  }

  /** One after the other, each as if it had come by itself. */
  serveBatch(batch: BatchRequest, done: BatchServed): void {
    this.batches.push(batch)
    const failure = this.batchFailures.shift()
    if (failure !== undefined) return void this.#later(() => done(failure, undefined, batch.session))
    const endings: Ending[] = []
    const next = (): void => {
      const request = batch.requests[endings.length]
      if (request === undefined) return this.#later(() => done(undefined, endings, `${batch.session ?? ''}+`))
      this.serve(request, (error, answer) => {
        endings.push({ error, answer })
        next()
      })
    }
    next()
  }

  admit(_kind: 'read' | 'write', done: Admitted): void {
    done(!this.isOverloaded, 0)
  }

  serve(request: ClientRequest, done: Done<ClientAnswer>): void {
    this.requests.push(request)
    if (this.bug !== undefined) throw this.bug
    const failure = this.failures.shift()
    this.#later(() => {
      if (failure !== undefined) return done(failure, undefined)
      try {
        done(undefined, this.#answer(request))
      } catch (error) {
        done(error as StarlingError, undefined)
      }
    })
  }

  release(): void {
    this.isHolding = false
    for (const step of this.#waiting.splice(0)) setImmediate(step)
  }

  /** Puts a sibling there that came through another door than HTTP. */
  plant(bucket: string, key: string, sibling: Partial<Sibling>): void {
    const dot = this.#mint()
    const held = this.#at(bucket, key)
    this.#held.set(id(bucket, key), {
      seen: [...held.seen, dot],
      siblings: [...held.siblings, { ...siblingOf(dot, Buffer.from('planted')), ...sibling }],
    })
  }

  list(request: ListRequest, done: Done<ListPage>): void {
    this.listRequests.push(request)
    const failure = this.failures.shift()
    const keys = [...this.#held]
      .filter(([name, held]) => name.startsWith(`${request.bucket}\0`) && held.siblings.length > 0)
      .map(([name]) => name.slice(request.bucket.length + 1))
      .filter((key) => key.startsWith(request.prefix) && isWithin(key, request))
      .sort((one, other) => (request.reverse ? order(other, one) : order(one, other)))
    const page = keys.slice(0, request.limit)
    this.#later(() => {
      if (failure !== undefined) return done(failure, undefined)
      done(undefined, {
        entries: page.map((key) => {
          const held = this.#at(request.bucket, key)
          return {
            key: key as Key,
            context: request.withValues ? tokenOf(request.bucket, key, held.seen) : undefined,
            siblings: request.withValues ? held.siblings : undefined,
          }
        }),
        next: keys.length > page.length ? page.at(-1) : undefined,
        complete: this.missing.length === 0,
        missing: this.missing,
      })
    })
  }

  readonly readRepair = 'blocking'

  bucketProperties(bucket: Bucket, done: Done<BucketProperties>): void {
    this.#later(() => done(undefined, this.#propertiesOf(bucket)))
  }

  setBucketProperties(
    bucket: Bucket,
    given: Readonly<Record<string, unknown>>,
    timeoutMs: number,
    done: Done<BucketProperties>,
  ): void {
    this.bucketRequests.push({ bucket, given, timeoutMs })
    const failure = this.failures.shift()
    const checked = checkProperties(given, 3)
    this.#later(() => {
      if (failure !== undefined) return done(failure, undefined)
      if (checked.problem !== undefined) {
        return done(new InvalidParameter(checked.problem.message, { hint: checked.problem.hint }), undefined)
      }
      const { version } = this.#propertiesOf(bucket)
      if (checked.ifVersion !== undefined && checked.ifVersion !== version) {
        return done(new PreconditionFailed(`the properties have version ${version}`), undefined)
      }
      this.#properties.set(bucket, { ...checked.properties, version: version + 1 })
      done(undefined, this.#propertiesOf(bucket))
    })
  }

  createToken(order: NewToken, by: Principal | undefined, _timeoutMs: number, done: Done<CreatedToken>): void {
    const { id, text, hash } = mintToken(createCryptography())
    const { name, role, scopes, expiresInSeconds } = order
    const createdAtMs = Date.now()
    const expiresAtMs = expiresInSeconds === undefined ? undefined : createdAtMs + expiresInSeconds * 1000
    const excess = by === undefined ? undefined : excessOf(by, { role, scopes, expiresAtMs })
    if (excess !== undefined) return this.#later(() => done(excess, undefined))
    const { tokens } = this.authority
    const token: TokenEntry = {
      ...{ id, number: nextNumber(tokens), hash, name, role, scopes, createdAtMs, createdBy: by?.id ?? '' },
      ...{ expiresAtMs, revokedAtMs: undefined },
    }
    this.authority.learn(withToken(tokens, token))
    this.#later(() => done(undefined, { text, token }))
  }

  secretStatus(_timeoutMs: number, done: Done<SecretStatus>): void {
    const { secretKeys } = this
    this.#later(() => {
      if (secretKeys === undefined) done(new NotFound('this node has no secret'), undefined)
      else done(undefined, { nodes: this.#keysOfAll(secretKeys) })
    })
  }

  changeSecret(order: SecretOrder, done: Done<SecretChanged>): void {
    this.secretOrders.push(order)
    const { action, keyId = '0a0b0c0d', force, isRehearsal } = order
    const keys = this.secretKeys ?? []
    this.#later(() => {
      if (action === 'remove' && keys[0] === keyId && !force) {
        const checks = [{ name: 'nobody-sends-with-it', ok: false, detail: 'in use at ada' }]
        return done(new PlanRefused(`the key ${keyId} is not removed: in use at ada`, { checks }), undefined)
      }
      if (isRehearsal) return done(undefined, { action, keyId, nodes: this.#keysOfAll(keys) })
      const others = keys.filter((id) => id !== keyId)
      this.secretKeys = action === 'add' ? [...others, keyId] : action === 'use' ? [keyId, ...others] : others
      done(undefined, { action, keyId, nodes: this.#keysOfAll(this.secretKeys) })
    })
  }

  #keysOfAll(keyIds: readonly string[]): readonly NodeKeys[] {
    const away = this.silent.map((name) => ({ node: cyd, name, keyIds: undefined, problem: 'it is dead' }))
    return [{ node: ada, name: 'ada', keyIds, problem: undefined }, ...away]
  }

  listTokens(_timeoutMs: number, done: Done<TokenList>): void {
    const tokens = [...this.authority.tokens.entries.values()].reverse()
    this.#later(() => done(undefined, { tokens, knownSecondsAgo: 0 }))
  }

  revokeToken(id: string, _timeoutMs: number, done: Done<TokenEntry>): void {
    this.authority.learn(withRevoked(this.authority.tokens, id, Date.now()))
    const entry = this.authority.tokens.entries.get(id)
    const error = entry === undefined ? new NotFound(`there is no token "${id}"`) : undefined
    this.#later(() => done(error, entry))
  }

  listBuckets(_timeoutMs: number, done: Done<BucketList>): void {
    const holding = new Set([...this.#held].filter(([, { siblings }]) => siblings.length > 0).map(([name]) => name))
    const held = new Set([...holding].map((name) => name.slice(0, name.indexOf('\0')) as Bucket))
    const names = [...new Set([...this.#properties.keys(), ...held])].sort(order)
    const buckets = names.map((bucket) => ({
      bucket,
      properties: this.#propertiesOf(bucket),
      holdsKeys: held.has(bucket),
    }))
    this.#later(() => done(undefined, { buckets, complete: this.missing.length === 0, missing: this.missing }))
  }

  #propertiesOf(bucket: Bucket): BucketProperties {
    return this.#properties.get(bucket) ?? propertiesDefault
  }

  replica(bucket: Bucket, key: Key, done: Done<ReplicaView>): void {
    const held = this.#held.get(id(bucket, key))
    this.#later(() =>
      done(undefined, {
        present: held !== undefined,
        tombstone: held !== undefined && held.siblings.length === 0,
        hint: false,
        siblings: held?.siblings ?? [],
        context: held === undefined ? undefined : tokenOf(bucket, key, held.seen),
        stateHash: held === undefined ? undefined : stateHashOf(held),
      }),
    )
  }

  explain(bucket: Bucket, key: Key, _timeoutMs: number, done: Done<Explanation>): void {
    const held = this.#at(bucket, key)
    this.#later(() =>
      done(undefined, {
        bucket,
        key,
        partition: 7,
        token: '0123456789abcdef',
        layoutNumber: 1,
        readLayout: 1,
        owners: [
          {
            node: ada,
            name: 'ada',
            memberState: 'alive',
            ownsIn: [1],
            isRead: true,
            holds: held.siblings.length > 0 ? 'siblings' : 'nothing',
            isRecovering: false,
            stateHash: stateHashOf(held),
            vv: held.seen,
            dots: held.siblings.map((sibling) => ({
              ...sibling.dot,
              writtenAtMs: 1_700_000_000_000,
              writtenBy: 'ada',
            })),
            deletedAtMs: undefined,
            changedAtMs: 1_700_000_000_000,
            hintsWaiting: [],
            comparisons: [{ node: bob, name: 'bob', secondsAgo: 61.5 }],
            tombstoneWaitingFor: undefined,
          },
          {
            node: bob,
            name: 'bob',
            memberState: 'dead',
            ownsIn: [1],
            isRead: true,
            holds: 'unreachable',
            isRecovering: false,
            stateHash: undefined,
            vv: [],
            dots: [],
            deletedAtMs: 1_700_000_000_000,
            changedAtMs: undefined,
            hintsWaiting: [hintForBob],
            comparisons: [],
            tombstoneWaitingFor: 'grace',
          },
        ],
        fallbacks: [{ node: cyd, name: 'cyd', memberState: 'alive', isReachable: true, hints: [hintForBob] }],
        agreed: false,
        summary: 'bob does not answer.',
      }),
    )
  }

  ownersOf() {
    return this.hasLayout ? { partition: 7, token: '0123456789abcdef', owners: [ada, bob, cyd] } : undefined
  }

  status(): ClusterStatus {
    return {
      cluster: 'starling',
      clusterId: this.hasLayout ? toClusterId('0123456789abcdef') : undefined,
      converged: this.hasLayout,
      layout: { number: this.hasLayout ? 1 : 0, live: this.hasLayout ? [1] : [], hash: undefined },
      transition: this.transition,
      staged: this.transition === undefined ? [] : [stagedCyd],
      excluded: this.transition === undefined ? [] : [{ id: bob, name: 'böb' }],
      awaited: [],
      members: [
        { id: ada, name: 'ada' },
        { id: bob, name: 'böb' },
        { id: cyd, name: 'cyd' },
      ].map((member) => ({
        ...member,
        peer: toEndpoint('127.0.0.1:7071'),
        http: member.id === cyd ? undefined : toEndpoint('127.0.0.1:7070'),
        state: 'alive' as const,
        zone: member.id === cyd ? 'z2' : 'z1',
        weight: 1,
        version: '0.1.0',
        wireVersion: 2,
        isInsecure: member.id === cyd,
        owns: 1,
        ownsAfter: 1,
        hintsHeld: member.id === cyd ? undefined : 0,
        hintsFor: member.id === bob ? 12 : 0,
      })),
    }
  }

  askStatus(done: (status: ClusterStatus) => void): void {
    this.#later(() => done(this.status()))
  }

  ring(): RingView | undefined {
    if (!this.hasLayout) return undefined
    return {
      layoutNumber: 1,
      partitionCount: 2,
      replicaCount: 2,
      nodes: [
        { id: ada, name: 'ada', zone: 'z1', weight: 1, target: 2 },
        { id: bob, name: 'bob', zone: 'z2', weight: 1, target: 2 },
      ],
      partitions: [
        [0, 1],
        [1, 0],
      ],
    }
  }

  self(): NodeView {
    return {
      id: ada,
      name: 'ada',
      cluster: 'starling',
      clusterId: undefined,
      version: '0.1.0',
      startNumber: 3,
      storeGeneration: 99,
      peer: toEndpoint('127.0.0.1:7071'),
      http: toEndpoint('127.0.0.1:7070'),
      zone: 'z1',
      weight: 1,
      isInsecure: false,
      state: this.state,
      recoveringPartitions: this.recoveringPartitions,
      clockOffsetMs: 0.5,
      uptimeSeconds: 12,
    }
  }

  hints(): HintsView {
    return {
      hints: [
        {
          target: bob,
          name: 'böb',
          count: 12,
          bytes: 3456,
          oldestSeconds: 61.5,
          state: 'waiting',
          lastError: undefined,
          dirtyPartitions: 2,
        },
      ],
      held: { count: 12, bytes: 3456 },
    }
  }

  transfers(): TransfersView {
    return {
      transfers: [
        {
          kind: 'hints',
          peer: bob,
          name: 'böb',
          partitionsLeft: undefined,
          keysLeft: 12,
          bytesLeft: 3456,
          bytesPerSecond: 1000,
          etaSeconds: 3.456,
        },
      ],
    }
  }

  antiEntropy(): AntiEntropyView {
    return {
      exchanges: [
        {
          peer: bob,
          name: 'böb',
          ageSeconds: this.exchangesRun === 0 ? undefined : 0,
          partitions: 682,
          differences: 3,
          keysRepaired: 5,
          bytes: 1024,
          state: 'idle',
          reason: undefined,
        },
      ],
      rebuilding: 0,
      suspendedBecause: undefined,
    }
  }

  runExchange(done: Done<AntiEntropyView>): void {
    this.exchangesRun += 1
    this.#later(() => done(undefined, this.antiEntropy()))
  }

  tombstones(): readonly WaitingTombstones[] {
    return [{ waitingFor: 'grace', count: 4 }]
  }

  acceptLoss(done: Done<{ readonly partitions: number }>): void {
    const partitions = this.recoveringPartitions
    this.recoveringPartitions = 0
    this.#later(() => done(undefined, { partitions }))
  }

  stage(request: StageRequest, done: Done<StageAnswer>): void {
    this.layoutRequests.push(request)
    this.#answerOrFail(done, () => ({ staged: [stagedCyd] }))
  }

  plan(done: Done<PlanView>): void {
    this.#answerOrFail(done, () => planView)
  }

  commit(request: CommitRequest, done: Done<CommitAnswer>): void {
    this.layoutRequests.push(request)
    this.#answerOrFail(done, () => this.#decision())
  }

  abort(timeoutMs: number, done: Done<CommitAnswer>): void {
    this.layoutRequests.push({ timeoutMs })
    this.#answerOrFail(done, () => this.#decision())
  }

  forget(node: string, timeoutMs: number, done: Done<CommitAnswer>): void {
    this.layoutRequests.push({ node, timeoutMs })
    this.#answerOrFail(done, () => this.#decision())
  }

  drain(done: Done<{ readonly inFlight: number }>): void {
    this.drains += 1
    this.#answerOrFail(done, () => ({ inFlight: 2 }))
  }

  #decision(): CommitAnswer {
    return this.silent.length > 0
      ? { decided: false, waitingFor: this.silent }
      : { decided: true, number: 2, plan: planHash }
  }

  #answerOrFail<Answer>(done: Done<Answer>, answer: () => Answer): void {
    const failure = this.failures.shift()
    this.#later(() => (failure === undefined ? done(undefined, answer()) : done(failure, undefined)))
  }

  notReadyBecause(): readonly string[] {
    return this.reasons
  }

  #answer(request: ClientRequest): ClientAnswer {
    const held = this.#at(request.bucket, request.key)
    switch (request.type) {
      case 'get': {
        const isKnown = held.seen.length > 0
        return {
          type: 'got',
          siblings: held.siblings,
          context: isKnown ? tokenOf(request.bucket, request.key, held.seen) : undefined,
          tombstone: isKnown && held.siblings.length === 0,
          stateHash: isKnown ? stateHashOf(held) : undefined,
          quorum: receipt('r', request),
        }
      }
      case 'put': {
        this.#checkConditions(request, held)
        const dot = this.#mint()
        const covered = coveredBy(request)
        const siblings = [...surviving(held, covered), siblingOf(dot, request.value, request)]
        const next = { seen: [...held.seen, dot], siblings }
        this.#held.set(id(request.bucket, request.key), next)
        return {
          type: 'written',
          context: tokenOf(request.bucket, request.key, [...covered, dot]),
          state: request.returnValue
            ? { siblings, stateHash: stateHashOf(next), context: tokenOf(request.bucket, request.key, next.seen) }
            : undefined,
          quorum: receipt('w', request),
        }
      }
      case 'delete': {
        this.#checkConditions(request, held)
        if (held.seen.length === 0)
          return { type: 'written', context: undefined, state: undefined, quorum: receipt('w', request) }
        const covered = request.context === undefined ? held.seen : coveredBy(request)
        this.#held.set(id(request.bucket, request.key), { seen: held.seen, siblings: surviving(held, covered) })
        return {
          type: 'written',
          context: tokenOf(request.bucket, request.key, covered),
          state: undefined,
          quorum: receipt('w', request),
        }
      }
    }
  }

  #checkConditions(request: PutRequest | DeleteRequest, held: Held): void {
    const exists = held.siblings.length > 0
    const { ifMatch } = request
    const matches = ifMatch === undefined || (exists && (ifMatch.includes('*') || ifMatch.includes(stateHashOf(held))))
    const isVacant = request.type !== 'put' || !request.ifNoneMatch || !exists
    if (!matches || !isVacant) {
      throw new PreconditionFailed('the condition does not hold', { quorum: receipt('r', request) })
    }
  }

  #at(bucket: string, key: string): Held {
    return this.#held.get(id(bucket, key)) ?? { seen: [], siblings: [] }
  }

  #mint(): Dot {
    this.#counter += 1
    return { shortId: 1, generation: 99, born: 1, counter: this.#counter }
  }

  #later(step: () => void): void {
    if (this.isHolding) this.#waiting.push(step)
    else setImmediate(step)
  }
}

const hintForBob = {
  holder: cyd,
  holderName: 'cyd',
  target: bob,
  targetName: 'bob',
  holds: 'siblings',
  stateHash: '0123456789abcdef',
  changedAtMs: 1_700_000_000_000,
} as const

const planHash = '0123456789abcdef'

const stagedCyd = {
  node: cyd,
  name: 'cyd',
  action: 'join',
  with: undefined,
  withName: undefined,
  zone: 'z2',
  weight: undefined,
  force: false,
  setAtMs: 1_700_000_000_000,
} as const

const planView: PlanView = {
  plan: planHash,
  number: 2,
  isAmendment: false,
  isPossible: true,
  staged: [stagedCyd],
  changes: ['cyd joins'],
  shares: [{ node: cyd, name: 'cyd', before: 0, after: 1 / 3, partitionsBefore: 0, partitionsAfter: 1 }],
  moves: [{ partition: 1, from: [bob], to: [cyd], bytes: 4096 }],
  partitions: 1,
  bytes: 4096,
  estimateSeconds: 0.5,
  maxToTarget: 1.5,
  checks: [{ name: 'members', ok: true, detail: 'all 3 members are alive or excluded' }],
}

/** Keys stand in the order of their bytes. */
export function order(one: string, other: string): number {
  return Buffer.compare(Buffer.from(one), Buffer.from(other))
}

function id(bucket: string, key: string): string {
  return `${bucket}\0${key}`
}

function receipt(kind: 'r' | 'w', request: ClientRequest): QuorumReceipt {
  const counts = { kind, answered: 3, needed: 2, owners: 2, fallbacks: 1, coordinator: ada }
  if (request.wantsReceipt !== true) return counts
  const durability = request.type === 'get' ? undefined : (request.options.durability ?? 'os')
  return { ...counts, details: { nodes: whoAnswered, durability, repairs: kind === 'r' ? 1 : 0 } }
}

/** For bob, cyd stands in. */
export const whoAnswered: readonly ReceiptNode[] = [
  { node: ada, role: 'owner', forNode: ada },
  { node: cyd, role: 'fallback', forNode: bob },
]

function tokenOf(bucket: string, key: string, seen: readonly Dot[]): string {
  return Buffer.from(JSON.stringify([bucket, key, seen])).toString('base64url')
}

function coveredBy(request: PutRequest | DeleteRequest): readonly Dot[] {
  if (request.context === undefined) return []
  try {
    const [bucket, key, seen] = JSON.parse(Buffer.from(request.context, 'base64url').toString())
    if (bucket === request.bucket && key === request.key) return seen
  } catch {}
  throw new InvalidContext('the context is damaged, or of another key')
}

function surviving(held: Held, covered: readonly Dot[]): readonly Sibling[] {
  return held.siblings.filter((sibling) => !covered.some((dot) => isDeepStrictEqual(dot, sibling.dot)))
}

function stateHashOf(held: Held): string {
  const text = JSON.stringify([held.seen, held.siblings.map((sibling) => sibling.dot)])
  let hash = 0n
  for (const unit of text) hash = BigInt.asUintN(64, hash * 1099511628211n + BigInt(unit.charCodeAt(0)))
  return hash.toString(16).padStart(16, '0')
}

function siblingOf(dot: Dot, value: Uint8Array, request?: PutRequest): Sibling {
  return {
    dot,
    hlc: (1_700_000_000_000 * hlcTicksPerMs) as Hlc,
    value,
    contentType: request?.contentType ?? 'text/plain',
    metadata: request?.metadata ?? [],
    expiresAtMs: request?.ttlSeconds === undefined ? undefined : 1_700_000_000_000 + request.ttlSeconds * 1000,
    checksum: 0,
  }
}

function isWithin(key: string, { start, end, after, reverse }: ListRequest): boolean {
  if ((start !== '' && order(key, start) < 0) || (end !== '' && order(key, end) >= 0)) return false
  return after === '' || (reverse ? order(key, after) < 0 : order(key, after) > 0)
}

function doorkeeperOf(node: FakeNode): Doorkeeper {
  return new Doorkeeper({
    authority: node.authority,
    get asksForCertificates() {
      return node.asksForCertificates
    },
    wallMs: () => Date.now(),
    onTurnedAway: (reason) => void node.turnedAway.push(reason),
  })
}

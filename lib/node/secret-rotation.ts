import type { Outcome } from '../links/frame-link.ts'
import type { Cryptography } from '../ports/cryptography.ts'
import type { Time } from '../ports/time.ts'
import { keyringKeysMax, type SecretKey, secretKeyBytes, toSecretKey } from '../security/keyring.ts'
import { NotFound, type PlanCheckResult, PlanRefused } from '../vocabulary/errors.ts'
import type { NodeId } from '../vocabulary/ids.ts'
import type { Random } from '../vocabulary/random.ts'
import type { Refusal, Request, Response } from '../wire/messages.ts'
import type { Done } from './node-api.ts'
import type { SecretService } from './secret-service.ts'
import type { NodeKeys, SecretChanged, SecretOrder, SecretStatus } from './secret-views.ts'

/** Somebody who has keys, or should have. */
export interface KeyHolder {
  readonly id: NodeId
  readonly name: string
  /** Why there is no use in asking; undefined: there is. */
  readonly awayBecause: string | undefined
}

type Ask = (id: NodeId, message: Request, timeoutMs: number, done: (outcome: Outcome) => void) => void

/** Of the time there is: the rest is for the change itself. */
const askingShare = 0.4
const askingMsMax = 3_000

/**
 * Changes a key of the cluster everywhere: add, use, remove. Each step asks everybody first, who then let nobody else change
 * their keys, and is refused if somebody would be cut off by it. Which keys there are is nowhere but in the members' files, so
 * a step that did not reach everybody is simply ordered again.
 */
export class SecretRotation {
  readonly #time: Time
  readonly #cryptography: Cryptography
  readonly #random: Random
  readonly #own: SecretService
  readonly #self: () => NodeId
  readonly #holders: () => readonly KeyHolder[]
  readonly #ask: Ask

  constructor(parts: {
    readonly time: Time
    readonly cryptography: Cryptography
    readonly random: Random
    readonly own: SecretService
    readonly self: () => NodeId
    /** All members, this node among them. */
    readonly holders: () => readonly KeyHolder[]
    readonly ask: Ask
  }) {
    this.#time = parts.time
    this.#cryptography = parts.cryptography
    this.#random = parts.random
    this.#own = parts.own
    this.#self = parts.self
    this.#holders = parts.holders
    this.#ask = parts.ask
  }

  /** `done` once everybody in reach has answered, or has not within the time. */
  status(timeoutMs: number, done: Done<SecretStatus>): void {
    if (this.#own.keys.length === 0) return this.#time.soon(() => done(noSecret(), undefined))
    this.#askAll({ type: 'tell-secret', step: 0 }, this.#holders(), timeoutMs, (nodes) => done(undefined, { nodes }))
  }

  /** @see SecretOrder; fails with PlanRefused, whose checks name who would be cut off, and then nothing has changed */
  change(order: SecretOrder, done: Done<SecretChanged>): void {
    const fail = (error: NotFound | PlanRefused): void => this.#time.soon(() => done(error, undefined))
    if (this.#own.keys.length === 0) return fail(noSecret())
    const key = this.#keyOf(order)
    if (key === undefined) {
      return fail(
        new NotFound(`this node has no key ${order.keyId}`, { hint: '`starling secret status` shows who has which' }),
      )
    }
    // One of four billion: two orders at the same time do not draw the same, nor the one that only asks.
    const step = 1 + this.#random.below(2 ** 32 - 1)
    const holders = this.#holders()
    const askingMs = Math.min(askingMsMax, order.timeoutMs * askingShare)
    this.#askAll({ type: 'tell-secret', step }, holders, askingMs, (told) => {
      const checks = checksOf(order, key, told)
      const isRefused = checks.some(({ ok, isForced }) => !ok && !(isForced && order.force))
      const base = { step, keyId: key.id } as const
      const isOver = isRefused || order.isRehearsal
      const message: Request = isOver
        ? { type: 'change-secret', ...base, change: 'nothing', key: nothing }
        : { type: 'change-secret', ...base, change: order.action, key: order.action === 'add' ? key.bytes : nothing }
      const answered = holders.filter(({ id }) => told.some(({ node, keyIds }) => node === id && keyIds !== undefined))
      const restMs = Math.max(1, order.timeoutMs - askingMs)
      this.#askAll(message, answered, isOver ? askingMs : restMs, (changed) => {
        if (isRefused) return done(refusedBy(order, key, checks), undefined)
        const nodes = told.map((one) => changed.find(({ node }) => node === one.node) ?? one)
        done(undefined, { action: order.action, keyId: key.id, nodes })
      })
    })
  }

  #keyOf({ action, keyId }: SecretOrder): SecretKey | undefined {
    if (keyId !== undefined) {
      const known = this.#own.keys.find(({ id }) => id === keyId)
      // To remove it everywhere else this node need not have it any more.
      return known ?? (action === 'remove' ? { id: keyId, bytes: nothing } : undefined)
    }
    return toSecretKey(this.#cryptography.randomBytes(secretKeyBytes), this.#cryptography)
  }

  /** `done` once, not inside the call, with an answer or a problem of each, in the order of `holders`. */
  #askAll(
    message: Extract<Request, { type: 'tell-secret' | 'change-secret' }>,
    holders: readonly KeyHolder[],
    timeoutMs: number,
    done: (nodes: readonly NodeKeys[]) => void,
  ): void {
    const answers = new Map<NodeId, NodeKeys>()
    const heard = ({ id, name }: KeyHolder, answer: Response | Refusal | string): void => {
      answers.set(id, { node: id, name, ...readAnswer(answer) })
      if (answers.size === holders.length) done(holders.map((one) => answers.get(one.id) as NodeKeys))
    }
    if (holders.length === 0) return this.#time.soon(() => done([]))
    for (const holder of holders) {
      const { id, awayBecause } = holder
      if (id === this.#self()) {
        this.#time.soon(() =>
          heard(holder, message.type === 'tell-secret' ? this.#own.tell(message.step) : this.#own.change(message)),
        )
      } else if (awayBecause !== undefined) {
        this.#time.soon(() => heard(holder, awayBecause))
      } else {
        this.#ask(id, message, timeoutMs, (outcome) => heard(holder, readOutcome(outcome)))
      }
    }
  }
}

interface Check extends PlanCheckResult {
  /** `force` goes past it. */
  readonly isForced: boolean
}

/** What has to hold of everybody before the step, with names where it does not. */
function checksOf({ action }: SecretOrder, { id }: SecretKey, told: readonly NodeKeys[]): readonly Check[] {
  const held = told.filter(({ problem }) => problem === heldByOther)
  const silent = told.filter(({ keyIds, problem }) => keyIds === undefined && problem !== heldByOther)
  const lacking = told.filter(({ keyIds }) => keyIds !== undefined && !keyIds.includes(id))
  const alone: Check = {
    name: 'one-at-a-time',
    ok: held.length === 0,
    detail: held.length === 0 ? 'nobody else changes keys now' : `another order changes the keys of ${namesOf(held)}`,
    isForced: false,
  }
  if (action === 'add') {
    const full = lacking.filter(({ keyIds }) => (keyIds ?? []).length >= keyringKeysMax)
    const detail =
      full.length === 0
        ? 'there is room for one more key'
        : `no room at ${namesOf(full)}, with ${keyringKeysMax} keys: remove old ones`
    return [alone, { name: 'room', ok: full.length === 0, detail, isForced: false }]
  }
  const everybody: Check = {
    name: 'everybody-answers',
    ok: silent.length === 0,
    detail:
      silent.length === 0
        ? 'every member has said which keys it has'
        : `not known of ${silent.map(({ name, problem }) => `${name} (${problem})`).join(', ')}`,
    isForced: true,
  }
  if (action === 'use') {
    const detail =
      lacking.length === 0 ? 'every member has the key' : `${namesOf(lacking)} could not read what is sent with it`
    return [alone, everybody, { name: 'everybody-has-it', ok: lacking.length === 0, detail, isForced: true }]
  }
  const sending = told.filter(({ keyIds }) => keyIds?.[0] === id)
  const detail =
    sending.length === 0 ? 'no member sends with the key' : `in use at ${namesOf(sending)}: use another one first`
  return [alone, everybody, { name: 'nobody-sends-with-it', ok: sending.length === 0, detail, isForced: true }]
}

function refusedBy({ action }: SecretOrder, { id }: SecretKey, checks: readonly Check[]): PlanRefused {
  const failed = checks.filter(({ ok }) => !ok)
  const sentence = failed.map(({ detail }) => detail).join('; ')
  return new PlanRefused(`the key ${id} is not ${wordOf(action)}: ${sentence}`, {
    checks: checks.map(({ name, ok, detail }) => ({ name, ok, detail })),
    hint: failed.every(({ isForced }) => isForced)
      ? `${remedies[action]}; with force those who are named may be cut off until their secret files are changed by hand`
      : 'try again when that is over',
  })
}

const remedies: Readonly<Record<SecretOrder['action'], string>> = {
  add: 'remove keys that nobody uses',
  use: 'add the key again once every member is there',
  remove: 'use another key everywhere, and start who is away or take it out of the cluster',
}

function wordOf(action: SecretOrder['action']): string {
  return action === 'use' ? 'used' : action === 'add' ? 'added' : 'removed'
}

function namesOf(nodes: readonly NodeKeys[]): string {
  return nodes.map(({ name }) => name).join(', ')
}

function noSecret(): NotFound {
  return new NotFound('this node has no secret: it was started without --secret-file', {
    hint: 'docs/security.md says how a cluster comes to one',
  })
}

const heldByOther = 'its keys are being changed by another order'

function readAnswer(answer: Response | Refusal | string): Pick<NodeKeys, 'keyIds' | 'problem'> {
  if (typeof answer === 'string') return { keyIds: undefined, problem: answer }
  if (answer.type === 'secret-told') return { keyIds: answer.keyIds, problem: undefined }
  if (answer.type === 'refused') return { keyIds: undefined, problem: answer.message }
  return { keyIds: undefined, problem: 'it answered something else' }
}

function readOutcome(outcome: Outcome): Response | Refusal | string {
  if (outcome.type === 'answered') return outcome.message
  return outcome.type === 'refused' ? outcome.refusal : outcome.reason
}

const nothing = new Uint8Array(0)

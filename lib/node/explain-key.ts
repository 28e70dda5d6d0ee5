import { isTombstone } from '../protocol/causality/inspect-record.ts'
import type { KeyRecord } from '../protocol/causality/record.ts'
import { formatStateHash, stateHash } from '../protocol/causality/state-hash.ts'
import { hlcToMs } from '../protocol/clock/hlc.ts'
import { NoLayout } from '../vocabulary/errors.ts'
import type { NodeId } from '../vocabulary/ids.ts'
import type { RecordKey } from '../vocabulary/key.ts'
import { UnreadableBytes } from '../wire/unreadable-bytes.ts'
import type { Done, Explanation, OwnerView } from './node-api.ts'
import type { NodeLife } from './node-life.ts'
import type { LocalCopy } from './replica-store.ts'
import type { RequestContext } from './request-context.ts'

/** Asks every owner for its copy and says why the key reads as it does. Changes nothing, repairs nothing. */
export function explainKey(
  context: RequestContext,
  life: NodeLife,
  key: RecordKey,
  timeoutMs: number,
  done: Done<Explanation>,
): void {
  const inForce = context.layout.inForce
  if (inForce === undefined) return done(new NoLayout('the node knows no decided layout yet'), undefined)
  const { ring, decided } = inForce
  const partition = ring.partitionOf(key.token)
  const owners = ring.ownersOf(partition)
  const views: OwnerView[] = []
  const collect = (view: OwnerView): void => {
    views.push(view)
    if (views.length < owners.length) return
    views.sort((a, b) => (a.node < b.node ? -1 : 1))
    const agreed = new Set(views.map(({ holds, stateHash: hash }) => hash ?? holds)).size === 1
    done(undefined, {
      bucket: key.bucket,
      key: key.key,
      partition,
      token: key.token.toString(16).padStart(16, '0'),
      layoutNumber: decided.version.number,
      owners: views,
      agreed,
      summary: summarise(views, agreed),
    })
  }
  const viewOf = (owner: NodeId, held: Held): OwnerView => describe(context, life, key, owner, held)
  for (const owner of owners) {
    if (owner === context.self) {
      context.store.readStored(key, (copy) =>
        context.time.soon(() => collect(viewOf(owner, heldHere(context, key, copy)))),
      )
      continue
    }
    context.peers.ask(owner, { type: 'explain-replica', key }, timeoutMs, (outcome) => {
      if (outcome.type !== 'answered' || outcome.message.type !== 'replica-explained') {
        return collect(viewOf(owner, { state: 'unreachable', isRecovering: false, record: undefined }))
      }
      const { state, isRecovering, record } = outcome.message
      collect(viewOf(owner, decodeHeld(context, state, isRecovering, record)))
    })
  }
}

interface Held {
  readonly state: 'found' | 'absent' | 'damaged' | 'unreachable'
  readonly isRecovering: boolean
  readonly record: KeyRecord | undefined
}

function heldHere(context: RequestContext, key: RecordKey, copy: LocalCopy): Held {
  return {
    state: copy.state === 'failed' ? 'unreachable' : copy.state,
    isRecovering: context.recovery.isRecovering(context.store.partitionOf(key)),
    record: copy.state === 'found' ? context.store.decode(copy.bytes) : undefined,
  }
}

function decodeHeld(
  context: RequestContext,
  state: 'found' | 'absent' | 'damaged',
  isRecovering: boolean,
  bytes: Uint8Array,
): Held {
  try {
    return { state, isRecovering, record: state === 'found' ? context.store.decode(bytes) : undefined }
  } catch (error) {
    if (!(error instanceof UnreadableBytes)) throw error
    return { state: 'damaged', isRecovering, record: undefined }
  }
}

function describe(context: RequestContext, life: NodeLife, key: RecordKey, owner: NodeId, held: Held): OwnerView {
  const { record } = held
  const ring = context.layout.inForce?.ring
  return {
    node: owner,
    name: life.membership?.machine.member(owner)?.metadata.name ?? owner.slice(0, 8),
    memberState: life.membership?.machine.member(owner)?.state ?? 'unknown',
    holds:
      held.state === 'unreachable' || held.state === 'damaged'
        ? held.state
        : record === undefined
          ? 'nothing'
          : isTombstone(record)
            ? 'tombstone'
            : 'siblings',
    isRecovering: held.isRecovering,
    stateHash: record === undefined ? undefined : formatStateHash(stateHash(key, record, context.hash)),
    vv: record?.vv ?? [],
    dots: (record?.siblings ?? []).map(({ dot, hlc }) => {
      const writer = ring?.nodeOfShortId(dot.shortId)
      return {
        ...dot,
        writtenAtMs: hlcToMs(hlc),
        writtenBy: writer === undefined ? `former node ${dot.shortId}` : context.peers.nameOf(writer),
      }
    }),
    deletedAtMs: record === undefined || record.deletedHlc === 0 ? undefined : hlcToMs(record.deletedHlc),
  }
}

function summarise(views: readonly OwnerView[], agreed: boolean): string {
  const answering = views.filter(({ holds }) => holds !== 'unreachable' && holds !== 'damaged')
  const silent = views.length - answering.length
  const missing =
    silent === 0 ? '' : ` ${silent} of ${views.length} owners cannot say what they hold (unreachable or damaged).`
  const first = answering[0]
  if (first === undefined) return `No owner can say what it holds.${missing}`
  if (agreed || new Set(answering.map(({ holds, stateHash: hash }) => hash ?? holds)).size === 1) {
    if (answering.length === 1) return `One owner says: ${whatIsHeld(first)}.${missing}`
    const who = silent === 0 ? `All ${views.length} owners` : `The ${answering.length} owners that answered`
    return `${who} agree: ${whatIsHeld(first)}.${missing}`
  }
  const parts = answering.map((view) => `${view.name} has ${whatIsHeld(view)}`)
  return `The owners differ: ${parts.join('; ')}. A read merges them and repairs those that are behind.${missing}`
}

function whatIsHeld(view: OwnerView): string {
  if (view.holds === 'nothing') return 'the key was never written, or its tombstone is gone'
  if (view.holds === 'tombstone') return 'the key was deleted'
  const count = view.dots.length
  const writers = [...new Set(view.dots.map(({ writtenBy }) => writtenBy))].join(', ')
  return count === 1
    ? `one value, written through ${writers}`
    : `${count} siblings that no write has superseded yet, written through ${writers}`
}

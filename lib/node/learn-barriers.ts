import { hlcZero } from '../protocol/clock/hlc.ts'
import type { NodeId } from '../vocabulary/ids.ts'
import type { ToldBarrier } from '../wire/messages.ts'
import type { RequestContext } from './request-context.ts'

const askTimeoutMs = 3_000

/**
 * Learns from other owners what was deleted for good in a partition whose own barrier may be lost, and keeps it, synced
 * (docs/rules.md T3). `done(true)` once one of `asked` that has not lost its own has answered; or, if those have lost
 * theirs as well, once every other owner has answered: then nobody knows more, and nothing that was read before this moment
 * is taken.
 */
export function learnBarriers(
  context: RequestContext,
  partition: number,
  asked: readonly NodeId[],
  done: (isLearnt: boolean) => void,
): void {
  const { layout, self } = context
  const inForce = layout.inForce
  const owners = inForce?.readersOf(partition).filter((owner) => owner !== self && !inForce.isExcluded(owner)) ?? []
  askAll(context, partition, asked, (told) => {
    if (told.some(({ isKnown }) => isKnown)) return keep(context, told, done)
    if (told.length === 0) return done(false)
    askAll(context, partition, owners, (all) => {
      if (all.some(({ isKnown }) => isKnown)) return keep(context, all, done)
      if (all.length < owners.length) return done(false)
      const now = { partition, gcBarrier: context.minting.read(), gcDeleted: hlcZero, isKnown: false }
      keep(context, [...all, now], done)
    })
  })
}

function askAll(
  context: RequestContext,
  partition: number,
  owners: readonly NodeId[],
  done: (told: readonly ToldBarrier[]) => void,
): void {
  const told: ToldBarrier[] = []
  let left = owners.length
  if (left === 0) return context.time.soon(() => done(told))
  for (const owner of owners) {
    context.peers.ask(owner, { type: 'tell-barriers', partitions: [partition] }, askTimeoutMs, (outcome) => {
      if (outcome.type === 'answered' && outcome.message.type === 'barriers-told') {
        const answer = outcome.message.barriers.find((barrier) => barrier.partition === partition)
        if (answer !== undefined) told.push(answer)
      }
      left -= 1
      if (left === 0) done(told)
    })
  }
}

function keep(context: RequestContext, told: readonly ToldBarrier[], done: (isLearnt: boolean) => void): void {
  const { barriers, minting } = context
  const last = told.length - 1
  for (const [index, { partition, gcBarrier, gcDeleted }] of told.entries()) {
    // Or this node's own states would be refused until its clock had come there by itself.
    minting.reach(gcBarrier)
    barriers.raiseSynced(partition, { gcBarrier, gcDeleted }, (failure) => {
      if (index === last) done(failure === undefined)
    })
  }
}

import { hlcMax, hlcZero } from '../protocol/clock/hlc.ts'
import { type GainedPartition, gainedPartitions } from '../protocol/layout/moves.ts'
import type { NodeId } from '../vocabulary/ids.ts'
import type { ToldBarrier } from '../wire/messages.ts'
import type { RequestContext } from './request-context.ts'

const askTimeoutMs = 3_000

/**
 * Learns of many partitions at once what was deleted there for good, from all in reach who own them until now, and keeps
 * it, synced (docs/rules.md T3). `failed`: of these nobody in reach could tell. Where all who owned them are excluded there
 * is nobody to ask.
 */
export function learnGainedBarriers(
  context: RequestContext,
  partitions: readonly number[],
  done: (learnt: readonly number[], failed: readonly number[]) => void,
): void {
  const inForce = context.layout.inForce
  const wanted = new Set(partitions)
  const gained =
    inForce === undefined
      ? []
      : gainedPartitions(inForce, context.self).filter(({ partition }) => wanted.has(partition))
  askAll(context, gained, (told) => {
    const learnt: number[] = []
    const failed: number[] = []
    let waits = 1
    const ended = (): void => {
      waits -= 1
      if (waits === 0) done(learnt, failed)
    }
    for (const { partition, sources } of gained) {
      const answers = told.get(partition) ?? []
      const isKnown = sources.length === 0 || answers.some((answer) => answer.isKnown)
      const isNobodyLeft = sources.length > 0 && answers.length === sources.length
      if (!isKnown && !isNobodyLeft) {
        failed.push(partition)
        continue
      }
      learnt.push(partition)
      // All who owned it have lost theirs: nothing that was read before this moment is taken.
      const now = isKnown ? hlcZero : context.minting.read()
      const gcBarrier = answers.reduce((highest, answer) => hlcMax(highest, answer.gcBarrier), now)
      const gcDeleted = answers.reduce((highest, answer) => hlcMax(highest, answer.gcDeleted), hlcZero)
      // Or this node's own states would be refused until its clock had come there by itself.
      context.minting.reach(gcBarrier)
      waits += 1
      // A store that fails ends this life.
      context.barriers.raiseSynced(partition, { gcBarrier, gcDeleted }, (failure) => {
        if (failure === undefined) ended()
      })
    }
    context.time.soon(ended)
  })
}

function askAll(
  context: RequestContext,
  gained: readonly GainedPartition[],
  done: (told: ReadonlyMap<number, readonly ToldBarrier[]>) => void,
): void {
  const told = new Map<number, ToldBarrier[]>()
  const asked = new Map<NodeId, number[]>()
  for (const { partition, sources } of gained) {
    for (const source of sources) {
      if (!context.peers.isReachable(source)) continue
      const those = asked.get(source)
      if (those === undefined) asked.set(source, [partition])
      else those.push(partition)
    }
  }
  let left = asked.size
  if (left === 0) return context.time.soon(() => done(told))
  for (const [source, partitions] of asked) {
    context.peers.ask(source, { type: 'tell-barriers', partitions }, askTimeoutMs, (outcome) => {
      if (outcome.type === 'answered' && outcome.message.type === 'barriers-told') {
        for (const barrier of outcome.message.barriers) {
          told.set(barrier.partition, [...(told.get(barrier.partition) ?? []), barrier])
        }
      }
      left -= 1
      if (left === 0) done(told)
    })
  }
}

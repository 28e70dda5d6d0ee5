import { hlcMax, hlcZero } from '../protocol/clock/hlc.ts'
import type { NodeId } from '../vocabulary/ids.ts'
import type { RequestContext } from './request-context.ts'

const askTimeoutMs = 1_000

/**
 * `node` refused a state because it was read before a deletion that has ended there (docs/rules.md D5). Before the state
 * is read and sent again, the own clock goes beyond that deletion, or it would be refused for being behind.
 * `done(false)`: that could not be done now.
 */
export function catchUpClock(
  context: RequestContext,
  node: NodeId,
  partitions: readonly number[],
  done: (isCaughtUp: boolean) => void,
): void {
  const { peers, minting } = context
  peers.ask(node, { type: 'tell-barriers', partitions }, askTimeoutMs, (outcome) => {
    if (outcome.type !== 'answered' || outcome.message.type !== 'barriers-told') return done(false)
    let barrier = hlcZero
    for (const { gcBarrier } of outcome.message.barriers) barrier = hlcMax(barrier, gcBarrier)
    if (!minting.reach(barrier)) return done(false)
    if (minting.read() >= barrier) done(true)
    else minting.whenExtended(() => done(minting.read() >= barrier))
  })
}

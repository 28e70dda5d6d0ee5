import type { NodeId } from '../../vocabulary/ids.ts'
import type { LayoutDocument, LayoutTracker } from './layout-document.ts'
import { barrierOf, hasSwitched, membersOf, newestLive, oldestLive } from './transition.ts'

/** How far a transition has come, for people: what comes next, and whom that waits for. */
export interface TransitionStage {
  /** The versions that are left, and gone to. */
  readonly from: number
  readonly to: number
  /**
   * - `acknowledging`: until every member plans with both versions (docs/rules.md T2).
   * - `copying`: until the new owners have everything (T3, T4).
   * - `switching`: until every member knows that reads have moved (T5).
   * - `returning`: an abort, until every member knows of it (T7).
   */
  readonly stage: 'acknowledging' | 'copying' | 'switching' | 'returning'
  /** The members that have not come so far. */
  readonly waitingFor: readonly NodeId[]
}

/** Undefined while one version is live. */
export function stageOfTransition(document: LayoutDocument): TransitionStage | undefined {
  const oldest = oldestLive(document)
  const newest = newestLive(document)
  if (oldest === undefined || newest === undefined || oldest === newest) return undefined
  const { number, assignedAt } = newest.version
  const way = { from: oldest.version.number, to: number }
  const members = membersOf(document)
  const behind = (value: (tracker: LayoutTracker) => number, least: number): readonly NodeId[] =>
    members.filter((id) => {
      const tracker = document.trackers.get(id)
      return tracker === undefined || value(tracker) < least
    })
  const deaf = behind(({ ack }) => ack, number)
  if (assignedAt < oldest.version.assignedAt) return { ...way, stage: 'returning', waitingFor: deaf }
  // An amendment in the middle asks nobody to begin anew.
  if (barrierOf(document) < assignedAt) return { ...way, stage: 'acknowledging', waitingFor: deaf }
  if (hasSwitched(document)) {
    return { ...way, stage: 'switching', waitingFor: behind(({ syncAck }) => syncAck, assignedAt) }
  }
  const givers = new Set(oldest.version.nodes.map(({ id }) => id))
  const unsynced = behind(({ sync }) => sync, assignedAt).filter((id) => givers.has(id))
  const hinting = behind(({ hintsClear }) => hintsClear, assignedAt)
  return { ...way, stage: 'copying', waitingFor: [...new Set([...unsynced, ...hinting])].sort() }
}

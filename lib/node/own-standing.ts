import type { Log } from '../ports/log.ts'
import type { StagedChange } from '../protocol/layout/layout-document.ts'
import type { LayoutInForce } from '../protocol/layout/layout-in-force.ts'
import { type Standing, standingOf } from '../protocol/layout/standing.ts'
import { formatOfChangedLayouts } from './identity-file.ts'
import type { IdentityKeeper } from './identity-keeper.ts'

/** What a node is to its cluster, as people are told. */
export type OwnState =
  /** It owns its share, coordinates and votes. */
  | 'member'
  /** It hands over what it has, and ends by itself when that is done. */
  | 'leaving'
  /** It has handed over everything, and stays away until it is invited. */
  | 'left'
  /** Nobody listens to it; what it holds goes to the owners (docs/rules.md L5). */
  | 'excluded'
  /** It has not been a member, or is none any more; it forwards. */
  | 'outsider'

/**
 * What the layout makes of this node, remembered in its `node.json`: a node that has left, or was excluded, must know
 * so when it is started again, also when nobody speaks of it any more.
 */
export class OwnStanding {
  readonly #keeper: IdentityKeeper
  readonly #log: Log
  #standing: Standing | undefined
  #isToldToLeave = false

  constructor(keeper: IdentityKeeper, log: Log) {
    this.#keeper = keeper
    this.#log = log
  }

  /** Undefined before a layout is in force. */
  get state(): OwnState | undefined {
    const { hasLeft } = this.#keeper.current
    return this.#standing === 'outsider' && hasLeft ? 'left' : this.#standing
  }

  /** It was told to leave, and no live version has it any more. One that was excluded, or only came too early, stays. */
  get isThrough(): boolean {
    const { clusterId, hasLeft, wasExcluded } = this.#keeper.current
    return this.#standing === 'outsider' && this.#isToldToLeave && clusterId !== '' && !hasLeft && !wasExcluded
  }

  /** @param staged the last word of people about this node */
  layoutChanged(inForce: LayoutInForce, staged: StagedChange | undefined): void {
    const { id, format, clusterId, hasLeft, wasExcluded } = this.#keeper.current
    const before = this.#standing
    // From here on an older release must not have this directory any more.
    if (inForce.number > 1 && format < formatOfChangedLayouts) this.#keeper.record({ format: formatOfChangedLayouts })
    this.#standing = standingOf(id, inForce)
    const ours = inForce.decided.clusterId
    if (this.#standing === 'member' && (clusterId !== ours || hasLeft || wasExcluded)) {
      this.#keeper.record({ clusterId: ours, hasLeft: false, wasExcluded: false })
    }
    if (this.#standing === 'excluded' && !wasExcluded) this.#keeper.record({ wasExcluded: true })
    // Whoever clears what is staged when it has been decided does not call anybody back.
    if (this.#standing === 'member' || staged?.action === 'join') this.#isToldToLeave = false
    else if (staged?.action === 'leave') this.#isToldToLeave = true
    if (this.#standing !== before) this.#say(before)
  }

  /** Durable before the node ends: started again, it must not come back by itself. */
  left(): boolean {
    return this.#keeper.record({ hasLeft: true })
  }

  #say(before: Standing | undefined): void {
    const { name, hasLeft } = this.#keeper.current
    switch (this.#standing) {
      case 'member':
        if (before !== undefined) this.#log.info({}, 'this node is a member of the cluster now')
        return
      case 'leaving':
        return this.#log.info({}, 'this node leaves the cluster: it hands over what it has, and then ends by itself')
      case 'excluded':
        return this.#log.warn(
          {},
          'this node is excluded from the cluster: nobody waits for it, and what it holds goes to the owners',
        )
      case 'outsider':
        if (hasLeft) {
          const invitation = `starling cluster join ${name}`
          return this.#log.warn({ invitation }, 'this node has left the cluster: it comes back when it is invited')
        }
        return this.#log.info({}, 'this node is no member: it holds no data and forwards requests')
      default:
        return
    }
  }
}

import type { LinkPool } from '../links/link-pool.ts'
import type { Ports } from '../ports/ports.ts'
import type { Hlc } from '../protocol/clock/hlc.ts'
import type { DecidedLayout } from '../protocol/layout/layout-version.ts'
import type { NodeId } from '../vocabulary/ids.ts'
import type { LayoutDriver } from './layout-driver.ts'
import type { MembershipDriver } from './membership-driver.ts'
import type { NodeSettings } from './node-settings.ts'
import { ResumeByName } from './resume-by-name.ts'
import { StartProblem } from './start-problem.ts'

export interface NewcomerListener {
  /** The node goes on as `id`, a dead member of its name, which had reached `startNumber`. */
  onResume(id: NodeId, startNumber: number): void
  onFatal(problem: StartProblem): void
}

/**
 * A node that has never been a member, and has met a layout that it is no part of (docs/rules.md L2): it goes on as the
 * dead member of its name, or else asks to be taken in if it was told whom to join.
 */
export class Newcomer {
  readonly #parts: { readonly ports: Ports; readonly layout: LayoutDriver; readonly membership: MembershipDriver }
  readonly #settings: NodeSettings
  readonly #self: NodeId
  readonly #clock: () => Hlc
  readonly #resume: ResumeByName

  constructor(
    parts: {
      readonly ports: Ports
      readonly links: LinkPool
      readonly layout: LayoutDriver
      readonly membership: MembershipDriver
    },
    options: {
      readonly self: NodeId
      readonly settings: NodeSettings
      /** The layout that it has met. */
      readonly decided: DecidedLayout
      readonly clock: () => Hlc
    },
    listener: NewcomerListener,
  ) {
    const { ports, links, layout, membership } = parts
    const { self, settings, decided } = options
    this.#parts = parts
    this.#settings = settings
    this.#self = self
    this.#clock = options.clock
    this.#resume = new ResumeByName(
      { time: ports.time, log: ports.log, links, membership },
      {
        ownName: settings.name,
        ownId: self,
        layoutNodes: () => {
          const { excluded } = (layout.decided ?? decided).version
          // Also one that only the version which is being left still has: its members are waited for, too.
          const nodes = layout.inForce?.nodeIds ?? decided.version.nodes.map(({ id }) => id)
          return nodes.filter((id) => !excluded.includes(id))
        },
      },
      {
        onNobody: () => this.#askToJoin(),
        onVerdict: (verdict) => {
          if (verdict.type === 'resume') {
            return listener.onResume(verdict.id, membership.machine.member(verdict.id)?.startNumber ?? 0)
          }
          listener.onFatal(
            new StartProblem(
              'name-in-use',
              `a living member of the cluster is called "${settings.name}"`,
              'give this node another --name, or stop the other one',
            ),
          )
        },
      },
    )
  }

  /** It is somebody now, or ends. */
  stop(): void {
    this.#resume.stop()
  }

  /**
   * Puts itself on the list; once, whatever people make of that.
   * @returns false: the layout is not in force here yet
   */
  #askToJoin(): boolean {
    const { layout, ports } = this.#parts
    const { join, zone, weight, name, audit } = this.#settings
    if (layout.inForce === undefined) return false
    if (join.length === 0 || layout.document.staged.has(this.#self)) return true
    layout.stage(this.#self, this.#clock(), { action: 'join', with: undefined, zone, weight, force: false })
    audit?.recordOwn('stage', { action: 'join', node: name, zone, weight })
    ports.log.info(
      { name },
      'this node asks to be a member: `starling cluster plan` shows what that moves, `starling cluster commit` does it',
    )
    return true
  }
}

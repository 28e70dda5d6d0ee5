import type { LinkPool } from '../links/link-pool.ts'
import type { Log } from '../ports/log.ts'
import type { Time, Timer } from '../ports/time.ts'
import { type IdentityVerdict, resumeIdentity } from '../protocol/layout/resume-identity.ts'
import type { MemberState } from '../protocol/membership/member.ts'
import type { NodeId } from '../vocabulary/ids.ts'
import type { MembershipDriver } from './membership-driver.ts'

const askEveryMs = 500
const askTimeoutMs = 2_000
/** A member that gossip has not named by then is long gone, and so is its name. */
const introducedMsMax = 10_000

interface NameQuestion {
  readonly ownName: string
  readonly ownId: NodeId
  /** Whose name may be taken up, now: the members of the newest version, without those that it excludes. */
  readonly layoutNodes: () => readonly NodeId[]
}

export interface NameListener {
  onVerdict(verdict: Extract<IdentityVerdict, { type: 'resume' | 'name-in-use' }>): void
  /** Nobody has the name; called again until it says that this was taken up. */
  onNobody(): boolean
}

/**
 * A node with an empty directory has met a layout: is one of its dead members this very node, come back without its
 * disk? (docs/rules.md L2.) Asks the others until that can be decided.
 */
export class ResumeByName {
  readonly #time: Time
  readonly #log: Log
  readonly #links: LinkPool
  readonly #membership: MembershipDriver
  readonly #question: NameQuestion
  readonly #on: NameListener
  readonly #beganMs: number
  readonly #opinions = new Map<NodeId, MemberState>()
  #answersProbe: boolean | undefined
  #timer: Timer | undefined
  #isStopped = false
  #hasLogged = false
  #isNobodyTold = false

  constructor(
    parts: {
      readonly time: Time
      readonly log: Log
      readonly links: LinkPool
      readonly membership: MembershipDriver
    },
    question: NameQuestion,
    on: NameListener,
  ) {
    this.#time = parts.time
    this.#log = parts.log
    this.#links = parts.links
    this.#membership = parts.membership
    this.#question = question
    this.#on = on
    this.#beganMs = parts.time.nowMs()
    this.#ask()
  }

  stop(): void {
    this.#isStopped = true
    this.#timer?.cancel()
  }

  #ask(): void {
    if (this.#isStopped) return
    const { ownName, ownId } = this.#question
    const layoutNodes = this.#question.layoutNodes()
    const { machine } = this.#membership
    const members = machine.members()
    const verdict = resumeIdentity({
      ownName,
      freshNodeId: ownId,
      layoutNodes,
      members,
      opinions: this.#opinions,
      answersProbe: this.#answersProbe,
    })
    if (verdict.type === 'resume' || verdict.type === 'name-in-use') {
      this.stop()
      return this.#on.onVerdict(verdict)
    }
    if (verdict.type === 'wait') {
      if (!this.#hasLogged) {
        this.#hasLogged = true
        this.#log.info(
          { namesake: verdict.namesake },
          'a member of the layout has this name: asking whether it is gone',
        )
      }
      this.#probe(verdict.namesake)
      for (const member of members) {
        const isAsked = layoutNodes.includes(member.id) && member.id !== verdict.namesake && machine.isAlive(member.id)
        if (isAsked) this.#askOpinion(member.id, member.metadata.peer, verdict.namesake)
      }
    }
    if (verdict.type === 'none' && this.#areIntroduced(layoutNodes) && !this.#isNobodyTold) {
      this.#isNobodyTold = this.#on.onNobody()
    }
    // The member list may still be incomplete: the question stays open until the node is somebody.
    this.#timer = this.#time.after(askEveryMs, () => this.#ask())
  }

  #areIntroduced(layoutNodes: readonly NodeId[]): boolean {
    if (this.#time.nowMs() - this.#beganMs > introducedMsMax) return true
    return layoutNodes.every((id) => this.#membership.machine.member(id) !== undefined)
  }

  #probe(namesake: NodeId): void {
    const endpoint = this.#membership.machine.member(namesake)?.metadata.peer
    if (endpoint === undefined) return
    this.#links.request(endpoint, { type: 'probe', target: namesake }, askTimeoutMs, (outcome) => {
      this.#answersProbe = outcome.type === 'answered' && outcome.message.type === 'probe-acked'
    })
  }

  #askOpinion(id: NodeId, endpoint: Parameters<LinkPool['request']>[0], namesake: NodeId): void {
    const members = this.#membership.machine.members()
    this.#links.request(endpoint, { type: 'exchange-members', members, isJoin: false }, askTimeoutMs, (outcome) => {
      if (outcome.type !== 'answered' || outcome.message.type !== 'members') return
      const theirs = outcome.message.members.find((member) => member.id === namesake)
      if (theirs !== undefined) this.#opinions.set(id, theirs.state)
    })
  }
}

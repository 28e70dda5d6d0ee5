import { seededRandom, seedFor } from '../../lib/ports/random.ts'
import {
  type AcceptorState,
  type AcceptReply,
  newAcceptor,
  type PrepareReply,
  voteAccept,
  votePrepare,
} from '../../lib/protocol/layout/acceptor.ts'
import type { Ballot } from '../../lib/protocol/layout/ballot.ts'
import type { LayoutVersion } from '../../lib/protocol/layout/layout-version.ts'
import { Proposer, type ProposerEffect, type ProposerEvent } from '../../lib/protocol/layout/proposer.ts'
import { type NodeId, toNodeId } from '../../lib/vocabulary/ids.ts'
import type { Random } from '../../lib/vocabulary/random.ts'

/** A rule that is left out, to see that the model notices. */
export type Breakage =
  | 'the rules'
  | 'an acceptor forgets its votes'
  | 'a store that went back in time votes at once'
  | 'acceptances are not looked at'
  | 'the excluded have no vote on their exclusion'

interface Member {
  readonly id: NodeId
  /** Newest last; what is here was synced. */
  decided: LayoutVersion[]
  votes: AcceptorState
  backup: { readonly decided: LayoutVersion[]; readonly votes: AcceptorState } | undefined
  votesAbove: number
  asked: Set<NodeId>
  proposer: Proposer | undefined
  life: number
}

/**
 * Members that commit against each other over a network that loses, delays and repeats; they crash (and forget their
 * proposals), stores are put back to older copies, and both sides of a partition exclude the other.
 */
export class Commits {
  readonly #random: Random
  readonly #breakage: Breakage
  /** Of every third run: at some moment both sides of a cut commit the exclusion of the other. */
  readonly #isSplit: boolean
  readonly #members: Member[]
  readonly #queue: { at: number; run: () => void }[] = []
  readonly decided = new Map<number, Set<string>>()
  decisions = 0
  exclusions = 0
  #now = 0
  #commits = 0
  #isCut = false
  /** The sides of the present cut on which somebody wants the other side excluded. */
  readonly #excludingSides = new Set<boolean>()
  /** Both sides of one cut have tried to exclude members of the other. */
  hasExcludedBothWays = false

  constructor(seed: number, breakage: Breakage) {
    this.#random = seededRandom(seedFor(seed, 'paxos'))
    this.#breakage = breakage
    this.#isSplit = seed % 3 === 0
    const size = 2 + this.#random.below(4)
    const ids = Array.from({ length: size }, (_, index) => toNodeId(String(index + 1).repeat(32)))
    const first = version(1, '', ids, [], 'first')
    this.#members = ids.map((id) => ({
      id,
      decided: [first],
      votes: newAcceptor(2),
      backup: undefined,
      votesAbove: 0,
      asked: new Set(),
      proposer: undefined,
      life: 0,
    }))
  }

  get twice(): readonly number[] {
    return [...this.decided].filter(([, names]) => names.size > 1).map(([number]) => number)
  }

  run(): void {
    for (let step = 0; step < 25; step += 1) this.#after(this.#random.below(8000), () => this.#happen())
    if (this.#isSplit) this.#after(this.#random.below(6000), () => this.#splitUp())
    for (let events = 0; events < 4000; events += 1) {
      let next = 0
      for (let index = 1; index < this.#queue.length; index += 1) {
        if ((this.#queue[index]?.at ?? 0) < (this.#queue[next]?.at ?? 0)) next = index
      }
      const [event] = this.#queue.splice(next, 1)
      if (event === undefined) return
      this.#now = event.at
      event.run()
    }
  }

  #happen(): void {
    const member = this.#pick()
    const kind = this.#random.below(12)
    if (kind < 6) this.#commit(member)
    else if (kind === 6) this.#crash(member)
    else if (kind === 7) member.backup = { decided: [...member.decided], votes: member.votes }
    else if (kind === 8) this.#restore(member)
    else if (kind === 9) this.#cut()
    else this.#gossip(member)
  }

  #splitUp(): void {
    if (!this.#isCut) this.#cut()
    for (const side of [true, false]) {
      const members = this.#members.filter(({ id }) => this.#side(id) === side)
      const member = members[this.#random.below(members.length)] as Member
      this.#after(this.#random.below(200), () => this.#commit(member, true))
    }
  }

  #cut(): void {
    this.#isCut = !this.#isCut
    this.#excludingSides.clear()
  }

  #commit(member: Member, mustExclude = false): void {
    const before = newest(member)
    if (mustExclude && member.proposer !== undefined) {
      // Its process is started again, to say something else.
      member.life += 1
      member.proposer = undefined
    }
    if (member.proposer !== undefined || !before.nodes.some(({ id }) => id === member.id)) return
    this.#commits += 1
    const others = acceptorsOf(before).filter((id) => id !== member.id)
    // A third of the commits exclude somebody: on either side of a cut those of the other side.
    const excludes = mustExclude || this.#random.below(3) === 0
    const gone = excludes
      ? others.filter((id) => (this.#isCut ? this.#side(id) !== this.#side(member.id) : this.#random.below(3) === 0))
      : []
    if (this.#isCut && gone.length > 0) this.#excludingSides.add(this.#side(member.id))
    if (this.#excludingSides.size === 2) this.hasExcludedBothWays = true
    const candidate = version(
      before.number + 1,
      name(before),
      before.nodes.map(({ id }) => id),
      [...before.excluded, ...gone],
      `${member.id.slice(0, 2)}/${this.#commits}`,
    )
    const acceptors = acceptorsOf(
      this.#breakage === 'the excluded have no vote on their exclusion' ? candidate : before,
    )
    const proposer = new Proposer({ self: member.id, acceptors, candidate }, this.#random)
    member.proposer = proposer
    const { life } = member
    this.#drive(member, life, proposer, { type: 'begun' })
    if (this.#random.below(3) === 0) this.#after(this.#random.below(150), () => this.#crash(member))
    this.#after(4000, () => this.#drive(member, life, proposer, { type: 'deadline-passed' }))
  }

  #drive(member: Member, life: number, proposer: Proposer, event: ProposerEvent): void {
    if (member.life !== life || member.proposer !== proposer) return
    const heard = this.#breakage === 'acceptances are not looked at' ? forgetful(event) : event
    for (const effect of proposer.handle(heard)) this.#carryOut(member, life, proposer, effect)
  }

  #carryOut(member: Member, life: number, proposer: Proposer, effect: ProposerEffect): void {
    switch (effect.type) {
      case 'send-prepare':
        return this.#ask<PrepareReply>(
          member,
          effect.to,
          (acceptor) => this.#prepare(acceptor, effect.number, effect.ballot),
          (reply) =>
            this.#drive(member, life, proposer, {
              type: 'prepare-answered',
              from: effect.to,
              ballot: effect.ballot,
              reply,
            }),
        )
      case 'send-accept':
        return this.#ask<AcceptReply>(
          member,
          effect.to,
          (acceptor) => this.#accept(acceptor, effect.ballot, effect.candidate),
          (reply) =>
            this.#drive(member, life, proposer, {
              type: 'accept-answered',
              from: effect.to,
              ballot: effect.ballot,
              reply,
            }),
        )
      case 'send-document': {
        const document = [...member.decided]
        return this.#send(member.id, effect.to, (to) => this.#learn(to, document))
      }
      case 'start-retry-timer':
        return this.#after(effect.delayMs, () => this.#drive(member, life, proposer, { type: 'retry-due' }))
      case 'report':
        member.proposer = undefined
        if (effect.verdict.type === 'decided') this.#learn(member, [...member.decided, effect.verdict.version])
        if (effect.verdict.type === 'behind') this.#gossip(member)
        return
    }
  }

  #prepare(acceptor: Member, number: number, ballot: Ballot): PrepareReply {
    const vote = votePrepare(acceptor.votes, this.#facts(acceptor), { number, ballot })
    acceptor.votes = vote.state
    return vote.reply
  }

  #accept(acceptor: Member, ballot: Ballot, candidate: LayoutVersion): AcceptReply {
    const vote = voteAccept(acceptor.votes, this.#facts(acceptor), { ballot, candidate })
    acceptor.votes = vote.state
    return vote.reply
  }

  #facts(member: Member) {
    const before = newest(member)
    return {
      decidedNumber: before.number,
      decidedHash: name(before),
      isAcceptor: acceptorsOf(before).includes(member.id),
      votesAbove: member.votesAbove,
    }
  }

  #learn(member: Member, document: readonly LayoutVersion[]): void {
    for (const one of document) {
      if (one.number !== newest(member).number + 1) continue
      // A document that follows another past is foreign: it is seen below, as a number that was decided twice.
      member.decided.push(one)
      this.decisions += 1
      const names = this.decided.get(one.number) ?? new Set()
      if (names.size === 0) this.exclusions += one.excluded.length > 0 ? 1 : 0
      this.decided.set(one.number, names.add(name(one)))
    }
  }

  #gossip(member: Member): void {
    const document = [...member.decided]
    for (const { id } of this.#members)
      if (id !== member.id) this.#send(member.id, id, (to) => this.#learn(to, document))
  }

  #crash(member: Member): void {
    member.life += 1
    member.proposer = undefined
    if (this.#random.below(2) === 0) this.#after(this.#random.below(40), () => this.#commit(member))
    if (this.#breakage === 'an acceptor forgets its votes') member.votes = newAcceptor(newest(member).number + 1)
  }

  /** L3: it votes again when every other member that is not excluded has told it what it knows, and on later numbers only. */
  #restore(member: Member): void {
    const { backup } = member
    if (backup === undefined) return
    member.life += 1
    member.proposer = undefined
    member.decided = [...backup.decided]
    member.votes = backup.votes
    member.backup = undefined
    if (this.#breakage === 'a store that went back in time votes at once') return
    member.votesAbove = Number.POSITIVE_INFINITY
    member.asked = new Set()
    const { life } = member
    let highest = newest(member).number
    const ask = (): void => {
      if (member.life !== life || member.votesAbove < Number.POSITIVE_INFINITY) return
      const others = acceptorsOf(newest(member)).filter((id) => id !== member.id)
      for (const id of others) {
        this.#ask<readonly LayoutVersion[]>(
          member,
          id,
          (other) => [...other.decided],
          (document) => {
            if (member.life !== life) return
            this.#learn(member, document)
            highest = Math.max(highest, document.at(-1)?.number ?? 0)
            member.asked.add(id)
            const all = acceptorsOf(newest(member)).filter((each) => each !== member.id)
            if (all.every((each) => member.asked.has(each)))
              member.votesAbove = Math.max(highest, newest(member).number) + 1
          },
        )
      }
      this.#after(300, ask)
    }
    ask()
  }

  #ask<Reply>(from: Member, to: NodeId, answer: (to: Member) => Reply, done: (reply: Reply) => void): void {
    this.#send(from.id, to, (member) => {
      const reply = answer(member)
      this.#send(to, from.id, () => done(reply))
    })
  }

  #send(from: NodeId, to: NodeId, deliver: (to: Member) => void): void {
    const member = this.#members.find(({ id }) => id === to) as Member
    const copies = this.#random.below(20) === 0 ? 2 : 1
    for (let copy = 0; copy < copies; copy += 1) {
      if (from !== to && this.#random.below(10) === 0) continue
      // Now and then a message is very late.
      const delayMs =
        from === to ? 0 : this.#random.below(6) === 0 ? this.#random.below(2000) : 1 + this.#random.below(40)
      this.#after(delayMs, () => {
        if (!this.#isCut || this.#side(from) === this.#side(to)) deliver(member)
      })
    }
  }

  #side(id: NodeId): boolean {
    return Number.parseInt(id[0] as string, 16) % 2 === 0
  }

  #pick(): Member {
    return this.#members[this.#random.below(this.#members.length)] as Member
  }

  #after(delayMs: number, run: () => void): void {
    this.#queue.push({ at: this.#now + delayMs, run })
  }
}

function newest(member: Member): LayoutVersion {
  return member.decided.at(-1) as LayoutVersion
}

function acceptorsOf({ nodes, excluded }: LayoutVersion): readonly NodeId[] {
  return nodes.map(({ id }) => id).filter((id) => !excluded.includes(id))
}

/** Stands in for the hash: what makes one version another. */
function name(one: LayoutVersion): string {
  return `${one.number}(${one.awaited.join()}) after ${one.parent}`
}

function version(
  number: number,
  parent: string,
  ids: readonly NodeId[],
  excluded: readonly NodeId[],
  mark: string,
): LayoutVersion {
  return {
    number,
    assignedAt: 1,
    parent,
    partitionCount: 1,
    replicaCount: 1,
    nodes: ids.map((id, shortId) => ({ id, shortId, zone: 'default', weight: 1 })),
    assignment: Uint16Array.of(0),
    excluded,
    awaited: [mark as NodeId],
    forgotten: [],
    forks: 0,
  }
}

function forgetful(event: ProposerEvent): ProposerEvent {
  if (event.type !== 'prepare-answered' || event.reply.type !== 'promised') return event
  return { ...event, reply: { type: 'promised', accepted: undefined } }
}

import type { NodeId } from '../../vocabulary/ids.ts'
import type { Random } from '../../vocabulary/random.ts'
import type { Member, MemberState } from './member.ts'
import type { Suspicion } from './suspicion.ts'

/** What we know of one member, and what only we know of it. */
export interface Entry {
  member: Member
  /** When `member` last changed: of the dead, when they died. */
  changedMs: number
  suspicion: Suspicion | undefined
  /** When we last told it what we hold of it. */
  objectedMs: number
  /** Smoothed round trip of direct probes. */
  rttMs: number | undefined
  /** What its wall clock said when our steady one was at 0. A jump of our own wall clock changes nothing about it. */
  epochMs: number | undefined
}

/** All members, the own node among them. Bounded: at the bound the longest dead makes room, the living never do. */
export class MemberTable {
  readonly #membersMax: number
  readonly #entries = new Map<NodeId, Entry>()
  #list: readonly Member[] | undefined
  readonly #counts: Record<MemberState, number> = { alive: 0, suspect: 0, dead: 0, left: 0 }

  constructor(membersMax: number) {
    this.#membersMax = membersMax
  }

  get(id: NodeId): Entry | undefined {
    return this.#entries.get(id)
  }

  entries(): Iterable<Entry> {
    return this.#entries.values()
  }

  /** Sorted by id. The same array until something changes. */
  members(): readonly Member[] {
    this.#list ??= [...this.#entries.values()]
      .map((entry) => entry.member)
      .sort((a, b) => (a.id < b.id ? -1 : a.id > b.id ? 1 : 0))
    return this.#list
  }

  counts(): Readonly<Record<MemberState, number>> {
    return { ...this.#counts }
  }

  /** n of the formulas: those believed to run, suspects and ourselves included. */
  livingCount(): number {
    return this.#counts.alive + this.#counts.suspect
  }

  /** Who goes first when room is needed; undefined when all are living. */
  longestDead(): Member | undefined {
    let longest: Entry | undefined
    for (const entry of this.#entries.values()) {
      if (isLiving(entry.member)) continue
      if (longest === undefined || entry.changedMs < longest.changedMs) longest = entry
    }
    return longest?.member
  }

  get isFull(): boolean {
    return this.#entries.size >= this.#membersMax
  }

  put(member: Member, nowMs: number): Entry {
    this.#list = undefined
    this.#counts[member.state] += 1
    const known = this.#entries.get(member.id)
    if (known === undefined) {
      const entry: Entry = {
        member,
        changedMs: nowMs,
        suspicion: undefined,
        objectedMs: Number.NEGATIVE_INFINITY,
        rttMs: undefined,
        epochMs: undefined,
      }
      this.#entries.set(member.id, entry)
      return entry
    }
    this.#counts[known.member.state] -= 1
    known.changedMs = nowMs
    known.member = member
    return known
  }

  forget(id: NodeId): void {
    const entry = this.#entries.get(id)
    if (entry === undefined) return
    this.#counts[entry.member.state] -= 1
    this.#entries.delete(id)
    this.#list = undefined
  }

  /** Up to `count` different entries that are `wanted`, by chance. */
  pick(count: number, random: Random, wanted: (entry: Entry) => boolean): readonly Entry[] {
    const pool = [...this.#entries.values()].filter(wanted)
    const picked = Math.min(count, pool.length)
    for (let place = 0; place < picked; place += 1) {
      const other = place + random.below(pool.length - place)
      const entry = pool[place] as Entry
      pool[place] = pool[other] as Entry
      pool[other] = entry
    }
    return pool.slice(0, picked)
  }
}

/** Believed to run: a suspect is innocent until its time is up. */
export function isLiving(member: Member): boolean {
  return member.state === 'alive' || member.state === 'suspect'
}

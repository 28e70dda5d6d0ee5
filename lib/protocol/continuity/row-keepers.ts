import type { NodeId } from '../../vocabulary/ids.ts'

type Standing = 'unasked' | 'asked' | 'answered'

/**
 * The other members, who keep copies of our row. A member is told a new row only after it was asked for the one it has:
 * a push would wipe the only evidence that our store went back in time.
 */
export class RowKeepers {
  #living: ReadonlySet<NodeId> = new Set()
  readonly #standing = new Map<NodeId, Standing>()

  get isAlone(): boolean {
    return this.#standing.size === 0
  }

  get haveAllAnswered(): boolean {
    for (const standing of this.#standing.values()) if (standing !== 'answered') return false
    return true
  }

  /** @returns those that are within reach and were not before */
  change(others: readonly NodeId[], living: readonly NodeId[]): readonly NodeId[] {
    const before = this.#living
    const current = new Set(others)
    for (const node of this.#standing.keys()) if (!current.has(node)) this.#standing.delete(node)
    for (const node of others) if (!this.#standing.has(node)) this.#standing.set(node, 'unasked')
    this.#living = new Set(living.filter((node) => current.has(node)))
    const returned = [...this.#living].filter((node) => !before.has(node))
    // A question from before is lost, or will be answered twice.
    for (const node of returned) this.failed(node)
    return returned
  }

  has(node: NodeId): boolean {
    return this.#standing.has(node)
  }

  hasAnswered(node: NodeId): boolean {
    return this.#standing.get(node) === 'answered'
  }

  /** Those to ask now, each once until it answers or fails. */
  takeUnasked(onlyLiving: boolean): readonly NodeId[] {
    const unasked: NodeId[] = []
    for (const [node, standing] of this.#standing) {
      if (standing !== 'unasked' || (onlyLiving && !this.#living.has(node))) continue
      this.#standing.set(node, 'asked')
      unasked.push(node)
    }
    return unasked
  }

  /** @returns true for the first answer of a member */
  answered(node: NodeId): boolean {
    const isFirst = this.#standing.has(node) && !this.hasAnswered(node)
    if (isFirst) this.#standing.set(node, 'answered')
    return isFirst
  }

  failed(node: NodeId): void {
    if (this.#standing.get(node) === 'asked') this.#standing.set(node, 'unasked')
  }

  /** Those to tell: all that have answered, and are within reach or answered during this start. */
  toTell(onlyLiving: boolean): readonly NodeId[] {
    return [...this.#standing.keys()].filter(
      (node) => this.hasAnswered(node) && (!onlyLiving || this.#living.has(node)),
    )
  }
}

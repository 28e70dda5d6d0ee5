import type { Stage, StageNode } from '../nemesis.ts'
import { pickOne, runningNodes } from './chance.ts'
import { perStage } from './per-stage.ts'

/**
 * Whose disk may lose something in this run. Acknowledged by two copies, a write bears the loss of one disk, and of
 * another one only once every copy is there again. Damage that nobody has read yet is not healed, however long one
 * waits: where bits are flipped, one node bears everything.
 */
class Losers {
  #only: string | undefined
  #isOnlyOne = false

  /** From now on all losses are one node's. */
  keepToOne(): void {
    this.#isOnlyOne = true
  }

  get isOnlyOne(): boolean {
    return this.#isOnlyOne
  }

  /** `undefined`: it does not run now. */
  next(stage: Stage): StageNode | undefined {
    const node =
      this.#only !== undefined && this.#isOnlyOne
        ? stage.nodes.find(({ name, isRunning }) => name === this.#only && isRunning)
        : pickOne(stage, runningNodes(stage))
    this.#only ??= node?.name
    return node
  }
}

export const losers = perStage(() => new Losers())

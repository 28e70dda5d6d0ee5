import { setTimeout as sleep } from 'node:timers/promises'
import { StarlingError } from '../../vocabulary/errors.ts'
import { type ClientOptions, connect, requestOptions } from '../client-options.ts'
import { askEachNode } from '../each-node.ts'
import { note } from '../output.ts'
import { repaintLine } from '../progress-line.ts'
import { type Extent, fractionDone, nothingYet, widened } from '../work-left.ts'
import { formatMovement, type Movement, movementOf, stageInWords } from './movement.ts'

const lookEveryMs = 500
/** Where no bar can be shown, a line is printed for every such part of the way. */
const stepsShown = 10

/**
 * Returns when nothing moves any more: one version is live, everybody alive reports it, and nobody copies. On a terminal
 * with a bar, elsewhere with a line for every change.
 *
 * @param least the version that must be reached
 * @param seconds undefined: without limit
 * @returns false when the time was up first
 */
export async function waitUntilNothingMoves(
  options: ClientOptions,
  least: number,
  seconds: number | undefined,
): Promise<boolean> {
  const startedMs = performance.now()
  const teller = options.json === true ? undefined : new Teller()
  try {
    for (;;) {
      const movement = await look(options)
      if (movement !== undefined) {
        teller?.tell(movement)
        if (movement.isOver && movement.number >= least) return true
      }
      if (seconds !== undefined && performance.now() - startedMs > seconds * 1000) return false
      await sleep(lookEveryMs)
    }
  } finally {
    teller?.end()
  }
}

/** Undefined when nobody answers: nodes come and go in the middle of this, and are busy. */
async function look(options: ClientOptions): Promise<Movement | undefined> {
  try {
    const status = await connect(options).status(requestOptions(options))
    const { answers } = await askEachNode(options, (client) => client.transfers(requestOptions(options)))
    return movementOf(
      status,
      answers.flatMap(({ answer }) => answer.transfers),
    )
  } catch (error) {
    if (error instanceof StarlingError && error.retryable) return undefined
    throw error
  }
}

/** Says how far it has come, each thing once. */
class Teller {
  #extent: Extent = nothingYet
  #last = ''
  readonly #warned = new Set<string>()

  tell(movement: Movement): void {
    this.#extent = widened(this.#extent, movement.work)
    for (const sentence of movement.obstacles) {
      if (this.#warned.has(sentence)) continue
      this.#warned.add(sentence)
      repaintLine('')
      note(`! ${sentence}`)
    }
    if (movement.isOver) return
    const line = formatMovement(movement, this.#extent)
    if (process.stderr.isTTY) return repaintLine(line)
    const step = Math.floor(fractionDone(movement.work, this.#extent) * stepsShown)
    const change = `${stageInWords(movement)} ${step}`
    if (change === this.#last) return
    this.#last = change
    note(line)
  }

  end(): void {
    repaintLine('')
  }
}

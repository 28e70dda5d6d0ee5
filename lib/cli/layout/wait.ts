import { setTimeout as sleep } from 'node:timers/promises'
import { Draining, NoLayout, StarlingError, Unreachable } from '../../vocabulary/errors.ts'
import { type ClientOptions, connect, requestOptions } from '../client-options.ts'
import { askEachNode } from '../each-node.ts'
import { note } from '../output.ts'
import { repaintLine } from '../progress-line.ts'
import {
  type Extent,
  formatMovement,
  type Movement,
  movementOf,
  nothingYet,
  stageInWords,
  widened,
} from './movement.ts'

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
  const teller = new Teller(options.json === true)
  for (;;) {
    const movement = await look(options)
    if (movement !== undefined) {
      teller.tell(movement)
      if (movement.isOver && movement.number >= least) {
        teller.end()
        return true
      }
    }
    if (seconds !== undefined && performance.now() - startedMs > seconds * 1000) {
      teller.end()
      return false
    }
    await sleep(lookEveryMs)
  }
}

/** Undefined while nobody can be asked: nodes come and go in the middle of this. */
async function look(options: ClientOptions): Promise<Movement | undefined> {
  try {
    const status = await connect(options).status(requestOptions(options))
    const { answers } = await askEachNode(options, (client) => client.transfers(requestOptions(options)))
    return movementOf(
      status,
      answers.map(({ answer }) => answer),
    )
  } catch (error) {
    if (!(error instanceof StarlingError)) throw error
    if (error instanceof Unreachable || error instanceof NoLayout || error instanceof Draining) return undefined
    throw error
  }
}

/** Says how far it has come, each thing once. */
class Teller {
  readonly #isSilent: boolean
  #extent: Extent = nothingYet
  #last = ''
  readonly #warned = new Set<string>()

  constructor(isSilent: boolean) {
    this.#isSilent = isSilent
  }

  tell(movement: Movement): void {
    if (this.#isSilent) return
    this.#extent = widened(this.#extent, movement)
    for (const sentence of movement.obstacles) {
      if (this.#warned.has(sentence)) continue
      this.#warned.add(sentence)
      repaintLine('')
      note(`! ${sentence}`)
    }
    if (movement.isOver) return
    const line = formatMovement(movement, this.#extent)
    if (process.stderr.isTTY) return repaintLine(line)
    const step = `${stageInWords(movement)} ${stepOf(movement, this.#extent)}`
    if (step === this.#last) return
    this.#last = step
    note(line)
  }

  end(): void {
    if (!this.#isSilent) repaintLine('')
  }
}

function stepOf({ partitionsLeft }: Movement, { partitions }: Extent): number {
  return partitions === 0 ? 0 : Math.floor((1 - partitionsLeft / partitions) * stepsShown)
}

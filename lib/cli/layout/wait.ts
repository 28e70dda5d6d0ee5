import { setTimeout as sleep } from 'node:timers/promises'
import type { ClusterStatus } from '../../http-client/answers.ts'
import { StarlingError } from '../../vocabulary/errors.ts'
import { type ClientOptions, connect, endpointsOf, requestOptions } from '../client-options.ts'
import { askEachNode } from '../each-node.ts'
import { note } from '../output.ts'
import { repaintLine } from '../progress-line.ts'
import { type Extent, fractionDone, nothingYet, widened } from '../work-left.ts'
import { formatMovement, type Movement, movementOf, stageInWords } from './movement.ts'

const lookEveryMs = 500
/** Nobody has answered for so long: that is said, once. */
const silenceMsMax = 10_000
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
  let heardMs = startedMs
  let known = options
  try {
    for (;;) {
      const seen = await look(known)
      if (seen === undefined) {
        if (performance.now() - heardMs > silenceMsMax) teller?.warn('no node answers; trying again')
      } else {
        heardMs = performance.now()
        known = { ...options, endpoint: endpointsBeside(options, seen.status) }
        teller?.tell(seen.movement)
        if (seen.movement.isOver && seen.movement.number >= least) return true
      }
      if (seconds !== undefined && performance.now() - startedMs > seconds * 1000) return false
      await sleep(lookEveryMs)
    }
  } finally {
    teller?.end()
  }
}

/** Undefined when nobody answers: nodes come and go in the middle of this, and are busy. */
async function look(
  options: ClientOptions,
): Promise<{ readonly status: ClusterStatus; readonly movement: Movement } | undefined> {
  try {
    const status = await connect(options).status(requestOptions(options))
    const { answers } = await askEachNode(options, (client) => client.transfers(requestOptions(options)))
    const transfers = answers.flatMap(({ answer }) => answer.transfers)
    return { status, movement: movementOf(status, transfers) }
  } catch (error) {
    if (error instanceof StarlingError && error.retryable) return undefined
    throw error
  }
}

/** Those that were given, and then all others: the one that was asked may be the one that leaves. */
function endpointsBeside(options: ClientOptions, { members }: ClusterStatus): string {
  const others = members.flatMap(({ state, http }) => (state === 'alive' && http ? [`http://${http}`] : []))
  return [...endpointsOf(options), ...others].join(',')
}

/** Says how far it has come, each thing once. */
class Teller {
  #extent: Extent = nothingYet
  #last = ''
  readonly #warned = new Set<string>()

  tell(movement: Movement): void {
    this.#extent = widened(this.#extent, movement.work)
    for (const sentence of movement.obstacles) this.warn(sentence)
    if (movement.isOver) return
    const line = formatMovement(movement, this.#extent)
    if (process.stderr.isTTY) return repaintLine(line)
    const step = Math.floor(fractionDone(movement.work, this.#extent) * stepsShown)
    const change = `${stageInWords(movement)} ${step}`
    if (change === this.#last) return
    this.#last = change
    note(line)
  }

  warn(sentence: string): void {
    if (this.#warned.has(sentence)) return
    this.#warned.add(sentence)
    repaintLine('')
    note(`! ${sentence}`)
  }

  end(): void {
    repaintLine('')
  }
}

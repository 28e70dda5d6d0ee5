import { parseArgs } from 'node:util'
import { citiesMax } from './city-records.ts'

export interface Options {
  /** How many cities, 100 to all of them (the default). */
  readonly count: number
  /** Chooses the node that is killed, and when. */
  readonly seed: number
}

/** Fewer would be imported before a node can be killed and started again. */
const countMin = 100

/** @throws {RangeError | TypeError} for what is no option, or a number out of range */
export function parseOptions(words: readonly string[]): Options {
  const { values } = parseArgs({
    args: [...words],
    options: { count: { type: 'string' }, seed: { type: 'string' } },
  })
  return {
    count: parseWhole('count', values.count ?? String(citiesMax), countMin, citiesMax),
    seed: parseWhole('seed', values.seed ?? '1', 0, 2 ** 32 - 1),
  }
}

function parseWhole(name: string, text: string, min: number, max: number): number {
  const value = /^\d+$/.test(text) ? Number(text) : Number.NaN
  if (!(value >= min && value <= max)) throw new RangeError(`--${name} takes ${min} to ${max}, not ${text}`)
  return value
}

import { drive } from './closed-loop.ts'
import type { KeySpace } from './key-space.ts'
import type { Driver } from './lane.ts'
import type { Operation } from './operation.ts'
import type { LoopResult } from './tally.ts'

const triesPerKeyMax = 5

/**
 * Writes every key once. What failed on a machine that is too busy is tried again, and read before: the first attempt may
 * have been stored, and a write that does not name it would stand beside it. `failed` are the keys that were not written.
 */
export async function writeAll(keys: KeySpace, driver: Driver): Promise<LoopResult> {
  let next = 0
  let triesLeft = keys.count * triesPerKeyMax
  const unwritten: number[] = []
  const take = (): Operation | undefined => {
    if (triesLeft === 0) return undefined
    triesLeft -= 1
    const isNew = next < keys.count
    const key = isNew ? next++ : unwritten.pop()
    if (key === undefined) return undefined
    keys.beginWrite(key)
    return { key, type: isNew ? 'write' : 'replace' }
  }
  const result = await drive(keys, driver, take, ({ key }) => unwritten.push(key))
  return { ...result, failed: unwritten.length }
}

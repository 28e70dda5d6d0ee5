import type { KeySpace } from './key-space.ts'
import type { Operation } from './operation.ts'
import type { Fractions } from './random.ts'

/** What the clients of a run do. */
export interface Mix {
  /** How many of their operations write, 0 to 1; the others read. */
  readonly writeShare: number
  readonly writeType: WriteType
  /** Those that do not write scan 1 to so many keys, uniformly; left out: they read one. */
  readonly scanMax?: number | undefined
  readonly chooseKey: () => number
  readonly fraction: Fractions
}

/** `write`: of a key that is there, with the context its writer knows. `insert`: of the next new key. */
export type WriteType = 'write' | 'insert' | 'read-modify-write'

const drawsMax = 1000

/** Draws the next operation, and takes its key when it is one that writes. */
export function chooseOperation(keys: KeySpace, mix: Mix): Operation {
  const { writeShare, writeType, scanMax, chooseKey, fraction } = mix
  if (fraction() >= writeShare) {
    if (scanMax === undefined) return { key: chooseKey(), type: 'read' }
    return { key: chooseKey(), type: 'scan', count: 1 + Math.floor(fraction() * scanMax) }
  }
  if (writeType === 'insert') return { key: keys.beginInsert(), type: 'write' }
  for (let draw = 0; draw < drawsMax; draw += 1) {
    const key = chooseKey()
    if (keys.beginWrite(key)) return { key, type: writeType }
  }
  throw new Error('every key is being written: give the run more keys')
}

import type { KeySpace } from './key-space.ts'
import type { Lane, OperationOutcome } from './lane.ts'

/** One thing that a client does. A key to be written has been taken by `KeySpace.beginWrite`. */
export interface Operation {
  readonly key: number
  /** `replace`: as `read-modify-write`, yet there may be nothing to be read. */
  readonly type: 'read' | 'write' | 'read-modify-write' | 'replace' | 'scan'
  /** Of a scan that begins with `key`: how many keys. */
  readonly count?: number
}

/** Calls `done` once, when all of it has been answered. */
export function perform(
  keys: KeySpace,
  lane: Lane,
  { key, type, count = 1 }: Operation,
  done: (outcome: OperationOutcome) => void,
): void {
  const write = (written: (outcome: OperationOutcome) => void): void => {
    lane.put(key, (outcome) => {
      keys.endWrite(key)
      written(outcome)
    })
  }
  switch (type) {
    case 'read':
      return lane.get(key, done, false)
    case 'write':
      return write(done)
    case 'read-modify-write':
      return lane.get(key, (read) => write((written) => done(written === 'done' ? read : written)), true)
    case 'replace':
      return lane.get(key, () => write(done), true)
    case 'scan':
      if (lane.scan === undefined) throw new Error('this system has no scans')
      lane.scan(key, count, done)
  }
}

import { readdirSync } from 'node:fs'
import type { StorageFailure } from '../ports/storage.ts'

/** Every name that LevelDB gives to a file; `lost` is where its repair puts what it could not use. */
const levelFile = /^(CURRENT|LOCK|LOG|LOG\.old|lost|MANIFEST-\d+|\d+\.(log|ldb|sst|dbtmp))$/
/** Where a value log keeps its segments, inside the directory of its index. */
export const valuesName = 'values'

const dataFile = /\.(log|ldb|sst)$/

/**
 * Why no store may be opened or made at `path`, or undefined. LevelDB itself asks less than is safe: it makes a store
 * among anybody's files, and where `CURRENT` is missing it starts an empty one and deletes the tables as left-overs.
 */
export function storePlaceProblem(path: string, kind: 'alone' | 'with-value-log'): StorageFailure | undefined {
  const names = namesIn(path)
  if (names === undefined) return undefined
  if (kind === 'alone' && names.includes(valuesName)) {
    return {
      kind: 'foreign',
      message: `${path} has its large values in a log (${valuesName}): starling start opens it, with --value-log on or off`,
    }
  }
  const stranger = names.find((name) => !levelFile.test(name) && name !== valuesName)
  if (stranger !== undefined) {
    return { kind: 'foreign', message: `${path} holds ${stranger}, which is no part of a store` }
  }
  if (!names.includes('CURRENT') && names.some((name) => dataFile.test(name) || name === valuesName)) {
    return { kind: 'corrupt', message: `${path} holds tables or logs, but no CURRENT: opening it would delete them` }
  }
  return undefined
}

function namesIn(path: string): readonly string[] | undefined {
  try {
    return readdirSync(path)
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined
    throw error
  }
}

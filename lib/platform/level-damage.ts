import { appendFileSync, readFileSync } from 'node:fs'
import { join } from 'node:path'

/**
 * What LevelDB says only in its `LOG`: that it skipped a damaged block while it recovered, or met one while it compacted.
 *
 * Each open renames `LOG` to `LOG.old`, also one that fails because the store is locked, and a process may die between
 * the open that dropped something and the moment its owner wrote that down. So both files are read, and a line stays news
 * until a clean close has marked it as told: then it is not reported, and acted on, a second time.
 */
const damageLine = /dropping \d+ bytes|Corruption|corruption/
const marker = 'starling: closed cleanly; damage above this line has been reported'

/** A badly damaged store says the same thing thousands of times; the first lines tell the story. */
const damageLinesMax = 100

/** The lines about damage that no clean close has marked as reported, oldest first. */
export function readDamage(storeDirectory: string): readonly string[] {
  const log = readLines(join(storeDirectory, 'LOG'))
  // `LOG` is younger than `LOG.old`: what it marks as told covers both.
  const old = log.isMarked ? [] : readLines(join(storeDirectory, 'LOG.old')).damage
  return [...old, ...log.damage].slice(0, damageLinesMax)
}

/** Called with the store closed: everything in its logs has been told to whoever opened it. */
export function markDamageReported(storeDirectory: string): void {
  appendFileSync(join(storeDirectory, 'LOG'), `${marker}\n`)
}

function readLines(path: string): { readonly isMarked: boolean; readonly damage: readonly string[] } {
  const lines = readIfThere(path).split('\n')
  const markedAt = lines.lastIndexOf(marker)
  return { isMarked: markedAt !== -1, damage: lines.slice(markedAt + 1).filter((line) => damageLine.test(line)) }
}

function readIfThere(path: string): string {
  try {
    return readFileSync(path, 'latin1')
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return ''
    throw error
  }
}

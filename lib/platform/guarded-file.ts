import { readFileSync, statSync } from 'node:fs'
import type { Log } from '../ports/log.ts'
import { InvalidParameter } from '../vocabulary/errors.ts'

/** A file that is its owner's alone: whoever reads it may do what the node may. */
export interface GuardedFile {
  /** Absolute. */
  readonly place: string
  /** As messages call it. */
  readonly title: string
  /** What to do where there is none. */
  readonly remedy: string
}

/** A group or others may read it. */
const foreignModeBits = 0o077

/**
 * What `parse` makes of the text in the file.
 * @throws {InvalidParameter} that says what is wrong with the file, and nothing of what stands there
 */
export function readGuarded<Content>({ place, title, remedy }: GuardedFile, parse: (text: string) => Content): Content {
  let text: string
  try {
    text = readFileSync(place, 'utf8')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') {
      throw new InvalidParameter(`the ${title} ${place} does not exist`, { hint: remedy })
    }
    throw new InvalidParameter(`the ${title} ${place} cannot be read: ${(error as Error).message}`, {
      hint: 'the user that runs the node must be able to read it',
    })
  }
  try {
    return parse(text)
  } catch (error) {
    if (!(error instanceof InvalidParameter)) throw error
    throw new InvalidParameter(`${place}: ${error.message}`, { hint: error.hint })
  }
}

/** Says so where others than its owner can get at the file. */
export function warnOfReaders({ place, title }: GuardedFile, log: Log | undefined): void {
  try {
    const { mode } = statSync(place)
    if ((mode & foreignModeBits) === 0) return
    const octal = (mode & 0o777).toString(8).padStart(4, '0')
    log?.warn({ file: place, mode: octal }, `others than its owner can get at the ${title}: chmod 600`)
  } catch {
    // Gone since it was read; whoever watches it will say so.
  }
}

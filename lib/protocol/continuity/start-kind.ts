import type { StoreRow } from './store-row.ts'

/**
 * Why a store may lack writes that it once acknowledged (rule A5): the machine went down under it or the store failed;
 * it is an older copy of itself; it is gone.
 */
export type RecoveryReason = 'lossy' | 'restored' | 'wiped'

/** What kind of start this is: `fresh` begins a store, `clean` and `unclean` go on with a whole one. */
export type StartKind = 'fresh' | 'clean' | 'unclean' | RecoveryReason

/** What names a directory on its machine. */
export interface DirectoryMarks {
  readonly inode: string
  readonly filesystem: string
  readonly machine: string
  /** Changes with every boot of the machine. */
  readonly boot: string
}

/** What a node stores of itself, in one synced batch. */
export interface OwnRow {
  readonly row: StoreRow
  /** A recovery that has not ended; survives crashes, so that it is not forgotten half-way. */
  readonly recovering: RecoveryReason | undefined
}

/** What a node finds when it opens its directory. */
export interface StartFacts {
  /** The clean-stop marker was there. */
  readonly stoppedCleanly: boolean
  readonly marks: DirectoryMarks
  /** From `node.json`, written at the last `ready`, as is the generation; undefined before the first `ready`. */
  readonly marksRecorded: DirectoryMarks | undefined
  readonly generationRecorded: number | undefined
  readonly hasErrorByte: boolean
  /** The open found `dropping` or `Corruption` in the store's log. */
  readonly isStoreDamaged: boolean
  /** From the store; undefined when it holds none. */
  readonly own: OwnRow | undefined
  /** The node took over the id of a dead member (contract.md 2): its store was another one. */
  readonly isResumed: boolean
}

/** The kind of start as far as the directory can tell. Only the other members can tell a restored store. */
export function startKind(facts: StartFacts): StartKind {
  if (facts.isResumed) return 'wiped'
  const failed = facts.hasErrorByte || facts.isStoreDamaged
  if (facts.own === undefined) {
    // Before its first `ready` a node takes no record: an empty store has lost nothing.
    if (facts.generationRecorded !== undefined) return 'wiped'
    return failed ? 'lossy' : 'fresh'
  }
  // A store whose log dropped a block has lost acknowledged writes, whatever its marker says.
  if (failed) return 'lossy'
  if (facts.stoppedCleanly) return 'clean'
  // What LevelDB was given survives the death of the process, but not of the machine or the mount.
  const { marks, marksRecorded } = facts
  const isSameBoot =
    marksRecorded !== undefined && marks.boot === marksRecorded.boot && marks.filesystem === marksRecorded.filesystem
  return isSameBoot ? 'unclean' : 'lossy'
}

/** Whether the generation may go on, if the other members agree (rule A4): the same directory, stopped cleanly. */
export function mayKeepGeneration(facts: StartFacts): boolean {
  const { marks, marksRecorded, own } = facts
  return (
    startKind(facts) === 'clean' &&
    own?.row.generation === facts.generationRecorded &&
    marks.inode === marksRecorded?.inode &&
    marks.filesystem === marksRecorded.filesystem &&
    marks.machine === marksRecorded.machine
  )
}

/** What a start of this kind has to recover from, if anything. */
export function recoveryReason(kind: StartKind): RecoveryReason | undefined {
  return kind === 'lossy' || kind === 'restored' || kind === 'wiped' ? kind : undefined
}

/** Two reasons at once: the worse. Only after a merely lossy start do the answers to `disk` reads count. */
export function worseReason(a: RecoveryReason | undefined, b: RecoveryReason | undefined): RecoveryReason | undefined {
  if (a === undefined || (a === 'lossy' && b !== undefined)) return b
  return a
}

/** A file that grows by lines, which other programs read, move away and empty while it does. */
export interface LineFile {
  /** Never throws and never waits: the line is written soon, in the order of the calls, or counted as lost. */
  append(line: string): void
  /** From the next line on it is whatever file has the name then. */
  reopen(): void
  /** Handed to nobody yet: more than a moment's worth means that the disk is slow, or full. */
  readonly waitingBytes: number
  /** The last attempt failed; the next one follows by itself. */
  readonly isFailing: boolean
  /** Writes what waits, if that can be done in a moment, and closes the file. */
  close(done: () => void): void
}

/** Whoever is responsible for the file hears of trouble once when it begins, and of its end. */
export interface LineFileListener {
  onFailing(reason: string): void
  /** So many lines were not written, and will not be. */
  onLost(lines: number): void
  onMended(): void
}

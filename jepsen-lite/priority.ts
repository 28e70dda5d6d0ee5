import { getPriority, setPriority } from 'node:os'

const ahead = -10

/**
 * Puts this process ahead of the nodes, so that what it measures and when it strikes does not depend on how busy they keep
 * the machine. Without the right to do so, it stays one of them, and its own lag tells whether that mattered.
 */
export function goAhead(): void {
  try {
    setPriority(ahead)
  } catch {
    // Not root.
  }
}

/** Words before the command of a node, which make it an ordinary process again, with all its threads. */
export function ordinary(): readonly string[] {
  const priority = getPriority()
  return priority < 0 ? ['nice', '-n', String(-priority)] : []
}

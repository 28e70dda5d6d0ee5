/** Why a hint was not stored. */
export type HintRefusal =
  /** `--hints off`. */
  | 'off'
  | 'target-budget'
  | 'node-budget'
  /** The target has been away for too long to go on collecting for it. */
  | 'window'
  /** Somebody may take for stable what the hint holds (docs/rules.md D2). */
  | 'stable'

export interface HintLimits {
  readonly targetBytesMax: number
  readonly nodeBytesMax: number
  /** Of the free bytes of the disk, all hints together at most this share. */
  readonly freeShareMax: number
  /** No hint is made for a target that has been away longer; those that were made stay. */
  readonly windowMs: number
}

export const hintLimitsDefault: HintLimits = {
  targetBytesMax: 1024 * 1024 * 1024,
  nodeBytesMax: 8 * 1024 * 1024 * 1024,
  freeShareMax: 0.1,
  windowMs: 3 * 60 * 60 * 1000,
}

/** What is held when one more hint is to be stored. */
export interface HintsHeld {
  readonly ofTargetBytes: number
  readonly ofAllBytes: number
  /** How many bytes the hint adds; none where it takes the place of a larger one. */
  readonly addedBytes: number
  readonly freeBytes: number
  /** How long the target has been away; undefined: as far as we know, it is there. */
  readonly awayMs: number | undefined
}

/** Why one more hint is one too many; undefined: it may be stored (docs/rules.md H2). */
export function beyondBudget(limits: HintLimits, held: HintsHeld): HintRefusal | undefined {
  if (held.awayMs !== undefined && held.awayMs > limits.windowMs) return 'window'
  // What makes no hint larger is never too much.
  if (held.addedBytes <= 0) return undefined
  if (held.ofTargetBytes + held.addedBytes > limits.targetBytesMax) return 'target-budget'
  const nodeBytesMax = Math.min(limits.nodeBytesMax, held.freeBytes * limits.freeShareMax)
  return held.ofAllBytes + held.addedBytes > nodeBytesMax ? 'node-budget' : undefined
}

import { StorageError, type StorageFailure } from '../ports/storage.ts'

/** LevelDB gives the system's word and no number, so the words are what there is to go by (strerror in the C locale). */
const kindsByWords: readonly (readonly [RegExp, StorageFailure['kind']])[] = [
  [/No space left on device|Disk quota exceeded|Disc quota exceeded|File too large/, 'full'],
  [/Read-only file system/, 'read-only'],
  [/Corruption:/, 'corrupt'],
]

/** What an error of `level` means for the store. The deepest cause says most. */
export function toStorageFailure(error: unknown): StorageFailure {
  if (error instanceof StorageError) return error.failure
  const cause = rootCause(error)
  const message = cause instanceof Error ? cause.message : String(cause)
  const code = codeOf(cause)
  if (code === 'LEVEL_LOCKED') return { kind: 'locked', message: `another process holds the store: ${message}` }
  if (code === 'LEVEL_CORRUPTION') return { kind: 'corrupt', message }
  if (code === 'LEVEL_DATABASE_NOT_OPEN') return { kind: 'closed', message }
  if (code === 'ENOSPC' || code === 'EDQUOT' || code === 'EFBIG') return { kind: 'full', message }
  if (code === 'EROFS') return { kind: 'read-only', message }
  const known = kindsByWords.find(([words]) => words.test(message))
  return { kind: known?.[1] ?? 'failed', message }
}

function rootCause(error: unknown): unknown {
  let cause = error
  while (cause instanceof Error && cause.cause instanceof Error) cause = cause.cause
  return cause
}

function codeOf(error: unknown): string | undefined {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : undefined
}

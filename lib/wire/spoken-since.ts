import type { Request } from './messages.ts'
import { requestTypes } from './request-codec.ts'

/** Changing who owns what came with version 2, and with it every request from this number on. */
const firstNumberOfVersion2 = 53
/** Scans, batches and traces came with version 3. */
const firstNumberOfVersion3 = 112

/** The first wire version that has this request: a connection on which an older one was agreed must not see it. */
export function spokenSince(type: Request['type']): number {
  const number = requestTypes[type]
  if (number < firstNumberOfVersion2) return 1
  return number < firstNumberOfVersion3 ? 2 : 3
}

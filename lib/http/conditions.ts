import { InvalidHeader } from '../vocabulary/errors.ts'
import { type RequestHeaders, single } from './request-headers.ts'

interface EntityTags {
  /** `*`: whatever is there. */
  readonly any: boolean
  readonly tags: readonly { readonly tag: string; readonly isWeak: boolean }[]
}

/**
 * The state hashes of If-Match on a write, or `*` for anything that exists; undefined without the header. A weak tag
 * matches nothing here (RFC 9110, 13.1.1), so a list of weak ones only is an empty list.
 * @throws {InvalidHeader}
 */
export function readIfMatch(headers: RequestHeaders): readonly string[] | undefined {
  const found = readEntityTags(headers, 'if-match')
  if (found === undefined) return undefined
  return found.any ? ['*'] : found.tags.filter((entry) => !entry.isWeak).map((entry) => entry.tag)
}

/** Whether a write asks that nothing be there. @throws {InvalidHeader} for If-None-Match with tags, which only reads have */
export function readIfNoneMatchOfWrite(headers: RequestHeaders): boolean {
  const found = readEntityTags(headers, 'if-none-match')
  if (found === undefined) return false
  if (!found.any) throw new InvalidHeader('If-None-Match on a write can only be *')
  return true
}

/** @throws {InvalidHeader} when a delete asks that nothing be there */
export function refuseIfNoneMatch(headers: RequestHeaders): void {
  if (headers['if-none-match'] !== undefined) throw new InvalidHeader('If-None-Match makes no sense on a DELETE')
}

/** Whether a read need not send the state that `etag` names (`undefined`: there is none). @throws {InvalidHeader} */
export function isNotModified(headers: RequestHeaders, stateHash: string | undefined): boolean {
  if (headers['if-none-match'] === undefined) return false
  const found = readEntityTags(headers, 'if-none-match')
  if (found === undefined || stateHash === undefined) return false
  return found.any || found.tags.some((entry) => entry.tag === stateHash)
}

function readEntityTags(headers: RequestHeaders, name: string): EntityTags | undefined {
  const header = single(headers, name)?.trim()
  if (header === undefined) return undefined
  if (header === '*') return { any: true, tags: [] }
  const tags: EntityTags['tags'][number][] = []
  const pattern = /\s*(W\/)?"([^"]*)"\s*(,|$)/y
  while (pattern.lastIndex < header.length) {
    const match = pattern.exec(header)
    if (match === null) break
    tags.push({ tag: match[2] as string, isWeak: match[1] !== undefined })
    if (match[3] === '') return { any: false, tags }
  }
  throw new InvalidHeader(`${name === 'if-match' ? 'If-Match' : 'If-None-Match'} is neither * nor a list of ETags`, {
    hint: 'An ETag stands in double quotes, as the answer gave it.',
  })
}

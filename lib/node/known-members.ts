import type { Time, Timer } from '../ports/time.ts'
import type { Member } from '../protocol/membership/member.ts'
import { decodeMemberList, encodeMemberList } from '../wire/member-list.ts'
import { UnreadableBytes } from '../wire/unreadable-bytes.ts'
import type { MetaStore } from './meta-store.ts'

const listName = 'members'
const keepAfterMs = 1_000

/**
 * The member list on disk. A node that starts again finds its cluster without seeds, and one that has lost its disk
 * finds somebody who remembers its name, even if all the others have been started again meanwhile.
 */
export class KnownMembers {
  readonly #time: Time
  readonly #meta: MetaStore
  #timer: Timer | undefined

  constructor(parts: { readonly time: Time; readonly meta: MetaStore }) {
    this.#time = parts.time
    this.#meta = parts.meta
  }

  /** As last kept; empty when nothing was, or when it cannot be read. */
  load(): readonly Member[] {
    const bytes = this.#meta.read(listName)
    if (!(bytes instanceof Uint8Array)) return []
    try {
      return decodeMemberList(bytes)
    } catch (error) {
      if (!(error instanceof UnreadableBytes)) throw error
      return []
    }
  }

  /** Something changed: keeps what `members` says a moment later, when the rest of the news is in. */
  keep(members: () => readonly Member[]): void {
    if (this.#timer !== undefined) return
    this.#timer = this.#time.after(keepAfterMs, () => {
      this.#timer = undefined
      this.#meta.write(listName, encodeMemberList(members()), 'os', () => {})
    })
  }
}

import { StorageError } from '../ports/storage.ts'
import { type Hlc, hlcZero } from '../protocol/clock/hlc.ts'
import type { LayoutInForce } from '../protocol/layout/layout-in-force.ts'
import { BytesReader } from '../wire/bytes-reader.ts'
import { BytesWriter } from '../wire/bytes-writer.ts'
import { readHlc } from '../wire/dot-codec.ts'
import { UnreadableBytes } from '../wire/unreadable-bytes.ts'
import type { MetaStore } from './meta-store.ts'
import type { RequestContext } from './request-context.ts'

const untilName = 'member-until'

/**
 * The clock when this node was a member last, for certain (docs/rules.md D5): what it still keeps for others after that is
 * as old as that, because nobody asks it any more what is stable. Who is awaited is asked for by everybody's waiting: while
 * that lasts nothing is deleted for good, and what it brings is as good as new.
 */
export class MemberUntil {
  readonly #meta: MetaStore
  /** Undefined: a member still, or awaited. */
  #until: Hlc | undefined

  constructor(meta: MetaStore) {
    this.#meta = meta
  }

  /** The layout is another, or somebody has come further. */
  follow(layout: LayoutInForce, context: RequestContext): void {
    const { self, minting } = context
    const { awaited, assignedAt } = layout.decided.version
    const isMember = layout.ring.has(self) && !layout.isExcluded(self)
    if (isMember || awaited.includes(self)) {
      this.#until = undefined
      return
    }
    // Before this node says that it has seen the switch, nobody can have let it go (docs/rules.md T5).
    const hasSwitched = (context.layout.document.trackers.get(self)?.syncAck ?? 0) >= assignedAt
    if (layout.has(self) && !layout.isExcluded(self) && !hasSwitched) {
      this.#until = minting.read()
      this.#meta.write(untilName, encode(this.#until), 'os', () => {})
    } else {
      this.#until ??= this.#load()
    }
  }

  /** As of when what is read `now` can be vouched for. */
  asOf(now: Hlc): Hlc {
    return this.#until === undefined || now < this.#until ? now : this.#until
  }

  #load(): Hlc {
    try {
      const bytes = this.#meta.read(untilName)
      return bytes instanceof Uint8Array ? readHlc(new BytesReader(bytes)) : hlcZero
    } catch (error) {
      // Too old is safe: then more has to be asked about.
      if (error instanceof UnreadableBytes || error instanceof StorageError) return hlcZero
      throw error
    }
  }
}

function encode(until: Hlc): Uint8Array {
  const writer = new BytesWriter(8)
  writer.varint(until)
  return writer.finish()
}

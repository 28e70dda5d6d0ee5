import type { SessionStore } from '@fastify/session'
import type { Session } from 'fastify'
import { type Bucket, type Database, json, type Sibling } from 'starling-kv'

/** A session that was ended stays known until it would have expired, so that nobody can bring it back. */
type Stored = { readonly session: Session } | { readonly ended: true }

type Done = (error?: unknown) => void
type Found = (error: unknown, session?: Session | null) => void

export interface StoreOptions {
  /** For cookies without an end, seconds; default one day. */
  readonly ttlSeconds?: number
}

const ttlSecondsDefault = 86_400

/**
 * Owners only, a majority of them on both sides: a visitor's next request finds what his last one left, whichever process
 * takes it.
 */
const strict = { sloppy: false } as const

/** Sessions in a Starling cluster, for `@fastify/session` and whatever else takes a store of `express-session`. */
export class StarlingSessionStore implements SessionStore {
  readonly #sessions: Bucket<Stored>
  readonly #ttlSeconds: number

  constructor(db: Database, { ttlSeconds = ttlSecondsDefault }: StoreOptions = {}) {
    this.#sessions = db.bucket<Stored>('sessions', { codec: json })
    this.#ttlSeconds = ttlSeconds
  }

  /** Saves a session, unless it has ended meanwhile: a slow request must not log anybody in again. */
  set(id: string, session: Session, done: Done): void {
    const save = this.#sessions.update(id, (siblings) => (hasEnded(siblings) ? { ended: true } : { session }), {
      ...strict,
      ttlSeconds: this.#ttlOf(session),
    })
    save.then(() => done(), done)
  }

  get(id: string, found: Found): void {
    this.#sessions.get(id, strict).then((state) => found(null, sessionIn(state?.siblings ?? [])), found)
  }

  /** Ends a session for good. Deleting would not do: a request that is under way would save it anew. */
  destroy(id: string, done: Done): void {
    this.#sessions.put(id, { ended: true }, { ...strict, ttlSeconds: this.#ttlSeconds }).then(() => done(), done)
  }

  #ttlOf({ cookie }: Session): number {
    if (cookie.expires === undefined || cookie.expires === null) return this.#ttlSeconds
    return Math.max(1, Math.ceil((new Date(cookie.expires).getTime() - Date.now()) / 1000))
  }
}

function hasEnded(siblings: readonly Sibling<Stored>[]): boolean {
  return siblings.some(({ value }) => 'ended' in value)
}

/**
 * Two requests of one visitor at the same moment leave two siblings, as each has changed what it had read. The later one
 * counts, as it would with any store of sessions; but none counts against an end.
 */
function sessionIn(siblings: readonly Sibling<Stored>[]): Session | null {
  if (hasEnded(siblings)) return null
  const latest = [...siblings].sort((one, other) => other.writtenAtMs - one.writtenAtMs)[0]?.value
  return latest !== undefined && 'session' in latest ? latest.session : null
}

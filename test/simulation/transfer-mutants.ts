import { HintStore } from '../../lib/node/hint-store.ts'
import type { Storage } from '../../lib/ports/storage.ts'
import type { Sibling } from '../../lib/protocol/causality/record.ts'
import { siblingChecksum } from '../../lib/protocol/causality/state-hash.ts'
import type { Hash } from '../../lib/vocabulary/hash.ts'
import type { Request } from '../../lib/wire/messages.ts'
import { decodeRecord, encodeRecord } from '../../lib/wire/record.ts'
import { hintRange } from '../../lib/wire/store-keys.ts'
import { withFrames } from './alter-frames.ts'
import { alteredWrites, hintPrefix, withStorage } from './alter-storage.ts'
import type { Configuration } from './configuration.ts'
import type { Mutant } from './mutants.ts'
import { patched, type Undo } from './patched.ts'
import { hintsAlone } from './repair-mutants.ts'

const expiring = {
  conflict: 'siblings',
  ttlShare: 0.5,
  ttlSeconds: 10,
  readRepair: 'off',
  retries: false,
  faults: ['isolate', 'halves', 'one-way'],
} as const satisfies Partial<Configuration>

/** Known bugs in what goes from one node to another: hints and repairs. */
export const transferMutants: Readonly<Record<string, Mutant>> = {
  /** Whoever is back gets the hints that are kept for others, too. */
  'hint-to-another': {
    killedBy: 'missing-copy',
    within: { ...hintsAlone, nodes: 4, keys: 12, faults: ['isolate', 'halves', 'kill'], faultEveryMs: 1000 },
    alterPorts: (ports) => withStorage(ports, mixingHints),
  },
  /** A hint that its owner has taken stays. */
  'hint-never-goes': { killedBy: 'not-together', within: hintsAlone, patch: keepHints },
  /** What a hint brings lives for ever. */
  'hint-without-expiry': {
    killedBy: 'alarm',
    within: { ...expiring, hints: true, antiEntropy: true },
    alterPorts: (ports) => withFrames(ports, { request: (one) => withExpiries(one, 'hint', never, ports.hash) }),
  },
  /** What anti-entropy brings begins its time anew. */
  'expiry-begins-anew': {
    killedBy: 'alarm',
    within: { ...expiring, hints: false, antiEntropy: true },
    alterPorts: (ports) =>
      withFrames(ports, { request: (one) => withExpiries(one, 'anti-entropy', later, ports.hash) }),
  },
}

function mixingHints(storage: Storage): Storage {
  return {
    ...alteredWrites(storage, (operations, sync, done) => storage.write(operations, { sync }, done)),
    scan: (range, done) => {
      const isOfOneTarget = range.from[0] === hintPrefix && range.from.length === hintTargetBytes
      storage.scan(isOfOneTarget ? { ...range, ...hintRange() } : range, done)
    },
  }
}

/** A scan for one target begins at its name. */
const hintTargetBytes = 17

function keepHints(): Undo {
  return patched(
    HintStore.prototype,
    'remove',
    () =>
      function (this: HintStore, _hints, done) {
        this.whenStored(done)
      },
  )
}

type Expiry = (expiresAtMs: number) => number | undefined

const never: Expiry = () => undefined
const later: Expiry = (expiresAtMs) => expiresAtMs + 5000

function withExpiries(message: Request, purpose: 'hint' | 'anti-entropy', expiry: Expiry, hash: Hash): Request {
  if (message.type !== 'merge-records' || message.purpose !== purpose) return message
  const altered = (sibling: Sibling): Sibling => {
    if (sibling.expiresAtMs === undefined) return sibling
    const expiresAtMs = expiry(sibling.expiresAtMs)
    const { value, contentType, metadata } = sibling
    return { ...sibling, expiresAtMs, checksum: siblingChecksum(value, contentType, metadata, expiresAtMs, hash) }
  }
  const entries = message.entries.map(({ key, record }) => {
    const decoded = decodeRecord(record, hash)
    return { key, record: encodeRecord({ ...decoded, siblings: decoded.siblings.map(altered) }) }
  })
  return { ...message, entries }
}

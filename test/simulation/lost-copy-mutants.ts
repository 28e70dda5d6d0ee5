import type { Ports } from '../../lib/ports/ports.ts'
import type { Storage } from '../../lib/ports/storage.ts'
import type { KeyRecord } from '../../lib/protocol/causality/record.ts'
import { hlcZero } from '../../lib/protocol/clock/hlc.ts'
import { Read, type ReplicaAnswer } from '../../lib/protocol/quorum/read.ts'
import type { NodeId } from '../../lib/vocabulary/ids.ts'
import type { RecordKey } from '../../lib/vocabulary/key.ts'
import type { RecordEntry } from '../../lib/wire/messages.ts'
import { decodeRecord, encodeRecord } from '../../lib/wire/record.ts'
import { dataKey } from '../../lib/wire/store-keys.ts'
import { withFrames } from './alter-frames.ts'
import { withStorage } from './alter-storage.ts'
import type { Configuration } from './configuration.ts'
import type { Mutant } from './mutants.ts'
import { patched, type Undo } from './patched.ts'

const siblings = {
  conflict: 'siblings',
  retries: false,
  sessions: false,
  ttlShare: 0,
} as const satisfies Partial<Configuration>

/** Two of three owners hold each write, and every answer counts. */
const lastCopies = {
  nodes: 3,
  replicas: 3,
  r: 2,
  w: 2,
  pr: 0,
  pw: 0,
  sloppy: false,
  conflict: 'siblings',
  sessions: false,
  retries: false,
  ttlShare: 0,
  readRepair: 'off',
  hints: false,
  antiEntropy: false,
  keys: 12,
  readShare: 0.6,
  deleteShare: 0,
  operations: 600,
  timeoutMs: 500,
  faultEveryMs: 400,
  faultLastsMs: 1500,
  triesLiveness: false,
  triesAvailability: false,
} as const satisfies Partial<Configuration>

/** One owner has missed writes, another one has lost them. */
const bare = {
  faults: ['bare-return'],
  faultEveryMs: 1000,
  faultLastsMs: 4000,
  timeoutMs: 1500,
} as const satisfies Partial<Configuration>

/** Quorums that are often cut short, and nothing but reads brings copies together. */
const disputed = {
  ...siblings,
  r: 2,
  w: 2,
  pr: 0,
  pw: 0,
  replicas: 3,
  sloppy: false,
  keys: 8,
  readShare: 0.7,
  blindShare: 0.2,
  timeoutMs: 500,
  readRepair: 'blocking',
  hints: false,
  antiEntropy: false,
  faults: ['isolate', 'halves', 'one-way', 'lossy'],
  faultEveryMs: 500,
} as const satisfies Partial<Configuration>

/** Known bugs in what counts where a copy lacks something. */
export const lostCopyMutants: Readonly<Record<string, Mutant>> = {
  /** A damaged copy counts as one that holds nothing. */
  'damaged-is-absent': {
    killedBy: 'stale-read',
    within: { ...lastCopies, ...bare, keys: 3 },
    patch: () => hearing((answer) => (answer.state === 'damaged' ? nothingThere : answer)),
  },
  /** What a node says that has lost its data, and has not brought it back, counts. */
  'unrecovered-counts': {
    killedBy: 'stale-read',
    within: { ...lastCopies, ...bare },
    patch: () => hearing((answer) => (answer.isRecovering ? { ...answer, isRecovering: false } : answer)),
  },
  /** Of two copies the one that is not there is the newer: whoever lacks a key takes what comes for deleted. */
  'missing-is-newer': {
    killedBy: 'missing-copy',
    within: {
      ...siblings,
      antiEntropy: true,
      hints: false,
      readRepair: 'off',
      keys: 60,
      readShare: 0,
      deleteShare: 0,
      faults: ['isolate', 'halves'],
      faultEveryMs: 400,
      faultLastsMs: 2000,
    },
    alterPorts: takingWhatIsLackingForDeleted,
  },
  /** A repair sends what its owner has already. */
  'repair-sends-the-stale-side': { killedBy: 'read-went-back', within: disputed, patch: repairWithTheirOwn },
}

const nothingThere: ReplicaAnswer = { state: 'absent', isRecovering: false, record: undefined }

/** What owners say is understood in that way, by whoever asks them. */
function hearing(understood: (answer: ReplicaAnswer) => ReplicaAnswer): Undo {
  return patched(
    Read.prototype,
    'handle',
    (original) =>
      function (this: Read, event) {
        if (event.type !== 'answered') return original.call(this, event)
        return original.call(this, { ...event, answer: understood(event.answer) })
      },
  )
}

const partitionsMax = 32

function takingWhatIsLackingForDeleted(ports: Ports): Ports {
  let store: Storage | undefined
  const watched = withStorage(ports, (storage) => {
    store = storage
    return storage
  })
  const isLacking = (key: RecordKey): boolean =>
    Array.from({ length: partitionsMax }, (_, number) => number).every(
      (number) => store?.get(dataKey(number, key)) === undefined,
    )
  const taken = (entry: RecordEntry): RecordEntry => {
    if (!isLacking(entry.key)) return entry
    return { ...entry, record: encodeRecord({ ...decodeRecord(entry.record, ports.hash), siblings: [] }) }
  }
  return withFrames(watched, {
    request: (message) =>
      message.type === 'merge-records' && message.purpose === 'anti-entropy'
        ? { ...message, entries: message.entries.map(taken) }
        : message,
    response: (message) =>
      message.type === 'exchanged' && message.answer.type === 'records-pulled'
        ? { ...message, answer: { ...message.answer, entries: message.answer.entries.map(taken) } }
        : message,
  })
}

function repairWithTheirOwn(): Undo {
  const answered = new WeakMap<Read, Map<NodeId, KeyRecord>>()
  return patched(
    Read.prototype,
    'handle',
    (original) =>
      function (this: Read, event) {
        const known = answered.get(this) ?? new Map<NodeId, KeyRecord>()
        answered.set(this, known)
        if (event.type === 'answered' && event.answer.record !== undefined) known.set(event.node, event.answer.record)
        const nothing: KeyRecord = { mode: 'siblings', vv: [], siblings: [], deletedHlc: hlcZero, done: [] }
        return original
          .call(this, event)
          .map((effect) =>
            effect.type === 'send-repair' ? { ...effect, record: known.get(effect.to) ?? nothing } : effect,
          )
      },
  )
}

import type { Storage, StorageOperation } from '../../lib/ports/storage.ts'
import { mergeRecords } from '../../lib/protocol/causality/merge.ts'
import type { KeyRecord } from '../../lib/protocol/causality/record.ts'
import { mergeVectors } from '../../lib/protocol/causality/version-vector.ts'
import { type Hlc, hlcMax, hlcZero } from '../../lib/protocol/clock/hlc.ts'
import type { ClientRequest } from '../../lib/protocol/quorum/client-request.ts'
import { SortedEntries } from '../../lib/simulator/sorted-entries.ts'
import type { Hash } from '../../lib/vocabulary/hash.ts'
import type { Refusal, Request, Response } from '../../lib/wire/messages.ts'
import { decodeRecord, encodeRecord } from '../../lib/wire/record.ts'
import { parseMetaKey } from '../../lib/wire/store-keys.ts'
import { type FrameAlteration, withFrames } from './alter-frames.ts'
import { alteredWrites, hintPrefix, withStorage } from './alter-storage.ts'
import type { DrivenNode } from './cluster.ts'
import type { Configuration } from './configuration.ts'
import type { Mutant } from './mutants.ts'

export const hintsAlone = {
  nodes: 5,
  hints: true,
  antiEntropy: false,
  readRepair: 'off',
  sloppy: true,
  conflict: 'siblings',
  faults: ['isolate', 'kill', 'kill-at-work'],
  faultEveryMs: 2000,
  faultLastsMs: 8000,
  blindShare: 0,
} as const satisfies Partial<Configuration>

const antiEntropyAlone = {
  hints: false,
  antiEntropy: true,
  readRepair: 'off',
  conflict: 'siblings',
  faults: ['isolate', 'halves', 'kill'],
} as const satisfies Partial<Configuration>

/** Keys are written and deleted while copies are delayed on their way, and every tombstone goes as soon as it may. */
const deletions = {
  nodes: 4,
  replicas: 3,
  r: 2,
  w: 2,
  pr: 0,
  pw: 0,
  sloppy: false,
  durability: 'os',
  hints: true,
  antiEntropy: true,
  readRepair: 'blocking',
  conflict: 'siblings',
  retries: false,
  sessions: false,
  ttlShare: 0,
  tombstoneGraceSeconds: 0,
  keys: 12,
  clients: 6,
  operations: 1000,
  thinkMs: 100,
  deleteShare: 0.6,
  readShare: 0.2,
  blindShare: 0,
  disk: { writeMs: 0.02, syncMs: 0.2 },
  faults: ['isolate', 'halves', 'one-way', 'lossy'],
  faultEveryMs: 500,
  faultLastsMs: 2000,
  interruptions: 0,
} as const satisfies Partial<Configuration>

const sessionsAtOne = {
  sessions: true,
  r: 1,
  w: 1,
  pr: 0,
  pw: 0,
  sloppy: false,
  conflict: 'siblings',
  readRepair: 'off',
  faults: ['isolate', 'lossy', 'slow-disk'],
} as const satisfies Partial<Configuration>

const retries = {
  retries: true,
  conflict: 'siblings',
  faults: ['kill', 'isolate', 'one-way', 'lossy', 'pause'],
  timeoutMs: 500,
  blindShare: 0.5,
} as const satisfies Partial<Configuration>

/** Known bugs in what brings copies together, in deletion, sessions and retries. */
export const repairMutants: Readonly<Record<string, Mutant>> = {
  /** A hint is gone with the process that kept it. */
  'hints-in-memory': {
    killedBy: 'missing-copy',
    within: hintsAlone,
    alterPorts: (ports) => withStorage(ports, hintsInMemory),
  },
  /** A hint goes when it is read, before its owner has it. */
  'hint-removed-first': {
    seed: 2,
    killedBy: 'missing-copy',
    within: hintsAlone,
    alterPorts: (ports) => withStorage(ports, removingHintsRead),
  },
  /** An owner says that it has a hint, and has not. */
  'hint-acknowledged-unstored': {
    killedBy: 'missing-copy',
    within: hintsAlone,
    alterPorts: (ports) => withFrames(ports, { answer: (message) => mergedUnseen(message, 'hint') }),
  },
  /** Hints stay where they are. */
  'hints-never-sent': {
    killedBy: 'not-together',
    within: hintsAlone,
    alterPorts: (ports) => withStorage(ports, hidingHints),
  },
  /** A hint for an owner, and the owner's own acknowledgement, are two. */
  'hint-counts-twice': {
    killedBy: 'too-few-copies',
    within: { ...hintsAlone, w: 2 },
    alterServe: countingTwice,
  },
  /** A fallback that knows nothing of a key is taken for an owner that has nothing. */
  'absent-fallback-counts': {
    seed: 9,
    killedBy: 'fallback-said-absent',
    within: { sloppy: true, hints: true, triesAvailability: true },
    alterPorts: (ports) => withFrames(ports, absentFallbacksCount(ports.hash)),
  },
  /** Whatever differs, an exchange finds its copies equal: as if no merge had ever reached the tree. */
  'trees-always-equal': {
    killedBy: 'not-converged',
    within: antiEntropyAlone,
    alterPorts: (ports) => withFrames(ports, { response: sayEqual }),
  },
  /** What an exchange finds to be different is not sent, and what is asked for does not come. */
  'exchange-brings-nothing': {
    killedBy: 'not-converged',
    within: antiEntropyAlone,
    alterPorts: (ports) => withFrames(ports, bringingNothing()),
  },
  /** Copies that are equal look different, and are sent again and again. */
  'trees-always-differ': {
    killedBy: 'repairs-equal-copies',
    within: { ...antiEntropyAlone, faults: [] },
    alterPorts: (ports) => withFrames(ports, { request: askDifferently, response: answerDifferently }),
  },
  /** A change leaves no mark, so after a crash the tree of before it is believed. */
  'tree-marks-forgotten': {
    killedBy: 'tree-not-of-its-records',
    within: { ...antiEntropyAlone, faults: ['stop', 'kill'], faultEveryMs: 1000 },
    alterPorts: (ports) => withStorage(ports, forgettingMarks),
  },
  /** Every state that comes is taken for one that was read just now. */
  'barrier-ignored': {
    killedBy: 'resurrection',
    within: { ...deletions, operations: 500, faults: [], replayChance: 0.3 },
    alterPorts: (ports) => withFrames(ports, { request: readingJustNow() }),
  },
  /** A tombstone goes although writes before it may still be on their way. */
  'stable-ignored': {
    killedBy: 'resurrection',
    within: deletions,
    alterPorts: (ports) => withFrames(ports, { response: sayAllStable }),
  },
  /** What a session has seen is nobody's concern. */
  'session-ignored': {
    killedBy: 'own-write-unread',
    within: sessionsAtOne,
    alterSessions: (node) => {
      const serve = node.serve.bind(node)
      const serveInSession = node.serveInSession.bind(node)
      return (request, token, done) => {
        if (request.type !== 'get') return serveInSession(request, token, done)
        serve(request, (error, answer) => done(error, answer, token))
      }
    },
  },
  /** Every try of a write is a write. */
  'retry-is-another-write': {
    killedBy: 'duplicate-sibling',
    within: retries,
    alterServe: (node) => {
      const serve = node.serve.bind(node)
      return (request, done) => serve(withoutId(request), done)
    },
  },
  /** Who has seen a keyed write does not tell the others of it. */
  'done-forgotten': {
    killedBy: 'false-sibling',
    within: { ...retries, blindShare: 0, keys: 12, readShare: 0, operations: 400 },
    merge: (a, b) => withoutDone(mergeRecords(a, b)),
    alterPorts: (ports) => withFrames(ports, { request: (message) => withoutDoneIn(message, ports.hash) }),
  },
  /** In a last-write-wins record the state that comes last wins. */
  'last-arrival-wins': {
    killedBy: 'older-value',
    within: { conflict: 'lww', faults: ['isolate', 'lossy', 'halves'], retries: false },
    merge: (a, b) => (a.mode === 'lww' ? { ...b, mode: 'lww', vv: mergeVectors(a.vv, b.vv) } : mergeRecords(a, b)),
  },
  /** No value ever expires. */
  'never-expires': {
    killedBy: 'expired-value',
    within: { ttlShare: 0.5, ttlSeconds: 1, conflict: 'siblings', blindShare: 0.3 },
    alterServe: (node) => {
      const serve = node.serve.bind(node)
      return (request, done) => serve(request.type === 'put' ? { ...request, ttlSeconds: undefined } : request, done)
    },
  },
}

function hintsInMemory(storage: Storage): Storage {
  const hints = new SortedEntries()
  const isHint = ({ key }: { readonly key: Uint8Array }): boolean => key[0] === hintPrefix
  return {
    get: (key) => (key[0] === hintPrefix ? hints.get(key) : storage.get(key)),
    write: (operations, options, done) => {
      hints.apply(operations.filter(isHint))
      storage.write(
        operations.filter((operation) => !isHint(operation)),
        options,
        done,
      )
    },
    scan: (range, done) =>
      storage.scan(range, (failure, entries) => {
        if (range.from[0] !== hintPrefix) return done(failure, entries)
        const found = []
        for (let index = hints.lowerBound(range.from); index < hints.lowerBound(range.to); index += 1) {
          const entry = hints.at(index)
          if (entry !== undefined && found.length < range.entriesMax) found.push(entry)
        }
        done(failure, found)
      }),
    close: (done) => storage.close(done),
  }
}

function removingHintsRead(storage: Storage): Storage {
  return {
    ...alteredWrites(storage, (operations, sync, done) => storage.write(operations, { sync }, done)),
    scan: (range, done) =>
      storage.scan(range, (failure, entries) => {
        const isOfOneTarget = range.from[0] === hintPrefix && range.from.length > 1
        const gone: StorageOperation[] = isOfOneTarget ? entries.map(({ key }) => ({ type: 'delete', key })) : []
        if (gone.length > 0) storage.write(gone, { sync: true }, () => {})
        done(failure, entries)
      }),
  }
}

function hidingHints(storage: Storage): Storage {
  return {
    ...alteredWrites(storage, (operations, sync, done) => storage.write(operations, { sync }, done)),
    scan: (range, done) =>
      storage.scan(range, (failure, entries) => done(failure, range.from[0] === hintPrefix ? [] : entries)),
  }
}

function bringingNothing(): FrameAlteration {
  return {
    answer: (message) => mergedUnseen(message, 'anti-entropy'),
    response: (message, asked) =>
      asked === 'exchange' && message.type === 'exchanged' && message.answer.type === 'records-pulled'
        ? { ...message, answer: { ...message.answer, entries: [] } }
        : message,
  }
}

function forgettingMarks(storage: Storage): Storage {
  const isMark = ({ key }: StorageOperation): boolean => parseMetaKey(key)?.startsWith('tree/dirty/') === true
  return alteredWrites(storage, (operations, sync, done) =>
    storage.write(
      operations.filter((operation) => !isMark(operation)),
      { sync },
      done,
    ),
  )
}

/** Records of that kind are acknowledged and thrown away. */
function mergedUnseen(message: Request, purpose: 'hint' | 'anti-entropy'): Response | undefined {
  if (message.type !== 'merge-records' || message.purpose !== purpose) return undefined
  return { type: 'records-merged', outcomes: message.entries.map(() => 'merged'), isBusy: false }
}

/** One acknowledgement fewer is asked for while an owner is away. */
function countingTwice(node: DrivenNode): DrivenNode['serve'] {
  const serve = node.serve.bind(node)
  return (request, done) => {
    if (request.type === 'get' || typeof request.options.w !== 'number') return serve(request, done)
    const owners = node.ownersOf(request.bucket, request.key)?.owners ?? []
    const away = node.status().members.some(({ id, state }) => state !== 'alive' && owners.includes(id))
    const w = Math.max(1, request.options.w - (away ? 1 : 0))
    serve({ ...request, options: { ...request.options, w } }, done)
  }
}

function absentFallbacksCount(hash: Hash): FrameAlteration {
  const nothing = encodeRecord({ mode: 'siblings', vv: [], siblings: [], deletedHlc: hlcZero, done: [] })
  decodeRecord(nothing, hash)
  return {
    response: (message, asked) =>
      asked === 'read-hint' && message.type === 'record-read' && message.state === 'absent'
        ? { ...message, state: 'found', record: nothing }
        : message,
  }
}

function sayEqual(message: Response | Refusal): Response | Refusal {
  if (message.type !== 'exchanged' || message.answer.type !== 'roots-compared') return message
  return { ...message, answer: { ...message.answer, groups: [] } }
}

/** Every hash in a question is another one. */
function askDifferently(message: Request): Request {
  if (message.type !== 'exchange') return message
  const { question } = message
  switch (question.type) {
    case 'compare-roots':
      return { ...message, question: { ...question, groups: question.groups.map(other) } }
    case 'compare-branches':
      return {
        ...message,
        question: {
          ...question,
          partitions: question.partitions.map((one) => ({ ...one, branches: one.branches.map(other) })),
        },
      }
    case 'compare-leaves':
      return {
        ...message,
        question: { ...question, leaves: question.leaves.map((leaf) => ({ ...leaf, hash: other(leaf.hash) })) },
      }
    case 'pull-records':
      return {
        ...message,
        question: {
          ...question,
          wanted: question.wanted.map((one) => ({ ...one, stateHash: other(one.stateHash) })),
        },
      }
    default:
      return message
  }
}

/** And every hash in an answer. */
function answerDifferently(message: Response | Refusal): Response | Refusal {
  if (message.type !== 'exchanged') return message
  const { answer } = message
  switch (answer.type) {
    case 'roots-compared': {
      const groups = answer.groups.map((group) => ({ ...group, roots: group.roots.map(other) }))
      return { ...message, answer: { ...answer, groups } }
    }
    case 'branches-compared': {
      const branches = answer.branches.map((branch) => ({
        ...branch,
        leaves: branch.leaves.map(([leaf, hash]) => [leaf, other(hash)] as const),
      }))
      return { ...message, answer: { ...answer, branches } }
    }
    case 'leaves-compared': {
      const leaves = answer.leaves.map((leaf) => ({
        ...leaf,
        entries: leaf.entries.map((entry) => ({ ...entry, stateHash: other(entry.stateHash) })),
      }))
      return { ...message, answer: { ...answer, leaves } }
    }
    default:
      return message
  }
}

function other(hash: bigint): bigint {
  return hash ^ 1n
}

/** As of the latest clock that this node has heard of: a later one would make its own run ahead. */
function readingJustNow(): (message: Request) => Request {
  let latest: Hlc = hlcZero
  return (message) => {
    if (message.type === 'raise-barrier') latest = hlcMax(latest, message.barrier)
    if (!('asOf' in message)) return message
    latest = hlcMax(latest, message.asOf)
    return { ...message, asOf: latest }
  }
}

function sayAllStable(message: Response | Refusal): Response | Refusal {
  return message.type === 'stable-told' ? { ...message, stable: message.clock } : message
}

function withoutId(request: ClientRequest): ClientRequest {
  return request.type === 'get' ? request : { ...request, idempotency: undefined }
}

function withoutDone(record: KeyRecord): KeyRecord {
  return record.done.length === 0 ? record : { ...record, done: [] }
}

function withoutDoneIn(message: Request, hash: Hash): Request {
  const forget = (bytes: Uint8Array): Uint8Array => encodeRecord(withoutDone(decodeRecord(bytes, hash)))
  if (message.type === 'write-record' || message.type === 'store-hint') {
    return { ...message, record: forget(message.record) }
  }
  if (message.type !== 'merge-records') return message
  return { ...message, entries: message.entries.map(({ key, record }) => ({ key, record: forget(record) })) }
}

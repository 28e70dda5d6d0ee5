import { MerkleTrees } from '../../lib/node/merkle-trees.ts'
import { Minting } from '../../lib/node/minting.ts'
import type { Storage, StorageOperation } from '../../lib/ports/storage.ts'
import type { Dot } from '../../lib/protocol/causality/dot.ts'
import { mergeRecords } from '../../lib/protocol/causality/merge.ts'
import type { KeyRecord, Sibling } from '../../lib/protocol/causality/record.ts'
import { compareDots, counterOf, mergeVectors } from '../../lib/protocol/causality/version-vector.ts'
import type { ClientRequest, QuorumLevel } from '../../lib/protocol/quorum/client-request.ts'
import { Write } from '../../lib/protocol/quorum/write.ts'
import type { NodeId } from '../../lib/vocabulary/ids.ts'
import type { Refusal, Request, Response } from '../../lib/wire/messages.ts'
import { withFrames } from './alter-frames.ts'
import { alteredWrites, hintPrefix, withStorage } from './alter-storage.ts'
import type { DrivenNode } from './cluster.ts'
import type { Configuration } from './configuration.ts'
import type { Mutant } from './mutants.ts'
import { patched, type Undo } from './patched.ts'

const strict = {
  nodes: 5,
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
  readRepair: 'blocking',
  hints: false,
  antiEntropy: false,
  faults: ['isolate', 'halves', 'one-way', 'lossy'],
  faultEveryMs: 500,
  timeoutMs: 500,
} as const satisfies Partial<Configuration>

/** Known bugs in quorums, names of writes, merging, trees and clocks. */
export const protocolMutants: Readonly<Record<string, Mutant>> = {
  /** Half of the owners are a quorum. */
  'half-is-a-quorum': {
    killedBy: 'too-few-copies',
    within: { ...strict, replicas: 4, r: 'quorum', w: 'quorum' },
    alterServe: (node) => served(node, (request) => withLevels(request, 2)),
  },
  /** One owner's acknowledgement counts for another owner, too. */
  'acknowledgement-counts-twice': { killedBy: 'too-few-copies', within: { ...strict, r: 1, w: 3 }, patch: countTwice },
  /** In a strict quorum a stand-in's hint counts as an owner's copy. */
  'strict-counts-hints': {
    killedBy: 'stale-read',
    within: { ...strict, hints: true, faultLastsMs: 4000 },
    alterServe: (node) => served(node, sloppily),
  },
  /** An owner's refusal counts as its acknowledgement. */
  'refusal-is-acknowledgement': {
    killedBy: 'too-few-copies',
    within: { ...strict, faults: ['disk-full', 'disk-error', 'isolate', 'kill'], durability: 'disk' },
    alterPorts: (ports) => withFrames(ports, { response: takeForWritten }),
  },
  /** Acknowledged before the own disk has it. */
  'acknowledged-before-written': {
    killedBy: 'too-few-copies',
    within: { ...strict, durability: 'disk', faults: ['kill', 'power', 'slow-disk'] },
    alterPorts: (ports) => withStorage(ports, doneTooEarly),
  },
  /** An answer is taken for that of the next question of its kind. */
  'answers-of-earlier-questions': {
    killedBy: 'diverged',
    within: { ...strict, keys: 8, readShare: 0.5 },
    alterPorts: (ports) => withFrames(ports, { response: oneLate() }),
  },
  /** A dot that is exactly as late as the vector knows counts as unseen. */
  'latest-is-not-covered': { killedBy: 'false-sibling', merge: (a, b) => mergedBy(a, b, 1) },
  /** The dot behind the latest that a vector knows counts as seen. */
  'next-is-covered': { killedBy: 'lost-write', merge: (a, b) => mergedBy(a, b, -1) },
  /** All stores name their writes as one. */
  'one-actor-for-all': { killedBy: 'alarm', patch: () => mintAsOne() },
  /** Counters begin anew with every write. */
  'counters-begin-anew': { killedBy: 'alarm', patch: () => countFromOne() },
  /** Puts carry what was read before what was read last. */
  'context-of-the-read-before': {
    killedBy: 'false-sibling',
    within: { conflict: 'siblings', blindShare: 0, retries: false, sessions: false },
    alterServe: withOlderContexts,
  },
  /** A delete leaves the tree as it was. */
  'tree-ignores-deletes': {
    killedBy: 'tree-not-of-its-records',
    within: {
      hints: false,
      antiEntropy: true,
      readRepair: 'off',
      conflict: 'siblings',
      deleteShare: 0.4,
      tombstoneGraceSeconds: 86_400,
      faults: ['isolate', 'kill'],
    },
    patch: ignoreDeletes,
  },
  /** Hints are acknowledged, and dropped. */
  'hints-dropped': {
    killedBy: 'too-few-copies',
    within: {
      nodes: 5,
      replicas: 3,
      w: 2,
      r: 2,
      pw: 0,
      pr: 0,
      sloppy: true,
      hints: true,
      antiEntropy: false,
      readRepair: 'off',
      conflict: 'siblings',
      faults: ['isolate', 'kill'],
      faultLastsMs: 8000,
    },
    alterPorts: (ports) => withStorage(ports, droppingHints),
  },
}

function served(node: DrivenNode, alter: (request: ClientRequest) => ClientRequest): DrivenNode['serve'] {
  const serve = node.serve.bind(node)
  return (request, done) => serve(alter(request), done)
}

function withLevels(request: ClientRequest, half: number): ClientRequest {
  const level = (asked: QuorumLevel | undefined): QuorumLevel | undefined => (asked === 'quorum' ? half : asked)
  if (request.type === 'get') return { ...request, options: { ...request.options, r: level(request.options.r) } }
  return { ...request, options: { ...request.options, w: level(request.options.w) } }
}

function sloppily(request: ClientRequest): ClientRequest {
  if (request.type === 'get') return request
  return { ...request, options: { ...request.options, sloppy: true } }
}

function countTwice(): Undo {
  const asked = new WeakMap<Write, NodeId[]>()
  return patched(
    Write.prototype,
    'handle',
    (original) =>
      function (this: Write, event) {
        const others = asked.get(this) ?? []
        asked.set(this, others)
        const effects = original.call(this, event)
        for (const effect of effects) if (effect.type === 'send-write') others.push(effect.to)
        if (event.type !== 'replica-acked') return effects
        const other = others.find((node) => node !== event.node)
        return other === undefined
          ? effects
          : [...effects, ...original.call(this, { type: 'replica-acked', node: other })]
      },
  )
}

type Answer = Response | Refusal

function takeForWritten(message: Answer, asked: Request['type'] | undefined): Answer {
  return asked === 'write-record' && message.type === 'refused' ? { type: 'record-written' } : message
}

function oneLate(): (message: Answer, asked: Request['type'] | undefined) => Answer {
  let late: Answer | undefined
  return (message, asked) => {
    if (asked !== 'read-record' || message.type !== 'record-read') return message
    const earlier = late ?? message
    late = message
    return earlier
  }
}

function doneTooEarly(storage: Storage): Storage {
  return alteredWrites(storage, (operations, sync, done) => {
    storage.write(operations, { sync }, () => {})
    done(undefined)
  })
}

/** A sibling goes if the other side knows its dot, give or take `slack` counters. */
function mergedBy(a: KeyRecord, b: KeyRecord, slack: number): KeyRecord {
  if (a.mode === 'lww' || b.mode === 'lww') return mergeRecords(a, b)
  const isSeen = (by: KeyRecord, dot: Dot): boolean => counterOf(by.vv, dot) >= dot.counter + slack
  const has = (by: KeyRecord, dot: Dot): boolean => by.siblings.some((one) => compareDots(one.dot, dot) === 0)
  const stays = (by: KeyRecord) => (one: Sibling) => has(by, one.dot) || !isSeen(by, one.dot)
  const ours = a.siblings.filter(stays(b))
  const theirs = b.siblings.filter((one) => !has(a, one.dot)).filter(stays(a))
  const siblings = [...ours, ...theirs].sort((x, y) => compareDots(x.dot, y.dot))
  return { ...mergeRecords(a, b), vv: mergeVectors(a.vv, b.vv), siblings }
}

function mintAsOne(): Undo {
  return patched(
    Minting.prototype,
    'mint',
    (original) =>
      function (this: Minting, ...args) {
        const mint = original.apply(this, args)
        return mint === undefined ? undefined : { ...mint, dot: { ...mint.dot, shortId: 1, generation: 1, born: 1 } }
      },
  )
}

function countFromOne(): Undo {
  return patched(
    Minting.prototype,
    'mint',
    (original) =>
      function (this: Minting, ...args) {
        const mint = original.apply(this, args)
        return mint === undefined ? undefined : { ...mint, dot: { ...mint.dot, born: 1, counter: 1 } }
      },
  )
}

function withOlderContexts(node: DrivenNode): DrivenNode['serve'] {
  const serve = node.serve.bind(node)
  const read = new Map<string, { readonly last: string | undefined; readonly before: string | undefined }>()
  return (request, done) => {
    if (request.type === 'put') {
      const before = read.get(request.key)?.before
      return serve(
        request.context === undefined || before === undefined ? request : { ...request, context: before },
        done,
      )
    }
    serve(request, (error, answer) => {
      if (answer?.type === 'got') {
        const known = read.get(request.key)
        if (known?.last !== answer.context) read.set(request.key, { last: answer.context, before: known?.last })
      }
      done(error, answer)
    })
  }
}

function ignoreDeletes(): Undo {
  return patched(
    MerkleTrees.prototype,
    'recordChanged',
    (original) =>
      function (this: MerkleTrees, change, operations) {
        if (change.after !== undefined && change.after.siblings.length === 0) return
        original.call(this, change, operations)
      },
  )
}

function droppingHints(storage: Storage): Storage {
  const isHint = ({ type, key }: StorageOperation): boolean => type === 'put' && key[0] === hintPrefix
  return alteredWrites(storage, (operations, sync, done) =>
    storage.write(
      operations.filter((operation) => !isHint(operation)),
      { sync },
      done,
    ),
  )
}

import type { Ports } from '../../lib/ports/ports.ts'
import type { Storage, StorageOperation } from '../../lib/ports/storage.ts'
import type { KeyRecord, Sibling } from '../../lib/protocol/causality/record.ts'
import { compareDots, mergeVectors } from '../../lib/protocol/causality/version-vector.ts'
import type { ClientRequest } from '../../lib/protocol/quorum/client-request.ts'
import { QuorumUnavailable } from '../../lib/vocabulary/errors.ts'
import type { Hash } from '../../lib/vocabulary/hash.ts'
import { decodeRecord } from '../../lib/wire/record.ts'
import { decodeStored } from '../../lib/wire/stored-record.ts'
import { alteredWrites, dataPrefix, metaPrefix, withStorage } from './alter-storage.ts'
import type { DrivenNode, NodeMaker } from './cluster.ts'
import type { Configuration } from './configuration.ts'
import { copyMutants } from './copy-mutants.ts'
import { layoutMutants } from './layout-mutants.ts'
import { lostCopyMutants } from './lost-copy-mutants.ts'
import type { Undo } from './patched.ts'
import { protocolMutants } from './protocol-mutants.ts'
import { repairMutants } from './repair-mutants.ts'
import { runSimulation, type SimulationResult } from './run-simulation.ts'
import type { Script } from './script.ts'
import { transferMutants } from './transfer-mutants.ts'
import { transitionMutants } from './transition-mutants.ts'

/**
 * A known bug, put into a node from outside: the checkers must notice each of them, or they prove nothing. None of it
 * is in the product.
 */
export interface Mutant {
  /** The check that must notice it. */
  readonly killedBy: string
  /** The first seed in which it does: where a search begins. */
  readonly seed?: number
  /** Where the promise it breaks is made, if not everywhere. */
  readonly within?: Partial<Configuration>
  readonly merge?: (a: KeyRecord, b: KeyRecord) => KeyRecord
  readonly alterPorts?: (ports: Ports) => Ports
  readonly alterServe?: (node: DrivenNode) => DrivenNode['serve']
  readonly alterSessions?: (node: DrivenNode) => DrivenNode['serveInSession']
  readonly readRepair?: 'off'
  readonly tombstoneGraceSeconds?: number
  /** Leaves out a rule in every node of the run. */
  readonly patch?: () => Undo
}

const strictQuorums = {
  r: 2,
  w: 2,
  pr: 0,
  pw: 0,
  replicas: 3,
  sloppy: false,
  keys: 8,
  conflict: 'siblings',
  sessions: false,
  retries: false,
  ttlShare: 0,
  readRepair: 'blocking',
} as const satisfies Partial<Configuration>

export const mutants: Readonly<Record<string, Mutant>> = {
  /** Superseded siblings come back with whoever still has them. */
  'merge-union': { killedBy: 'false-sibling', merge: mergeUnion },
  /** Of concurrent writes the one with the latest clock stays. */
  'merge-last-write-wins': { killedBy: 'lost-write-to-blind-write', merge: mergeLatest },
  /** What only one side has is taken for superseded. */
  'merge-intersection': { killedBy: 'lost-write', merge: mergeIntersection },
  /** The vectors are joined, the siblings are not. */
  'merge-keeps-ours': { killedBy: 'diverged', merge: (a, b) => ({ ...a, vv: mergeVectors(a.vv, b.vv) }) },
  /** Every put is blind. */
  'context-ignored': { seed: 6, killedBy: 'false-sibling', alterServe: (node) => serveAltered(node, withoutContext) },
  /** A blind put supersedes whatever is there. */
  'blind-sees-all': { killedBy: 'lost-write-to-blind-write', alterServe: serveBlindSeeingAll },
  /** A write is acknowledged by one owner, whatever W is. */
  'one-acknowledgement': { killedBy: 'too-few-copies', alterServe: (node) => serveAltered(node, withLevelOne) },
  /** A read asks one owner, whatever R is. */
  'one-answer': {
    killedBy: 'diverged',
    within: { ...strictQuorums, hints: false, antiEntropy: false, faults: ['isolate', 'halves'] },
    readRepair: 'off',
    alterServe: (node) => serveAltered(node, withOneAnswer),
  },
  /** What a read finds out of date stays so. */
  'no-read-repair': {
    killedBy: 'read-went-back',
    within: {
      ...strictQuorums,
      readShare: 0.7,
      blindShare: 0.2,
      timeoutMs: 500,
      hints: false,
      antiEntropy: false,
      faults: ['isolate', 'halves', 'one-way', 'lossy'],
      faultEveryMs: 500,
    },
    readRepair: 'off',
  },
  /** A write that failed for want of owners is reported as done. */
  'failure-is-success': { seed: 4, killedBy: 'too-few-copies', alterServe: serveReportingSuccess },
  /** Acknowledged before it is on the disk. */
  'never-synced': { seed: 1, killedBy: 'too-few-copies', alterPorts: (ports) => withStorage(ports, neverSynced) },
  /** A deleted key is forgotten at once, instead of leaving a tombstone. */
  'delete-forgets': {
    seed: 4,
    killedBy: 'resurrection',
    within: {
      ...strictQuorums,
      deleteShare: 0.5,
      hints: false,
      antiEntropy: true,
      tombstoneGraceSeconds: 86_400,
      faults: ['isolate', 'halves', 'kill'],
    },
    alterPorts: (ports) => withStorage(ports, (storage) => forgettingTombstones(storage, ports.hash)),
  },
  /** The store remembers no clean-stop marker, lease or generation. */
  'forgets-metadata': {
    killedBy: 'cluster-did-not-recover',
    alterPorts: (ports) => withStorage(ports, forgettingMetadata),
  },
  /** As long as anybody is away nobody serves. */
  'needs-everybody': {
    seed: 3,
    killedBy: 'no-progress',
    within: { triesLiveness: true },
    alterServe: serveWithEverybody,
  },
  ...protocolMutants,
  ...repairMutants,
  ...transitionMutants,
  ...transferMutants,
  ...copyMutants,
  ...lostCopyMutants,
  ...layoutMutants,
}

/** One run with that bug. Nobody changes the cluster, unless that is where the bug shows. */
export function simulateMutant(
  mutant: Mutant,
  run: {
    readonly seed: number
    readonly hash: Hash
    readonly makeNode: NodeMaker
    readonly operations?: number | undefined
    readonly script?: Script | undefined
  },
): SimulationResult {
  const change = (drawn: Configuration): Configuration => ({ ...drawn, churn: undefined, ...mutant.within })
  const undo = mutant.patch?.()
  try {
    return runSimulation({ ...run, makeNode: withMutant(run.makeNode, mutant), change })
  } finally {
    undo?.()
  }
}

/** Nodes with that bug. */
export function withMutant(makeNode: NodeMaker, mutant: Mutant): NodeMaker {
  return (ports, settings, parts) => {
    const node = makeNode(
      mutant.alterPorts?.(ports) ?? ports,
      {
        ...settings,
        readRepair: mutant.readRepair ?? settings.readRepair,
        tombstoneGraceSeconds: mutant.tombstoneGraceSeconds ?? settings.tombstoneGraceSeconds,
      },
      mutant.merge === undefined ? parts : { ...parts, merge: mutant.merge },
    )
    if (mutant.alterServe !== undefined) node.serve = mutant.alterServe(node)
    if (mutant.alterSessions !== undefined) node.serveInSession = mutant.alterSessions(node)
    return node
  }
}

function mergeUnion(a: KeyRecord, b: KeyRecord): KeyRecord {
  const added = b.siblings.filter((sibling) => !has(a.siblings, sibling))
  return joined(a, b, [...a.siblings, ...added])
}

function mergeIntersection(a: KeyRecord, b: KeyRecord): KeyRecord {
  return joined(
    a,
    b,
    a.siblings.filter((sibling) => has(b.siblings, sibling)),
  )
}

function mergeLatest(a: KeyRecord, b: KeyRecord): KeyRecord {
  const all = [...a.siblings, ...b.siblings]
  const latest = all.toSorted((x, y) => y.hlc - x.hlc || compareDots(x.dot, y.dot))[0]
  return joined(a, b, latest === undefined ? [] : [latest])
}

function joined(a: KeyRecord, b: KeyRecord, siblings: readonly Sibling[]): KeyRecord {
  const sorted = siblings.toSorted((x, y) => compareDots(x.dot, y.dot))
  return { ...a, vv: mergeVectors(a.vv, b.vv), siblings: sorted }
}

function has(siblings: readonly Sibling[], one: Sibling): boolean {
  return siblings.some((sibling) => compareDots(sibling.dot, one.dot) === 0)
}

function serveAltered(node: DrivenNode, alter: (request: ClientRequest) => ClientRequest): DrivenNode['serve'] {
  const serve = node.serve.bind(node)
  return (request, done) => serve(alter(request), done)
}

function withoutContext(request: ClientRequest): ClientRequest {
  return request.type === 'put' ? { ...request, context: undefined } : request
}

function withLevelOne(request: ClientRequest): ClientRequest {
  return request.type === 'get' ? request : { ...request, options: { ...request.options, w: 1, pw: 0 } }
}

function withOneAnswer(request: ClientRequest): ClientRequest {
  return request.type === 'get' ? { ...request, options: { ...request.options, r: 1, pr: 0 } } : request
}

function serveBlindSeeingAll(node: DrivenNode): DrivenNode['serve'] {
  const serve = node.serve.bind(node)
  return (request, done) => {
    if (request.type !== 'put' || request.context !== undefined) return serve(request, done)
    const { bucket, key, timeoutMs } = request
    const options = { r: 1, pr: 0, sloppy: true }
    serve({ type: 'get', bucket, key, timeoutMs, options }, (_error, answer) => {
      serve({ ...request, context: answer?.type === 'got' ? answer.context : undefined }, done)
    })
  }
}

function serveWithEverybody(node: DrivenNode): DrivenNode['serve'] {
  const serve = node.serve.bind(node)
  return (request, done) => {
    if (node.status().members.every(({ state }) => state === 'alive')) return serve(request, done)
    done(new QuorumUnavailable('somebody is away', { hint: 'wait' }), undefined)
  }
}

function serveReportingSuccess(node: DrivenNode): DrivenNode['serve'] {
  const serve = node.serve.bind(node)
  return (request, done) =>
    serve(request, (error, answer) => {
      const coordinator = node.self().id
      if (error === undefined || request.type === 'get' || coordinator === undefined) return done(error, answer)
      const quorum = {
        kind: 'w',
        answered: 0,
        needed: 0,
        owners: 0,
        fallbacks: 0,
        coordinator,
      } as const
      done(undefined, { type: 'written', context: undefined, state: undefined, quorum })
    })
}

function neverSynced(storage: Storage): Storage {
  return alteredWrites(storage, (operations, _sync, done) => storage.write(operations, { sync: false }, done))
}

function forgettingTombstones(storage: Storage, hash: Hash): Storage {
  const isTombstone = (operation: StorageOperation): boolean =>
    operation.type === 'put' &&
    operation.key[0] === dataPrefix &&
    decodeRecord(decodeStored(operation.value, hash).recordBytes, hash).siblings.length === 0
  const forget = (operation: StorageOperation): StorageOperation =>
    isTombstone(operation) ? { type: 'delete', key: operation.key } : operation
  return alteredWrites(storage, (operations, sync, done) => storage.write(operations.map(forget), { sync }, done))
}

function forgettingMetadata(storage: Storage): Storage {
  return {
    ...alteredWrites(storage, (operations, sync, done) => storage.write(operations, { sync }, done)),
    get: (key) => (key[0] === metaPrefix ? undefined : storage.get(key)),
  }
}

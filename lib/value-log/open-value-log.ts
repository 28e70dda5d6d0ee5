import type { Segments } from '../ports/segments.ts'
import {
  type OpenedStorage,
  type Storage,
  StorageError,
  type StorageFailure,
  type StorageOpener,
  type ValueLogControl,
} from '../ports/storage.ts'
import type { Time } from '../ports/time.ts'
import type { Hash } from '../vocabulary/hash.ts'
import { invariant } from '../vocabulary/invariant.ts'
import { checkpointKey, damageKey, isOwnKey, parseCheckpoint } from './index-entry.ts'
import { Reclaimer } from './reclaimer.ts'
import { replay } from './replay.ts'
import { granuleBytes, SegmentTable } from './segment-table.ts'
import { type ValueLogSettings, valueLogSettingsDefault } from './settings.ts'
import { ValueLog } from './value-log.ts'

export interface ValueLogPorts {
  /** Holds the lock of the place as well: it is opened first and closed last. */
  readonly index: StorageOpener
  /** @throws StorageError */
  readonly openSegments: () => Segments
  readonly hash: Hash
  readonly time: Time
}

const everything = { from: new Uint8Array(0), to: new Uint8Array(64).fill(255) }

/**
 * The storage port over an index and a log. An index that was used alone before is taken as it is: its values stay where
 * they are until they are written anew.
 */
export function createValueLog(ports: ValueLogPorts, settings: Partial<ValueLogSettings> = {}): StorageOpener {
  const all = { ...valueLogSettingsDefault, ...settings }
  invariant(all.loggedBytesMin >= granuleBytes, 'no two values of the log begin in one granule')
  return {
    open(done) {
      ports.index.open((failure, opened) => {
        if (opened === undefined) return done(failure, undefined)
        openOver(ports, all, opened, (failure, log) => {
          if (failure === undefined) done(undefined, log)
          else opened.storage.close(() => done(failure, undefined))
        })
      })
    },
  }
}

function openOver(
  ports: ValueLogPorts,
  settings: ValueLogSettings,
  index: OpenedStorage,
  done: (failure: StorageFailure | undefined, opened: OpenedStorage | undefined) => void,
): void {
  let begun: Begun
  let segments: Segments | undefined
  try {
    segments = ports.openSegments()
    begun = begin(ports, settings, index, segments)
  } catch (error) {
    segments?.close()
    if (!(error instanceof StorageError)) throw error
    return done(error.failure, undefined)
  }
  const { log, damage } = begun
  const opened = segments
  index.storage.scan({ ...everything, entriesMax: 3 }, (failure, entries) => {
    if (failure !== undefined) {
      opened.close()
      return done(failure, undefined)
    }
    const isEmpty = begun.isEmpty && entries.every(({ key }) => isOwnKey(key))
    // Nothing is acknowledged before it is written down how far the log was good, and what was not.
    const told = damage.length === 0 ? undefined : new TextEncoder().encode(damage.join('\n'))
    log.follow((failure) => {
      if (failure !== undefined) {
        opened.close()
        return done(failure, undefined)
      }
      for (const number of begun.abandoned) opened.remove(number, () => {})
      const reclaimer = new Reclaimer(log, { segments: opened, hash: ports.hash, time: ports.time, settings })
      log.onFollowed = () => reclaimer.wake()
      reclaimer.wake()
      done(undefined, {
        storage: withReclaimer(log, reclaimer),
        damage: [...index.damage, ...damage],
        empty: isEmpty,
        valueLog: controlOf(log, reclaimer),
      })
    }, told)
  })
}

interface Begun {
  readonly log: ValueLog
  readonly damage: readonly string[]
  /** Segments that nothing refers to: a crash came before they were removed. */
  readonly abandoned: readonly number[]
  readonly isEmpty: boolean
}

function begin(ports: ValueLogPorts, settings: ValueLogSettings, index: OpenedStorage, segments: Segments): Begun {
  const files = segments.list()
  const stored = index.storage.get(checkpointKey)
  const checkpoint =
    stored === undefined ? { segment: 1, offset: 0, sequence: 1, segments: [] } : parseCheckpoint(stored)
  if (checkpoint === undefined) throw corrupt('the checkpoint of the value log is damaged, or of a newer release')
  if (stored === undefined && files.some(({ bytes }) => bytes > 0))
    throw corrupt('there is a value log, but no checkpoint of it')
  const table = new SegmentTable()
  const abandoned: number[] = []
  for (const { number, bytes } of files) {
    const figures = checkpoint.segments.find((each) => each.number === number)
    // Those behind the checkpoint are new to the index; those before it that it does not know are left-overs.
    if (figures === undefined && number < checkpoint.segment) abandoned.push(number)
    else table.load(number, bytes, figures, figures !== undefined && number < checkpoint.segment)
  }
  const told = index.storage.get(damageKey)
  const damage = told === undefined ? [] : new TextDecoder().decode(told).split('\n')
  const missing = checkpoint.segments.filter(
    ({ number, loggedBytes, deadBytes }) => loggedBytes > deadBytes && !files.some((file) => file.number === number),
  )
  for (const { number } of missing) damage.push(`value log: segment ${number} is missing`)
  const numbers = files.map(({ number }) => number)
  const behind = numbers.filter((number) => number >= checkpoint.segment)
  const log = new ValueLog(
    { index: index.storage, segments, hash: ports.hash, time: ports.time, settings },
    table,
    checkpoint,
    behind,
  )
  const end = replay(segments, numbers, checkpoint, ports.hash, (frame) =>
    log.replay(frame.records, frame.segment, frame.offset),
  )
  const last = numbers.at(-1) ?? 0
  const isAsItWasClosed = end.sequence === checkpoint.sequence && end.damage === undefined && last <= checkpoint.segment
  // What is drained must not be written to.
  const goesOn = isAsItWasClosed && table.bytesOf(checkpoint.segment) === checkpoint.offset && !settings.isDraining
  if (!goesOn) {
    // What lies behind the last whole frame stays where it is, and is never read: the log goes on in a new segment.
    log.goOnAt({ segment: Math.max(last, checkpoint.segment) + 1, offset: 0, sequence: end.sequence })
  }
  if (end.damage !== undefined) damage.push(end.damage)
  return { log, damage: [...new Set(damage)], abandoned, isEmpty: end.sequence === 1 }
}

function corrupt(message: string): StorageError {
  return new StorageError({ kind: 'corrupt', message })
}

/** Reclaiming ends before the store does. */
function withReclaimer(log: ValueLog, reclaimer: Reclaimer): Storage {
  return {
    get: (key) => log.get(key),
    write: (operations, options, done) => log.write(operations, options, done),
    scan: (range, done) => log.scan(range, done),
    close: (done) => {
      reclaimer.stop()
      log.close(done)
    },
  }
}

function controlOf(log: ValueLog, reclaimer: Reclaimer): ValueLogControl {
  return {
    figures: () => ({
      segments: log.table.count,
      bytes: log.table.bytes,
      liveBytes: log.table.liveBytes,
      reclaimedBytes: reclaimer.reclaimedBytes,
      reclaimSeconds: reclaimer.seconds,
    }),
    reclaimOnlyWhile: (mayWork) => {
      reclaimer.mayWork = mayWork
    },
  }
}

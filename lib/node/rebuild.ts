import type { Ports } from '../ports/ports.ts'
import type { Storage, StorageFailure } from '../ports/storage.ts'
import { type Identity, readIdentity, UnreadableIdentity } from './identity-file.ts'
import type { NodeSettings } from './node-settings.ts'
import { RebuildCheck } from './rebuild-check.ts'
import { StartProblem } from './start-problem.ts'

const scanEntriesMax = 1_000

/**
 * `start --rebuild`: puts a damaged data directory aside, so that the node starts with an empty one and takes up its
 * identity by name (docs/rules.md L2, A5). Refused where the directory is whole, and where a partition has no other
 * owner that lives and has it whole. The directory is open at the beginning, and closed when this has succeeded.
 */
export function rebuild(ports: Ports, settings: NodeSettings, done: (problem: StartProblem | undefined) => void): void {
  const { directory, log, time } = ports
  let identity: Identity | undefined
  let reason: string | undefined
  try {
    identity = readIdentity(directory)
  } catch (error) {
    if (!(error instanceof UnreadableIdentity)) throw error
    reason = error.message
  }
  if (identity === undefined && reason === undefined) {
    return done(refused(`${directory.path} is new: there is nothing to rebuild`, 'start without --rebuild'))
  }
  if (identity !== undefined && identity.cluster !== settings.cluster) {
    return done(
      refused(
        `${directory.path} belongs to cluster "${identity.cluster}", not "${settings.cluster}"`,
        'use another --data, or the right --cluster',
      ),
    )
  }
  const check = (damage: string): void => {
    new RebuildCheck(ports, settings, identity, (problem) => {
      if (problem !== undefined) return done(problem)
      let aside: string
      try {
        aside = directory.setAside()
      } catch (error) {
        const why = error instanceof Error ? error.message : String(error)
        return done(
          refused(
            `${directory.path} cannot be renamed: ${why}`,
            'move what is in it away by hand, and start with the empty directory under the same --name',
          ),
        )
      }
      log.warn(
        { damage, aside, name: settings.name },
        'the damaged data directory was put aside: the node starts empty, and reads its data from the other owners',
      )
      time.soon(() => done(undefined))
    }).begin()
  }
  if (reason !== undefined) return check(reason)
  findDamage(ports, (failure) => {
    if (failure !== undefined) {
      if (!isDamage(failure)) {
        return done(refused(`the store in ${directory.path} is not damaged: ${failure.message}`, 'mend the disk first'))
      }
      return check(failure.message)
    }
    done(refused(`the store in ${directory.path} can be read: nothing is to be rebuilt`, 'start without --rebuild'))
  })
}

/** Opens the store and reads all of it: some damage shows only where it lies. */
function findDamage(ports: Ports, done: (failure: StorageFailure | undefined) => void): void {
  ports.storage.open((failure, opened) => {
    if (opened === undefined) return done(failure ?? { kind: 'failed', message: 'the store cannot be opened' })
    const { storage } = opened
    scanFrom(storage, new Uint8Array(0), (scanFailure) => storage.close(() => done(scanFailure)))
  })
}

function scanFrom(storage: Storage, from: Uint8Array, done: (failure: StorageFailure | undefined) => void): void {
  storage.scan({ from, to: keyAboveAll, entriesMax: scanEntriesMax }, (failure, entries) => {
    const last = entries.at(-1)
    if (failure !== undefined || last === undefined || entries.length < scanEntriesMax) return done(failure)
    // The least key behind the last one.
    const next = new Uint8Array(last.key.length + 1)
    next.set(last.key)
    scanFrom(storage, next, done)
  })
}

/** A full or read-only disk may hold a whole store. */
function isDamage({ kind }: StorageFailure): boolean {
  return kind === 'corrupt' || kind === 'failed' || kind === 'foreign'
}

/** Store keys begin with a letter. */
const keyAboveAll = Uint8Array.of(0xff)

function refused(message: string, hint: string): StartProblem {
  return new StartProblem('rebuild-refused', message, hint)
}

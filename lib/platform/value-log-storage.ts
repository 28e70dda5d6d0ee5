import { existsSync } from 'node:fs'
import { join } from 'node:path'
import type { StorageOpener } from '../ports/storage.ts'
import type { Time } from '../ports/time.ts'
import { createValueLog } from '../value-log/open-value-log.ts'
import type { ValueLogSettings } from '../value-log/settings.ts'
import type { Hash } from '../vocabulary/hash.ts'
import { valuesName } from './level-files.ts'
import { createLevelStorage, type LevelSettings } from './level-storage.ts'
import { openSegmentFiles } from './segment-files.ts'

/**
 * The storage port on LevelDB with a log for large values, in the directory `path`. The log lies inside LevelDB's
 * directory: a release that does not know it refuses to open a directory that holds a stranger.
 */
export function createValueLogStorage(
  path: string,
  parts: { readonly hash: Hash; readonly time: Time },
  settings: LevelSettings = {},
  valueLog: Partial<ValueLogSettings> = {},
): StorageOpener {
  return createValueLog(
    {
      ...parts,
      index: createLevelStorage(path, settings, 'with-value-log'),
      openSegments: () => openSegmentFiles(join(path, valuesName)),
    },
    valueLog,
  )
}

/**
 * The storage port for whoever wants no log: LevelDB alone. A log that is there is emptied into LevelDB in the background, and
 * goes with the first close in good order after that.
 */
export function createDrainedStorage(
  path: string,
  parts: { readonly hash: Hash; readonly time: Time },
  settings: LevelSettings = {},
): StorageOpener {
  return {
    open(done) {
      const hasLog = existsSync(join(path, valuesName))
      const opener = hasLog
        ? createValueLogStorage(path, parts, settings, { isDraining: true })
        : createLevelStorage(path, settings)
      opener.open(done)
    },
  }
}

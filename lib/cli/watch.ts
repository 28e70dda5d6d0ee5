import { setTimeout as sleep } from 'node:timers/promises'
import { type Command, Option } from 'commander'
import { StarlingError } from '../vocabulary/errors.ts'
import { parseWhole } from './client-options.ts'
import { note, reportError, writeData } from './output.ts'

export interface WatchOptions {
  /** Seconds between two looks; `true` is the default. */
  readonly watch?: number | true
  readonly json?: boolean
}

export function addWatchOption(command: Command): Command {
  const option = new Option('--watch [SECONDS]', 'show again and again until interrupted (default: every second)')
  return command.addOption(option.argParser((text) => parseWhole(text, 1, 3600)))
}

/**
 * Shows once, or again and again: on a terminal in place, elsewhere one after the other. While watching, a node that
 * cannot be asked is shown as that and asked again.
 */
export async function showOrWatch(options: WatchOptions, show: () => Promise<void>): Promise<void> {
  if (options.watch === undefined) return show()
  const seconds = options.watch === true ? 1 : options.watch
  for (;;) {
    if (process.stdout.isTTY && options.json !== true) await writeData('\x1b[H\x1b[2J')
    try {
      await show()
    } catch (error) {
      if (!(error instanceof StarlingError)) throw error
      reportError(error, options.json === true)
    }
    if (process.stdout.isTTY && options.json !== true) note(`every ${seconds} s; Ctrl-C ends`)
    await sleep(seconds * 1000)
  }
}

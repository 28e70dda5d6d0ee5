import { randomBytes } from 'node:crypto'
import { existsSync, writeFileSync } from 'node:fs'
import { formatSecretKey, secretKeyBytes } from '../../security/keyring.ts'

/** What a demo is closed with. */
export interface DemoLocks {
  readonly secretFile: string
  readonly tokenFile: string
}

export function locksIn(directory: string): DemoLocks {
  return { secretFile: `${directory}/secret`, tokenFile: `${directory}/token` }
}

/** Those that are there stay: the nodes of the last time know them. */
export function makeLocks({ secretFile, tokenFile }: DemoLocks): void {
  for (const file of [secretFile, tokenFile]) {
    // A secret and a token are as long, and as hard to guess.
    if (!existsSync(file))
      writeFileSync(file, `${formatSecretKey(randomBytes(secretKeyBytes))}\n`, { mode: 0o600, flag: 'wx' })
  }
}

import { readFileSync } from 'node:fs'
import { StarlingError } from '../vocabulary/errors.ts'
import { checkedToken } from '../vocabulary/shown-token.ts'
import { UsageError } from './exit-code.ts'

/** Where a command finds the token that it shows. Never on the command line, which every user of the machine can read. */
export interface TokenOptions {
  readonly tokenFile?: string
}

/**
 * The token to show: of `--token-file`, of STARLING_TOKEN, or of the file that STARLING_TOKEN_FILE names (the one that a
 * node of this machine was started with); undefined: none.
 *
 * @throws {UsageError} when the file cannot be read, or there is no token where one is said to be
 */
export function tokenOf({ tokenFile }: TokenOptions, environment = process.env): string | undefined {
  const { STARLING_TOKEN: given, STARLING_TOKEN_FILE: file } = environment
  if (tokenFile !== undefined) return tokenIn(tokenFile, '--token-file')
  if (given !== undefined && given !== '') return checked(given.trim(), 'STARLING_TOKEN')
  return file === undefined || file === '' ? undefined : tokenIn(file, 'STARLING_TOKEN_FILE')
}

/** The first of a token file: empty lines and comments are skipped. */
function tokenIn(file: string, where: string): string {
  let text: string
  try {
    text = readFileSync(file, 'utf8')
  } catch (error) {
    throw new UsageError(`${where}: ${file} cannot be read: ${(error as Error).message}`)
  }
  const lines = text.split('\n').map((line) => line.trim())
  const token = lines.find((line) => line !== '' && !line.startsWith('#'))
  if (token === undefined) throw new UsageError(`${where}: ${file} holds no token`)
  return checked(token, where)
}

function checked(token: string, where: string): string {
  try {
    return checkedToken(token)
  } catch (error) {
    if (!(error instanceof StarlingError)) throw error
    throw new UsageError(`${where}: ${error.message}`, error.hint)
  }
}
